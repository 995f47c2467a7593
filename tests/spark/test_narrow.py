"""Transformations that read partitions of their parents one by one."""

from __future__ import annotations

from minimesos.spark import SparkContext


def test_coalesce_keeps_every_partition_of_a_collection(sc: SparkContext) -> None:
    items = [str(number) for number in range(100)]
    assert sc.parallelize(items, 10).coalesce(3).glom().map(len).collect() == [30, 30, 40]
    assert sc.parallelize(items, 10).coalesce(3).collect() == items


def test_union_of_a_collection_with_itself_has_it_twice(sc: SparkContext) -> None:
    numbers = sc.parallelize([1, 2, 3], 2)
    assert numbers.union(numbers).coalesce(1).collect() == [1, 2, 3, 1, 2, 3]
