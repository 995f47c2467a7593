"""Executors and hosts on which tasks fail get no more: of the task, the stage, the application."""

from __future__ import annotations

import dataclasses
import random

import pytest

from minimesos.errors import InvalidValue
from minimesos.spark.scheduler.effects import JobAborted
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.mishaps import ExclusionSettings
from minimesos.spark.settings import check
from minimesos.spark.taskcontext import TaskContext

EXCLUDING = Limits(exclusion=ExclusionSettings())


def excluding(**settings):
    return Limits(exclusion=ExclusionSettings(**settings))


def numbers(cluster, tasks=4):
    return cluster.parallelize(range(tasks), tasks)


def failing_on(*bad, what=range(1000)):
    """Return a function that fails on these executors, and else says where it ran."""

    def where(number):
        executor = TaskContext.get().env.executor_id
        if executor in bad and number in what:
            raise ValueError(f"on {executor}")
        return executor

    return where


def sent_to(cluster, executor):
    """Return the partitions that an executor was sent, as often as it was."""
    frames = cluster.executors[executor].frames
    return [index for frame in frames for batch in frame.tasks for index in batch.partitions]


def test_a_task_that_failed_on_an_executor_is_tried_on_another_one(new_cluster):
    cluster = new_cluster(executors=2, limits=EXCLUDING)
    assert numbers(cluster, 2).map(failing_on("0")).collect() == ["1", "1"]
    assert len(sent_to(cluster, "0")) == 1


def test_without_exclusion_it_is_tried_where_there_is_room(new_cluster):
    cluster = new_cluster(executors=1)
    with pytest.raises(JobAborted, match="failed 4 times"):
        numbers(cluster, 1).map(failing_on("0")).collect()
    assert sent_to(cluster, "0") == [0, 0, 0, 0]


def test_two_tasks_that_failed_on_an_executor_exclude_it_from_the_stage(new_cluster):
    cluster = new_cluster(executors=2, limits=EXCLUDING)
    assert set(numbers(cluster, 40).map(failing_on("0")).collect()) == {"1"}
    # Two failed, and one more had begun when what was queued there was called back.
    assert len(cluster.launched) == 40 + 3


def test_a_stage_that_succeeded_excludes_an_executor_from_the_application_for_a_time(new_cluster):
    cluster = new_cluster(executors=2, limits=excluding(timeout_s=100))
    numbers(cluster, 8).map(failing_on("0")).collect()
    assert set(numbers(cluster, 8).map(failing_on()).collect()) == {"1"}
    cluster.advance(101)
    assert set(numbers(cluster, 8).map(failing_on()).collect()) == {"0", "1"}


def test_a_stage_that_failed_says_nothing_about_executors(new_cluster):
    cluster = new_cluster(executors=2, limits=EXCLUDING)
    with pytest.raises(JobAborted):
        numbers(cluster, 6).map(failing_on("0", "1")).collect()
    (left,) = [each.id for each in cluster.executors.values() if each.is_alive][-1:]
    assert set(numbers(cluster, 6).map(failing_on()).collect()) >= {left}


def test_a_task_that_may_run_nowhere_gets_an_idle_executor_ended_and_waits(new_cluster):
    cluster = new_cluster(executors=2, limits=EXCLUDING)
    job = cluster.submit(
        numbers(cluster, 1).map(failing_on("0", "1")), lambda task, items: list(items)
    )
    cluster.advance(10)
    assert [executor.is_alive for executor in cluster.executors.values()].count(False) == 1
    assert job not in cluster.ended
    cluster.add_executor()
    cluster.run_until(lambda: job in cluster.ended)
    assert cluster.results(job) == [["2"]]


def test_if_no_executor_comes_its_job_is_given_up(new_cluster):
    cluster = new_cluster(executors=2, limits=EXCLUDING)
    with pytest.raises(JobAborted) as error:
        numbers(cluster, 1).map(failing_on("0", "1")).collect()
    assert cluster.now == pytest.approx(120, abs=1)
    text = str(error.value)
    assert "Aborting TaskSet 0.0 because task 0 (partition 0)" in text
    assert "cannot run anywhere due to node and executor excludeOnFailure." in text
    assert "ValueError: on " in text
    assert "can be configured via spark.excludeOnFailure.*" in text


def test_if_all_executors_are_busy_its_job_is_given_up_at_once(new_cluster):
    cluster = new_cluster(executors=1, limits=EXCLUDING)
    cluster.duration = lambda stage, partition: 0.1 if partition == 0 else 30.0
    bad = failing_on("0", what=[0])
    with pytest.raises(JobAborted, match="cannot run anywhere"):
        numbers(cluster, 2).map(bad).collect()
    assert cluster.now < 1


def test_a_stage_whose_tasks_may_run_nowhere_does_not_hold_up_others(new_cluster):
    cluster = new_cluster(executors=3, limits=EXCLUDING)
    stuck = cluster.submit(
        numbers(cluster, 1).map(failing_on("0", "1", "2")), lambda task, items: list(items)
    )
    cluster.advance(5)
    assert stuck not in cluster.ended
    assert numbers(cluster, 4).collect() == [0, 1, 2, 3]


def test_whose_map_outputs_cannot_be_read_is_left_out_if_it_is_set(new_cluster):
    cluster = new_cluster(executors=2, limits=excluding(by_fetch_failure=True))
    pairs = numbers(cluster).map(lambda number: (number, 1)).reduceByKey(lambda a, b: a + b, 2)
    lost = []

    def lose_files(step):
        if not lost and any(stage == 1 for stage, _, _ in cluster.launched):
            lost.append(step)
            cluster.lose_files(cluster.executors["0"])

    cluster.before_step = lose_files
    assert len(pairs.collect()) == 4
    assert set(numbers(cluster, 8).map(failing_on()).collect()) == {"1"}


@pytest.mark.seeds(40)
def test_jobs_end_right_or_say_that_tasks_may_run_nowhere(new_cluster, seed):
    dice = random.Random(seed)
    limits = excluding(timeout_s=20, kills=dice.random() < 0.5, unschedulable_s=5)
    cluster = new_cluster(executors=3, cores=dice.randint(1, 2), limits=limits)
    cluster.duration = lambda stage, partition: dice.choice([0.01, 0.1, 1.0])

    def stumble(number):
        task = TaskContext.get()
        if random.Random(f"{seed} {task.taskAttemptId()}").random() < 0.15:
            raise ValueError("by the test")
        return number % 3, 1

    def mishap(step):
        if dice.random() < 0.01:
            alive = [each for each in cluster.executors.values() if each.is_alive]
            if alive:
                cluster.kill(dice.choice(alive))
            cluster.after(1.0, cluster.add_executor)

    cluster.before_step = mishap
    reasons = []
    for _ in range(3):
        try:
            counts = numbers(cluster, 9).map(stumble).reduceByKey(lambda a, b: a + b, 3)
            assert dict(counts.collect()) == {0: 3, 1: 3, 2: 3}
        except JobAborted as error:
            reasons.append(str(error))
        if not any(each.is_alive for each in cluster.executors.values()):
            cluster.add_executor()
    assert all("cannot run anywhere" in text or "failed 4 times" in text for text in reasons)
    cluster.settle()
    tasks = cluster.scheduler._tasks
    assert tasks.live() == ()
    assert tasks._leaving_out.exclusion._sets == {}
    assert tasks._leaving_out.hopeless_at_s == {}


def test_settings_are_read_and_must_agree():
    assert Limits.of({}).exclusion is None
    conf = {"spark.excludeOnFailure.enabled": "true", "spark.excludeOnFailure.timeout": "5min"}
    assert Limits.of(conf).exclusion == dataclasses.replace(ExclusionSettings(), timeout_s=300)
    with pytest.raises(InvalidValue, match="maxTaskAttemptsPerNode"):
        check({**conf, "spark.task.maxFailures": "2"})


def test_who_is_excluded_last_comes_back_too(new_cluster):
    cluster = new_cluster(executors=2, limits=excluding(timeout_s=50, unschedulable_s=500))
    cluster.duration = lambda stage, partition: 0.1
    numbers(cluster, 8).map(failing_on("0")).collect()
    cluster.advance(10)
    cluster.kill(cluster.executors["0"])
    cluster.add_executor()
    numbers(cluster, 8).map(failing_on("1")).collect()
    assert set(numbers(cluster, 8).map(failing_on()).collect()) == {"2"}
    cluster.advance(60)
    assert set(numbers(cluster, 8).map(failing_on()).collect()) == {"1", "2"}
