"""A user's StopIteration fails the task: it never ends a partition early as if all were well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from minimesos.spark import RDD, SparkConf, SparkContext
from minimesos.spark.errors import STOP_ITERATION, SparkException

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sc() -> Iterator[SparkContext]:
    conf = SparkConf(loadDefaults=False)
    with SparkContext("local[2]", "stop iteration", conf=conf) as context:
        yield context


def _stop(*arguments: Any) -> NoReturn:
    raise StopIteration("from here")


def _stop_at_three(x: int) -> int:
    return next(iter([])) if x == 3 else x


def _pairs(rdd: RDD[int]) -> RDD[tuple[int, int]]:
    return rdd.map(lambda x: (x % 3, x))


PROGRAMS: dict[str, Callable[[RDD[int]], Any]] = {
    "map": lambda rdd: rdd.map(_stop_at_three).collect(),
    "flatMap": lambda rdd: rdd.flatMap(_stop).collect(),
    "filter": lambda rdd: rdd.filter(_stop).collect(),
    "keyBy": lambda rdd: rdd.keyBy(_stop).collect(),
    "mapValues": lambda rdd: _pairs(rdd).mapValues(_stop).collect(),
    "flatMapValues": lambda rdd: _pairs(rdd).flatMapValues(_stop).collect(),
    "a map among others": lambda rdd: rdd.map(abs).map(_stop_at_three).filter(None).count(),
    "a map before glom": lambda rdd: rdd.map(_stop_at_three).glom().collect(),
    "a map before coalesce": lambda rdd: rdd.map(_stop_at_three).coalesce(1).collect(),
    "a map that is cached": lambda rdd: rdd.map(_stop_at_three).cache().count(),
    "a map before a shuffle": lambda rdd: rdd.map(_stop_at_three).repartition(3).collect(),
    "mapPartitions": lambda rdd: rdd.mapPartitions(_stop).collect(),
    "mapPartitionsWithIndex": lambda rdd: rdd.mapPartitionsWithIndex(_stop).collect(),
    "foreach": lambda rdd: rdd.foreach(_stop),
    "foreachPartition": lambda rdd: rdd.foreachPartition(_stop),
    "reduce": lambda rdd: rdd.reduce(_stop),
    "fold": lambda rdd: rdd.fold(0, _stop),
    "aggregate": lambda rdd: rdd.aggregate(0, _stop, max),
    "treeReduce": lambda rdd: rdd.treeReduce(_stop),
    "treeAggregate": lambda rdd: rdd.treeAggregate(0, _stop, max),
    "reduceByKey": lambda rdd: _pairs(rdd).reduceByKey(_stop).collect(),
    "combineByKey": lambda rdd: _pairs(rdd).combineByKey(_stop, max, max).collect(),
    "reduceByKeyLocally": lambda rdd: _pairs(rdd).reduceByKeyLocally(_stop),
    "groupBy": lambda rdd: rdd.groupBy(_stop).collect(),
    "sortBy": lambda rdd: rdd.sortBy(_stop).collect(),
    "max": lambda rdd: rdd.max(_stop),
    "top": lambda rdd: rdd.top(2, _stop),
}


def test_no_operation_takes_it_for_an_end(sc: SparkContext) -> None:
    rdd = sc.parallelize(range(10), 2)
    for name, program in PROGRAMS.items():
        with pytest.raises(SparkException) as raised:
            program(rdd)
        assert STOP_ITERATION in str(raised.value), name


def test_a_partition_function_that_stops_fails_the_task_too(sc: SparkContext) -> None:
    with pytest.raises(SparkException):
        _pairs(sc.parallelize(range(10), 2)).partitionBy(2, _stop).collect()


def test_what_is_not_asked_for_does_not_fail(sc: SparkContext) -> None:
    assert sc.range(10, numSlices=1).map(_stop_at_three).take(3) == [0, 1, 2]


@pytest.mark.parametrize(
    "program",
    [
        lambda rdd: rdd.reduce(_stop),
        lambda rdd: rdd.aggregate(0, lambda total, x: x, _stop),
        lambda rdd: rdd.treeAggregate(0, lambda total, x: x, _stop),
    ],
)
def test_on_the_driver_it_does_not_end_the_loop_around_the_action(
    sc: SparkContext, program: Callable[[RDD[int]], Any]
) -> None:
    with pytest.raises(RuntimeError, match=STOP_ITERATION):
        program(sc.parallelize([1, 2], 2))
