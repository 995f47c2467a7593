"""Groups, tags, cancellation and status of jobs, with real workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimesos.spark import InheritableThread, SparkConf, SparkContext, TaskContext
from minimesos.spark.errors import SparkException
from minimesos.spark.status import SparkJobInfo

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkContext]:
    conf = SparkConf(loadDefaults=False).set("spark.local.dir", tmp_path_factory.mktemp("scratch"))
    with SparkContext("local[2]", "jobs", conf=conf) as context:
        yield context


def test_tags_are_a_threads_own(sc: SparkContext) -> None:
    sc.addJobTag("one")
    sc.addJobTag("two")
    sc.removeJobTag("one")
    elsewhere: list[set[str]] = []
    thread = threading.Thread(target=lambda: elsewhere.append(sc.getJobTags()))
    thread.start()
    thread.join()

    assert (sc.getJobTags(), elsewhere) == ({"two"}, [set()])
    sc.clearJobTags()
    assert sc.getJobTags() == set()
    for wrong in ("", "a,b"):
        with pytest.raises(ValueError, match="without commas"):
            sc.addJobTag(wrong)


def test_a_thread_can_inherit_the_properties_of_who_starts_it(sc: SparkContext) -> None:
    sc.setLocalProperty("colour", "green")
    seen: list[str | None] = []

    def look() -> None:
        sc.setLocalProperty("shade", "dark")
        seen.extend(sc.parallelize([0], 1).map(lambda _: colour()).collect())

    thread = InheritableThread(target=look)
    sc.setLocalProperty("colour", None)
    thread.start()
    thread.join()

    assert seen == ["green"]
    assert sc.getLocalProperty("shade") is None


def colour() -> str | None:
    task = TaskContext.get()
    assert task is not None
    return task.getLocalProperty("colour")


def test_a_cancelled_job_is_told_as_failed_and_frees_its_workers(
    sc: SparkContext, tmp_path: Path
) -> None:
    began = tmp_path / "began"
    errors: list[SparkException] = []

    def endless(_: int) -> None:
        began.touch()
        while True:
            pass

    def run() -> None:
        sc.setJobGroup("endless", "never ends")
        sc.addJobTag("slow")
        try:
            sc.parallelize([0, 1], 2).foreach(endless)
        except SparkException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    tracker = sc.statusTracker()
    pause = threading.Event()
    while not began.exists():
        pause.wait(0.01)
    (job_id,) = tracker.getActiveJobsIds()
    (stage_id,) = tracker.getActiveStageIds()
    stage = tracker.getStageInfo(stage_id)
    assert stage is not None
    assert (stage.numTasks, stage.numCompletedTasks) == (2, 0)
    sc.cancelJobsWithTag("slow")
    thread.join()

    assert "cancelled" in str(errors[0])
    assert tracker.getJobIdsForGroup("endless") == [job_id]
    assert tracker.getJobInfo(job_id) == SparkJobInfo(job_id, [stage_id], "FAILED")
    assert tracker.getActiveJobsIds() == tracker.getActiveStageIds() == []
    assert tracker.getJobInfo(10**6) is None
    assert sc.parallelize(range(4), 4).count() == 4


def test_only_the_jobs_of_a_cancelled_group_end_and_their_error_names_it(
    sc: SparkContext, tmp_path: Path
) -> None:
    began, go_on = tmp_path / "began", tmp_path / "go on"
    errors: list[SparkException] = []
    counts: list[int] = []

    def wait(_: int) -> None:
        began.touch()
        while not go_on.exists():
            pass

    def run_cancelled() -> None:
        sc.setJobGroup("one", "is cancelled", interruptOnCancel=True)
        try:
            sc.parallelize([0], 1).foreach(wait)
        except SparkException as error:
            errors.append(error)

    def run_other() -> None:
        sc.setJobGroup("another", "goes on")
        counts.append(sc.parallelize([0], 1).map(wait).count())

    threads = [threading.Thread(target=each) for each in (run_cancelled, run_other)]
    for thread in threads:
        thread.start()
    pause = threading.Event()
    while not began.exists() or len(sc.statusTracker().getActiveJobsIds()) < 2:
        pause.wait(0.01)
    sc.cancelJobGroup("one")
    threads[0].join()
    go_on.touch()
    threads[1].join()

    assert "part of cancelled job group one" in str(errors[0])
    assert counts == [1]


def test_what_a_stage_has_written_is_measured(sc: SparkContext) -> None:
    pairs = sc.parallelize(range(100_000), 2).map(lambda n: (n, n))
    assert pairs.groupByKey(2).count() == 100_000

    tracker = sc.statusTracker()
    job = tracker.getJobInfo(max(tracker.getJobIdsForGroup()))
    assert job is not None
    written, read = map(tracker.getStageMetrics, job.stageIds)
    assert written is not None
    assert read is not None
    assert written.shuffle_records_written == 100_000
    assert written.shuffle_bytes_written > 0
    assert read.run_s > 0
