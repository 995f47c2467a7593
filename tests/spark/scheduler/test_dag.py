from __future__ import annotations

import pickle
import threading
import traceback

import pytest

from minimesos.spark.accumulators import INT_ACCUMULATOR_PARAM, Accumulator
from minimesos.spark.scheduler.effects import JobAborted, JobCancelled
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.taskcontext import TaskContext


def pairs_of(cluster, partitions=4):
    return cluster.parallelize(range(40), partitions).map(lambda number: (number % 8, number))


def test_results_are_in_the_order_of_the_partitions_that_were_asked_for(new_cluster):
    cluster = new_cluster(executors=3)
    rdd = cluster.parallelize(range(10), 10)
    assert cluster.run_job(rdd, lambda task, items: list(items), [7, 2, 7]) == [[7], [2], [7]]


def test_a_job_on_no_partitions_is_done_at_once(new_cluster):
    cluster = new_cluster(executors=0)
    assert cluster.run_job(cluster.parallelize(range(3), 3), lambda task, items: 1, []) == []


def test_a_later_job_skips_a_shuffle_that_is_there(new_cluster):
    cluster = new_cluster()
    sums = pairs_of(cluster).reduceByKey(lambda a, b: a + b, 3)
    expected = {key: sum(range(key, 40, 8)) for key in range(8)}
    assert dict(sums.collect()) == expected
    launched = len(cluster.launched)

    assert dict(sums.mapValues(lambda value: value + 1).collect()) == {
        key: value + 1 for key, value in expected.items()
    }
    assert len(cluster.launched) - launched == 3


def test_a_shuffle_is_computed_again_once_its_rdd_is_gone(new_cluster):
    cluster = new_cluster()
    sums = pairs_of(cluster).reduceByKey(lambda a, b: a + b, 3)
    shuffle_id = sums.dependencies[0].shuffle_id
    assert sums.count() == 8
    cluster.clean_up(shuffle_ids=[shuffle_id])
    cluster.settle()
    assert any(shuffle_id in frame.cleanup.shuffle_ids for frame in cluster.executors["0"].frames)
    launched = len(cluster.launched)
    assert sums.count() == 8
    assert len(cluster.launched) - launched == 7


def test_two_jobs_at_once_share_the_stage_that_both_need(new_cluster):
    cluster = new_cluster()
    sums = pairs_of(cluster).reduceByKey(lambda a, b: a + b, 3)
    first = cluster.submit(sums, lambda task, items: len(list(items)))
    second = cluster.submit(sums, lambda task, items: dict(items))
    cluster.run_until(lambda: {first, second} <= set(cluster.ended))
    assert sum(cluster.results(first)) == 8
    assert len(cluster.launched) == 4 + 3 + 3


def test_cancelling_one_of_two_jobs_leaves_their_common_stage_running(new_cluster):
    cluster = new_cluster()
    sums = pairs_of(cluster).reduceByKey(lambda a, b: a + b, 3)
    first = cluster.submit(sums, lambda task, items: len(list(items)))
    second = cluster.submit(sums, lambda task, items: len(list(items)))
    cluster.after(0, lambda: cluster.scheduler.cancel(first, "", cluster.now))
    cluster.run_until(lambda: {first, second} <= set(cluster.ended))
    with pytest.raises(JobCancelled):
        cluster.results(first)
    assert sum(cluster.results(second)) == 8


def test_a_task_that_fails_once_is_tried_again(new_cluster):
    cluster = new_cluster()

    def fail_first(task, items):
        if task.attemptNumber() == 0:
            raise ValueError("not yet")
        return task.attemptNumber(), list(items)

    assert cluster.run_job(cluster.parallelize([5], 1), fail_first) == [(1, [5])]


def test_a_task_that_fails_four_times_ends_the_job_with_the_users_traceback_first(new_cluster):
    cluster = new_cluster()
    with pytest.raises(JobAborted) as caught:
        cluster.parallelize([1, 0], 2).map(lambda number: 1 // number).collect()
    text = str(caught.value)
    assert text.startswith("Traceback (most recent call last):\n  File ")
    assert "in <lambda>" in text
    assert "minimesos/spark" not in text
    assert (
        "Job aborted due to stage failure: Task 1 in stage 0.0 failed 4 times, most recent "
        "failure: Lost task 1.3 in stage 0.0 (TID " in text
    )
    assert "ZeroDivisionError: integer division or modulo by zero" in text
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert cluster.launches(0)[1] == 4


def test_the_number_of_failures_is_a_setting(new_cluster):
    cluster = new_cluster(limits=Limits.of({"spark.task.maxFailures": "1"}))
    with pytest.raises(JobAborted, match="failed 1 times"):
        cluster.parallelize([0], 1).map(lambda number: 1 // number).collect()
    assert cluster.launches(0)[0] == 1


def test_a_worker_that_dies_four_times_under_a_task_ends_the_job(new_cluster, worker_killed):
    cluster = new_cluster()

    def die(task, items):
        raise worker_killed("worker 0 was killed by SIGKILL")

    with pytest.raises(JobAborted, match=r"failed 4 times.*killed by SIGKILL"):
        cluster.run_job(cluster.parallelize([1], 1), die)


def test_the_loss_of_a_worker_is_forgiven_even_where_exceptions_are_not(new_cluster, worker_killed):
    cluster = new_cluster(limits=Limits(task_failures=1))

    def die_once(task, items):
        if task.attemptNumber() == 0:
            raise worker_killed("worker 0 was killed by SIGKILL")
        return list(items)

    assert cluster.run_job(cluster.parallelize([1], 1), die_once) == [[1]]


def test_a_failing_job_stops_its_other_tasks(new_cluster):
    cluster = new_cluster(executors=2, limits=Limits(task_failures=1))
    cluster.duration = lambda stage, partition: 0.01 if partition == 0 else 100.0
    rdd = cluster.parallelize([0, 1], 2).map(lambda number: 1 // number)
    job = cluster.submit(rdd, lambda task, items: list(items))
    cluster.run_until(lambda: job in cluster.ended)
    cluster.advance(0.1)
    assert not any(executor.running for executor in cluster.executors.values())


def test_a_result_that_cannot_be_pickled_is_not_tried_again(new_cluster):
    cluster = new_cluster()
    with pytest.raises(JobAborted, match="cannot be pickled"):
        cluster.run_job(cluster.parallelize([1], 1), lambda task, items: threading.Lock())
    assert cluster.launches(0)[0] == 1


def test_a_closure_that_cannot_be_pickled_fails_the_job_and_is_named(new_cluster):
    cluster = new_cluster()
    lock = threading.Lock()
    with pytest.raises(pickle.PicklingError, match="'lock'"):
        cluster.parallelize([1], 1).map(lambda number: (lock, number)).collect()
    assert cluster.parallelize([1], 1).collect() == [1]


def test_an_item_that_cannot_be_pickled_fails_the_job(new_cluster):
    cluster = new_cluster()
    with pytest.raises(pickle.PicklingError, match="lock"):
        cluster.parallelize([threading.Lock()], 1).count()
    assert cluster.parallelize([1], 1).collect() == [1]


def test_results_above_the_limit_end_the_job(new_cluster):
    cluster = new_cluster(limits=Limits(result_bytes=1000))
    with pytest.raises(JobAborted, match=r"bigger than spark\.driver\.maxResultSize"):
        cluster.parallelize(["x" * 600] * 2, 2).collect()


def test_a_job_waits_for_the_first_executor_and_says_so_less_and_less_often(new_cluster):
    cluster = new_cluster(executors=0)
    job = cluster.submit(cluster.parallelize(range(3), 3), lambda task, items: list(items))
    assert cluster.revived == 1
    cluster.advance(200)
    assert cluster.warned_at == [15, 45, 105]
    assert cluster.revived == 4
    executor = cluster.add_executor()
    cluster.run_until(lambda: job in cluster.ended)
    assert cluster.results(job) == [[0], [1], [2]]
    cluster.advance(60)
    cluster.kill(executor)
    cluster.advance(60)
    assert len(cluster.warned_at) == 3


def test_after_resources_came_a_job_waits_from_the_start_again(new_cluster):
    cluster = new_cluster(executors=0, limits=Limits(starvation_s=10))
    cluster.duration = lambda stage, partition: 1000.0
    cluster.submit(cluster.parallelize(range(2), 2), lambda task, items: list(items))
    cluster.advance(35)
    assert cluster.warned_at == [10, 30]
    executor = cluster.add_executor()
    cluster.advance(5)
    cluster.kill(executor)
    cluster.advance(15)
    assert cluster.warned_at == [10, 30, pytest.approx(50, abs=0.01)]


def test_accumulators_count_each_partition_of_an_action_once(new_cluster):
    cluster = new_cluster()
    total = Accumulator(0, INT_ACCUMULATOR_PARAM)

    def add(task, items):
        for item in items:
            total.add(item)
        if task.attemptNumber() == 0:
            raise ValueError("not yet")

    cluster.run_job(cluster.parallelize(range(10), 5), add)
    assert total.value == 45


def test_cached_partitions_are_computed_where_they_lie(new_cluster):
    cluster = new_cluster(executors=2)
    rdd = cluster.parallelize(range(8), 4).map(lambda number: TaskContext.get().env.executor_id)
    rdd.cache()
    first = rdd.collect()
    assert set(first) == {"0", "1"}
    assert rdd.collect() == first
    places = rdd.map(lambda owner: (owner, TaskContext.get().env.executor_id)).collect()
    assert all(owner == here for owner, here in places)


def test_tasks_wait_for_the_worker_that_has_their_input_but_not_for_ever(new_cluster):
    cluster = new_cluster(executors=1)
    rdd = cluster.parallelize(range(6), 6)
    rdd.cache()
    rdd.count()
    cluster.add_executor()
    cluster.duration = lambda stage, partition: 2.0
    where = rdd.map(lambda number: TaskContext.get().env.executor_id)
    job = cluster.submit(where, lambda task, items: next(iter(items)))
    cluster.advance(2.5)
    assert not cluster.executors["1"].running
    cluster.run_until(lambda: job in cluster.ended)
    assert set(cluster.results(job)) == {"0", "1"}


def test_cached_partitions_of_a_lost_executor_are_computed_elsewhere(new_cluster):
    cluster = new_cluster(executors=2)
    rdd = cluster.parallelize(range(8), 4).map(lambda number: TaskContext.get().env.executor_id)
    rdd.cache()
    rdd.count()
    cluster.kill(cluster.executors["0"])
    cluster.settle()
    started = cluster.now
    assert set(rdd.collect()) == {"1"}
    assert cluster.now - started < 1.0


def test_cached_partitions_of_a_lost_executor_are_computed_again_from_their_shuffle(new_cluster):
    cluster = new_cluster(executors=2)
    sums = pairs_of(cluster).reduceByKey(lambda a, b: a + b, 3)
    sums.cache()
    expected = sorted(sums.collect())
    cluster.kill(cluster.executors["0"])
    cluster.settle()
    assert sorted(sums.collect()) == expected


def test_tasks_name_the_worker_that_has_their_input(new_cluster):
    cluster = new_cluster(executors=1, cores=2)
    rdd = cluster.parallelize(range(2), 2)
    rdd.cache()
    rdd.count()
    frames = cluster.executors["0"].frames
    frames.clear()
    rdd.count()
    assert [list(batch.workers) for frame in frames for batch in frame.tasks] == [[0, 1]]


def test_a_fully_cached_rdd_needs_none_of_its_shuffles(new_cluster):
    cluster = new_cluster()
    sums = pairs_of(cluster).reduceByKey(lambda a, b: a + b, 3)
    sums.cache()
    assert sums.count() == 8
    cluster.clean_up(shuffle_ids=[sums.dependencies[0].shuffle_id])
    cluster.settle()
    launched = len(cluster.launched)
    assert sums.count() == 8
    assert len(cluster.launched) - launched == 3


def test_a_cancelled_job_interrupts_its_tasks(new_cluster):
    cluster = new_cluster()
    cluster.duration = lambda stage, partition: 1000.0
    job = cluster.submit(cluster.parallelize(range(4), 4), lambda task, items: 1)
    cluster.advance(1)
    assert all(executor.running for executor in cluster.executors.values())
    cluster.after(0, lambda: cluster.scheduler.cancel_all("by the test", cluster.now))
    cluster.advance(1)
    with pytest.raises(JobCancelled, match="Job 0 cancelled by the test"):
        cluster.results(job)
    assert not any(executor.running for executor in cluster.executors.values())
    cluster.duration = lambda stage, partition: 0.01
    assert cluster.parallelize(range(4), 4).count() == 4


def test_iterations_over_a_long_chain_of_shuffles_do_not_recurse(new_cluster):
    cluster = new_cluster()
    rdd = cluster.parallelize([(1, 1)], 1)
    for _ in range(400):
        rdd = rdd.partitionBy(1).map(lambda pair: pair)
    assert rdd.collect() == [(1, 1)]


def test_stage_closures_are_sent_once_to_each_executor_and_forgotten(new_cluster):
    cluster = new_cluster(executors=1)
    rdd = cluster.parallelize(range(40), 40)
    rdd.count()
    rdd.count()
    frames = cluster.executors["0"].frames
    assert [stage.stage_key for frame in frames for stage in frame.stages] == [1, 2]
    assert [list(f.cleanup.stage_keys) for f in frames if f.HasField("cleanup")] == [[1]]


def test_union_and_coalesce_read_the_right_reduce_partitions(new_cluster):
    cluster = new_cluster()
    sums = pairs_of(cluster).reduceByKey(lambda a, b: a + b, 3)
    both = sums.union(sums.mapValues(lambda value: -value)).coalesce(2)
    assert sum(value for _, value in both.collect()) == 0
    assert both.count() == 16


def test_the_exception_keeps_no_frames_of_ours_in_the_middle(new_cluster):
    cluster = new_cluster()
    with pytest.raises(JobAborted) as caught:
        pairs_of(cluster).reduceByKey(lambda a, b: undefined, 2).collect()  # noqa: F821
    shown = "".join(traceback.format_exception_only(caught.value))
    assert "NameError: name 'undefined' is not defined" in shown
