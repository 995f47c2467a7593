"""What bounds jobs: the settings as they are read, and what the scheduler makes of them."""

from __future__ import annotations

from functools import partial

import pytest

from minimesos.spark.scheduler.limits import Limits


def count(task, items):
    return sum(1 for _ in items)


def count_words(words, task, items):
    return len(words)


def test_limits_are_read_from_the_settings():
    limits = Limits.of(
        {
            "spark.task.cpus": "2",
            "spark.locality.wait": "5s",
            "spark.rpc.message.maxSize": "1",
            "spark.starvation.timeout": "1500",
            "spark.cores.max": "10",
            "spark.scheduler.minRegisteredResourcesRatio": "0.8",
            "spark.scheduler.maxRegisteredResourcesWaitingTime": "1min",
        }
    )
    assert limits.task_cpus == 2
    assert limits.locality_waits_s == (5, 5)
    assert limits.message_bytes == 2**20
    assert limits.starvation_s == pytest.approx(1.5)
    assert (limits.ready_cores, limits.ready_wait_s) == (8, 60)
    assert Limits.of({"spark.locality.wait.node": "1s"}).locality_waits_s == (3, 1)
    assert Limits.of({}) == Limits()


def test_an_application_is_ready_when_its_share_of_cores_max_is_there():
    conf = {"spark.cores.max": "4", "spark.scheduler.minRegisteredResourcesRatio": "1.5"}
    limits = Limits.of(conf)  # the ratio is 1 at most
    assert not limits.is_ready(registered_cores=3, waited_s=0)
    assert limits.is_ready(registered_cores=4, waited_s=0)
    assert limits.is_ready(registered_cores=0, waited_s=30)


@pytest.mark.parametrize(
    "conf",
    [
        {"spark.cores.max": "4"},
        {"spark.scheduler.minRegisteredResourcesRatio": "1"},
    ],
)
def test_it_is_ready_at_once_without_a_ratio_or_without_cores_max(conf):
    assert Limits.of(conf).is_ready(registered_cores=0, waited_s=0)


def test_no_task_starts_before_enough_executors_have_come(new_cluster):
    cluster = new_cluster(executors=1, cores=2, limits=Limits(ready_cores=3))
    job = cluster.submit(cluster.range(0, 8, 1, 8), count)
    cluster.advance(10.0)
    assert not cluster.launched
    cluster.add_executor(cores=1)
    cluster.run_until(lambda: job in cluster.ended)
    assert sum(cluster.results(job)) == 8
    assert cluster.now < 11


def test_tasks_start_with_fewer_executors_once_the_wait_is_over(new_cluster):
    cluster = new_cluster(executors=1, limits=Limits(ready_cores=3, ready_wait_s=20.0))
    job = cluster.submit(cluster.range(0, 4, 1, 4), count)
    cluster.advance(19.9)
    assert not cluster.launched
    cluster.run_until(lambda: job in cluster.ended)
    assert 20.0 <= cluster.now < 21.0


def test_executors_that_go_later_do_not_hold_tasks_back_again(new_cluster):
    cluster = new_cluster(executors=2, limits=Limits(ready_cores=2))
    cluster.run_job(cluster.range(0, 2, 1, 2), count)
    cluster.kill(cluster.executors["0"])
    cluster.advance(1.0)
    assert cluster.run_job(cluster.range(0, 2, 1, 2), count) == [1, 1]


def test_a_task_of_two_cpus_takes_up_two_cores(new_cluster):
    cluster = new_cluster(executors=2, cores=4, limits=Limits(task_cpus=2))
    cluster.duration = lambda stage, partition: 60.0
    cluster.submit(cluster.range(0, 100, 1, 100), count)
    cluster.advance(1000.0)
    running = [task_set.running for task_set in cluster.scheduler._tasks.live()]
    assert running == [4]


def test_an_executor_too_small_for_a_task_is_said_so_and_left_out(new_cluster, caplog):
    cluster = new_cluster(executors=1, cores=1, limits=Limits(task_cpus=2))
    job = cluster.submit(cluster.range(0, 2, 1, 2), count)
    cluster.advance(1.0)
    assert not cluster.launched
    assert "Executor is too small for a task" in caplog.text
    cluster.kill(cluster.executors["0"])
    cluster.add_executor(cores=3)
    cluster.run_until(lambda: job in cluster.ended)


def test_an_input_above_the_largest_message_fails_its_job_with_advice(new_cluster):
    cluster = new_cluster(limits=Limits(message_bytes=1000))
    assert cluster.run_job(cluster.parallelize([bytes(100)] * 4, 2), count) == [2, 2]
    with pytest.raises(
        Exception,
        match=r"Serialized task of stage 1.0 was \d+ bytes, which exceeds max allowed: "
        r"spark.rpc.message.maxSize \(1000 bytes\). Consider more partitions, increasing",
    ):
        cluster.run_job(cluster.parallelize([bytes(2000)] * 4, 2), count)
    assert cluster.run_job(cluster.parallelize([1], 1), count) == [1]


def test_large_closures_are_compressed_and_small_ones_are_sent_as_they_are(new_cluster):
    cluster = new_cluster(executors=1, limits=Limits(closure_bytes=10_000))
    rdd = cluster.range(0, 1, 1, 1)
    small, large = b"word " * 1000, b"word " * 10_000
    for words in (small, large):
        action = partial(count_words, words)
        assert cluster.run_job(rdd, action) == [len(words)]
    sent = [len(each.binary) for frame in cluster.executors["0"].frames for each in frame.stages]
    assert sent[0] > len(small)
    assert sent[1] < len(large) / 5


def test_closures_are_not_compressed_if_broadcasts_are_not():
    large = bytes(2 * 2**20)
    assert Limits.of({}).compression_of(large) is not None
    assert Limits.of({"spark.broadcast.compress": "false"}).compression_of(large) is None
    conf = {"spark.broadcast.UDFCompressionThreshold": "3m"}
    assert Limits.of(conf).compression_of(large) is None
