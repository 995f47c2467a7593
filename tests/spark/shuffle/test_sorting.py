"""Sorting in little memory."""

from __future__ import annotations

import math
import os
import random
from operator import itemgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimesos.spark.shuffle import sorting
from minimesos.spark.shuffle.memory import MemoryLimit
from minimesos.spark.shuffle.sorting import sort_records


class ShortMemory(MemoryLimit):
    """Is over its limit at every n-th look."""

    __slots__ = ("every", "looks")

    def __init__(self, every):
        super().__init__(1)
        self.every = every
        self.looks = 0

    def exceeded(self):
        self.looks += 1
        return self.looks % self.every == 0


@settings(deadline=None, max_examples=100)
@given(
    keys=st.lists(st.integers(0, 9), max_size=500), every=st.integers(1, 6), reverse=st.booleans()
)
def test_sorting_is_stable_however_short_memory_is(tmp_path_factory, keys, every, reverse):
    directory = tmp_path_factory.mktemp("spills")
    records = [(key, place) for place, key in enumerate(keys)]
    found = sort_records(records, str(directory), ShortMemory(every), itemgetter(0), reverse)
    assert list(found) == sorted(records, key=itemgetter(0), reverse=reverse)
    assert os.listdir(directory) == []


@pytest.mark.parametrize("reverse", [False, True])
def test_equal_keys_that_fill_many_blocks_keep_their_order(tmp_path, reverse):
    records = [(place // 9_000, place) for place in range(30_000)]
    random.Random(1).shuffle(records)
    found = list(sort_records(records, str(tmp_path), ShortMemory(7), itemgetter(0), reverse))
    assert found == sorted(records, key=itemgetter(0), reverse=reverse)


@pytest.mark.parametrize("reverse", [False, True])
def test_runs_are_short_and_get_longer_the_more_there_are(tmp_path, monkeypatch, reverse):
    monkeypatch.setattr(sorting, "_RUN_RECORDS", 100)
    monkeypatch.setattr(sorting, "_RUNS_TO_DOUBLE", 4)
    runs = []
    merged = sorting._merged
    monkeypatch.setattr(
        sorting,
        "_merged",
        lambda spilled, *rest: runs.extend(spilled.places) or merged(spilled, *rest),
    )
    numbers = random.Random(3)
    records = [(numbers.randrange(100), place) for place in range(20_000)]
    memory = ShortMemory(10**9)
    memory.looks = -1  # short at the first look, and never again
    found = list(sort_records(records, str(tmp_path), memory, itemgetter(0), reverse))
    assert found == sorted(records, key=itemgetter(0), reverse=reverse)
    assert 10 < len(runs) < 30


def test_keys_without_an_order_end_the_sort_all_the_same(tmp_path):
    numbers = random.Random(2)
    records = [numbers.choice([math.nan, numbers.random()]) for _ in range(5_000)]
    found = list(sort_records(records, str(tmp_path), ShortMemory(4)))
    assert sorted(map(repr, found)) == sorted(map(repr, records))


def test_keys_that_cannot_be_compared_fail_and_leave_nothing(tmp_path):
    records = [*range(3_000), "a", *range(3_000)]
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(TypeError, match="not supported between"):
        list(sort_records(records, str(tmp_path), ShortMemory(3)))
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.listdir(tmp_path) == []


def test_a_sort_that_spills_counts_what_it_wrote(tmp_path):
    memory = ShortMemory(3)
    assert list(sort_records(range(5_000, 0, -1), str(tmp_path), memory)) == list(range(1, 5_001))
    assert memory.counters.disk_spilled_bytes > 0
