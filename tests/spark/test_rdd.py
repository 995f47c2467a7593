"""Sorting."""

from __future__ import annotations

import random
from typing import Any

import pytest

from minimesos.spark import SparkContext


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("partitions", [1, 2, 5])
def test_sorting_is_global_over_partitions(
    sc: SparkContext, ascending: bool, partitions: int
) -> None:
    items = list(range(200))
    random.Random(1).shuffle(items)
    result = sc.parallelize(items, 4).sortBy(lambda x: x, ascending, partitions)
    assert result.getNumPartitions() == partitions
    assert result.collect() == sorted(items, reverse=not ascending)
    assert all(result.glom().map(len).collect())


def test_sorting_is_stable_and_a_descending_one_keeps_equal_keys_in_order(
    sc: SparkContext,
) -> None:
    pairs = sc.parallelize([(1, "a"), (0, "b"), (1, "c")], 1)
    assert pairs.sortByKey().collect() == [(0, "b"), (1, "a"), (1, "c")]
    assert pairs.sortByKey(False).collect() == [(1, "a"), (1, "c"), (0, "b")]


def test_a_key_function_orders_over_partitions_too(sc: SparkContext) -> None:
    words = ["Zed", "apple", "Mango", "berry", "cherry", "Yak", "dog", "Egg", "fig", "Goat"]
    pairs = sc.parallelize([(word, len(word)) for word in words], 3)
    result = pairs.sortByKey(True, 3, keyfunc=str.lower).keys().collect()
    assert result == sorted(words, key=str.lower)


def test_sorting_samples_at_once_and_an_empty_rdd_is_itself(sc: SparkContext, runner: Any) -> None:
    empty = sc.parallelize([], 3)
    assert empty.sortByKey() is empty
    runner.jobs.clear()
    sc.parallelize([(2, 1), (1, 1)], 2).sortByKey()
    assert len(runner.jobs) == 1


def test_repartition_and_sort_within_partitions(sc: SparkContext) -> None:
    rdd = sc.parallelize([(0, 5), (3, 8), (2, 6), (0, 8), (3, 8), (1, 3)], 2)
    parted = rdd.repartitionAndSortWithinPartitions(2, lambda key: key % 2)
    assert parted.glom().collect() == [[(0, 5), (0, 8), (2, 6)], [(1, 3), (3, 8), (3, 8)]]
    descending = rdd.repartitionAndSortWithinPartitions(2, lambda key: key % 2, False)
    assert descending.glom().collect() == [[(2, 6), (0, 5), (0, 8)], [(3, 8), (3, 8), (1, 3)]]


def test_one_partition_that_is_sorted_already_is_not_shuffled(
    sc: SparkContext, runner: Any
) -> None:
    assert sc.parallelize([2, 1], 1).sortBy(lambda x: x).collect() == [1, 2]
    assert {kind for kind, _ in runner.tasks} == {"result"}
