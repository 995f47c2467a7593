"""Runs stages: makes task sets of what is missing of them, behind what they need.

The middle of the DAG scheduler: it holds the jobs that run, the graph of their stages, and what is
known of map outputs and cached blocks. `dag` brings jobs; `outcomes` says what became of tasks, and
has stages go on, wait or end by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minimesos.actor import Effect, SetTimer
from minimesos.log import get_logger
from minimesos.spark.dependency import ShuffleDependency
from minimesos.spark.env import Location
from minimesos.spark.scheduler.barrier_rules import (
    TOO_FEW_SLOTS,
    UNSUPPORTED_CHAIN,
    SlotChecks,
    is_supported,
)
from minimesos.spark.scheduler.block_locations import BlockLocations
from minimesos.spark.scheduler.effects import JobAborted, JobCancelled, JobFailed, JobSucceeded
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.map_output import MapOutputTracker
from minimesos.spark.scheduler.placement import preferences
from minimesos.spark.scheduler.preferences import Preferences
from minimesos.spark.scheduler.replication import Replication
from minimesos.spark.scheduler.rollback import cannot_roll_back, is_indeterminate, made_from
from minimesos.spark.scheduler.stage import (
    Attempt,
    Job,
    ResultStage,
    ShuffleMapStage,
    Stage,
    StageInputs,
    Status,
)
from minimesos.spark.scheduler.stage_graph import StageGraph
from minimesos.spark.scheduler.status_store import StatusStore
from minimesos.spark.scheduler.task import Action, dump_stage, stage_binary
from minimesos.spark.scheduler.task_scheduler import TaskScheduler
from minimesos.spark.scheduler.task_set import DEFAULT_POOL, POOL_PROPERTY, TaskSet
from minimesos.spark.shipment import Shipment

if TYPE_CHECKING:
    from minimesos.spark.lineage import Lineage

RESUBMIT_AFTER_S = 0.2
"""Failures to fetch come in bursts; wait for the burst to end."""
RESUBMIT_TIMER = "resubmit failed stages"
SLOTS_TIMER = "slots of barrier stage "
"""Followed by the stage's id."""

_log = get_logger(__name__)


class StageRunner:
    """Jobs and their stages. The task scheduler is given before the first job."""

    tasks: TaskScheduler

    def __init__(self, limits: Limits, effects: list[Effect]) -> None:
        self.limits = limits
        self.effects = effects
        self.outputs = MapOutputTracker()
        self.blocks = BlockLocations()
        self.replication = Replication(self.blocks)
        self.jobs: dict[int, Job] = {}
        self.status = StatusStore(limits.retained_jobs, limits.retained_stages)
        self.graph = StageGraph(self.outputs, self.blocks)
        self._stage_keys = 0
        self._slot_checks = SlotChecks(limits.barrier_check_s, limits.barrier_checks)
        self.no_barriers = ""
        """Why this application cannot have barrier stages."""
        self._resubmit_armed = False
        self._shipment: Shipment | None = None

    def start(self, job: Job, now: float) -> None:
        """Take in a job and run its stages."""
        self.jobs[job.id] = job
        job.started_at_s = now
        if not job.partitions:
            self.status.job_started(job)
            self.succeed(job)
            return
        stage = self.graph.add_job(job)
        self.status.job_started(job)
        _log.info("job submitted", job=job.id, name=job.name, partitions=len(job.partitions))
        for each in job.stages:
            complaint = self._barrier_complaint(each, job) if each.rdd.is_barrier else ""
            if complaint:
                self.fail(job, JobAborted(complaint))
                return
        self.submit(stage, now)

    def _barrier_complaint(self, stage: Stage, job: Job) -> str:
        """Say why a barrier stage cannot run; empty if it can."""
        if self.no_barriers:
            return self.no_barriers
        rdd = stage.rdd
        tasks = rdd.num_partitions if isinstance(stage, ShuffleMapStage) else len(job.partitions)
        return "" if is_supported(rdd, tasks) else UNSUPPORTED_CHAIN

    def slots_added(self, now: float) -> None:
        """There are more slots than before: maybe enough for barrier stages that wait for some."""
        if self._slot_checks:
            self.resubmit(now)

    def _has_slots(self, stage: Stage, now: float) -> bool:
        """See whether a barrier stage can run; if not, look again after a while, or give it up."""
        if stage.rdd.num_partitions <= self.tasks.total_slots:
            self._slot_checks.passed(stage.id)
            return True
        again_at_s = self._slot_checks.failed(stage.id, now)
        if again_at_s is None:
            self.abort(stage, JobAborted(TOO_FEW_SLOTS))
        else:
            stage.status = Status.FAILED
            self.effects.append(SetTimer(f"{SLOTS_TIMER}{stage.id}", again_at_s))
        return False

    def ship(self, shipment: Shipment) -> None:
        """Stages that are submitted from now on need this; an older shipment changes nothing."""
        if self._shipment is None or shipment.version > self._shipment.version:
            self._shipment = shipment

    def running(self) -> list[Stage]:
        """Return the stages that run, in the order in which they get resources."""
        stages = {stage for job in self.jobs.values() for stage in job.stages}
        running = (stage for stage in stages if stage.status is Status.RUNNING)
        return sorted(running, key=lambda stage: stage.priority)

    def resubmit(self, now: float) -> None:
        """Run the stages that lost their input."""
        self._resubmit_armed = False
        stages = {stage for job in self.jobs.values() for stage in job.stages}
        for stage in sorted(stages, key=lambda stage: stage.priority):
            if stage.status is Status.FAILED:
                stage.status = Status.IDLE
                self.submit(stage, now)

    def submit(self, stage: Stage, now: float) -> None:
        """Run a stage, or first those that it needs."""
        steps = [stage]
        while steps:
            stage = steps.pop()
            if stage.status is not Status.IDLE or not stage.jobs:
                continue
            parents = self.graph.missing_parents(stage)
            if parents:
                stage.status = Status.WAITING
                steps += reversed(parents)
            else:
                self._run(stage, now)

    def _run(self, stage: Stage, now: float) -> None:
        """Submit a task set with the partitions of a stage that are missing."""
        if isinstance(stage, ShuffleMapStage):
            self._roll_back(stage, now)
            if not stage.jobs:
                return
        if stage.rdd.is_barrier:
            if not self._has_slots(stage, now):
                return
            self._void(stage)
        job = min(stage.jobs, key=lambda job: job.id)
        act: Action | ShuffleDependency = job.action
        positions: Sequence[int] = range(len(job.partitions))
        partitions = job.partitions
        if isinstance(stage, ShuffleMapStage):
            act = stage.dependency
            positions = self.outputs.missing(act.shuffle_id, act.num_maps)
            partitions = positions
        elif stage.attempt:
            positions = [at for at, result in enumerate(job.results) if result is None]
            partitions = [job.partitions[at] for at in positions]
        try:
            if stage.closure is None:
                stage.closure = dump_stage(stage.rdd, act)
        except Exception as error:  # noqa: BLE001 - pickling runs methods of users' classes
            self.abort(stage, error)
            return
        assert partitions, f"{stage} is submitted but nothing of it is missing"
        self._stage_keys += 1
        stage.status = Status.RUNNING
        stage.task_set = TaskSet(
            key=self._stage_keys,
            stage_id=stage.id,
            attempt=stage.attempt,
            priority=stage.priority,
            partitions=partitions,
            binary=stage_binary(
                stage.id,
                stage.attempt,
                stage.closure,
                job.properties,
                self._shipment,
                self.limits.compression_of(stage.closure),
            ),
            payload=StageInputs(stage.rdd, self.outputs, self.blocks, self._location_of).payload,
            preferences=self._preferences(stage.rdd, partitions, now),
            pool=(job.properties or {}).get(POOL_PROPERTY, DEFAULT_POOL),
            owner=Attempt(stage, positions, self.outputs.epoch),
            name=stage.name,
            is_barrier=stage.rdd.is_barrier,
        )
        stage.attempt += 1
        self.status.stage_started(stage, stage.task_set)
        self.tasks.submit(stage.task_set, now)

    def _preferences(
        self, rdd: Lineage[Any], partitions: Sequence[int], now: float
    ) -> Preferences | None:
        """Return where tasks are best computed."""
        if rdd.is_barrier:
            return None  # where there is room for all of them at once
        return preferences(
            rdd,
            partitions,
            self.blocks,
            self.outputs if self.limits.prefers_map_outputs else None,
            self.tasks.executors,
            self.limits.locality_waits_s,
            now,
        )

    def _roll_back(self, stage: ShuffleMapStage, now: float) -> None:
        """A map stage is about to run again: if it writes other data, void what was made of it."""
        shuffle = stage.dependency
        if not self.outputs.is_known(shuffle.shuffle_id) or not is_indeterminate(shuffle):
            return
        for each in (stage, *made_from(stage)):
            if each.status is Status.RUNNING:
                self.input_lost(each, now)
            if isinstance(each, ShuffleMapStage):
                self.outputs.forget([each.dependency.shuffle_id])
            elif isinstance(each, ResultStage) and each.job.remaining < len(each.job.partitions):
                self.abort(each, cannot_roll_back(each))
            each.first_valid = each.attempt

    def _location_of(self, executor_id: str) -> Location | None:
        executor = self.tasks.executors.get(executor_id)
        return None if executor is None else executor.location

    def complete(self, stage: ShuffleMapStage, now: float) -> None:
        """All map outputs are there: run the stages that have waited for them."""
        self.settle(stage)
        stage.failed_attempts.clear()
        waiting = {
            child for job in stage.jobs for child in job.stages if child.status is Status.WAITING
        }
        for child in sorted(waiting, key=lambda child: child.priority):
            child.status = Status.IDLE
            self.submit(child, now)

    def settle(self, stage: Stage) -> None:
        """No current task set any more."""
        self.status.stage_ended(stage)
        if stage.task_set is not None:
            self.tasks.abandon(stage.task_set)
        stage.task_set = None
        stage.status = Status.IDLE

    def input_lost(self, stage: Stage, now: float) -> None:
        """Launch no more of a stage; submit it again, behind what it needs, after a while."""
        if stage.rdd.is_barrier:
            if stage.task_set is not None:
                self.tasks.cancel(stage.task_set)
            self._void(stage)
        self.settle(stage)
        stage.status = Status.FAILED
        if not self._resubmit_armed:
            self._resubmit_armed = True
            self.effects.append(SetTimer(RESUBMIT_TIMER, now + RESUBMIT_AFTER_S))

    def _void(self, stage: Stage) -> None:
        """Nothing counts that earlier attempts at a barrier stage have done: all runs again."""
        stage.first_valid = stage.attempt
        if isinstance(stage, ShuffleMapStage):
            self.outputs.forget([stage.dependency.shuffle_id])
        elif isinstance(stage, ResultStage):
            job = stage.job
            job.results = [None] * len(job.partitions)
            job.remaining = len(job.partitions)
            job.result_bytes = 0

    # ---------------------------------------------------------------------------- ends of jobs

    def abort(self, stage: Stage, error: Exception) -> None:
        """Fail all jobs that need a stage."""
        for job in sorted(stage.jobs, key=lambda job: job.id):
            self.fail(job, error)

    def succeed(self, job: Job) -> None:
        """End a job with the results that are there."""
        self.status.job_ended(job, True)
        self.end(job)
        results = [each for each in job.results if each is not None]
        job.results = [b""] * len(job.results)  # who waits for them alone holds them from now on
        self.effects.append(JobSucceeded(job.id, results))

    def fail(self, job: Job, error: Exception) -> None:
        """End a job without results."""
        if isinstance(error, JobCancelled):
            _log.info("job cancelled", job=job.id, name=job.name)
        else:
            _log.warning("job failed", job=job.id, name=job.name)
        self.status.job_ended(job, False)
        self.end(job)
        self.effects.append(JobFailed(job.id, error))

    def end(self, job: Job) -> None:
        """Forget a job, and the stages that no other job needs."""
        del self.jobs[job.id]
        orphans = self.graph.remove_job(job)
        for stage in orphans:
            self.status.stage_ended(stage)
            self._slot_checks.passed(stage.id)
        for task_set in self.tasks.live():
            if task_set.owner.stage in orphans:
                self.tasks.cancel(task_set)
