"""Barrier stages with real workers: tasks wait for each other, and fail together."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from time import time

import pytest

from minimesos.spark import BarrierTaskContext, SparkConf, SparkContext, TaskContext
from minimesos.spark.errors import SparkException

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkContext]:
    scratch = tmp_path_factory.mktemp("scratch")
    conf = SparkConf(loadDefaults=False).set("spark.local.dir", scratch)
    conf.set("spark.scheduler.barrier.maxConcurrentTasksCheck.interval", "1s")
    conf.set("spark.scheduler.barrier.maxConcurrentTasksCheck.maxFailures", "1")
    with SparkContext("local[4,4]", "barriers", conf=conf) as context:
        context.parallelize([1], 1).count()  # the executor is there from now on
        yield context


def met(items: Iterator[int]) -> Iterator[tuple[float, float, list[str], list[str]]]:
    task = BarrierTaskContext.get()
    gathered = []
    for turn in range(20):
        came_at = time()
        gathered.append(task.allGather(f"{task.partitionId()}:{turn}"))
        task.barrier()
        yield came_at, time(), gathered[-1], [info.address for info in task.getTaskInfos()]


def assert_met(ends: list[tuple[float, float, list[str], list[str]]]) -> None:
    assert len(ends) == 80
    for turn in range(20):
        of_turn = ends[turn::20]
        assert max(end[0] for end in of_turn) <= min(end[1] for end in of_turn)
        assert all(end[2] == [f"{index}:{turn}" for index in range(4)] for end in of_turn)
        assert all(len(end[3]) == 4 for end in of_turn)


def test_no_task_passes_a_barrier_before_all_have_come(sc: SparkContext) -> None:
    assert_met(sc.parallelize(range(8), 4).barrier().mapPartitions(met).collect())


def test_a_failure_has_all_tasks_run_again(sc: SparkContext, tmp_path: Path) -> None:
    def run(index: int, items: Iterator[int]) -> Iterator[int]:
        task = BarrierTaskContext.get()
        (tmp_path / f"{index}-{task.taskAttemptId()}").touch()
        task.barrier()
        first = not (tmp_path / "failed").exists()
        task.barrier()
        if first and index == 2:
            (tmp_path / "failed").touch()
            raise ValueError("once")
        if first:
            task.barrier()
        return iter([index])

    numbers = sc.parallelize(range(4), 4).barrier().mapPartitionsWithIndex(run)
    assert numbers.map(lambda index: index + 1).collect() == [1, 2, 3, 4]
    begun = sorted(path.name[0] for path in tmp_path.iterdir() if path.name != "failed")
    assert begun == list("00112233")


def test_a_worker_that_dies_has_all_tasks_run_again(sc: SparkContext, tmp_path: Path) -> None:
    def run(index: int, items: Iterator[int]) -> Iterator[list[str]]:
        task = BarrierTaskContext.get()
        task.barrier()
        if index == 3 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return iter([task.allGather(str(index))])

    stage = sc.parallelize(range(4), 4).barrier().mapPartitionsWithIndex(run)
    assert stage.collect() == [["0", "1", "2", "3"]] * 4


def test_a_barrier_stage_before_a_shuffle_and_behind_one(sc: SparkContext) -> None:
    def gather(items: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        total = sum(value for _, value in items)
        gathered = BarrierTaskContext.get().allGather(str(total))
        return iter([(0, sum(map(int, gathered)))])

    pairs = sc.parallelize(range(100), 7).map(lambda number: (number % 4, number))
    sums = pairs.partitionBy(4).barrier().mapPartitions(gather)
    assert sums.reduceByKey(lambda a, b: a + b, 2).collect() == [(0, 4 * 4950)]


@pytest.mark.parametrize("other", ["ends", "gathers"])
def test_tasks_that_can_never_meet_fail(sc: SparkContext, other: str) -> None:
    def run(index: int, items: Iterator[int]) -> Iterator[int]:
        task = BarrierTaskContext.get()
        if index != 1:
            task.barrier()
        elif other == "gathers":
            task.allGather("x")
        return iter([])

    stage = sc.parallelize(range(4), 4).barrier().mapPartitionsWithIndex(run)
    with pytest.raises(SparkException, match="all tasks have to"):
        stage.collect()
    assert sc.parallelize(range(4), 4).count() == 4, "workers are free again"


def test_a_stage_that_needs_more_slots_than_there_are_is_refused(sc: SparkContext) -> None:
    with pytest.raises(SparkException, match=r"\[SPARK-24819\]"):
        sc.parallelize(range(5), 5).barrier().mapPartitions(met).collect()


def test_chains_with_other_numbers_of_partitions_are_refused(sc: SparkContext) -> None:
    stage = sc.parallelize(range(4), 4).barrier().mapPartitions(list)
    refused = [
        stage.union(stage).collect,
        stage.coalesce(2).collect,
        stage.first,
        lambda: stage.take(1),
        stage.zip(stage.map(str)).collect,
    ]
    for run in refused:
        with pytest.raises(SparkException, match=r"\[SPARK-24820\]\[SPARK-24821\]"):
            run()


def test_other_tasks_have_no_barrier_context(sc: SparkContext) -> None:
    def kind(items: Iterator[int]) -> Iterator[str]:
        try:
            BarrierTaskContext.get()
        except RuntimeError as error:
            yield str(error)
        yield type(TaskContext.get()).__name__

    assert sc.parallelize([1], 1).mapPartitions(kind).collect() == [
        "[NOT_IN_BARRIER_STAGE] It is not in a barrier stage.",
        "TaskContext",
    ]


def test_messages_are_texts(sc: SparkContext) -> None:
    def run(items: Iterator[int]) -> Iterator[str]:
        try:
            BarrierTaskContext.get().allGather(1)  # type: ignore[arg-type]
        except TypeError as error:
            yield str(error)

    said = sc.parallelize([1], 1).barrier().mapPartitions(run).collect()
    assert said == ["Argument `message` must be of type `str`"]
