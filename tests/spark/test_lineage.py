"""The five properties: what travels to a task, what it is sent besides, and what is kept."""

from __future__ import annotations

import gc
import pickle
from typing import Any

import pytest

from minimesos.spark import SparkContext, StorageLevel, closure


def test_a_task_is_sent_only_its_own_slices(sc: SparkContext) -> None:
    left, right = sc.parallelize(["a", "b"], 2), sc.parallelize(["c"], 1)
    union = left.map(str).union(right)
    assert set(union.payload(1)) == {(left.id(), 1)}
    assert set(union.payload(2)) == {(right.id(), 0)}
    assert set(left.cartesian(right).payload(1)) == {(left.id(), 1), (right.id(), 0)}
    assert set(left.cartesian(left).payload(1)) == {(left.id(), 0), (left.id(), 1)}
    assert pickle.loads(union.payload(1)[left.id(), 1]) == ["b"]


def test_ranges_and_shuffles_need_no_payload(sc: SparkContext) -> None:
    assert sc.range(100, numSlices=4).map(str).payload(2) == {}
    assert sc.parallelize([(1, 1)], 2).partitionBy(2).payload(0) == {}


def test_neither_the_collection_nor_the_context_is_in_the_closure(sc: SparkContext) -> None:
    rdd = sc.parallelize(["needle"] * 100, 2).map(len)
    data = closure.dumps_stage(rdd, len)
    assert b"needle" not in data
    travelled, _ = pickle.loads(data)
    with pytest.raises(RuntimeError, match="RDD_TRANSFORM_ONLY_VALID_ON_DRIVER"):
        travelled.count()


def test_what_lies_behind_a_shuffle_is_not_in_the_closure(sc: SparkContext) -> None:
    behind = sc.parallelize([(1, "x")], 2).mapValues(lambda v: f"needle {v}")
    assert b"needle" not in closure.dumps_stage(behind.partitionBy(3), len)


def test_ids_rise_and_names_are_the_users(sc: SparkContext) -> None:
    first = sc.parallelize([1])
    second = first.map(str)
    assert second.id() == first.id() + 1
    assert second.name() is None
    assert second.setName("words").name() == "words"
    assert repr(second).startswith(f"words ElementwiseRDD[{second.id()}] at map at {__file__}:")


def test_the_debug_string_indents_at_shuffles(sc: SparkContext) -> None:
    rdd = sc.parallelize([(1, 1)], 2).map(lambda x: x).reduceByKey(max, 3).mapValues(str).cache()
    lines = rdd.toDebugString().decode().splitlines()
    assert [line.split("[")[0] for line in lines] == [
        "(3) ElementwiseRDD",
        " |  ShuffledRDD",
        " +-(2) ElementwiseRDD",
        "    |  ParallelCollectionRDD",
    ]
    assert lines[0].endswith("[Memory Serialized 1x Replicated]")
    assert lines[1].endswith("[]")


def test_a_cached_partition_is_computed_once(sc: SparkContext) -> None:
    computed = sc.accumulator(0)

    def seen(x: int) -> int:
        computed.add(1)
        return x

    rdd = sc.parallelize(range(4), 2).map(seen).cache()
    assert rdd.count() == 4
    assert rdd.map(str).collect() == list("0123")
    assert computed.value == 4
    rdd.unpersist()
    rdd.count()
    assert computed.value == 8


def test_a_take_that_stops_early_still_caches_the_whole_partition(sc: SparkContext) -> None:
    computed = sc.accumulator(0)

    def seen(x: int) -> int:
        computed.add(1)
        return x

    rdd = sc.parallelize(range(4), 1).map(seen).cache()
    assert rdd.first() == 0
    assert rdd.collect() == [0, 1, 2, 3]
    assert computed.value == 4


def test_an_ancestor_cached_after_its_child_was_made_is_used(sc: SparkContext) -> None:
    computed = sc.accumulator(0)

    def seen(x: int) -> int:
        computed.add(1)
        return x

    parent = sc.parallelize(range(4), 2).map(seen)
    child = parent.map(str)
    parent.cache()
    child.count()
    child.count()
    assert computed.value == 4


def test_the_storage_level_is_set_once(sc: SparkContext) -> None:
    rdd = sc.parallelize([1]).persist(StorageLevel.DISK_ONLY)
    assert rdd.is_cached
    assert rdd.getStorageLevel() == StorageLevel.DISK_ONLY
    rdd.persist(StorageLevel.DISK_ONLY)
    with pytest.raises(ValueError, match="Cannot change storage level"):
        rdd.cache()
    assert rdd.unpersist().cache().getStorageLevel() == StorageLevel.MEMORY_ONLY
    with pytest.raises(TypeError, match="storageLevel must be of type"):
        rdd.persist("disk")  # type: ignore[arg-type]


def test_what_nobody_refers_to_any_more_is_dropped_from_executors(
    sc: SparkContext, runner: Any
) -> None:
    cached = sc.parallelize([1]).cache()
    shuffled = sc.parallelize([(1, 1)]).partitionBy(2)
    child = shuffled.map(str)
    del shuffled
    gc.collect()
    assert runner.cleaned == []
    cached_id = cached.id()
    del cached, child
    gc.collect()
    assert sorted(runner.cleaned) == [("rdd", cached_id), ("shuffle", 0)]
