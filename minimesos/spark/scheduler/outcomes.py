"""What becomes of tasks: results are taken in, and what got lost is computed again.

The task scheduler's listener. A result makes its stage, its job, or the stages that have waited go
on; a map output that cannot be fetched, or that went with its executor, makes stages wait for a new
one. `stage_runner` does the running.

Source: the rules for failures are Spark's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from minimesos.log import get_logger
from minimesos.spark.scheduler.effects import AccumulatorsUpdated, JobAborted, LargeResult
from minimesos.spark.scheduler.executor import Executor
from minimesos.spark.scheduler.failure import job_aborted
from minimesos.spark.scheduler.preferences import ANY_WORKER
from minimesos.spark.scheduler.stage import Attempt, ResultStage, ShuffleMapStage, Stage, Status
from minimesos.spark.scheduler.stage_runner import StageRunner
from minimesos.spark.scheduler.task import (
    Extras,
    FetchFailure,
    TaskFailure,
    decode_offsets,
    decode_success,
)
from minimesos.spark.scheduler.task_set import DONE, TaskSet
from minimesos.spark.stored_results import PickledResult, StoredContent

NOT_DESCRIBED = TaskFailure("", "", "", None, False)

_log = get_logger(__name__)


class TaskOutcomes:
    """Hears of the ends of tasks, and of lost executors and workers."""

    def __init__(self, stages: StageRunner) -> None:
        self._stages = stages
        self._limits = stages.limits
        self._outputs = stages.outputs
        self._blocks = stages.blocks
        self._effects = stages.effects

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
        if task_set.attempt < stage.first_valid:
            return
        results: list[PickledResult] = []
        for index, payload in enumerate(payloads):
            extras, result = decode_success(payload)
            results.append(result)
            if extras is not None:
                position = attempt.positions[slots[index]]
                worker = workers[index] if workers else ANY_WORKER
                self._note_extras(stage, position, extras, executor.id, worker)
        if isinstance(stage, ShuffleMapStage):
            self._map_outputs(stage, task_set, slots, task_ids, results, executor, now)
        elif isinstance(stage, ResultStage) and stage.job.id in self._stages.jobs:
            self._job_results(stage, task_set, slots, results, now)

    def _note_extras(
        self, stage: Stage, position: int, extras: Extras, executor_id: str, worker: int
    ) -> None:
        self._stages.status.task_measured(stage, extras.metrics)
        for rdd_id, index in extras.stored_blocks:
            self._blocks.store(rdd_id, index, executor_id, worker)
        for rdd_id, index, copies in extras.stored_files:
            executors = self._stages.tasks.executors
            self._stages.replication.stored(rdd_id, index, copies, executor_id, executors)
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
        results: Sequence[PickledResult],
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
            self._stages.complete(stage, now)
        elif stage.task_set is not None and stage.task_set.done == len(stage.task_set):
            # Some outputs went while others came.
            self._stages.settle(stage)
            self._stages.submit(stage, now)

    def _job_results(
        self,
        stage: ResultStage,
        task_set: TaskSet,
        slots: Sequence[int],
        results: Sequence[PickledResult],
        now: float,
    ) -> None:
        job = stage.job
        positions = task_set.owner.positions
        known = job.results
        for slot, result in zip(slots, results, strict=True):
            position = positions[slot]
            if known[position] is None:
                known[position] = result
                if isinstance(result, StoredContent):
                    self._effects.append(LargeResult(job.id, result))
                job.remaining -= 1
                job.result_bytes += len(result)
        self._tell_current(stage, task_set, slots)
        limit = self._limits.result_bytes
        if limit and job.result_bytes > limit:
            count = len(known) - job.remaining
            self._stages.fail(
                job,
                JobAborted(
                    "Job aborted due to stage failure: Total size of serialized results of "
                    f"{count} tasks ({job.result_bytes / 2**20:.1f} MiB) is bigger than "
                    f"spark.driver.maxResultSize ({limit / 2**20:.1f} MiB)"
                ),
            )
        elif not job.remaining:
            _log.info("job finished", job=job.id, seconds=f"{now - job.started_at_s:.3f}")
            self._stages.succeed(job)

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
        self._stages.abort(task_set.owner.stage, error)

    def fetch_failed(self, task_set: TaskSet, failure: FetchFailure, now: float) -> None:
        """Forget the map outputs concerned, and have the stage wait for new ones."""
        attempt: Attempt = task_set.owner
        stage = attempt.stage
        if not stage.jobs or task_set.attempt != stage.attempt - 1:
            return
        if self._failed_too_often(stage, task_set, failure.message):
            return
        if failure.executor_id is not None:
            lost = self._lost_with(failure.executor_id)
            self._outputs.unregister(
                failure.shuffle_id, failure.map_index, failure.executor_id, attempt.epoch
            )
            self._lose_outputs(lost, attempt.epoch, now)
        else:
            # It ran where the cached block is not that spares it the shuffle: make that, too.
            cached = (step.rdd_id for step in stage.rdd.narrow_lineage() if step.is_cached)
            self._blocks.forget(cached)
        if stage.status is Status.RUNNING:
            _log.info("resubmitting stage due to fetch failure", stage=stage)
            self._stages.input_lost(stage, now)

    def barrier_failed(
        self, task_set: TaskSet, failure: TaskFailure, lost: str, now: float
    ) -> None:
        """Run all tasks of a barrier stage again."""
        stage = task_set.owner.stage
        if not stage.jobs or task_set is not stage.task_set:
            return
        message = f"Stage failed because barrier task finished unsuccessfully.\n{lost}"
        if not self._failed_too_often(stage, task_set, message, failure):
            _log.info("resubmitting barrier stage", stage=stage)
            self._stages.input_lost(stage, now)

    def _failed_too_often(
        self,
        stage: Stage,
        task_set: TaskSet,
        reason: str,
        failure: TaskFailure = NOT_DESCRIBED,
    ) -> bool:
        """Count a failed attempt at a stage; True if it was the last, and the stage given up."""
        stage.failed_attempts.add(task_set.attempt)
        if len(stage.failed_attempts) < self._limits.stage_attempts:
            return False
        text = (
            f"{stage} has failed the maximum allowable number of times: "
            f"{self._limits.stage_attempts}. Most recent failure reason: {reason}"
        )
        self._stages.abort(stage, job_aborted(failure, text))
        return True

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
        for stage in self._stages.running():
            if isinstance(stage, ShuffleMapStage) and stage.dependency.shuffle_id in lost:
                self._requeue_lost(stage, now)
            elif any(
                each.shuffle_id in lost for each in self._stages.graph.missing_shuffles(stage.rdd)
            ):
                self._stages.input_lost(stage, now)

    def _requeue_lost(self, stage: ShuffleMapStage, now: float) -> None:
        task_set = stage.task_set
        if task_set is None:
            return
        if task_set.is_barrier:
            self._stages.input_lost(stage, now)
            return
        positions = task_set.owner.positions
        dependency = stage.dependency
        missing = set(self._outputs.missing(dependency.shuffle_id, dependency.num_maps))
        slots = [
            slot
            for slot, position in enumerate(positions)
            if position in missing and task_set.state[slot] == DONE
        ]
        self._stages.tasks.requeue(task_set, slots, now)
