"""Hands the tasks of task sets to executors, and sorts out how they end.

Every executor is kept a little ahead: it has tasks queued besides those that run, as many as take
it about 50 ms by what has been observed, and none if tasks are long. So no core waits for a round
trip, and what is queued in one place when another runs dry is soon done, or is recalled.

A pure core: calls come in with `now`, effects go out through a list that it shares with the DAG
scheduler, which hears of results through `TaskSetListener`. Knows nothing of RDDs and jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from typing import Protocol

from minimesos.actor import Effect, SetTimer
from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.env import Location
from minimesos.spark.scheduler.effects import Revive
from minimesos.spark.scheduler.executor import FRAME_TASKS_MAX, Executor
from minimesos.spark.scheduler.failure import job_aborted, summary
from minimesos.spark.scheduler.task import (
    FetchFailure,
    TaskFailure,
    decode_failure,
    decode_fetch_failure,
)
from minimesos.spark.scheduler.task_set import ANY_WORKER, RUNNING, TaskSet

AHEAD_S = 0.05
"""How much work an executor has queued besides what runs."""
AHEAD_MAX = 1024
"""Tasks queued per core, at most."""
AHEAD_UNKNOWN = 3
"""Tasks queued per core while no task of the set has ended yet."""
RECALL_AFTER_S = 0.1
"""How long a core may be idle while tasks are queued elsewhere."""
STARVATION_S = 15.0

STARVATION_TIMER = "starvation"
RECALL_TIMER = "recall"
LOCALITY_TIMER = "locality"
TIMERS = frozenset({STARVATION_TIMER, RECALL_TIMER, LOCALITY_TIMER})

_SMOOTHING = 0.5

_log = get_logger(__name__)


class TaskSetListener(Protocol):
    """The DAG scheduler's ear."""

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
        """These slots are done. `workers` may be empty: not known."""

    def fetch_failed(self, task_set: TaskSet, failure: FetchFailure, now: float) -> None:
        """A task could not read its shuffle input. Its slot counts as done in this set."""

    def task_set_aborted(self, task_set: TaskSet, error: Exception, now: float) -> None:
        """A task has failed for the last time, or cannot be launched."""

    def executor_lost(self, executor_id: str, now: float) -> None:
        """An executor is gone; its running tasks are requeued after this call."""

    def worker_lost(self, executor_id: str, worker: int) -> None:
        """A worker process is gone, with the blocks that it had cached."""


class TaskScheduler:
    """Owns executors and task sets."""

    def __init__(
        self, listener: TaskSetListener, effects: list[Effect], max_failures: int = 4
    ) -> None:
        self.executors: dict[str, Executor] = {}
        self.total_cores = 0
        self._listener = listener
        self._effects = effects
        self._max_failures = max_failures
        self._numbers = 0
        self._next_task_id = 0
        self._live: list[TaskSet] = []
        """By priority; includes zombies that still have running tasks."""
        self._retries: dict[int, tuple[TaskSet, int]] = {}
        """Slots of current attempts that are not first ones, by task id."""
        self._timers: set[str] = set()
        self._starving_since_s: float | None = None
        self._rotation = 0

    # ------------------------------------------------------------------------------- task sets

    def submit(self, task_set: TaskSet, now: float) -> None:
        """Start to run a task set's tasks."""
        task_set.first_task_id = self._next_task_id
        self._next_task_id += len(task_set)
        self._live.append(task_set)
        self._live.sort(key=lambda live: live.priority)
        self._feed_all(now)

    def abandon(self, task_set: TaskSet) -> None:
        """Launch no more of a task set; what runs may end, and its results are passed on."""
        task_set.is_zombie = True
        self._retire_if_over(task_set)

    def cancel(self, task_set: TaskSet) -> None:
        """Launch no more of a task set and interrupt what runs."""
        for executor in self.executors.values() if task_set.running else ():
            task_ids = [task_set.task_id(slot) for slot in task_set.running_on(executor.number)]
            if task_ids:
                cancel = spark_pb2.CancelTasks(task_ids=task_ids, interrupt=True)
                executor.send(spark_pb2.DriverFrame(cancel=cancel))
        self.abandon(task_set)

    def requeue(self, task_set: TaskSet, slots: Sequence[int], now: float) -> None:
        """Run finished slots again: their output is lost."""
        for slot in slots:
            task_set.requeue(slot)
        self._feed_all(now)

    def live(self) -> tuple[TaskSet, ...]:
        """Return the task sets of which tasks are pending or running."""
        return tuple(self._live)

    def active(self) -> list[TaskSet]:
        """Return the task sets that are not zombies."""
        return [task_set for task_set in self._live if not task_set.is_zombie]

    # ------------------------------------------------------------------------------- executors

    def executor_added(self, location: Location, cores: int, now: float) -> None:
        """An executor takes tasks from now on."""
        self._numbers += 1
        executor = Executor(self._numbers, location.host, cores, location, self._effects)
        self.executors[executor.id] = executor
        self.total_cores += cores
        _log.info("executor added", executor=executor.id, host=executor.host, cores=cores)
        self._feed_all(now)
        self._watch_balance(now)

    def executor_lost(self, executor_id: str, reason: str, now: float) -> None:
        """An executor is gone with all its tasks; those that ran are charged with a failure."""
        executor = self.executors.pop(executor_id, None)
        if executor is None:
            return
        self.total_cores -= executor.cores
        _log.warning("executor lost", executor=executor_id, host=executor.host, reason=reason)
        lost = [
            (task_set.task_id(slot), task_set, slot)
            for task_set in self._live
            for slot in task_set.running_on(executor.number)
        ]
        # An executor starts tasks in the order in which they came.
        lost.sort(key=lambda entry: entry[0])
        self._listener.executor_lost(executor_id, now)
        for task_set in self._live:
            task_set.forget_executor(executor_id)
        text = f"(executor {executor_id} exited) Reason: {reason}"
        # The last one to be requeued is the first to be launched.
        for position, (task_id, task_set, slot) in reversed(list(enumerate(lost))):
            self._retries.pop(task_id, None)
            if position < executor.cores:
                failure = TaskFailure("ExecutorLostFailure", text, "", None, False)
                self._failed(task_set, slot, task_id, executor, failure, now)
            else:
                self._requeue(task_set, slot)
        self._feed_all(now)

    def broadcast(self, frame: spark_pb2.DriverFrame) -> None:
        """Send a frame to all executors."""
        for executor in self.executors.values():
            executor.send(frame)

    # --------------------------------------------------------------------------------- results

    def results(self, executor_id: str, results: spark_pb2.TaskResults, now: float) -> None:
        """Tasks have ended on an executor."""
        executor = self.executors.get(executor_id)
        task_ids = list(results.task_ids)
        if executor is None or not task_ids:
            return
        if executor.recalled:
            executor.recalled.difference_update(task_ids)
        self._observe(executor, task_ids, now)
        if not results.outcomes:
            payloads, workers = list(results.payloads), list(results.workers)
            self._succeeded(executor, task_ids, payloads, workers, now)
            self._feed(executor, now)
        else:
            self._mixed(executor, results, now)
            self._feed_all(now)
        if executor.outstanding < executor.cores:
            self._watch_balance(now)

    def _observe(self, executor: Executor, task_ids: list[int], now: float) -> None:
        """Learn how long tasks take from how fast an executor gets through them."""
        busy_cores = min(executor.cores, executor.outstanding)
        elapsed_s = now - executor.progress_at_s
        executor.progress_at_s = now
        executor.outstanding -= len(task_ids)
        task_set, _ = self._find(task_ids[0])
        if task_set is not None:
            seen_s = elapsed_s * busy_cores / len(task_ids)
            mean_s = task_set.mean_s
            task_set.mean_s = seen_s if mean_s is None else mean_s + _SMOOTHING * (seen_s - mean_s)

    def _succeeded(
        self,
        executor: Executor,
        task_ids: list[int],
        payloads: list[bytes],
        workers: list[int],
        now: float,
    ) -> None:
        """Pass successes on, in one call if they are first attempts of one task set."""
        task_set, _ = self._find(task_ids[0])
        slots = task_set.slots_running(task_ids) if task_set is not None else None
        if task_set is not None and slots is not None:
            task_set.finish(slots)
            self._listener.tasks_succeeded(
                task_set, slots, task_ids, payloads, workers, executor, now
            )
            self._retire_if_over(task_set)
            return
        for task_id, payload, worker in zip(
            task_ids, payloads, workers or repeat(ANY_WORKER), strict=False
        ):
            task_set, slot = self._find(task_id)
            if task_set is None or task_set.state[slot] != RUNNING:
                continue
            self._retries.pop(task_id, None)
            task_set.finish((slot,))
            task_set.failures.pop(slot, None)
            self._listener.tasks_succeeded(
                task_set, (slot,), (task_id,), (payload,), (worker,), executor, now
            )
            self._retire_if_over(task_set)

    def _mixed(self, executor: Executor, results: spark_pb2.TaskResults, now: float) -> None:
        """Handle results of which some are no successes."""
        for task_id, outcome, payload, worker in zip(
            results.task_ids,
            results.outcomes,
            chain(results.payloads, repeat(b"")),
            chain(results.workers, repeat(ANY_WORKER)),
            strict=False,
        ):
            if outcome == spark_pb2.SUCCESS:
                self._succeeded(executor, [task_id], [payload], [worker], now)
                continue
            if outcome == spark_pb2.WORKER_LOST:
                self._listener.worker_lost(executor.id, worker)
            task_set, slot = self._find(task_id)
            self._retries.pop(task_id, None)
            if task_set is None or task_set.state[slot] != RUNNING:
                continue
            if outcome == spark_pb2.CANCELLED:
                self._requeue(task_set, slot)
            elif outcome == spark_pb2.FETCH_FAILED:
                failure = decode_fetch_failure(payload)
                self._fetch_failed(task_set, slot, task_id, executor, failure, now)
            elif outcome == spark_pb2.WORKER_LOST:
                lost = TaskFailure("WorkerLost", payload.decode(), "", None, False)
                self._failed(task_set, slot, task_id, executor, lost, now)
            else:
                self._failed(task_set, slot, task_id, executor, decode_failure(payload), now)

    def _find(self, task_id: int) -> tuple[TaskSet | None, int]:
        """Return the task set and slot whose current attempt has this id."""
        for task_set in self._live:
            slot = task_set.slot_of(task_id)
            if slot is not None:
                return task_set, slot
        return self._retries.get(task_id, (None, -1))

    def _failed(
        self,
        task_set: TaskSet,
        slot: int,
        task_id: int,
        executor: Executor,
        failure: TaskFailure,
        now: float,
    ) -> None:
        """Try a slot again, or give its task set up."""
        attempt = task_set.attempts.get(slot, 0)
        lost = (
            f"Lost task {slot}.{attempt} in stage {task_set} (TID {task_id}) "
            f"({executor.host} executor {executor.id}): {summary(failure)}"
        )
        _log.warning(lost)
        times = task_set.failures[slot] = task_set.failures.get(slot, 0) + 1
        self._requeue(task_set, slot)
        if task_set.is_zombie or not (failure.fatal or times >= self._max_failures):
            return
        _log.error(f"Task {slot} in stage {task_set} failed {times} times; aborting job")
        reason = (
            f"Task {slot} in stage {task_set} failed {times} times, most recent failure: {lost}"
        )
        self._listener.task_set_aborted(task_set, job_aborted(failure, reason), now)

    def _fetch_failed(
        self,
        task_set: TaskSet,
        slot: int,
        task_id: int,
        executor: Executor,
        failure: FetchFailure,
        now: float,
    ) -> None:
        attempt = task_set.attempts.get(slot, 0)
        _log.warning(
            f"Lost task {slot}.{attempt} in stage {task_set} (TID {task_id}) "
            f"({executor.host} executor {executor.id}): FetchFailed: {failure.message}"
        )
        task_set.finish((slot,))
        self._listener.fetch_failed(task_set, failure, now)
        self._retire_if_over(task_set)

    def _requeue(self, task_set: TaskSet, slot: int) -> None:
        task_set.requeue(slot)
        self._retire_if_over(task_set)

    def _retire_if_over(self, task_set: TaskSet) -> None:
        """Forget a task set that nothing can come from any more."""
        if task_set.is_over() and task_set in self._live:
            self._live.remove(task_set)
            for executor in self.executors.values():
                executor.forget_stage(task_set.key)

    # --------------------------------------------------------------------------------- feeding

    def _feed_all(self, now: float) -> None:
        """Give work to all executors, the least loaded first."""
        executors = list(self.executors.values())
        if len(executors) > 1:
            self._rotation = (self._rotation + 1) % len(executors)
            executors = executors[self._rotation :] + executors[: self._rotation]
            executors.sort(key=lambda executor: executor.outstanding / executor.cores)
        for task_set in tuple(self._live):
            pending = task_set.pending
            if pending and not task_set.is_zombie:
                for executor in executors:
                    self._launch(task_set, executor, pending, now)
                if not task_set.pending:
                    continue
                if not task_set.is_choosy(now):
                    break  # what comes first must not be overtaken
                self._set_timer(LOCALITY_TIMER, task_set.choosy_until_s)
        for executor in executors:
            executor.flush()
        self._note_starvation(now)

    def _feed(self, executor: Executor, now: float) -> None:
        """Give work to an executor that has become less busy."""
        for task_set in tuple(self._live):
            if task_set.pending and not task_set.is_zombie:
                self._launch(task_set, executor, task_set.pending, now)
                if task_set.pending and not task_set.is_choosy(now):
                    break
        executor.flush()

    def _launch(self, task_set: TaskSet, executor: Executor, pending: int, now: float) -> None:
        """Put an executor's share of `pending` tasks into its next frames."""
        room = executor.cores * (1 + _tasks_ahead(task_set.mean_s)) - executor.outstanding
        share = -(-pending * executor.cores // self.total_cores)
        limit = min(room, share)
        while limit > 0:
            slots = task_set.take(
                min(limit, FRAME_TASKS_MAX), executor.number, executor.id, executor.host, now
            )
            if not slots:
                break
            if executor.outstanding == 0:
                executor.progress_at_s = now
            try:
                executor.add_tasks(task_set, slots, self._task_ids(task_set, slots))
            except Exception as error:  # noqa: BLE001 - pickling runs methods of users' classes
                self._unlaunched(task_set, slots, error, now)
                break
            limit -= len(slots)

    def _unlaunched(
        self, task_set: TaskSet, slots: Sequence[int], error: Exception, now: float
    ) -> None:
        """A task's input cannot be pickled: give the task set up."""
        for slot in slots:
            self._retries.pop(task_set.task_id(slot), None)
            task_set.requeue(slot)
        self._listener.task_set_aborted(task_set, error, now)

    def _task_ids(self, task_set: TaskSet, slots: Sequence[int]) -> Sequence[int]:
        """Return the ids of attempts that are about to start; first ones have theirs already."""
        first = task_set.first_task_id
        if not task_set.attempts:
            return [first + slot for slot in slots]
        task_ids = []
        for slot in slots:
            task_id = first + slot
            if slot in task_set.attempts:
                task_id = self._next_task_id
                self._next_task_id += 1
                task_set.retry_ids[slot] = task_id
                self._retries[task_id] = task_set, slot
            task_ids.append(task_id)
        return task_ids

    # ---------------------------------------------------------------------------------- timers

    def timer_fired(self, name: str, now: float) -> None:
        """One of TIMERS is due."""
        self._timers.discard(name)
        if name == RECALL_TIMER:
            self._recall(now)
        else:
            self._feed_all(now)

    def _set_timer(self, name: str, at_s: float) -> None:
        if name not in self._timers:
            self._timers.add(name)
            self._effects.append(SetTimer(name, at_s))

    def _note_starvation(self, now: float) -> None:
        """Warn, again and again, while tasks wait and none runs."""
        starving = any(task_set.pending for task_set in self.active()) and not any(
            executor.outstanding for executor in self.executors.values()
        )
        if not starving:
            self._starving_since_s = None
            return
        if self._starving_since_s is None:
            self._starving_since_s = now
            self._effects.append(Revive())
        elif now >= self._starving_since_s + STARVATION_S:
            self._starving_since_s = now
            _log.warning(
                "Initial job has not accepted any resources; check your cluster UI to ensure that "
                "workers are registered and have sufficient resources"
            )
            self._effects.append(Revive())
        self._set_timer(STARVATION_TIMER, self._starving_since_s + STARVATION_S)

    def _watch_balance(self, now: float) -> None:
        """Look after a while whether a core is still idle while tasks are queued elsewhere."""
        if RECALL_TIMER not in self._timers and any(
            executor.outstanding > executor.cores for executor in self.executors.values()
        ):
            self._set_timer(RECALL_TIMER, now + RECALL_AFTER_S)

    def _recall(self, now: float) -> None:
        """Ask for queued tasks back, the latest first; they end as CANCELLED and go elsewhere."""
        idle = sum(max(0, each.cores - each.outstanding) for each in self.executors.values())
        for executor in self.executors.values():
            spare = executor.outstanding - executor.cores - len(executor.recalled)
            count = min(idle, spare)
            if count <= 0:
                continue
            candidates = sorted(
                task_id
                for task_set in self.active()
                if not task_set.is_choosy(now)
                for task_id in map(task_set.task_id, task_set.running_on(executor.number))
                if task_id not in executor.recalled
            )
            task_ids = candidates[-count:]
            executor.recalled.update(task_ids)
            idle -= len(task_ids)
            executor.send(spark_pb2.DriverFrame(cancel=spark_pb2.CancelTasks(task_ids=task_ids)))
        if idle:
            self._watch_balance(now)


def _tasks_ahead(mean_s: float | None) -> int:
    """Return how many tasks to queue for a core besides the one that it runs."""
    if mean_s is None:
        return AHEAD_UNKNOWN
    if mean_s > AHEAD_S:
        return 0
    return max(1, min(AHEAD_MAX, int(AHEAD_S / mean_s))) if mean_s > 0 else AHEAD_MAX
