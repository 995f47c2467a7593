"""Actions: their results, their errors, and how many jobs and tasks they take."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

import pytest

from minimesos.spark import SparkContext, TaskContext


def test_collect_is_in_the_order_of_partitions(sc: SparkContext) -> None:
    assert sc.parallelize(range(11), 8).collect() == list(range(11))
    assert sc.parallelize([(1, "a"), (2, "b"), (1, "c")], 2).collectAsMap() == {1: "c", 2: "b"}


def test_count_counts_whatever_the_iterator_is(sc: SparkContext) -> None:
    assert sc.parallelize(range(0, 11), 8).count() == 11
    assert sc.parallelize(list("abc"), 2).count() == 3
    assert sc.range(10_000).filter(lambda x: x % 2).count() == 5000
    assert sc.emptyRDD().count() == 0


@pytest.mark.parametrize(
    ("wanted", "tasks"),
    [(0, 0), (1, 1), (10, 1), (11, 2), (15, 2), (60, 1 + 4 + 4), (1000, 1 + 4 + 5)],
)
def test_take_scans_as_few_partitions_as_its_estimate_says(
    sc: SparkContext, runner: Any, wanted: int, tasks: int
) -> None:
    assert sc.parallelize(range(100), 10).take(wanted) == list(range(min(wanted, 100)))
    assert len(runner.tasks) == tasks


def test_take_looks_at_four_times_more_partitions_while_it_finds_nothing(
    sc: SparkContext, runner: Any
) -> None:
    assert sc.parallelize(range(100), 100).filter(lambda x: x == 99).take(1) == [99]
    assert len(runner.jobs) == 4  # 1 + 4 + 20 + 75
    assert len(runner.tasks) == 100


def test_first_and_is_empty(sc: SparkContext, runner: Any) -> None:
    assert sc.parallelize([7, 8], 2).first() == 7
    assert not sc.parallelize([7], 1).isEmpty()
    assert len(runner.tasks) == 2
    assert sc.parallelize([], 3).isEmpty()
    assert sc.emptyRDD().isEmpty()
    with pytest.raises(ValueError, match="RDD is empty"):
        sc.emptyRDD().first()


def test_reduce_of_nothing_is_an_error_and_empty_partitions_are_not(sc: SparkContext) -> None:
    assert sc.parallelize([1, 2], 4).reduce(lambda a, b: a + b) == 3
    with pytest.raises(ValueError, match=r"Can not reduce\(\) empty RDD"):
        sc.parallelize([], 2).reduce(max)


def test_the_zero_of_a_fold_enters_once_a_partition_and_once_at_the_end(sc: SparkContext) -> None:
    rdd = sc.parallelize([1, 2, 3], 2)
    assert rdd.fold(10, lambda a, b: a + b) == 6 + 3 * 10
    assert rdd.aggregate((0, 0), lambda s, x: (s[0] + x, s[1] + 1), lambda a, b: (a, b)) == (
        ((0, 0), (1, 1)),
        (5, 2),
    )


def test_a_mutable_zero_is_not_shared(sc: SparkContext) -> None:
    def add(counts: dict[int, int], x: int) -> dict[int, int]:
        counts[x] += 1
        return counts

    def merge(a: dict[int, int], b: dict[int, int]) -> dict[int, int]:
        for key, count in b.items():
            a[key] += count
        return a

    zero: dict[int, int] = defaultdict(int)
    rdd = sc.parallelize([1, 1, 2, 3], 2)
    for _ in range(2):
        assert rdd.aggregate(zero, add, merge) == {1: 2, 2: 1, 3: 1}
        assert rdd.treeAggregate(zero, add, merge) == {1: 2, 2: 1, 3: 1}
    assert zero == {}


@pytest.mark.parametrize("depth", range(1, 11))
def test_trees_of_any_depth_give_the_same(sc: SparkContext, depth: int) -> None:
    rdd = sc.parallelize(range(-5, 5), 10)
    assert rdd.treeReduce(lambda a, b: a + b, depth) == -5
    assert rdd.treeAggregate(0, lambda a, b: a + b, lambda a, b: a + b, depth) == -5


def test_trees_refuse_a_depth_of_zero_and_reduce_nothing(sc: SparkContext) -> None:
    with pytest.raises(ValueError, match="Depth cannot be smaller than 1"):
        sc.parallelize([1]).treeReduce(max, 0)
    with pytest.raises(ValueError, match="Depth cannot be smaller than 1"):
        sc.parallelize([1]).treeAggregate(0, max, max, 0)
    with pytest.raises(ValueError, match="Cannot reduce empty RDD"):
        sc.parallelize([], 2).treeReduce(max)
    assert sc.emptyRDD().treeAggregate(7, max, max) == 7


def test_extremes_with_and_without_key(sc: SparkContext) -> None:
    rdd = sc.parallelize(["aa", "c", "bbb"], 2)
    assert (rdd.max(), rdd.max(key=len)) == ("c", "bbb")
    assert (rdd.min(), rdd.min(key=len)) == ("aa", "c")
    with pytest.raises(ValueError, match="empty"):
        sc.parallelize([], 2).max()


def test_top_and_take_ordered(sc: SparkContext) -> None:
    rdd = sc.parallelize([3, 9, 1, 7, 5], 3)
    assert rdd.top(2) == [9, 7]
    assert rdd.top(9) == [9, 7, 5, 3, 1]
    assert rdd.top(2, key=lambda x: -x) == [1, 3]
    assert rdd.takeOrdered(2) == [1, 3]
    assert rdd.takeOrdered(2, key=lambda x: -x) == [9, 7]
    assert sc.parallelize([], 2).takeOrdered(3) == []
    with pytest.raises(ValueError, match="negative"):
        rdd.takeOrdered(-1)


def test_take_sample_draws_what_pyspark_draws(sc: SparkContext) -> None:
    rdd = sc.parallelize(range(10), 1)
    assert rdd.takeSample(False, 5, 2) == [5, 9, 3, 4, 6]
    assert sorted(rdd.takeSample(False, 20)) == list(range(10))
    assert len(rdd.takeSample(True, 25, 3)) == 25
    assert rdd.takeSample(False, 0) == []
    assert sc.emptyRDD().takeSample(True, 5) == []
    with pytest.raises(ValueError, match="Sample size cannot be negative"):
        rdd.takeSample(False, -1)
    with pytest.raises(ValueError, match="greater than 9223372006484770808"):
        rdd.takeSample(True, sys.maxsize)


def test_counting_by_value_and_key(sc: SparkContext) -> None:
    counts = sc.parallelize([1, 2, 1, 2, 2], 2).countByValue()
    assert counts == {1: 2, 2: 3}
    assert counts[99] == 0
    assert sc.parallelize([("a", 1), ("b", 1), ("a", 1)]).countByKey() == {"a": 2, "b": 1}
    pairs = sc.parallelize([("a", 1), ("b", 5), ("a", 3)], 3)
    assert pairs.reduceByKeyLocally(lambda a, b: a + b) == {"a": 4, "b": 5}


def test_foreach_runs_in_tasks_and_consumes_what_partitions_yield(sc: SparkContext) -> None:
    seen = sc.accumulator(0)
    rdd = sc.parallelize(range(5), 2)
    assert rdd.foreach(seen.add) is None
    assert seen.value == 10

    def consume(items: Any) -> Any:
        for item in items:
            seen.add(item)
            yield item

    rdd.foreachPartition(consume)
    rdd.foreachPartition(lambda items: None)
    assert seen.value == 20


def test_a_local_iterator_runs_one_job_a_partition(sc: SparkContext, runner: Any) -> None:
    items = sc.parallelize(range(6), 3).toLocalIterator()
    assert next(items) == 0
    assert len(runner.jobs) == 1
    assert list(items) == [1, 2, 3, 4, 5]
    assert len(runner.jobs) == 3


@pytest.mark.parametrize("ahead", [False, True])
def test_a_local_iterator_gives_what_comes_before_a_failure(sc: SparkContext, ahead: bool) -> None:
    items = sc.parallelize(range(3), 3).map(lambda x: 1 // (x - 2)).toLocalIterator(ahead)
    assert [next(items), next(items)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(items)
    assert list(sc.emptyRDD().toLocalIterator(ahead)) == []


def test_what_is_computed_ahead_has_the_properties_of_the_consumers_thread(
    sc: SparkContext,
) -> None:
    def colour(_: int) -> str | None:
        task = TaskContext.get()
        return task.getLocalProperty("colour") if task else None

    sc.setLocalProperty("colour", "green")
    assert list(sc.parallelize(range(3), 3).map(colour).toLocalIterator(True)) == ["green"] * 3


def test_run_job_takes_partitions_in_any_order_and_names_those_that_are_not_there(
    sc: SparkContext, runner: Any
) -> None:
    rdd = sc.parallelize(range(6), 3)
    assert sc.runJob(rdd, lambda items: [x * x for x in items], [2, 0]) == [16, 25, 0, 1]
    with pytest.raises(ValueError, match="non-existent partition: 3"):
        sc.runJob(rdd, list, [3])
    assert sc.runJob(sc.emptyRDD(), list) == []


def test_jobs_are_named_after_the_line_that_started_them(sc: SparkContext, runner: Any) -> None:
    sc.parallelize([1]).count()
    assert runner.jobs[0].startswith(f"count at {__file__}:")
