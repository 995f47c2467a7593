"""What is remembered of jobs and stages, and for how long."""

from __future__ import annotations

import pytest

from minimesos.spark.local_properties import JOB_GROUP, JOB_TAGS
from minimesos.spark.scheduler.effects import JobAborted
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.status_store import StageMetrics
from minimesos.spark.scheduler.task import Metrics


def test_measures_of_tasks_add_up_and_the_peak_is_the_highest() -> None:
    first = Metrics(1.0, 10, 100, 20, 200, 5, 6, peak_bytes=70)
    second = Metrics(0.5, 1, 2, 3, 4, 0, 0, peak_bytes=50)

    total = StageMetrics().with_task(first).with_task(second)

    assert total == StageMetrics(1.5, 11, 102, 23, 204, 5, 6, peak_bytes=70)


def sums_of(cluster):
    pairs = cluster.parallelize(range(40), 4).map(lambda number: (number % 8, number))
    return pairs.reduceByKey(lambda a, b: a + b, 3)


def test_a_job_runs_and_then_has_succeeded_with_all_its_stages(new_cluster):
    cluster = new_cluster()
    status = cluster.scheduler.status
    job_id = cluster.submit(sums_of(cluster), lambda task, items: len(list(items)))
    cluster.step()

    assert status.running_jobs() == [job_id]
    assert status.running_stages() == [0]
    cluster.settle()

    job = status.job(job_id)
    assert (job.status, job.stage_ids) == ("SUCCEEDED", [0, 1])
    assert status.running_jobs() == status.running_stages() == []
    stages = [status.stage(stage_id) for stage_id in job.stage_ids]
    assert [(stage.num_tasks, stage.completed, stage.active) for stage in stages] == [
        (4, 4, 0),
        (3, 3, 0),
    ]


def test_a_failed_job_and_its_failed_tasks_are_told(new_cluster):
    cluster = new_cluster(limits=Limits(task_failures=2))
    with pytest.raises(JobAborted):
        cluster.run_job(cluster.parallelize([0], 1), lambda task, items: 1 / next(items))

    status = cluster.scheduler.status
    assert status.job(0).status == "FAILED"
    assert (status.stage(0).failed, status.stage(0).completed) == (2, 0)


def test_jobs_are_found_by_their_group_or_for_want_of_one(new_cluster):
    cluster = new_cluster()
    rdd = cluster.parallelize([1], 1)
    count = lambda task, items: len(list(items))  # noqa: E731
    cluster.submit(rdd, count)
    cluster.submit(rdd, count, properties={JOB_GROUP: "mine"})
    cluster.settle()

    status = cluster.scheduler.status
    assert status.jobs_of_group(None) == [0]
    assert status.jobs_of_group("mine") == [1]
    assert status.jobs_of_group("other") == []


def test_only_the_last_ended_jobs_and_stages_are_remembered(new_cluster):
    cluster = new_cluster(limits=Limits(retained_jobs=2, retained_stages=1))
    for _ in range(4):
        cluster.parallelize([1], 1).count()

    status = cluster.scheduler.status
    assert [status.job(job_id) is not None for job_id in range(4)] == [False, False, True, True]
    assert [status.stage(stage_id) is not None for stage_id in range(4)] == [*[False] * 3, True]


def test_jobs_with_a_tag_are_cancelled_together(new_cluster):
    cluster = new_cluster(executors=0)
    rdd = cluster.parallelize([1], 1)
    count = lambda task, items: len(list(items))  # noqa: E731
    tagged = cluster.submit(rdd, count, properties={JOB_TAGS: "nightly,slow"})
    other = cluster.submit(rdd, count, properties={JOB_TAGS: "slower"})

    cluster.after(0, lambda: cluster.scheduler.cancel_tagged("slow", cluster.now))
    cluster.advance(seconds=1)

    assert "Job 0 cancelled part of cancelled jobs with tag slow" in str(
        cluster.ended[tagged].error
    )
    assert other not in cluster.ended
