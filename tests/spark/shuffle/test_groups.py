"""Groups, of one side or several, in little memory."""

from __future__ import annotations

import os
import pickle
import random
from collections import Counter, defaultdict
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimesos.spark.env import WorkerEnv
from minimesos.spark.shuffle.files import SpillFile
from minimesos.spark.shuffle.groups import Groups, SpilledList, hold, pairs_of, pairs_of_few
from minimesos.spark.shuffle.memory import MemoryLimit
from minimesos.spark.taskcontext import TaskContext


class ShortMemory(MemoryLimit):
    """Is over its limit at every n-th look."""

    __slots__ = ("every", "looks")

    def __init__(self, every=1):
        super().__init__(1)
        self.every = every
        self.looks = 0

    def exceeded(self):
        self.looks += 1
        return self.looks % self.every == 0


def enough():
    return MemoryLimit(2**60)


def spilled_list(directory, values):
    return SpilledList(values, SpillFile(str(directory)), enough())


def grouped(sides):
    found = defaultdict(lambda: tuple([] for _ in sides))
    for side, pairs in enumerate(sides):
        for key, value in pairs:
            found[key][side].append(value)
    return dict(found)


def gathered(groups):
    items = [(key, tuple(map(list, values))) for key, values in groups.items()]
    assert len(items) == len(dict(items))
    return dict(items)


pairs = st.lists(st.tuples(st.integers(0, 20), st.integers()), max_size=300)


@settings(deadline=None, max_examples=60)
@given(sides=st.lists(pairs, min_size=1, max_size=3), every=st.integers(1, 5))
def test_groups_are_the_same_however_short_memory_is(tmp_path_factory, sides, every):
    directory = tmp_path_factory.mktemp("spills")
    for memory in (enough(), ShortMemory(every)):
        groups = Groups(len(sides), str(directory), memory)
        for side, its_pairs in enumerate(sides):
            half = len(its_pairs) // 2
            groups.add_pairs(side, its_pairs[:half])
            rest = its_pairs[half:]
            groups.add_values(side, [key for key, _ in rest], [value for _, value in rest])
        assert gathered(groups) == grouped(sides)
    assert os.listdir(directory) == []


def test_a_huge_key_becomes_a_list_in_a_file_and_small_ones_stay_plain_lists(tmp_path):
    memory = ShortMemory()
    groups = Groups(1, str(tmp_path), memory)
    groups.add_pairs(0, (("huge" if n % 10 else n, n) for n in range(8_000)))
    found = {key: values for key, (values,) in groups.items()}
    huge = found.pop("huge")
    assert type(huge) is SpilledList
    assert len(huge) == 7_200
    for _ in range(2):  # many times
        assert list(huge) == [n for n in range(8_000) if n % 10]
    assert {type(values) for values in found.values()} == {list}
    assert memory.counters.disk_spilled_bytes > 0


def test_groups_that_fit_into_memory_touch_no_disk(tmp_path):
    memory = enough()
    groups = Groups(2, str(tmp_path / "missing"), memory)
    groups.add_pairs(0, [("a", 1), ("a", 2)])
    groups.add_pairs(1, [("b", 3)])
    assert dict(groups.items()) == {"a": ([1, 2], ()), "b": ((), [3])}
    assert memory.counters.disk_spilled_bytes == 0


def test_keys_of_one_hash_are_kept_apart(tmp_path):
    groups = Groups(1, str(tmp_path), ShortMemory())
    groups.add_pairs(0, ((SameHash(n % 40), n) for n in range(4_000)))
    found = {key.number: len(values) for key, (values,) in groups.items()}
    assert found == dict.fromkeys(range(40), 100)


class SameHash:
    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return 7

    def __eq__(self, other):
        return self.number == other.number


def test_groups_that_are_left_half_way_leave_nothing(tmp_path):
    groups = Groups(1, str(tmp_path), ShortMemory())
    groups.add_pairs(0, ((n % 100, n) for n in range(3_000)))
    before = len(os.listdir("/proc/self/fd"))
    items = groups.items()
    next(items)
    items.close()
    del items, groups
    assert len(os.listdir("/proc/self/fd")) < before
    assert os.listdir(tmp_path) == []


def test_a_spilled_list_is_counted_iterated_extended_and_pickled(tmp_path):
    values = spilled_list(tmp_path, list(range(5_000)))
    values.append("x")
    values += range(10)
    expected = [*range(5_000), "x", *range(10)]
    assert len(values) == len(expected)
    assert list(values) == list(values) == expected
    assert "x" in values
    assert "y" not in values
    assert pickle.loads(pickle.dumps(values)) == expected


def test_a_spilled_list_can_grow_while_somebody_reads_it(tmp_path):
    values = spilled_list(tmp_path, list(range(3_000)))
    reading = iter(values)
    next(reading)
    values += range(9_000)
    assert len(list(values)) == 12_000


@pytest.mark.parametrize("long", [(True, True), (True, False), (False, True), (False, False)])
def test_all_pairs_of_two_lists_of_which_any_may_be_spilled(tmp_path, long):
    left, right = list(range(1500)), list("abc")
    sides = [
        spilled_list(tmp_path, values) if is_long else values
        for values, is_long in zip((left, right), long, strict=True)
    ]
    assert Counter(pairs_of(*sides)) == Counter(product(left, right))
    assert Counter(pairs_of_few(iter(left), sides[1])) == Counter(product(left, right))


def test_items_are_held_in_memory_while_they_fit_and_in_a_file_if_not(tmp_path):
    task = TaskContext(env=WorkerEnv("0", "h", str(tmp_path), {}, None, None))
    assert hold(iter(range(100_000)), task) == list(range(100_000))
    task.env.conf["spark.python.worker.memory"] = "1m"
    held = hold(iter(range(100_000)), task)
    assert type(held) is SpilledList
    assert list(held) == list(range(100_000))


def test_blocks_of_long_groups_are_cut(tmp_path):
    numbers = random.Random(3)
    groups = Groups(1, str(tmp_path), ShortMemory(60))
    groups.add_pairs(0, ((n % 2, numbers.randbytes(500)) for n in range(20_000)))
    assert sum(len(values) for _, (values,) in groups.items()) == 20_000
