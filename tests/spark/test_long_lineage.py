"""Lineages of thousands of RDDs, and RDDs of very many partitions."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from minimesos.spark import RDD, SparkContext
from minimesos.spark.scheduler.stage import steps_of

LENGTH = 5000


def _grown(rdd: RDD[Any], grow: Callable[[RDD[Any]], RDD[Any]], times: int = LENGTH) -> RDD[Any]:
    for _ in range(times):
        rdd = grow(rdd)
    return rdd


@pytest.mark.parametrize(
    "grow",
    [
        pytest.param(lambda rdd: rdd.map(lambda x: x), id="map"),
        pytest.param(lambda rdd: rdd.filter(lambda x: True), id="filter"),
        pytest.param(lambda rdd: rdd.flatMap(lambda x: [x]), id="flatMap"),
        pytest.param(lambda rdd: rdd.keyBy(str).mapValues(int).values(), id="pairs"),
        pytest.param(lambda rdd: rdd.mapPartitions(lambda it: it), id="mapPartitions"),
        pytest.param(lambda rdd: rdd.mapPartitions(lambda it: (x for x in it)), id="generators"),
        pytest.param(lambda rdd: rdd.zip(rdd.context.range(4, numSlices=2)).keys(), id="zip"),
        pytest.param(lambda rdd: rdd.coalesce(2), id="coalesce"),
        pytest.param(lambda rdd: rdd.union(rdd.context.emptyRDD()), id="union"),
    ],
)
def test_five_thousand_operations_compute_and_describe_themselves(
    sc: SparkContext, grow: Callable[[RDD[Any]], RDD[Any]]
) -> None:
    rdd = _grown(sc.parallelize([1, 2, 3, 4], 2), grow)
    assert rdd.collect() == [1, 2, 3, 4]
    assert rdd.toDebugString().count(b"\n") >= LENGTH


def test_a_union_is_grown_one_by_one(sc: SparkContext) -> None:
    one = sc.parallelize([1], 1)
    rdd = _grown(one, lambda rdd: rdd + one)
    assert rdd.getNumPartitions() == LENGTH + 1
    assert sum(sc.run_job(rdd, lambda task, items: sum(items), range(0, LENGTH, 100))) == 50


def test_a_kept_union_is_not_looked_through(sc: SparkContext, runner: Any) -> None:
    one, two = sc.parallelize(["a"], 1), sc.parallelize(["b"], 1)
    inner = one + two
    outer = inner + one
    assert outer.collect() == ["a", "b", "a"]
    inner.cache()
    assert outer.collect() == ["a", "b", "a"]
    assert (inner.id(), 1) in [(rdd.id(), index) for rdd, index in steps_of(outer, 1)]
    assert runner.env.blocks.get_or_compute(inner, 1, None) is not None
    inner.unpersist()
    assert (inner.id(), 1) not in [(rdd.id(), index) for rdd, index in steps_of(outer, 1)]
    assert outer.collect() == ["a", "b", "a"]


def test_the_variable_at_fault_is_named_however_far_down_it_is(sc: SparkContext) -> None:
    lock = threading.Lock()
    rdd = sc.range(2).map(lambda x: (lock, x))
    for _ in range(300):
        rdd = rdd.map(lambda x: x).mapPartitions(lambda it: it)
    with pytest.raises(pickle.PicklingError, match="variable 'lock' of function"):
        rdd.count()


def test_a_hundred_thousand_partitions_are_looked_up_in_no_time(sc: SparkContext) -> None:
    many = sc.parallelize(range(10), 100_000)
    union = sc.union([many] * 100)
    assert union.getNumPartitions() == 10_000_000
    assert union.narrow_parents(9_999_999) == [(many, 99_999)]
    assert sorted(many.coalesce(3).collect()) == list(range(10))
