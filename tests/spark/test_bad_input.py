"""No partitions, keys like None and NaN, records that raise: the right result or a clear error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from minimesos.spark import RDD, SparkConf, SparkContext

EMPTY: dict[str, tuple[Callable[[RDD[Any]], Any], Any]] = {
    "count": (lambda rdd: rdd.count(), 0),
    "take": (lambda rdd: rdd.take(3), []),
    "fold": (lambda rdd: rdd.fold(0, max), 0),
    "treeAggregate": (lambda rdd: rdd.treeAggregate(5, max, max), 5),
    "distinct": (lambda rdd: rdd.distinct().collect(), []),
    "repartition": (lambda rdd: rdd.repartition(3).glom().collect(), [[], [], []]),
    "partitionBy": (lambda rdd: rdd.partitionBy(2).glom().collect(), [[], []]),
    "groupByKey": (lambda rdd: rdd.groupByKey(4).count(), 0),
    "sortBy": (lambda rdd: rdd.sortBy(str, numPartitions=3).collect(), []),
    "join": (lambda rdd: rdd.join(rdd.context.parallelize([(1, 2)], 2)).collect(), []),
    "subtract": (lambda rdd: rdd.context.parallelize([1], 1).subtract(rdd).collect(), [1]),
    "rightOuterJoin": (
        lambda rdd: rdd.rightOuterJoin(rdd.context.parallelize([(1, 2)], 1)).collect(),
        [(1, (None, 2))],
    ),
    "cartesian": (lambda rdd: rdd.cartesian(rdd.context.parallelize([1])).collect(), []),
    "zip": (lambda rdd: rdd.zip(rdd).collect(), []),
    "zipWithIndex": (lambda rdd: rdd.zipWithIndex().collect(), []),
    "cache": (lambda rdd: rdd.cache().count(), 0),
    "takeSample": (lambda rdd: rdd.takeSample(True, 3), []),
    "histogram": (lambda rdd: rdd.histogram([0, 1]), ([0, 1], [0])),
}


@pytest.mark.parametrize("name", EMPTY)
def test_no_partitions_are_nothing(sc: SparkContext, name: str) -> None:
    program, expected = EMPTY[name]
    assert program(sc.emptyRDD()) == expected


@pytest.mark.integration
def test_the_scheduler_takes_shuffles_that_nobody_writes() -> None:
    with SparkContext("local[2]", "empty", conf=SparkConf(loadDefaults=False)) as sc:
        for program, expected in EMPTY.values():
            assert program(sc.emptyRDD()) == expected


@pytest.mark.parametrize(
    "program",
    [
        lambda rdd: rdd.partitionBy(0),
        lambda rdd: rdd.reduceByKey(max, 0),
        lambda rdd: rdd.join(rdd, 0),
        lambda rdd: rdd.distinct(-1),
        lambda rdd: rdd.coalesce(0),
        lambda rdd: rdd.repartition(0),
    ],
)
def test_records_are_not_lost_in_no_partitions(
    sc: SparkContext, program: Callable[[RDD[Any]], Any]
) -> None:
    with pytest.raises(ValueError, match="Number of partitions must be positive"):
        program(sc.parallelize([(1, 1)], 2))


def test_none_is_a_key(sc: SparkContext) -> None:
    pairs = sc.parallelize([(None, 1), (None, 2), (1, 3)], 2)
    assert sorted(pairs.reduceByKey(lambda a, b: a + b).values().collect()) == [3, 3]
    assert pairs.partitionBy(3).lookup(None) == [1, 2]
    assert sc.parallelize([(None, 1)]).join(sc.parallelize([(None, 2)])).collect() == [
        (None, (1, 2))
    ]


def test_each_nan_is_a_key_of_its_own(sc: SparkContext) -> None:
    pairs = sc.parallelize([(math.nan, 1), (math.nan, 2), (1.0, 3)], 2)
    assert sorted(pairs.groupByKey().mapValues(list).values().collect()) == [[1], [2], [3]]
    assert pairs.partitionBy(3).count() == 3


class _Unhashable:
    def __hash__(self) -> int:
        raise ValueError("has no hash")


class _Incomparable:
    def __lt__(self, other: object) -> bool:
        raise ValueError("has no order")


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (lambda rdd: rdd.map(lambda x: (_Unhashable(), x)).reduceByKey(max), "has no hash"),
        (lambda rdd: rdd.map(lambda x: (_Unhashable(), x)).partitionBy(2), "has no hash"),
        (lambda rdd: rdd.map(lambda x: _Unhashable()).distinct(), "has no hash"),
        (lambda rdd: rdd.map(lambda x: ([x], x)).groupByKey(), "unhashable type"),
        (lambda rdd: rdd.map(lambda x: (_Incomparable(), x)).sortByKey(True, 1), "has no order"),
    ],
)
def test_records_that_raise_fail_with_what_they_raised(
    sc: SparkContext, program: Callable[[RDD[Any]], RDD[Any]], says: str
) -> None:
    with pytest.raises(Exception, match=says):
        program(sc.parallelize(range(6), 2)).collect()


@pytest.mark.parametrize(("left", "right"), [(3, 2), (2, 3), (0, 1), (1, 0)])
def test_a_zip_of_unequal_partitions_says_so(sc: SparkContext, left: int, right: int) -> None:
    zipped = sc.parallelize([0] * left, 1).zip(sc.parallelize([0] * right, 1))
    with pytest.raises(ValueError, match="same number of elements in each partition"):
        zipped.collect()
