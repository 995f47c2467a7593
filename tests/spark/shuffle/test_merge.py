from __future__ import annotations

import gc
import operator
import os
import random
import weakref
from collections import Counter

import pytest

from minimesos.spark.dependency import Aggregator, identity
from minimesos.spark.env import WorkerEnv
from minimesos.spark.io.compression import find_codec
from minimesos.spark.shuffle.memory import MemoryLimit, resident_bytes
from minimesos.spark.shuffle.merge import Merger
from minimesos.spark.shuffle.sorting import sort_records
from minimesos.spark.taskcontext import TaskContext

LISTS = Aggregator(lambda v: [v], lambda c, v: [*c, v], operator.add)


class Memory:
    """Says that memory is over its limit at every n-th look."""

    def __init__(self, every):
        self.every = every
        self.looks = 0

    def resident(self):
        self.looks += 1
        return 1000 if self.looks % self.every == 0 else 0

    def limit(self):
        return FixedLimit(1000, self.resident)


class FixedLimit(MemoryLimit):
    """One that does not follow the resident set after a spill, so that it is met again."""

    def spilled(self, disk_bytes):
        self.counters.disk_spilled_bytes += disk_bytes


def task_with(conf):
    return TaskContext(env=WorkerEnv("0", "h0", "/nowhere", conf, None, None))


def sums(function=operator.add):
    return Aggregator(identity, function, function)


def records(count, keys):
    numbers = random.Random(7)
    return [(f"key-{numbers.randrange(keys)}", numbers.randrange(100)) for _ in range(count)]


def expected_sums(pairs):
    total = Counter()
    for key, value in pairs:
        total[key] += value
    return total


@pytest.mark.parametrize(
    "function", [operator.add, lambda a, b: a + b, lambda x, y: y + x, lambda a, b: sum((a, b))]
)
@pytest.mark.parametrize("every", [3, 10**9])
def test_values_are_merged_by_key_with_and_without_spills(tmp_path, function, every):
    pairs = records(50_000, 3_000)
    memory = Memory(every).limit()
    merger = Merger(sums(function), str(tmp_path), memory)
    merger.merge_values(pairs)
    merged = list(merger.items())
    assert len(merged) == len({key for key, _ in pairs})
    assert dict(merged) == expected_sums(pairs)
    assert (memory.counters.disk_spilled_bytes > 0) == (every == 3)


def test_combiners_are_merged_by_key_with_spills(tmp_path):
    pairs = records(60_000, 20_000)
    blocks = []
    for start in range(0, len(pairs), 5_000):
        part = expected_sums(pairs[start : start + 5_000])
        blocks.append((list(part), list(part.values())))
    memory = Memory(2).limit()
    merger = Merger(sums(), str(tmp_path), memory)
    merger.merge_combiners(blocks)
    assert dict(merger.items()) == expected_sums(pairs)
    assert memory.counters.disk_spilled_bytes > 0


def test_addition_never_changes_values_in_place(tmp_path):
    first = [1]
    merger = Merger(sums(lambda a, b: a + b), str(tmp_path), Memory(10**9).limit())
    merger.merge_values([("k", first), ("k", [2])])
    assert dict(merger.items()) == {"k": [1, 2]}
    assert first == [1]


def test_a_function_that_only_looks_like_addition_is_called(tmp_path):
    merger = Merger(sums(lambda a, b: b + a), str(tmp_path), Memory(10**9).limit())
    merger.merge_values([("k", "a"), ("k", "b")])
    assert dict(merger.items()) == {"k": "ba"}


def test_a_create_combiner_is_called_even_if_values_are_added(tmp_path):
    aggregator = Aggregator(lambda value: value * 10, operator.add, operator.add)
    merger = Merger(aggregator, str(tmp_path), Memory(10**9).limit())
    merger.merge_values([("k", 1), ("k", 1)])
    assert dict(merger.items()) == {"k": 11}


def test_one_huge_key_is_merged_although_no_split_helps(tmp_path):
    merger = Merger(LISTS, str(tmp_path), Memory(1).limit())
    merger.merge_values(("only", n) for n in range(6_000))
    ((key, values),) = merger.items()
    assert key == "only"
    assert sorted(values) == list(range(6_000))


def test_none_is_a_value_like_any_other(tmp_path):
    merger = Merger(
        Aggregator(identity, lambda a, b: a, lambda a, b: a), str(tmp_path), Memory(10**9).limit()
    )
    merger.merge_values([("k", None), ("k", 1)])
    assert dict(merger.items()) == {"k": None}


def test_spills_leave_no_files_behind(tmp_path):
    merger = Merger(sums(), str(tmp_path), Memory(2).limit())
    merger.merge_values(records(20_000, 1_000))
    half = merger.items()
    next(half)
    half.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("every", [1, 4, 10**9])
def test_sorting_is_stable_with_and_without_spills(tmp_path, every, reverse):
    numbers = random.Random(1)
    items = [(numbers.randrange(50), position) for position in range(20_000)]
    memory = Memory(every).limit()
    ordered = sort_records(items, str(tmp_path), memory, key=lambda item: item[0], reverse=reverse)
    assert list(ordered) == sorted(items, key=lambda item: item[0], reverse=reverse)
    assert os.listdir(tmp_path) == []


def test_the_limit_is_looked_at_less_often_while_memory_is_far_below_it():
    limit = MemoryLimit(1000, lambda: 10)
    first = limit.records_until_check
    for _ in range(20):
        assert not limit.exceeded()
    assert limit.records_until_check > 10 * first


def test_after_a_spill_the_limit_follows_what_python_keeps():
    resident = [1500]
    limit = MemoryLimit(1000, lambda: resident[0])
    assert limit.exceeded()
    limit.spilled(10)
    assert limit.counters.disk_spilled_bytes == 10
    assert not limit.exceeded()
    resident[0] = 1600
    assert limit.exceeded()


def test_resident_memory_is_that_of_this_process():
    before = resident_bytes()
    ballast = bytearray(b"x") * 50_000_000
    assert resident_bytes() - before > 40_000_000
    del ballast


def test_what_is_spilled_is_compressed_as_is_set():
    assert MemoryLimit.of(task_with({})).compression is not None
    assert MemoryLimit.of(task_with({"spark.shuffle.spill.compress": "false"})).compression is None


def test_spills_are_written_by_the_codec_of_the_limit(tmp_path):
    sizes = []
    for compression in (find_codec("zlib"), None):
        limit = Memory(3).limit()
        limit.compression = compression
        merger = Merger(sums(), str(tmp_path), limit)
        merger.merge_values((f"a rather long word {number % 5000}", 1) for number in range(20_000))
        assert sum(count for _, count in merger.items()) == 20_000
        sizes.append(limit.counters.disk_spilled_bytes)
    assert sizes[0] < sizes[1] / 1.5


def test_what_was_merged_is_freed_without_a_garbage_collector(tmp_path):
    # Workers have none: in a cycle, every task would leave its data behind.
    class Value:
        pass

    gone = []
    value = Value()
    weakref.finalize(value, gone.append, True)
    gc.disable()
    try:
        merger = Merger(sums(), str(tmp_path), Memory(10**9).limit())
        merger.merge_values([("k", value)])
        del value
        assert len(list(merger.items())) == 1
        del merger
        assert gone == [True]
    finally:
        gc.enable()
