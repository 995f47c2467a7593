"""Turns jobs into stages and stages into task sets, and computes again what gets lost.

A stage ends where records have to move: at a shuffle dependency. A shuffle's map outputs stay known
after their job, so a later job that reads the same shuffle skips that stage. A reduce task that
cannot fetch a map output makes its stage wait while the lost outputs, and only they, are computed
again.

A pure core: jobs, results and timers come in with `now`; effects are taken by `take_effects`.
`stage_runner` runs the stages and `outcomes` judges how tasks end; placing tasks is the task
scheduler's work, and having executors that of `executor_demand`.

Source: Zaharia et al., "Resilient Distributed Datasets" (NSDI 2012), section 5.1; the rules for
failures are Spark's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from minimesos.actor import Effect
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.env import Location
from minimesos.spark.scheduler.allocation import AllocationSettings
from minimesos.spark.scheduler.barrier_rules import DYNAMIC_ALLOCATION, FINE_GRAINED
from minimesos.spark.scheduler.effects import (
    ForgetShuffles,
    JobAborted,
    JobCancelled,
)
from minimesos.spark.scheduler.executor import WorkerOffer
from minimesos.spark.scheduler.executor_demand import ALLOCATION_TIMER, ExecutorDemand
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.outcomes import TaskOutcomes
from minimesos.spark.scheduler.pools import Pools
from minimesos.spark.scheduler.stage import (
    Job,
)
from minimesos.spark.scheduler.stage_runner import RESUBMIT_TIMER, SLOTS_TIMER, StageRunner
from minimesos.spark.scheduler.status_store import StatusStore
from minimesos.spark.scheduler.task_scheduler import TaskScheduler
from minimesos.spark.shipment import Shipment


@dataclass(frozen=True, slots=True)
class StageProgress:
    """What a progress bar shows of a running stage."""

    stage_id: int
    done: int
    running: int
    total: int


class DagScheduler:
    """The scheduler's front door, for the job runner and for what the backend says."""

    def __init__(
        self,
        limits: Limits | None = None,
        pools: Pools | None = None,
        started_at_s: float = 0.0,
        allocation: AllocationSettings | None = None,
        launches_on_offers: bool = False,
    ) -> None:
        self._limits = limits or Limits()
        self._effects: list[Effect] = []
        self._stages = StageRunner(self._limits, self._effects)
        self._tasks = self._stages.tasks = TaskScheduler(
            TaskOutcomes(self._stages),
            self._effects,
            self._limits,
            pools,
            started_at_s,
            launches_on_offers,
        )
        if launches_on_offers:
            self._stages.no_barriers = FINE_GRAINED
        elif allocation is not None:
            self._stages.no_barriers = DYNAMIC_ALLOCATION
        self._demand: ExecutorDemand | None = None
        if allocation is not None:
            self._demand = ExecutorDemand(
                allocation,
                self._tasks,
                self._stages.outputs,
                self._stages.blocks,
                self._stages.jobs,
                self._effects,
            )

    def start(self, now: float) -> None:
        """The backend is there: ask for the executors that are wanted before the first job."""
        if self._demand is not None:
            self._demand.start()

    def take_effects(self) -> list[Effect]:
        """Return what is to be done since the last call, in order."""
        effects = self._effects.copy()
        self._effects.clear()
        return effects

    # ------------------------------------------------------------------------------------ jobs

    def submit(self, job: Job, now: float) -> None:
        """Start a job. JobSucceeded or JobFailed follows, once."""
        self._stages.start(job, now)
        self._heed(now)

    def cancel(self, job_id: int, reason: str, now: float) -> None:
        """End a job, if it is still there, and interrupt its tasks."""
        job = self._stages.jobs.get(job_id)
        if job is not None:
            self._stages.fail(job, JobCancelled(f"Job {job_id} cancelled {reason}".rstrip()))

    def content(self, job_id: int, now: float) -> None:
        """End a job, if it is still there, with the results that it has got so far."""
        job = self._stages.jobs.get(job_id)
        if job is not None:
            self._stages.succeed(job)

    def cancel_group(self, group: str, now: float) -> None:
        """Cancel all jobs of a group."""
        for job in list(self._stages.jobs.values()):
            if job.group == group:
                self.cancel(job.id, f"part of cancelled job group {group}", now)

    def cancel_tagged(self, tag: str, now: float) -> None:
        """Cancel all jobs with a tag."""
        for job in list(self._stages.jobs.values()):
            if tag in job.tags:
                self.cancel(job.id, f"part of cancelled jobs with tag {tag}", now)

    def cancel_all(self, reason: str, now: float) -> None:
        """Cancel all jobs."""
        for job_id in list(self._stages.jobs):
            self.cancel(job_id, reason, now)

    def fail_all(self, message: str, now: float) -> None:
        """No job can ever run: fail those that wait."""
        for job in list(self._stages.jobs.values()):
            self._stages.fail(job, JobAborted(message))

    def forget(
        self,
        rdd_ids: Sequence[int],
        shuffle_ids: Sequence[int],
        broadcast_ids: Sequence[int],
        now: float,
    ) -> None:
        """The driver needs these no more: executors drop what they hold of them."""
        self._stages.blocks.forget(rdd_ids)
        self._stages.outputs.forget(shuffle_ids)
        cleanup = spark_pb2.Cleanup(
            rdd_ids=rdd_ids, shuffle_ids=shuffle_ids, broadcast_ids=broadcast_ids
        )
        self._tasks.broadcast(spark_pb2.DriverFrame(cleanup=cleanup))
        if shuffle_ids and self._limits.outputs_outlive_executors:
            self._effects.append(ForgetShuffles(shuffle_ids))
        self._heed(now)

    def ship(self, shipment: Shipment, now: float) -> None:
        """Stages that are submitted from now on need this; an older shipment changes nothing."""
        self._stages.ship(shipment)

    @property
    def status(self) -> StatusStore:
        """What is known of jobs and stages, for whoever asks."""
        return self._stages.status

    def progress(self) -> list[StageProgress]:
        """Describe the stages that run, in the order in which they get resources."""
        return [
            StageProgress(
                task_set.stage_id,
                task_set.done,
                min(task_set.running, self._tasks.total_slots),
                len(task_set),
            )
            for task_set in self._tasks.active()
        ]

    # ------------------------------------------------------------------------ what the backend says

    def executor_added(self, location: Location, cores: int, now: float) -> None:
        """An executor takes tasks from now on."""
        self._tasks.executor_added(location, cores, now)
        self._stages.slots_added(now)
        if self._demand is not None:
            self._demand.executor_added(now)

    def executor_removed(
        self, executor_id: str, reason: str, caused_by_tasks: bool, now: float
    ) -> None:
        """An executor is gone; what ran on it is charged if it may have been the cause."""
        self._tasks.executor_lost(executor_id, reason, caused_by_tasks, now)
        self._heed(now)

    def resource_offers(self, offers: Sequence[WorkerOffer], now: float) -> None:
        """Fill cores with tasks, this once."""
        self._tasks.resource_offers(offers, now)

    def results(self, executor_id: str, results: spark_pb2.TaskResults, now: float) -> None:
        """Tasks have ended on an executor."""
        self._tasks.results(executor_id, results, now)
        self._heed(now)

    def barrier_calls(
        self, executor_id: str, calls: Sequence[spark_pb2.BarrierCall], now: float
    ) -> None:
        """Tasks of barrier stages wait for an answer."""
        self._tasks.barriers.called(executor_id, calls, now)

    def blocks_copied(
        self, executor_id: str, blocks: Sequence[spark_pb2.CachedBlock], now: float
    ) -> None:
        """An executor has copies of other executors' cached partitions."""
        self._stages.replication.copied(executor_id, blocks, self._tasks.executors)

    def timer_fired(self, name: str, now: float) -> None:
        """A timer that was an effect of ours is due."""
        if name == ALLOCATION_TIMER:
            if self._demand is not None:
                self._demand.look(now)
        elif name == RESUBMIT_TIMER or name.startswith(SLOTS_TIMER):
            self._stages.resubmit(now)
            self._heed(now)
        else:
            self._tasks.timer_fired(name, now)

    def _heed(self, now: float) -> None:
        """Something has happened that may change how many executors are needed."""
        if self._demand is not None:
            self._demand.heed(now)
