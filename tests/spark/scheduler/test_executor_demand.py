"""Dynamic allocation as a whole: jobs, executors that come and go, and virtual time."""

from __future__ import annotations

import dataclasses
import logging
import math
import random
from collections import Counter

import pytest

from minimesos.actor import SetTimer
from minimesos.spark.scheduler.allocation import AllocationSettings
from minimesos.spark.scheduler.effects import JobFailed, RequestExecutors
from minimesos.spark.scheduler.executor_demand import (
    ALLOCATION_TIMER,
    LOOK_EVERY_S,
    ExecutorDemand,
)
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.map_output import MapOutputTracker
from minimesos.spark.scheduler.placement import BlockLocations

SOON = 0.02
"""What messages and short tasks take."""


@pytest.fixture
def elastic(new_cluster):
    """Make clusters without executors, which they get by need; a word is a setting."""

    def make(limits=None, **values):
        allocation = AllocationSettings(**values)
        cluster = new_cluster(executors=0, limits=limits, allocation=allocation)
        cluster.scheduler.start(cluster.now)
        cluster._perform()
        return cluster

    return make


def submit(cluster, tasks, seconds=0.01):
    """Start a job whose tasks take a while each."""
    cluster.duration = lambda stage, partition: seconds
    return cluster.submit(cluster.parallelize(range(tasks), tasks), lambda task, items: list(items))


def alive(cluster):
    return [executor.id for executor in cluster.executors.values() if executor.is_alive]


def totals(cluster):
    return [total for _, total in cluster.requests]


# -- more -----------------------------------------------------------------------------------------


def test_tasks_that_wait_get_executors_step_by_step(elastic):
    cluster = elastic()
    submit(cluster, 20, seconds=100.0)
    cluster.advance(10)
    assert cluster.requests == [(1, 1), (2, 3), (3, 7), (4, 15), (5, 20)]
    assert len(alive(cluster)) == 20
    assert sum(len(each.running) for each in cluster.executors.values()) == 20


def test_executors_of_several_cores_run_several_tasks(elastic):
    cluster = elastic(tasks_per_executor=4)
    cluster.executor_cores = 4
    submit(cluster, 10, seconds=100.0)
    cluster.advance(10)
    assert totals(cluster) == [1, 3]
    assert sum(len(each.running) for each in cluster.executors.values()) == 10


def test_a_new_executor_gets_at_once_what_another_one_has_queued(elastic):
    cluster = elastic()
    submit(cluster, 2, seconds=100.0)
    cluster.advance(1.3 + SOON)
    assert [len(each.running) for each in cluster.executors.values()] == [1]
    cluster.advance(1.0)  # 1 s after the first request, and as long until the executor is there
    assert [len(each.running) for each in cluster.executors.values()] == [1, 1]


def test_jobs_that_end_in_time_get_no_more_executors(elastic):
    cluster = elastic(least=1, initial=1)
    cluster.advance(1)
    for _ in range(20):
        job = submit(cluster, 8, seconds=0.05)
        cluster.run_until(lambda job=job: job in cluster.ended)
    assert cluster.now > 5
    assert totals(cluster) == [1]


def test_stages_that_end_in_time_are_no_backlog_together(elastic):
    cluster = elastic(least=1, initial=1)
    cluster.advance(1)
    cluster.duration = lambda stage, partition: 0.1
    rdd = cluster.parallelize([(1, 1)], 3)
    for _ in range(6):
        rdd = rdd.partitionBy(3).map(lambda pair: pair)
    job = cluster.submit(rdd, lambda task, items: list(items))
    cluster.run_until(lambda: job in cluster.ended)
    assert cluster.now > 3
    assert totals(cluster) == [1]


def test_a_task_that_failed_is_still_to_be_run(elastic):
    cluster = elastic()

    def stumble(task, items):
        if task.partitionId() == 0 and task.attemptNumber() < 3:
            raise ValueError("by the test")

    cluster.duration = lambda stage, partition: 3.0 if partition == 0 else 100.0
    cluster.submit(cluster.parallelize(range(3), 3), stumble)
    cluster.advance(13)
    assert cluster.launches(0) == {0: 4, 1: 1, 2: 1}
    assert totals(cluster) == [1, 3]
    cluster.advance(1)
    assert totals(cluster) == [1, 3, 2]


def test_the_first_executors_are_asked_for_before_there_is_a_job(elastic):
    cluster = elastic(initial=3)
    assert cluster.requests == [(0, 3)]
    cluster.advance(30)
    assert len(alive(cluster)) == 3
    job = submit(cluster, 1)
    cluster.run_until(lambda: job in cluster.ended)
    cluster.advance(LOOK_EVERY_S)
    assert totals(cluster) == [3, 1, 0]


def test_the_hosts_of_waiting_tasks_files_go_with_the_request(elastic):
    cluster = elastic()
    requests = []
    rdd = cluster.parallelize(range(4), 4)
    hosts = {0: ["a", "b"], 1: ["a"], 2: []}
    rdd.__class__ = type(
        "OnHosts",
        (type(rdd),),
        {"preferred_locations": lambda self, index: hosts.get(index, ["c"])},
    )
    effects = cluster.scheduler.take_effects

    def watched():
        taken = effects()
        requests.extend(each for each in taken if hasattr(each, "local_tasks"))
        return taken

    cluster.scheduler.take_effects = watched
    cluster.submit(rdd, lambda task, items: 1)
    cluster.advance(1)
    assert [each.local_tasks for each in requests] == [{"a": 2, "b": 1, "c": 1}]


def test_tasks_of_an_executor_that_died_wait_again(elastic):
    cluster = elastic()
    job = submit(cluster, 2, seconds=5.0)
    cluster.run_until(lambda: job in cluster.ended)
    cluster.advance(1)
    submit(cluster, 2, seconds=100.0)  # at once, so that nobody is asked for
    cluster.advance(5)
    assert totals(cluster) == [1, 2, 1, 0]
    cluster.kill(cluster.executors["0"])
    cluster.advance(2)
    assert totals(cluster) == [1, 2, 1, 0, 2]
    assert len(alive(cluster)) == 2


def test_map_tasks_whose_outputs_were_lost_wait_again(elastic):
    cluster = elastic()
    cluster.duration = lambda stage, partition: 5.0 if stage == 0 else 100.0
    cluster.submit(pairs_of(cluster, reduces=1), lambda task, items: list(items))
    cluster.run_until(lambda: any(stage == 1 for stage, _, _ in cluster.launched))
    cluster.advance(2)
    assert totals(cluster)[-1] == 1
    (reducer,) = (each for each in cluster.executors.values() if each.running)
    (other,) = (each for each in cluster.executors.values() if not each.running)
    before = len(cluster.requests)
    cluster.kill(other)
    died_at = cluster.now
    cluster.advance(3)
    # It is noticed, the stage is submitted again after 0.2 s, and waits for 1 s.
    assert cluster.requests[before] == (pytest.approx(died_at + 1.2, abs=SOON), 2)
    assert reducer.is_alive


class Tasks:
    """As much of a task scheduler as is looked at."""

    def __init__(self):
        self.sets = ("a",)
        self.unfinished = 9
        self.executors = {}

    def live(self):
        return self.sets

    def active(self):
        return ()

    def has_backlog(self):
        return True


@pytest.fixture
def watched():
    tasks, effects = Tasks(), []
    demand = ExecutorDemand(
        AllocationSettings(), tasks, MapOutputTracker(), BlockLocations(), {}, effects
    )
    return demand, tasks, effects


def test_a_stage_that_follows_another_one_waits_from_its_own_start(watched):
    demand, tasks, effects = watched
    demand.heed(0.0)
    tasks.sets = ("b",)
    demand.heed(0.9)
    demand.look(1.0)
    assert effects[-1] == SetTimer(ALLOCATION_TIMER, 1.9)
    tasks.sets = ("b", "c")
    demand.heed(1.5)
    demand.look(1.9)
    assert effects[-2] == RequestExecutors(1, {})


def test_what_happens_often_sets_no_timer_each_time(watched):
    demand, _, effects = watched
    demand.look(0.0)
    effects.clear()
    for milliseconds in range(90):
        demand.heed(milliseconds / 1000)
    assert effects == [SetTimer(ALLOCATION_TIMER, LOOK_EVERY_S)]


# -- fewer ----------------------------------------------------------------------------------------


def test_idle_executors_are_given_back_and_the_next_job_gets_new_ones(elastic):
    cluster = elastic()
    job = submit(cluster, 3, seconds=5.0)
    cluster.run_until(lambda: job in cluster.ended)
    cluster.advance(50)
    assert len(alive(cluster)) == 3
    cluster.advance(10 + SOON)
    assert alive(cluster) == []
    assert totals(cluster) == [1, 3, 2, 0]
    again = submit(cluster, 3)
    cluster.run_until(lambda: again in cluster.ended)
    assert cluster.results(again) == [[0], [1], [2]]


def test_each_executor_is_given_back_just_when_its_time_is_over(elastic):
    cluster = elastic(idle_s=7.0)
    cluster.duration = lambda stage, partition: (5.0, 8.0)[partition]
    cluster.submit(cluster.parallelize(range(2), 2), lambda task, items: list(items))
    cluster.advance(30)
    ends = [1.3 + 5.0, 2.3 + 8.0]
    expected = [pytest.approx(end + 7.0, abs=SOON) for end in ends]
    assert [at_s for at_s, _ in cluster.killed] == expected


def test_an_executor_that_gets_a_task_in_time_is_kept(elastic):
    cluster = elastic()
    for _ in range(5):
        job = submit(cluster, 1)
        cluster.run_until(lambda job=job: job in cluster.ended)
        cluster.advance(55)
    assert alive(cluster) == ["0"]


def test_the_least_stay(elastic):
    cluster = elastic(least=2, initial=4)
    cluster.advance(200)
    assert len(alive(cluster)) == 2


def test_who_was_spared_gets_its_time_again_when_another_executor_comes(elastic):
    cluster = elastic(least=1, initial=1)
    cluster.advance(100)
    assert alive(cluster) == ["0"]
    cluster.add_executor()
    cluster.advance(59)
    assert cluster.killed == []
    cluster.advance(1)
    assert cluster.killed == [(160, "0")]


def test_an_executor_that_is_given_back_gets_no_more_tasks_and_its_end_is_no_failure(
    elastic, caplog
):
    caplog.set_level(logging.INFO)
    cluster = elastic(idle_s=5.0)
    job = submit(cluster, 1)
    cluster.run_until(lambda: job in cluster.ended)
    cluster.run_until(lambda: cluster.killed)
    caplog.clear()
    again = submit(cluster, 2)  # before the executor's end is known
    cluster.run_until(lambda: again in cluster.ended)
    assert not isinstance(cluster.ended[again], JobFailed)
    assert len(cluster.executors["0"].frames) == 1
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_the_log_says_why_executors_come_and_go(elastic, caplog):
    caplog.set_level(logging.INFO)
    cluster = elastic()
    submit(cluster, 3, seconds=5.0)
    cluster.advance(100)
    lines = [record.getMessage() for record in caplog.records]
    assert (
        "Requesting 2 new executors because tasks are backlogged (new desired total will be 3)"
        in lines
    )
    assert (
        "Requesting 1 new executor because tasks are backlogged (new desired total will be 1)"
        in (lines)
    )
    assert "Request to remove executorIds: 0 (idle for 60 s)" in lines
    assert 'executor removed executor=0 host=host-0 reason="idle for 60 s"' in lines


# -- what keeps executors -------------------------------------------------------------------------


def cached_on_two(cluster):
    cluster.duration = lambda stage, partition: 5.0
    rdd = cluster.parallelize(range(2), 2).map(lambda number: number + 1)
    rdd.cache()
    assert rdd.collect() == [1, 2]
    assert len(alive(cluster)) == 2
    return rdd


def test_an_executor_with_cached_partitions_is_kept_until_they_are_not(elastic):
    cluster = elastic()
    rdd = cached_on_two(cluster)
    cluster.advance(1000)
    assert len(alive(cluster)) == 2
    cluster.clean_up(rdd_ids=[rdd.rdd_id])
    cluster.advance(1)
    assert alive(cluster) == []


def test_the_time_of_an_executor_with_cached_partitions_may_be_set(elastic):
    cluster = elastic(cached_idle_s=200.0)
    rdd = cached_on_two(cluster)
    cluster.advance(190)
    assert len(alive(cluster)) == 2
    cluster.advance(10)
    assert alive(cluster) == []
    assert rdd.collect() == [1, 2]  # computed again


def test_broadcasts_keep_no_executor(elastic):
    cluster = elastic()
    submit(cluster, 1)
    cluster.clean_up(broadcast_ids=[7])
    cluster.advance(70)
    assert alive(cluster) == []


def pairs_of(cluster, maps=2, reduces=2):
    pairs = cluster.parallelize(range(40), maps).map(lambda number: (number % 8, number))
    return pairs.reduceByKey(lambda a, b: a + b, reduces)


SUMS = Counter({key: sum(range(key, 40, 8)) for key in range(8)})


def test_an_executor_is_kept_while_a_shuffle_that_it_wrote_may_be_read(elastic):
    cluster = elastic()
    cluster.duration = lambda stage, partition: 5.0
    sums = pairs_of(cluster)
    assert dict(sums.collect()) == SUMS
    cluster.advance(1000)
    wrote = cluster.scheduler._stages.outputs.holders()
    assert set(alive(cluster)) == wrote
    launched = len(cluster.launched)
    assert dict(sums.collect()) == SUMS
    assert len(cluster.launched) - launched == 2  # nothing was written again
    cluster.clean_up(shuffle_ids=[sums.dependencies[0].shuffle_id])
    cluster.advance(70)
    assert alive(cluster) == []


def test_with_a_time_for_shuffles_their_executors_go_and_outputs_are_written_again(elastic):
    cluster = elastic(shuffle_idle_s=90.0)
    cluster.duration = lambda stage, partition: 5.0
    sums = pairs_of(cluster)
    assert dict(sums.collect()) == SUMS
    cluster.advance(85)
    assert alive(cluster)
    cluster.advance(6)
    assert alive(cluster) == []
    assert dict(sums.collect()) == SUMS


def test_an_executor_whose_map_outputs_a_running_job_reads_is_kept_however_long(elastic):
    cluster = elastic(idle_s=10.0, shuffle_idle_s=10.0)
    cluster.duration = lambda stage, partition: 5.0 if stage == 0 else 500.0
    job = cluster.submit(pairs_of(cluster, 4, 1), lambda task, items: dict(items))
    cluster.run_until(lambda: any(stage == 1 for stage, _, _ in cluster.launched))
    wrote = cluster.scheduler._stages.outputs.holders()
    assert len(wrote) > 1
    cluster.run_until(lambda: job in cluster.ended)
    assert wrote <= set(alive(cluster))
    assert cluster.results(job) == [SUMS]
    cluster.advance(10 + SOON)
    assert alive(cluster) == []


def test_with_a_shuffle_service_executors_go_whatever_they_wrote(elastic):
    cluster = elastic(Limits(outputs_outlive_executors=True), tracks_shuffles=False)
    cluster.duration = lambda stage, partition: 5.0
    sums = pairs_of(cluster)
    assert dict(sums.collect()) == SUMS
    cluster.advance(60)
    assert alive(cluster) == []
    launched = len(cluster.launched)
    assert dict(sums.collect()) == SUMS
    assert len(cluster.launched) - launched == 2  # the reduce tasks


# -- all of it together ---------------------------------------------------------------------------


@pytest.mark.seeds(40)
def test_results_are_right_while_executors_come_go_and_die(elastic, seed):
    dice = random.Random(seed)
    allowed = AllocationSettings(
        least=dice.choice([0, 0, 1]),
        most=dice.randint(1, 4),
        backlog_s=dice.choice([0.05, 1.0]),
        sustained_backlog_s=dice.choice([0.01, 0.5]),
        idle_s=dice.choice([0.05, 1.0]),
        cached_idle_s=dice.choice([0.1, math.inf]),
        tracks_shuffles=True,
        shuffle_idle_s=dice.choice([0.1, 2.0, math.inf]),
    )
    cluster = elastic(**dataclasses.asdict(allowed))
    cluster.executor_cores = dice.randint(1, 2)
    cluster.duration = lambda stage, partition: dice.choice([0.001, 0.1, 2.0])
    mishaps = iter(range(2))

    def mishap(step):
        assert len(alive(cluster)) <= allowed.most
        living = [each for each in cluster.executors.values() if each.is_alive]
        if living and dice.random() < 0.005 and next(mishaps, None) is not None:
            cluster.kill(dice.choice(living), dice.choice([0.001, 1.0]))

    cluster.before_step = mishap
    sums = pairs_of(cluster, dice.randint(1, 6), dice.randint(1, 4))
    cached = sums.mapValues(lambda total: total + 1)
    cached.cache()
    for _ in range(3):
        jobs = [
            cluster.submit(rdd, lambda task, items: list(items)) for rdd in (sums, cached, sums)
        ]
        cluster.run_until(lambda jobs=jobs: all(job in cluster.ended for job in jobs))
        plain, raised, again = (
            dict(pair for part in cluster.results(job) for pair in part) for job in jobs
        )
        assert plain == again == SUMS
        assert raised == {key: total + 1 for key, total in SUMS.items()}
        cluster.advance(dice.choice([0.01, 0.5, 30.0]))
    cluster.clean_up([cached.rdd_id], [sums.dependencies[0].shuffle_id])
    cluster.settle()
    assert len(alive(cluster)) == allowed.least
    assert cluster.limit == allowed.least
    assert not cluster.scheduler.progress()


# -- what it costs --------------------------------------------------------------------------------


def looks(cluster):
    return cluster.timers_fired[ALLOCATION_TIMER]


def test_nothing_is_looked_at_while_nothing_can_change(elastic):
    cluster = elastic(least=1, initial=1)
    job = submit(cluster, 1)
    cluster.run_until(lambda: job in cluster.ended)
    cluster.advance(100)
    before = looks(cluster)
    cluster.advance(10_000)
    assert looks(cluster) == before


def test_a_job_that_is_cancelled_before_any_executor_came_leaves_no_demand(elastic):
    cluster = elastic()
    cluster._launch = lambda: None
    submit(cluster, 10)
    cluster.advance(5)
    assert totals(cluster) == [1, 3, 7, 10]
    cluster.scheduler.cancel_all("by the test", cluster.now)
    cluster.advance(1)
    assert totals(cluster) == [1, 3, 7, 10, 0]
    before = looks(cluster)
    cluster.advance(100)
    assert looks(cluster) == before


def test_many_short_jobs_are_looked_at_ten_times_a_second(elastic):
    cluster = elastic(least=1, initial=1)
    cluster.advance(1)
    before, started = looks(cluster), cluster.now
    for _ in range(100):
        job = submit(cluster, 8, seconds=0.002)
        cluster.run_until(lambda job=job: job in cluster.ended)
    elapsed = cluster.now - started
    assert elapsed > 1
    assert looks(cluster) - before <= elapsed / LOOK_EVERY_S + 1


def test_while_tasks_wait_for_long_they_are_looked_at_once_a_second(elastic):
    cluster = elastic(most=1)
    submit(cluster, 100, seconds=1000.0)
    cluster.advance(10)
    before = looks(cluster)
    cluster.advance(100)
    assert looks(cluster) - before == 100


def test_a_task_far_from_its_cached_input_has_the_shuffle_behind_it_made_again(elastic):
    # In this story map outputs are lost, and then a task does not get to the worker that has cached
    # what was made of them.
    test_results_are_right_while_executors_come_go_and_die(elastic, seed=82)
