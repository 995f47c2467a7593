"""What is known of jobs and stages, those that run and the last ones that have ended.

A pure part of the DAG scheduler's core, which tells it what happens; the status tracker asks it, on
the loop thread. Only tasks that have measures to report cost something: how many are done is asked
of the task set.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from minimesos.log import get_logger
from minimesos.spark.scheduler.stage import Job, Stage
from minimesos.spark.scheduler.task import Metrics
from minimesos.spark.scheduler.task_set import TaskSet

RUNNING, SUCCEEDED, FAILED = "RUNNING", "SUCCEEDED", "FAILED"

T = TypeVar("T")

_log = get_logger(__name__)


class StageMetrics(NamedTuple):
    """Measures of a stage's tasks that have ended well, of all attempts together."""

    run_s: float = 0.0
    """Time in tasks; very short ones are left out."""
    shuffle_records_written: int = 0
    shuffle_bytes_written: int = 0
    shuffle_records_read: int = 0
    shuffle_bytes_read: int = 0
    memory_spilled_bytes: int = 0
    """By which workers' memory shrank when operators spilled."""
    disk_spilled_bytes: int = 0
    peak_bytes: int = 0
    """The most memory that one of the workers has ever had resident."""

    def with_task(self, task: Metrics) -> StageMetrics:
        """Return these with one more task's."""
        sums = StageMetrics._make(map(sum, zip(self, task, strict=True)))
        return sums._replace(peak_bytes=max(self.peak_bytes, task.peak_bytes))


_NOTHING = StageMetrics()


@dataclass(slots=True)
class JobStatus:
    """One job."""

    job_id: int
    group: str | None
    stage_ids: list[int]
    status: str = RUNNING


@dataclass(slots=True)
class StageStatus:
    """One stage: its current attempt, or its last."""

    stage_id: int
    name: str
    attempt: int = 0
    num_tasks: int = 0
    completed: int = 0
    failed: int = 0
    metrics: StageMetrics = _NOTHING
    task_set: TaskSet | None = None
    """While an attempt runs; the counts are its own then."""

    @property
    def active(self) -> int:
        """How many tasks are with executors."""
        return self.task_set.running if self.task_set is not None else 0

    def look(self) -> None:
        """Take over what the running attempt says."""
        if self.task_set is not None:
            self.completed = self.task_set.done
            self.failed = self.task_set.losses


class StatusStore:
    """Jobs and stages by id; the oldest of those that have ended are forgotten beyond a number."""

    def __init__(self, retained_jobs: int, retained_stages: int) -> None:
        self._retained_jobs = retained_jobs
        self._retained_stages = retained_stages
        self._jobs: dict[int, JobStatus] = {}
        self._stages: dict[int, StageStatus] = {}
        self._ended_jobs: OrderedDict[int, None] = OrderedDict()
        self._ended_stages: OrderedDict[int, None] = OrderedDict()
        """In the order of their ends."""

    # ----------------------------------------------------------------- for the DAG scheduler

    def job_started(self, job: Job) -> None:
        """A job runs; its stages are known."""
        stage_ids = sorted(stage.id for stage in job.stages)
        self._jobs[job.id] = JobStatus(job.id, job.group, stage_ids)

    def job_ended(self, job: Job, succeeded: bool) -> None:
        """A job is over."""
        status = self._jobs.get(job.id)
        if status is not None:
            status.status = SUCCEEDED if succeeded else FAILED
            _retire(self._jobs, self._ended_jobs, job.id, self._retained_jobs)

    def stage_started(self, stage: Stage, task_set: TaskSet) -> None:
        """An attempt at a stage is submitted."""
        status = self._stages.get(stage.id)
        if status is None:
            status = self._stages[stage.id] = StageStatus(stage.id, stage.name)
        self._ended_stages.pop(stage.id, None)
        status.attempt = task_set.attempt
        status.num_tasks = len(task_set)
        status.task_set = task_set

    def stage_ended(self, stage: Stage) -> None:
        """The current attempt is over, whatever its end."""
        status = self._stages.get(stage.id)
        if status is None or status.task_set is None:
            return
        status.look()
        status.task_set = None
        _retire(self._stages, self._ended_stages, stage.id, self._retained_stages)
        if status.completed == status.num_tasks:
            _log.info("stage finished", stage=stage, tasks=status.num_tasks, **_told(status))

    def task_measured(self, stage: Stage, metrics: Metrics) -> None:
        """A task of a stage has ended well and says what it took."""
        status = self._stages.get(stage.id)
        if status is not None:
            status.metrics = status.metrics.with_task(metrics)

    # ------------------------------------------------------------------------- for who asks

    def job(self, job_id: int) -> JobStatus | None:
        """Return what is known of a job."""
        return self._jobs.get(job_id)

    def stage(self, stage_id: int) -> StageStatus | None:
        """Return what is known of a stage, as of now."""
        status = self._stages.get(stage_id)
        if status is not None:
            status.look()
        return status

    def jobs_of_group(self, group: str | None) -> list[int]:
        """Return the ids of known jobs of a group; None: of those without one."""
        return [job.job_id for job in self._jobs.values() if job.group == group]

    def running_jobs(self) -> list[int]:
        """Return the ids of jobs that have not ended."""
        return [job.job_id for job in self._jobs.values() if job.status == RUNNING]

    def running_stages(self) -> list[int]:
        """Return the ids of stages of which an attempt runs."""
        return [stage.stage_id for stage in self._stages.values() if stage.task_set is not None]


def _told(status: StageStatus) -> dict[str, float]:
    """Return the measures of a stage that are worth a word."""
    if status.metrics is _NOTHING:
        return {}
    return {name: value for name, value in status.metrics._asdict().items() if value}


def _retire(known: dict[int, T], ended: OrderedDict[int, None], key: int, retained: int) -> None:
    """Note that one has ended; forget the oldest beyond `retained`."""
    ended[key] = None
    while len(ended) > retained:
        old, _ = ended.popitem(last=False)
        known.pop(old, None)
