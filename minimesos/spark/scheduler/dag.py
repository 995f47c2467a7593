"""Turns jobs into stages and stages into task sets, and computes again what gets lost.

A stage ends where records have to move: at a shuffle dependency. A shuffle's map outputs stay known
after their job, so a later job that reads the same shuffle skips that stage. A reduce task that
cannot fetch a map output makes its stage wait while the lost outputs, and only they, are computed
again.

A pure core: jobs, results and timers come in with `now`; effects are taken by `take_effects`.
Placing tasks is the task scheduler's work.

Source: Zaharia et al., "Resilient Distributed Datasets" (NSDI 2012), section 5.1; the rules for
failures are Spark's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from minimesos.actor import Effect, SetTimer
from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.dependency import ShuffleDependency
from minimesos.spark.env import Location
from minimesos.spark.scheduler.allocation import AllocationSettings
from minimesos.spark.scheduler.effects import (
    AccumulatorsUpdated,
    ForgetShuffles,
    JobAborted,
    JobCancelled,
    JobFailed,
    JobSucceeded,
)
from minimesos.spark.scheduler.executor import Executor, WorkerOffer
from minimesos.spark.scheduler.executor_demand import ALLOCATION_TIMER, ExecutorDemand
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.map_output import MapOutputTracker
from minimesos.spark.scheduler.placement import BlockLocations, preferences
from minimesos.spark.scheduler.pools import Pools
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
from minimesos.spark.scheduler.task import (
    Action,
    Extras,
    FetchFailure,
    decode_offsets,
    decode_success,
    dump_stage,
    stage_binary,
)
from minimesos.spark.scheduler.task_scheduler import TaskScheduler
from minimesos.spark.scheduler.task_set import (
    ANY_WORKER,
    DEFAULT_POOL,
    DONE,
    POOL_PROPERTY,
    TaskSet,
)
from minimesos.spark.shipment import Shipment

RESUBMIT_AFTER_S = 0.2
"""Failures to fetch come in bursts; wait for the burst to end."""
RESUBMIT_TIMER = "resubmit failed stages"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StageProgress:
    """What a progress bar shows of a running stage."""

    stage_id: int
    done: int
    running: int
    total: int


class DagScheduler:
    """The scheduler's front door: owns jobs, stages, map outputs and the task scheduler."""

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
        self._tasks = TaskScheduler(
            self, self._effects, self._limits, pools, started_at_s, launches_on_offers
        )
        self._outputs = MapOutputTracker()
        self._blocks = BlockLocations()
        self._jobs: dict[int, Job] = {}
        self._graph = StageGraph(self._outputs, self._blocks)
        self._stage_keys = 0
        self._resubmit_armed = False
        self._demand: ExecutorDemand | None = None
        if allocation is not None:
            self._demand = ExecutorDemand(
                allocation, self._tasks, self._outputs, self._blocks, self._jobs, self._effects
            )
        self._shipment: Shipment | None = None

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
        self._jobs[job.id] = job
        job.started_at_s = now
        if not job.partitions:
            self._end(job)
            self._effects.append(JobSucceeded(job.id, ()))
            return
        stage = self._graph.add_job(job)
        _log.info("job submitted", job=job.id, name=job.name, partitions=len(job.partitions))
        self._submit(stage, now)
        self._heed(now)

    def cancel(self, job_id: int, reason: str, now: float) -> None:
        """End a job, if it is still there, and interrupt its tasks."""
        job = self._jobs.get(job_id)
        if job is not None:
            self._fail(job, JobCancelled(f"Job {job_id} cancelled {reason}".rstrip()))

    def cancel_group(self, group: str, now: float) -> None:
        """Cancel all jobs of a group."""
        for job in list(self._jobs.values()):
            if job.group == group:
                self.cancel(job.id, f"part of cancelled job group {group}", now)

    def cancel_all(self, reason: str, now: float) -> None:
        """Cancel all jobs."""
        for job_id in list(self._jobs):
            self.cancel(job_id, reason, now)

    def fail_all(self, message: str, now: float) -> None:
        """No job can ever run: fail those that wait."""
        for job in list(self._jobs.values()):
            self._fail(job, JobAborted(message))

    def forget(
        self,
        rdd_ids: Sequence[int],
        shuffle_ids: Sequence[int],
        broadcast_ids: Sequence[int],
        now: float,
    ) -> None:
        """The driver needs these no more: executors drop what they hold of them."""
        self._blocks.forget(rdd_ids)
        self._outputs.forget(shuffle_ids)
        cleanup = spark_pb2.Cleanup(
            rdd_ids=rdd_ids, shuffle_ids=shuffle_ids, broadcast_ids=broadcast_ids
        )
        self._tasks.broadcast(spark_pb2.DriverFrame(cleanup=cleanup))
        if shuffle_ids and self._limits.outputs_outlive_executors:
            self._effects.append(ForgetShuffles(shuffle_ids))
        self._heed(now)

    def ship(self, shipment: Shipment, now: float) -> None:
        """Stages that are submitted from now on need this; an older shipment changes nothing."""
        if self._shipment is None or shipment.version > self._shipment.version:
            self._shipment = shipment

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

    def timer_fired(self, name: str, now: float) -> None:
        """A timer that was an effect of ours is due."""
        if name == ALLOCATION_TIMER:
            if self._demand is not None:
                self._demand.look(now)
        elif name == RESUBMIT_TIMER:
            self._resubmit(now)
            self._heed(now)
        else:
            self._tasks.timer_fired(name, now)

    def _heed(self, now: float) -> None:
        """Something has happened that may change how many executors are needed."""
        if self._demand is not None:
            self._demand.heed(now)

    def _resubmit(self, now: float) -> None:
        """Run the stages that lost their input."""
        self._resubmit_armed = False
        stages = {stage for job in self._jobs.values() for stage in job.stages}
        for stage in sorted(stages, key=lambda stage: stage.priority):
            if stage.status is Status.FAILED:
                stage.status = Status.IDLE
                self._submit(stage, now)

    # ---------------------------------------------------------------------------------- stages

    def _submit(self, stage: Stage, now: float) -> None:
        """Run a stage, or first those that it needs."""
        steps = [stage]
        while steps:
            stage = steps.pop()
            if stage.status is not Status.IDLE or not stage.jobs:
                continue
            parents = self._graph.missing_parents(stage)
            if parents:
                stage.status = Status.WAITING
                steps += reversed(parents)
            else:
                self._run(stage, now)

    def _run(self, stage: Stage, now: float) -> None:
        """Submit a task set with the partitions of a stage that are missing."""
        job = min(stage.jobs, key=lambda job: job.id)
        act: Action | ShuffleDependency = job.action
        positions: Sequence[int] = range(len(job.partitions))
        partitions = job.partitions
        if isinstance(stage, ShuffleMapStage):
            act = stage.dependency
            positions = self._outputs.missing(act.shuffle_id, act.num_maps)
            partitions = positions
        elif stage.attempt:
            positions = [at for at, result in enumerate(job.results) if result is None]
            partitions = [job.partitions[at] for at in positions]
        try:
            if stage.closure is None:
                stage.closure = dump_stage(stage.rdd, act)
        except Exception as error:  # noqa: BLE001 - pickling runs methods of users' classes
            self._abort(stage, error)
            return
        assert partitions, f"{stage} is submitted but nothing of it is missing"
        self._stage_keys += 1
        preferred = preferences(
            stage.rdd,
            partitions,
            self._blocks,
            self._tasks.executors,
            self._limits.locality_wait_s,
            now,
        )
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
                self._limits.compression_of(stage.closure),
            ),
            payload=StageInputs(stage.rdd, self._outputs).payload,
            preferences=preferred,
            pool=(job.properties or {}).get(POOL_PROPERTY, DEFAULT_POOL),
            owner=Attempt(stage, positions, self._outputs.epoch),
        )
        stage.attempt += 1
        self._tasks.submit(stage.task_set, now)

    def _complete(self, stage: ShuffleMapStage, now: float) -> None:
        """All map outputs are there: run the stages that have waited for them."""
        self._settle(stage)
        stage.failed_attempts.clear()
        _log.info("stage finished", stage=stage)
        waiting = {
            child for job in stage.jobs for child in job.stages if child.status is Status.WAITING
        }
        for child in sorted(waiting, key=lambda child: child.priority):
            child.status = Status.IDLE
            self._submit(child, now)

    def _settle(self, stage: Stage) -> None:
        """No current task set any more."""
        if stage.task_set is not None:
            self._tasks.abandon(stage.task_set)
        stage.task_set = None
        stage.status = Status.IDLE

    def _input_lost(self, stage: Stage, now: float) -> None:
        """Launch no more of a stage; submit it again, behind what it needs, after a while."""
        self._settle(stage)
        stage.status = Status.FAILED
        if not self._resubmit_armed:
            self._resubmit_armed = True
            self._effects.append(SetTimer(RESUBMIT_TIMER, now + RESUBMIT_AFTER_S))

    # ------------------------------------------------------------------------------ ends of jobs

    def _abort(self, stage: Stage, error: Exception) -> None:
        for job in sorted(stage.jobs, key=lambda job: job.id):
            self._fail(job, error)

    def _fail(self, job: Job, error: Exception) -> None:
        if isinstance(error, JobCancelled):
            _log.info("job cancelled", job=job.id, name=job.name)
        else:
            _log.warning("job failed", job=job.id, name=job.name)
        self._end(job)
        self._effects.append(JobFailed(job.id, error))

    def _end(self, job: Job) -> None:
        """Forget a job, and the stages that no other job needs."""
        del self._jobs[job.id]
        orphans = self._graph.remove_job(job)
        for task_set in self._tasks.live():
            if task_set.owner.stage in orphans:
                self._tasks.cancel(task_set)

    # ------------------------------------------------------------- what the task scheduler reports

    def tasks_succeeded(
        self,
        task_set: TaskSet,
        slots: Sequence[int],
        task_ids: Sequence[int],
        payloads: Sequence[bytes],
        workers: Sequence[int],
        executor: Executor,
        now: float,
    ) -> None:
        """Take results in, and see whether their stage is done."""
        attempt: Attempt = task_set.owner
        stage = attempt.stage
        results: list[bytes | memoryview] = []
        for index, payload in enumerate(payloads):
            extras, result = decode_success(payload)
            results.append(result)
            if extras is not None:
                position = attempt.positions[slots[index]]
                worker = workers[index] if workers else ANY_WORKER
                self._note_extras(stage, position, extras, executor.id, worker)
        if isinstance(stage, ShuffleMapStage):
            self._map_outputs(stage, task_set, slots, task_ids, results, executor, now)
        elif isinstance(stage, ResultStage) and stage.job.id in self._jobs:
            self._job_results(stage, task_set, slots, results, now)

    def _note_extras(
        self, stage: Stage, position: int, extras: Extras, executor_id: str, worker: int
    ) -> None:
        for rdd_id, index in extras.stored_blocks:
            self._blocks.store(rdd_id, index, executor_id, worker)
        # An action counts each partition once; a transformation counts as often as it runs.
        is_copy = isinstance(stage, ResultStage) and stage.job.results[position] is not None
        if extras.accumulators and not is_copy:
            self._effects.append(AccumulatorsUpdated(extras.accumulators))

    def _map_outputs(
        self,
        stage: ShuffleMapStage,
        task_set: TaskSet,
        slots: Sequence[int],
        task_ids: Sequence[int],
        results: Sequence[bytes | memoryview],
        executor: Executor,
        now: float,
    ) -> None:
        dependency = stage.dependency
        attempt: Attempt = task_set.owner
        for slot, task_id, result in zip(slots, task_ids, results, strict=True):
            self._outputs.register(
                dependency.shuffle_id,
                dependency.num_maps,
                attempt.positions[slot],
                executor.location,
                task_id,
                decode_offsets(result),
            )
        self._tell_current(stage, task_set, slots)
        if stage.status is Status.IDLE or not stage.jobs:
            return
        if self._outputs.is_complete(dependency.shuffle_id):
            # Even if it waits to be submitted again: older attempts have done the rest.
            self._complete(stage, now)
        elif stage.task_set is not None and stage.task_set.done == len(stage.task_set):
            # Some outputs went while others came.
            self._settle(stage)
            self._submit(stage, now)

    def _job_results(
        self,
        stage: ResultStage,
        task_set: TaskSet,
        slots: Sequence[int],
        results: Sequence[bytes | memoryview],
        now: float,
    ) -> None:
        job = stage.job
        positions = task_set.owner.positions
        known = job.results
        for slot, result in zip(slots, results, strict=True):
            position = positions[slot]
            if known[position] is None:
                known[position] = result
                job.remaining -= 1
                job.result_bytes += len(result)
        self._tell_current(stage, task_set, slots)
        limit = self._limits.result_bytes
        if limit and job.result_bytes > limit:
            count = len(known) - job.remaining
            self._fail(
                job,
                JobAborted(
                    "Job aborted due to stage failure: Total size of serialized results of "
                    f"{count} tasks ({job.result_bytes / 2**20:.1f} MiB) is bigger than "
                    f"spark.driver.maxResultSize ({limit / 2**20:.1f} MiB)"
                ),
            )
        elif not job.remaining:
            self._end(job)
            _log.info("job finished", job=job.id, seconds=f"{now - job.started_at_s:.3f}")
            self._effects.append(JobSucceeded(job.id, [each for each in known if each is not None]))

    def _tell_current(self, stage: Stage, task_set: TaskSet, slots: Sequence[int]) -> None:
        """An older attempt has done what the current one need not do again."""
        current = stage.task_set
        if current is None or current is task_set:
            return
        positions = current.owner.positions
        for slot in slots:
            position = task_set.owner.positions[slot]
            if position in positions:
                current.drop(positions.index(position))

    def task_set_aborted(self, task_set: TaskSet, error: Exception, now: float) -> None:
        """A task has failed for the last time: so have its jobs."""
        self._abort(task_set.owner.stage, error)

    def fetch_failed(self, task_set: TaskSet, failure: FetchFailure, now: float) -> None:
        """Forget the map outputs concerned, and have the stage wait for new ones."""
        attempt: Attempt = task_set.owner
        stage = attempt.stage
        if not stage.jobs or task_set.attempt != stage.attempt - 1:
            return
        stage.failed_attempts.add(task_set.attempt)
        if len(stage.failed_attempts) >= self._limits.stage_attempts:
            self._abort(
                stage,
                JobAborted(
                    f"Job aborted due to stage failure: {stage} has failed the maximum allowable "
                    f"number of times: {self._limits.stage_attempts}. Most recent failure reason: "
                    f"{failure.message}"
                ),
            )
            return
        if failure.executor_id is not None:
            lost = self._lost_with(failure.executor_id)
            self._outputs.unregister(
                failure.shuffle_id, failure.map_index, failure.executor_id, attempt.epoch
            )
            self._lose_outputs(lost, attempt.epoch, now)
        if stage.status is Status.RUNNING:
            _log.info("resubmitting stage due to fetch failure", stage=stage)
            self._input_lost(stage, now)

    def executor_lost(self, executor_id: str, now: float) -> None:
        """Forget the cached blocks of an executor that is gone, and its map outputs if need be."""
        self._blocks.drop(executor_id)
        if not self._limits.outputs_outlive_executors:
            self._lose_outputs({executor_id}, None, now)

    def worker_lost(self, executor_id: str, worker: int) -> None:
        """Forget what a worker had cached; map outputs are files and survive it."""
        self._blocks.drop(executor_id, worker)

    def _lost_with(self, executor_id: str) -> Collection[str]:
        """Return whose map outputs cannot be read if one of an executor's cannot."""
        if self._limits.outputs_outlive_executors and self._limits.outputs_fail_by_host:
            return self._outputs.on_host_of(executor_id)
        return {executor_id}

    def _lose_outputs(self, executor_ids: Collection[str], epoch: int | None, now: float) -> None:
        """Drop executors' map outputs; have running stages make or wait for new ones."""
        lost = self._outputs.executors_lost(executor_ids, epoch)
        if not lost:
            return
        for stage in self._running_stages():
            if isinstance(stage, ShuffleMapStage) and stage.dependency.shuffle_id in lost:
                self._requeue_lost(stage, now)
            elif any(each.shuffle_id in lost for each in self._graph.missing_shuffles(stage.rdd)):
                self._input_lost(stage, now)

    def _running_stages(self) -> list[Stage]:
        stages = {stage for job in self._jobs.values() for stage in job.stages}
        running = (stage for stage in stages if stage.status is Status.RUNNING)
        return sorted(running, key=lambda stage: stage.priority)

    def _requeue_lost(self, stage: ShuffleMapStage, now: float) -> None:
        task_set = stage.task_set
        if task_set is None:
            return
        positions = task_set.owner.positions
        dependency = stage.dependency
        missing = set(self._outputs.missing(dependency.shuffle_id, dependency.num_maps))
        slots = [
            slot
            for slot, position in enumerate(positions)
            if position in missing and task_set.state[slot] == DONE
        ]
        self._tasks.requeue(task_set, slots, now)
