"""Copies of slow tasks: when there are some, where they run, and that only one attempt counts."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.mishaps import SpeculationSettings
from minimesos.spark.scheduler.pools import Pools
from minimesos.spark.scheduler.task_set import DONE
from minimesos.spark.taskcontext import TaskContext

COPIES = Limits(speculation=SpeculationSettings())
WORDS = ["to", "be", "or", "not", "to", "be"] * 4
COUNTS = Counter(WORDS)


def numbers(cluster, tasks=4):
    return cluster.parallelize(range(tasks), tasks)


def is_slow_once(*slow, seconds=50.0, otherwise=0.2):
    """Return durations: the first attempts at these (stage, partition) take long."""
    waiting = set(slow)

    def duration(stage, partition):
        if (stage, partition) in waiting:
            waiting.remove((stage, partition))
            return seconds
        return otherwise

    return duration


def attempts(cluster, stage=0, partition=0):
    return [
        attempt
        for where, which, attempt in cluster.launched
        if (where, which) == (stage, partition)
    ]


def assert_nothing_is_left(cluster):
    cluster.settle()
    tasks = cluster.scheduler._tasks
    assert tasks.live() == ()
    assert tasks._task_sets._retries == {}
    assert all(executor.outstanding == 0 for executor in tasks.executors.values())
    if tasks._copies.speculation is not None:
        assert tasks._copies.speculation._taken == {}
        assert list(tasks._copies.speculation._run_times.running()) == []


@pytest.mark.parametrize("pools", [None, Pools()])
def test_a_copy_of_a_slow_task_on_another_host_ends_the_job(new_cluster, pools):
    cluster = new_cluster(executors=2, limits=COPIES, pools=pools)
    cluster.duration = is_slow_once((0, 0))
    assert numbers(cluster).collect() == [0, 1, 2, 3]
    assert cluster.now < 2
    assert attempts(cluster) == [0, 1]
    cluster.settle()
    (slow,) = [e for e in cluster.executors.values() if any(f.cancel.interrupt for f in e.frames)]
    assert not slow.running, "what lost is interrupted"
    assert_nothing_is_left(cluster)


def test_without_speculation_a_slow_task_is_waited_for(new_cluster):
    cluster = new_cluster(executors=2)
    cluster.duration = is_slow_once((0, 0))
    assert numbers(cluster).collect() == [0, 1, 2, 3]
    assert cluster.now > 50


def test_a_copy_never_runs_on_a_host_where_another_attempt_does(new_cluster):
    cluster = new_cluster(executors=1, cores=4, limits=COPIES)
    cluster.duration = is_slow_once((0, 0), seconds=5)
    assert numbers(cluster).collect() == [0, 1, 2, 3]
    assert attempts(cluster) == [0]


def test_most_tasks_must_have_ended_before_any_is_slow(new_cluster):
    limits = Limits(speculation=SpeculationSettings(quantile=0.9))
    cluster = new_cluster(executors=3, limits=limits)
    cluster.duration = is_slow_once((0, 0), (0, 1), seconds=5)
    assert len(numbers(cluster, 10).collect()) == 10
    assert attempts(cluster) == [0]


def test_tasks_are_slow_by_the_median_of_the_others(new_cluster):
    limits = Limits(speculation=SpeculationSettings(multiplier=10))
    cluster = new_cluster(executors=2, limits=limits)
    cluster.duration = is_slow_once((0, 0), seconds=1.8)  # nine medians
    assert numbers(cluster).collect() == [0, 1, 2, 3]
    assert attempts(cluster) == [0]


def test_the_least_time_of_a_slow_task_holds(new_cluster):
    limits = Limits(speculation=SpeculationSettings(min_runtime_s=6))
    cluster = new_cluster(executors=2, limits=limits)
    cluster.duration = is_slow_once((0, 0), seconds=5)
    assert numbers(cluster).collect() == [0, 1, 2, 3]
    assert attempts(cluster) == [0]


def test_a_set_of_one_task_has_a_copy_only_by_the_threshold(new_cluster):
    for threshold_s, copies in [(None, [0]), (1.0, [0, 1])]:
        limits = Limits(speculation=SpeculationSettings(threshold_s=threshold_s))
        cluster = new_cluster(executors=2, limits=limits)
        cluster.duration = is_slow_once((0, 0), seconds=5)
        assert numbers(cluster, 1).collect() == [0]
        assert attempts(cluster) == copies


def test_tasks_that_are_queued_behind_a_slow_one_are_not_slow(new_cluster):
    cluster = new_cluster(executors=2, limits=COPIES)
    cluster.duration = is_slow_once((0, 0))
    assert len(numbers(cluster, 12).collect()) == 12
    assert [len(attempts(cluster, 0, partition)) for partition in range(12)] == [2] + [1] * 11


def test_the_original_may_still_be_first(new_cluster):
    cluster = new_cluster(executors=2, limits=COPIES)
    times = iter([2.0, 50.0])
    cluster.duration = lambda stage, partition: next(times) if partition == 0 else 0.2
    assert numbers(cluster).collect() == [0, 1, 2, 3]
    assert 2 < cluster.now < 3
    assert attempts(cluster) == [0, 1]
    assert_nothing_is_left(cluster)


def test_what_an_accumulator_counts_counts_once(new_cluster):
    cluster = new_cluster(executors=2, limits=COPIES)
    total = cluster.accumulator(0)
    cluster.duration = is_slow_once((0, 0), seconds=1.0, otherwise=0.7)

    numbers(cluster).foreach(lambda number: total.add(1))

    assert_nothing_is_left(cluster)
    assert total.value == 4


def test_if_one_of_two_attempts_fails_the_other_goes_on(new_cluster):
    cluster = new_cluster(executors=2, limits=COPIES)
    times = iter([1.5, 0.1])
    cluster.duration = lambda stage, partition: next(times, 0.2) if partition == 0 else 0.2

    def fail_as_a_copy(number):
        if number == 0 and TaskContext.get().attemptNumber() == 1:
            raise ValueError("as a copy")
        return number

    assert numbers(cluster).map(fail_as_a_copy).collect()[1:] == [1, 2, 3]
    assert cluster.now < 2
    assert_nothing_is_left(cluster)


@pytest.mark.parametrize("victim", ["0", "1"])
def test_the_loss_of_either_executor_leaves_the_other_attempt(new_cluster, victim):
    cluster = new_cluster(executors=2, limits=COPIES)
    times = iter([5.0, 4.0])
    cluster.duration = lambda stage, partition: next(times, 0.2) if partition == 0 else 0.2
    job = cluster.submit(numbers(cluster), lambda task, items: list(items))
    cluster.run_until(lambda: len(attempts(cluster)) == 2)
    cluster.kill(cluster.executors[victim])
    cluster.run_until(lambda: job in cluster.ended)
    assert cluster.results(job) == [[0], [1], [2], [3]]
    assert len(attempts(cluster)) == 2
    assert_nothing_is_left(cluster)


def test_the_map_output_of_the_first_to_end_is_read(new_cluster):
    cluster = new_cluster(executors=2, limits=COPIES)
    cluster.duration = is_slow_once((0, 0))
    pairs = cluster.parallelize(WORDS, 4).map(lambda word: (word, 1))
    assert dict(pairs.reduceByKey(lambda a, b: a + b, 3).collect()) == COUNTS
    assert attempts(cluster) == [0, 1]
    assert attempts(cluster, 1) == [0]
    assert_nothing_is_left(cluster)


@pytest.mark.seeds(40)
def test_whatever_is_slow_or_dies_results_are_right_and_nothing_is_left(new_cluster, seed):
    dice = random.Random(seed)
    cluster = new_cluster(executors=3, cores=dice.randint(1, 2), limits=COPIES)
    cluster.duration = lambda stage, partition: dice.choice([0.01, 0.05, 0.1, 3.0])
    deaths = iter(range(2))

    def mishap(step):
        if dice.random() < 0.02 and next(deaths, None) is not None:
            alive = [each for each in cluster.executors.values() if each.is_alive]
            cluster.kill(dice.choice(alive), dice.choice([0.001, 0.5]))
            cluster.after(1.0, cluster.add_executor)

    cluster.before_step = mishap
    pairs = cluster.parallelize(WORDS, 6).map(lambda word: (word, 1))
    assert dict(pairs.reduceByKey(lambda a, b: a + b, 5).collect()) == COUNTS
    assert_nothing_is_left(cluster)


def test_a_loss_at_every_step_of_a_job_with_copies(new_cluster):
    def run(fatal_step):
        cluster = new_cluster(executors=3, limits=COPIES)
        cluster.duration = is_slow_once((0, 0), (1, 1), seconds=3.0)

        def kill(step):
            if step == fatal_step:
                cluster.kill(cluster.executors["0"])

        cluster.before_step = kill
        pairs = cluster.parallelize(WORDS, 4).map(lambda word: (word, 1))
        assert dict(pairs.reduceByKey(lambda a, b: a + b, 3).collect()) == COUNTS, fatal_step
        steps = cluster.steps
        assert_nothing_is_left(cluster)
        return steps

    for fatal_step in range(run(None)):
        run(fatal_step)


def test_an_executor_is_lost_with_two_attempts_at_a_slot(new_cluster):
    """What lost to a copy has not ended yet when its slot has to run again, in the same place."""
    limits = Limits(speculation=SpeculationSettings(quantile=0.5))
    cluster = new_cluster(executors=2, cores=4, limits=limits)
    times = iter([50.0])
    cluster.duration = lambda stage, partition: (
        next(times, 0.2) if partition == 0 else 3.0 if partition == 3 else 0.2
    )
    pairs = cluster.parallelize(WORDS, 4).map(lambda word: (word, 1))
    job = cluster.submit(pairs.reduceByKey(lambda a, b: a + b, 3), lambda task, items: list(items))
    (task_set,) = cluster.scheduler._tasks.live()
    cluster.run_until(lambda: task_set.state[0] == DONE)
    (slow,) = [each for each in cluster.executors.values() if 0 in each.running]
    (fast,) = [each for each in cluster.executors.values() if each is not slow]
    for executor in (fast, slow):
        cluster.kill(executor)
        cluster.scheduler.executor_removed(executor.id, "", True, cluster.now)
        cluster._perform()
    cluster.add_executor()
    cluster.run_until(lambda: job in cluster.ended)
    assert dict(pair for part in cluster.results(job) for pair in part) == COUNTS
    assert_nothing_is_left(cluster)


def test_settings_say_when_tasks_are_slow():
    assert Limits.of({}).speculation is None
    settings = {"spark.speculation": "true", "spark.speculation.multiplier": "3"}
    assert Limits.of(settings).speculation == SpeculationSettings(multiplier=3)


def test_a_cancelled_job_takes_its_copies_along(new_cluster):
    cluster = new_cluster(executors=2, limits=COPIES)
    cluster.duration = lambda stage, partition: 50.0 if partition == 0 else 0.2
    job = cluster.submit(numbers(cluster), lambda task, items: list(items))
    cluster.run_until(lambda: len(attempts(cluster)) == 2)
    cluster.scheduler.cancel(job, "", cluster.now)
    cluster._perform()
    cluster.advance(0.1)
    assert not any(executor.running for executor in cluster.executors.values())
    assert_nothing_is_left(cluster)
