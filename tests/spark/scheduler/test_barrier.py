"""Barrier stages: when their tasks start, how they meet, and that they fail as one."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from minimesos.spark.barrier import Call
from minimesos.spark.errors import SparkException
from minimesos.spark.scheduler.allocation import AllocationSettings
from minimesos.spark.scheduler.barrier import Answer, Rendezvous
from minimesos.spark.scheduler.dag import DagScheduler
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.pools import Pools

# ------------------------------------------------------------------------------------ meetings


def meeting():
    return Rendezvous(order=[2, 0, 1], timeout_s=10)


def test_nobody_is_answered_before_all_have_called():
    tasks = meeting()
    assert tasks.called(0, Call.BARRIER, "", 0) is None
    assert tasks.called(2, Call.BARRIER, "", 1) is None
    assert tasks.called(1, Call.BARRIER, "", 2) == Answer([2, 0, 1])


def test_messages_are_gathered_by_partition_and_again_in_the_next_turn():
    tasks = meeting()
    for turn in range(3):
        answers = [tasks.called(slot, Call.ALL_GATHER, f"{slot}.{turn}", 0) for slot in (1, 0, 2)]
        wanted = [f"2.{turn}", f"0.{turn}", f"1.{turn}"]
        assert answers == [None, None, Answer([2, 0, 1], wanted)]


def test_different_calls_fail_for_all_who_wait_and_for_all_later_ones():
    tasks = meeting()
    tasks.called(0, Call.BARRIER, "", 0)
    answer = tasks.called(1, Call.ALL_GATHER, "", 0)
    assert set(answer.slots) == {0, 1}
    assert "task 1 called allGather() while" in answer.error
    assert tasks.called(2, Call.BARRIER, "", 0) == Answer((2,), error=answer.error)


def test_an_end_fails_those_who_wait_and_those_who_will_call():
    tasks = meeting()
    tasks.called(0, Call.BARRIER, "", 0)
    assert "task 1 has ended" in tasks.ended(1).error
    late = meeting()
    assert late.ended(1) is None
    assert late.called(2, Call.BARRIER, "", 0).slots == [2]


def test_waiting_ends_with_the_time_which_counts_from_the_first_call_of_a_turn():
    tasks = meeting()
    for slot in range(3):
        tasks.called(slot, Call.BARRIER, "", 0)
    assert tasks.expired(100) is None, "nobody waits"
    tasks.called(0, Call.BARRIER, "", 20)
    tasks.called(1, Call.BARRIER, "", 25)
    assert tasks.expired(29.9) is None
    answer = tasks.expired(30)
    assert set(answer.slots) == {0, 1}
    assert "only 2 of 3 tasks of a barrier stage came to barrier() within 10 s" in answer.error


# ------------------------------------------------------------------------------------- stages


def barrier(cluster, tasks=4):
    numbers = cluster.parallelize(range(tasks), tasks)
    return numbers.barrier().mapPartitionsWithIndex(lambda index, items: [index])


def submit(cluster, rdd):
    return cluster.submit(rdd, lambda task, items: list(items))


def assert_nothing_is_left(cluster):
    cluster.settle()
    tasks = cluster.scheduler._tasks
    assert tasks.live() == ()
    assert tasks.barriers._meetings == {}
    assert not cluster.scheduler._stages._slot_checks
    assert all(executor.outstanding == 0 for executor in tasks.executors.values())


@pytest.mark.parametrize("pools", [None, Pools()])
def test_tasks_start_together_once_all_have_a_slot_and_later_jobs_wait_for_that(new_cluster, pools):
    cluster = new_cluster(executors=2, cores=2, pools=pools)
    cluster.duration = lambda stage, partition: 1 + partition
    first = submit(cluster, cluster.parallelize(range(3), 3))
    cluster.advance(0.5)
    together = submit(cluster, barrier(cluster))
    cluster.advance(0.1)
    submit(cluster, cluster.parallelize(range(50), 50))
    cluster.run_until(lambda: first in cluster.ended)
    assert Counter(stage for stage, *_ in cluster.launched) == {0: 3}
    cluster.advance(0.1)
    assert Counter(stage for stage, *_ in cluster.launched) == {0: 3, 1: 4}
    busy = [len(executor.running) for executor in cluster.executors.values()]
    assert busy == [2, 2], "each has a worker of its own"
    cluster.run_until(lambda: together in cluster.ended)
    assert cluster.results(together) == [[0], [1], [2], [3]]
    assert_nothing_is_left(cluster)


def test_a_failure_interrupts_the_others_and_all_run_again(new_cluster):
    cluster = new_cluster(executors=2, cores=2)
    cluster.duration = lambda stage, partition: 1 if partition == 1 else 5
    stage = barrier(cluster).map(lambda index: 1 // (index - 1))
    with pytest.raises(SparkException, match="maximum allowable number of times: 4") as caught:
        stage.collect()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert cluster.launches(0) == dict.fromkeys(range(4), 4)
    assert cluster.now < 8, "nobody waits for the others"
    assert_nothing_is_left(cluster)


def test_where_one_failure_ends_a_job_it_ends_a_barrier_stage(new_cluster):
    cluster = new_cluster(executors=1, cores=4, limits=Limits(task_failures=1))
    stage = cluster.parallelize(range(4), 4).barrier().mapPartitions(lambda items: 1 / 0)
    with pytest.raises(SparkException, match="failed 1 times") as caught:
        stage.collect()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert cluster.launches(0) == dict.fromkeys(range(4), 1)
    assert_nothing_is_left(cluster)


def test_a_lost_executor_has_all_tasks_run_again_even_those_that_are_done(new_cluster):
    cluster = new_cluster(executors=3, cores=2)
    cluster.duration = lambda stage, partition: 1 if partition == 0 else 5
    job = submit(cluster, barrier(cluster))
    cluster.advance(2)
    victim = next(e for e in cluster.executors.values() if e.running)
    cluster.kill(victim)
    cluster.run_until(lambda: job in cluster.ended)
    assert cluster.results(job) == [[0], [1], [2], [3]]
    assert cluster.launches(0) == dict.fromkeys(range(4), 2)
    assert cluster.now < 9
    assert_nothing_is_left(cluster)


def test_lost_input_of_a_shuffle_has_the_whole_stage_behind_it_run_again(new_cluster):
    cluster = new_cluster(executors=3, cores=2)
    pairs = cluster.parallelize(range(40), 4).map(lambda number: (number % 4, number))
    sums = pairs.partitionBy(4).barrier().mapPartitions(lambda items: [sum(n for _, n in items)])
    cluster.duration = lambda stage, partition: 1
    job = submit(cluster, sums)
    cluster.run_until(lambda: any(stage == 1 for stage, *_ in cluster.launched))
    victim = next(e for e in cluster.executors.values() if e.running)
    cluster.kill(victim)
    cluster.run_until(lambda: job in cluster.ended)
    assert sum(map(sum, cluster.results(job))) == sum(range(40))
    assert cluster.launches(1) == dict.fromkeys(range(4), 2)
    assert_nothing_is_left(cluster)


def test_map_tasks_of_a_barrier_stage_run_again_as_one(new_cluster):
    cluster = new_cluster(executors=2, cores=2)
    cluster.duration = lambda stage, partition: 1 if partition == 0 else 5
    counts = barrier(cluster).map(lambda index: (index % 2, 1)).reduceByKey(lambda a, b: a + b, 2)
    job = submit(cluster, counts)
    cluster.advance(2)
    cluster.kill(next(iter(cluster.executors.values())))
    cluster.advance(1)
    assert job not in cluster.ended, "two slots are too few"
    cluster.add_executor(2)
    cluster.run_until(lambda: job in cluster.ended)
    assert dict(pair for part in cluster.results(job) for pair in part) == {0: 2, 1: 2}
    assert cluster.launches(0) == dict.fromkeys(range(4), 2)
    assert_nothing_is_left(cluster)


@pytest.mark.parametrize("seed", range(20))
def test_executors_may_go_at_any_time(new_cluster, seed):
    chance = random.Random(seed)
    limits = Limits(stage_attempts=40, task_failures=20)
    cluster = new_cluster(4, 2, limits, Pools() if seed % 2 else None)
    cluster.duration = lambda stage, partition: chance.choice([0.01, 0.3, 2])
    pairs = cluster.parallelize(range(40), 5).map(lambda number: (number % 3, number))
    together = pairs.partitionBy(4).barrier().mapPartitions(list)
    sums = submit(cluster, together.reduceByKey(lambda a, b: a + b, 3))
    others = submit(cluster, cluster.parallelize(range(30), 30))
    again = submit(cluster, together)

    def replace_one():
        alive = [executor for executor in cluster.executors.values() if executor.is_alive]
        cluster.kill(chance.choice(alive))
        cluster.add_executor(2)

    for _ in range(chance.randrange(1, 6)):
        cluster.after(chance.uniform(0, 6), replace_one)
    cluster.run_until(lambda: {sums, others, again} <= cluster.ended.keys())
    found = sorted(pair for part in cluster.results(sums) for pair in part)
    assert found == [(key, sum(range(key, 40, 3))) for key in range(3)]
    assert sum(map(sum, cluster.results(others))) == sum(range(30))
    assert sum(map(len, cluster.results(again))) == 40
    assert_nothing_is_left(cluster)


def test_a_stage_waits_for_slots_and_runs_as_soon_as_they_come(new_cluster):
    cluster = new_cluster(executors=1, cores=3)
    job = submit(cluster, barrier(cluster))
    cluster.advance(20)
    assert cluster.launched == []
    cluster.add_executor()
    cluster.run_until(lambda: job in cluster.ended)
    assert cluster.now < 21
    assert cluster.results(job) == [[0], [1], [2], [3]]
    assert_nothing_is_left(cluster)


def test_a_stage_is_given_up_after_so_many_checks(new_cluster):
    limits = Limits(barrier_check_s=15, barrier_checks=3)
    cluster = new_cluster(executors=1, cores=3, limits=limits)
    job = submit(cluster, barrier(cluster))
    cluster.advance(44.9)
    assert job not in cluster.ended
    cluster.advance(0.2)
    with pytest.raises(SparkException, match=r"\[SPARK-24819\]"):
        cluster.results(job)
    assert_nothing_is_left(cluster)


def test_a_cancelled_stage_that_waits_for_slots_is_forgotten(new_cluster):
    cluster = new_cluster(executors=1, cores=3)
    job = submit(cluster, barrier(cluster))
    cluster.scheduler.cancel(job, "", cluster.now)
    cluster._perform()
    assert_nothing_is_left(cluster)
    assert cluster.launched == []


def test_the_fine_grained_mode_has_no_barrier_stages(new_cluster):
    cluster = new_cluster(executors=0)
    cluster.scheduler = DagScheduler(launches_on_offers=True)
    with pytest.raises(SparkException, match="not supported in the fine-grained mode"):
        barrier(cluster).collect()


def test_dynamic_allocation_has_no_barrier_stages(new_cluster):
    cluster = new_cluster(executors=1, cores=4, allocation=AllocationSettings())
    with pytest.raises(SparkException, match=r"\[SPARK-24942\]"):
        barrier(cluster).collect()
