"""Where the jobs of an application stand: PySpark's StatusTracker, and measures of stages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from minimesos.spark.scheduler.status_store import StageMetrics, StatusStore

if TYPE_CHECKING:
    from minimesos.spark.scheduler.job_runner import JobRunner

__all__ = ["SparkJobInfo", "SparkStageInfo", "StageMetrics", "StatusTracker"]

T = TypeVar("T")


class SparkJobInfo(NamedTuple):
    """Where a job stands."""

    jobId: int
    stageIds: list[int]
    status: str
    """RUNNING, SUCCEEDED or FAILED."""


class SparkStageInfo(NamedTuple):
    """Where a stage stands: its current attempt, or its last."""

    stageId: int
    currentAttemptId: int
    name: str
    numTasks: int
    numActiveTasks: int
    numCompletedTasks: int
    numFailedTasks: int


class StatusTracker:
    """Answers about running jobs and stages, and about the last ones that have ended.

    How many of these are remembered is said by `spark.ui.retainedJobs` and `retainedStages`.
    """

    def __init__(self, runner: JobRunner) -> None:
        self._runner = runner

    def getJobIdsForGroup(self, jobGroup: str | None = None) -> list[int]:
        """Return the ids of all known jobs of a group; without one, of jobs that have no group."""
        return self._ask(lambda store: store.jobs_of_group(jobGroup))

    def getActiveStageIds(self) -> list[int]:
        """Return the ids of running stages, in order."""
        return sorted(self._ask(lambda store: store.running_stages()))

    def getActiveJobsIds(self) -> list[int]:
        """Return the ids of running jobs, in order."""
        return sorted(self._ask(lambda store: store.running_jobs()))

    def getJobInfo(self, jobId: int) -> SparkJobInfo | None:
        """Describe a job; None if it is not known, or no more."""

        def look(store: StatusStore) -> SparkJobInfo | None:
            job = store.job(jobId)
            if job is None:
                return None
            return SparkJobInfo(job.job_id, list(job.stage_ids), job.status)

        return self._ask(look)

    def getStageInfo(self, stageId: int) -> SparkStageInfo | None:
        """Describe a stage; None if it has not run, or is known no more."""

        def look(store: StatusStore) -> SparkStageInfo | None:
            stage = store.stage(stageId)
            if stage is None:
                return None
            return SparkStageInfo(
                stage.stage_id,
                stage.attempt,
                stage.name,
                stage.num_tasks,
                stage.active,
                stage.completed,
                stage.failed,
            )

        return self._ask(look)

    def getStageMetrics(self, stageId: int) -> StageMetrics | None:
        """Measure a stage; None if it has not run, or is known no more. Not in PySpark."""

        def look(store: StatusStore) -> StageMetrics | None:
            stage = store.stage(stageId)
            return None if stage is None else stage.metrics

        return self._ask(look)

    def _ask(self, question: Callable[[StatusStore], T]) -> T:
        return self._runner.ask_status(question)
