"""Runs task sets on executors: sorts out how tasks end, and tries again those that fail.

A pure core: calls come in with `now`, effects go out through a list that it shares with the DAG
scheduler, which hears of results through `TaskSetListener`. `Dispatcher` decides which executor
gets what; `Copies` has second attempts at slow tasks, and `LeavingOut` the executors on which tasks
fail. Knows nothing of RDDs and jobs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from typing import Protocol

from minimesos.actor import Effect
from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.env import Location
from minimesos.spark.scheduler.barrier import BARRIER_TIMER, Barriers
from minimesos.spark.scheduler.copies import SPECULATION_TIMER, Copies
from minimesos.spark.scheduler.dispatch import Dispatcher
from minimesos.spark.scheduler.executor import Executor, WorkerOffer
from minimesos.spark.scheduler.failure import job_aborted, summary
from minimesos.spark.scheduler.fair_dispatch import FairDispatcher
from minimesos.spark.scheduler.leaving_out import EXCLUSION_TIMER, HOPELESS_TIMER, LeavingOut
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.offer_dispatcher import OfferDispatcher
from minimesos.spark.scheduler.pools import Pools
from minimesos.spark.scheduler.preferences import ANY_WORKER
from minimesos.spark.scheduler.task import (
    FetchFailure,
    TaskFailure,
    decode_failure,
    decode_fetch_failure,
)
from minimesos.spark.scheduler.task_set import RUNNING, TaskSet
from minimesos.spark.scheduler.task_sets import TaskSets

EXECUTOR_LOST = "ExecutorLostFailure"
WORKER_LOST = "WorkerLost"
LOSSES_MIN = 4
"""Losses of processes that a task survives at least, also where `local[N]` gives up at its first
exception: that comes again, a process that was killed by hand does not."""

LOSSES_LOGGED_MAX = 10
"""Lines about lost tasks of one task set; of the others only the number is logged."""

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

    def barrier_failed(
        self, task_set: TaskSet, failure: TaskFailure, lost: str, now: float
    ) -> None:
        """A task of a barrier stage has failed, or is `lost`, so all are to run again."""

    def task_set_aborted(self, task_set: TaskSet, error: Exception, now: float) -> None:
        """A task has failed for the last time, or cannot be launched."""

    def executor_lost(self, executor_id: str, now: float) -> None:
        """An executor is gone; its running tasks are requeued after this call."""

    def worker_lost(self, executor_id: str, worker: int) -> None:
        """A worker process is gone, with the blocks that it had cached."""


class TaskScheduler:
    """Owns executors and task sets."""

    def __init__(
        self,
        listener: TaskSetListener,
        effects: list[Effect],
        limits: Limits,
        pools: Pools | None = None,
        started_at_s: float = 0.0,
        launches_on_offers: bool = False,
    ) -> None:
        self._listener = listener
        self._limits = limits
        self._task_sets = TaskSets()
        arguments = (self._task_sets, effects, listener.task_set_aborted, limits, started_at_s)
        self._dispatcher: Dispatcher
        if launches_on_offers:
            self._dispatcher = OfferDispatcher(pools, *arguments)
        elif pools is None:
            self._dispatcher = Dispatcher(*arguments)
        else:
            self._dispatcher = FairDispatcher(pools, *arguments)
        self.executors: Mapping[str, Executor] = self._dispatcher.executors
        self.barriers = Barriers(
            self._task_sets, self.executors, limits.barrier_wait_s, self._dispatcher.set_timer
        )
        self.live = self._task_sets.live
        self.active = self._task_sets.active
        self._copies = Copies(limits.speculation, self._task_sets, self._dispatcher)
        self._leaving_out: LeavingOut | None = None
        if limits.exclusion is not None:
            self._leaving_out = LeavingOut(
                limits.exclusion, self, self._task_sets, self._dispatcher, effects
            )

    @property
    def total_slots(self) -> int:
        """How many tasks run at once on all executors."""
        return self._dispatcher.total_slots

    @property
    def unfinished(self) -> int:
        """How many tasks wait or run."""
        waiting = sum(task_set.pending for task_set in self.active())
        return waiting + sum(task_set.running for task_set in self.live())

    def has_backlog(self) -> bool:
        """Some tasks do not run yet: they are pending, or queued by an executor behind others."""
        return any(task_set.pending for task_set in self.active()) or any(
            executor.outstanding > executor.slots for executor in self.executors.values()
        )

    # ------------------------------------------------------------------------------- task sets

    def submit(self, task_set: TaskSet, now: float) -> None:
        """Start to run a task set's tasks."""
        self._task_sets.add(task_set)
        self._dispatcher.feed_all(now)
        self._copies.watch(now)
        if self._leaving_out is not None:
            self._leaving_out.see(task_set, now)

    def abandon(self, task_set: TaskSet) -> None:
        """Launch no more of a task set; what runs may end, and its results are passed on."""
        task_set.is_zombie = True
        self._retire_if_over(task_set)

    def cancel(self, task_set: TaskSet) -> None:
        """Launch no more of a task set and interrupt what runs."""
        for executor in self.executors.values() if task_set.running else ():
            executor.interrupt(
                [
                    *map(task_set.task_id, task_set.running_on(executor.number)),
                    *task_set.copies_on(executor.number),
                ]
            )
        self.abandon(task_set)

    def requeue(self, task_set: TaskSet, slots: Sequence[int], now: float) -> None:
        """Run finished slots again: their output is lost."""
        for slot in slots:
            task_set.requeue(slot)
        self._dispatcher.feed_all(now)

    # ------------------------------------------------------------------------------- executors

    def executor_added(self, location: Location, cores: int, now: float) -> None:
        """An executor takes tasks from now on."""
        if cores < self._limits.task_cpus:
            _log.warning(
                "Executor is too small for a task",
                executor=location.executor_id,
                host=location.host,
                cores=cores,
                task_cpus=self._limits.task_cpus,
            )
            return
        executor = self._dispatcher.add(location, cores)
        executor.progress_at_s = now
        _log.info("executor added", executor=executor.id, host=executor.host, cores=cores)
        for task_set in self.active():
            if task_set.preferences is not None:
                task_set.preferences.joined(executor.host, now)
        self._dispatcher.feed_all(now)
        self._dispatcher.recall(now)
        if self._leaving_out is not None:
            self._leaving_out.executor_added(now)

    def executor_lost(
        self, executor_id: str, reason: str, caused_by_tasks: bool, now: float
    ) -> None:
        """An executor is gone with all its tasks; those that ran may be charged with a failure."""
        executor = self._dispatcher.remove(executor_id)
        if executor is None:
            return
        in_short = reason.partition("\n")[0]
        _log.warning("Executor lost", executor=executor_id, host=executor.host, reason=in_short)
        for task_set in self.live():
            self._copies.lose(task_set, executor)
            self._retire_if_over(task_set)
        lost = [
            (task_set.task_id(slot), task_set, slot)
            for task_set in self.live()
            for slot in task_set.running_on(executor.number)
        ]
        # An executor starts tasks in the order in which they came.
        lost.sort(key=lambda entry: entry[0])
        self._forget(executor, now)
        text = f"(executor {executor_id} exited) Reason: {reason}"
        # The last one to be requeued is the first to be launched.
        for position, (task_id, task_set, slot) in reversed(list(enumerate(lost))):
            self._task_sets.end(task_id)
            if caused_by_tasks and position < executor.slots:
                failure = TaskFailure(EXECUTOR_LOST, text, "", None, False)
                self._failed(task_set, slot, task_id, executor, failure, now)
            else:
                self._lost(task_set, slot, text, now)
        self._dispatcher.feed_all(now)
        if self._leaving_out is not None:
            self._leaving_out.see_all(now)

    def executor_released(self, executor_id: str, reason: str, now: float) -> None:
        """An executor that runs nothing is given back: it gets no more tasks."""
        executor = self._dispatcher.remove(executor_id)
        if executor is not None:
            _log.info("executor removed", executor=executor_id, host=executor.host, reason=reason)
            self._forget(executor, now)
            self._dispatcher.feed_all(now)

    def _forget(self, executor: Executor, now: float) -> None:
        """Nothing is to be had from an executor any more."""
        self._copies.executor_gone(executor)
        self._listener.executor_lost(executor.id, now)
        hosts = {each.host for each in self.executors.values()}
        for task_set in self.live():
            task_set.forget_executor(executor.id, None if executor.host in hosts else executor.host)

    def resource_offers(self, offers: Sequence[WorkerOffer], now: float) -> None:
        """Fill cores with tasks, this once. Only of a scheduler that launches on offers."""
        assert isinstance(self._dispatcher, OfferDispatcher), "tasks go to what executors have"
        self._dispatcher.fill(offers, now)

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
        if self._copies.speculation is not None:
            self._copies.speculation.ended(executor, task_ids, results.outcomes, now)
        self._dispatcher.observe(executor, task_ids, now)
        if not results.outcomes:
            payloads, workers = list(results.payloads), list(results.workers)
            self._succeeded(executor, task_ids, payloads, workers, now)
            self._dispatcher.feed(executor, now)
        else:
            self._mixed(executor, results, now)
            self._dispatcher.feed_all(now)
        if executor.outstanding < executor.slots:
            self._dispatcher.watch_balance(now)
        if self._leaving_out is not None:
            self._leaving_out.act(now)

    def _succeeded(
        self,
        executor: Executor,
        task_ids: list[int],
        payloads: list[bytes],
        workers: list[int],
        now: float,
    ) -> None:
        """Pass successes on, in one call if they are first attempts of one task set."""
        task_set, _ = self._task_sets.find(task_ids[0])
        slots = task_set.slots_running(task_ids) if task_set is not None else None
        if task_set is not None and slots is not None:
            self._finish(task_set, slots, now)
            self._listener.tasks_succeeded(
                task_set, slots, task_ids, payloads, workers, executor, now
            )
            self._retire_if_over(task_set)
            return
        for task_id, payload, worker in zip(
            task_ids, payloads, workers or repeat(ANY_WORKER), strict=False
        ):
            task_set, slot = self._task_sets.find(task_id)
            if task_set is None or not self._is_of_use(task_set, task_id):
                continue
            if task_set.state[slot] != RUNNING:
                continue
            self._task_sets.end(task_id)
            task_set.failures.pop(slot, None)
            self._finish(task_set, (slot,), now)
            self._listener.tasks_succeeded(
                task_set, (slot,), (task_id,), (payload,), (worker,), executor, now
            )
            self._retire_if_over(task_set)

    def _finish(self, task_set: TaskSet, slots: Sequence[int], now: float) -> None:
        """Running slots are done: no other attempt is of use."""
        task_set.finish(slots)
        if task_set.copies:
            self._copies.interrupt_others(task_set, slots)
        if task_set.is_barrier and task_set.done < len(task_set):
            self.barriers.ended(task_set, slots)
        if self._leaving_out is not None and task_set.done == len(task_set):
            self._leaving_out.succeeded(task_set, now)

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
            task_set, slot = self._task_sets.find(task_id)
            if task_set is None or not self._is_of_use(task_set, task_id):
                continue
            self._task_sets.end(task_id)
            if task_set.state[slot] != RUNNING:
                continue
            if outcome == spark_pb2.CANCELLED:
                self._lost(task_set, slot, f"task {slot} was cancelled", now)
            elif outcome == spark_pb2.FETCH_FAILED:
                failure = decode_fetch_failure(payload)
                self._fetch_failed(task_set, slot, task_id, executor, failure, now)
            elif outcome == spark_pb2.WORKER_LOST:
                lost = TaskFailure(WORKER_LOST, payload.decode(), "", None, False)
                self._failed(task_set, slot, task_id, executor, lost, now)
            else:
                self._failed(task_set, slot, task_id, executor, decode_failure(payload), now)

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
        self._log_loss(task_set, lost)
        times = task_set.failures[slot] = task_set.failures.get(slot, 0) + 1
        is_loss = failure.class_name in (EXECUTOR_LOST, WORKER_LOST)
        limit = self._limits.task_failures
        if is_loss:
            limit = max(limit, LOSSES_MIN)
        if self._leaving_out is not None and not task_set.is_zombie:
            self._leaving_out.failed(task_set, slot, executor, lost, now)
        self._requeue(task_set, slot)
        if task_set.is_zombie:
            return
        if not (failure.fatal or times >= limit):
            if task_set.is_barrier:
                self._listener.barrier_failed(task_set, failure, lost, now)
            if self._leaving_out is not None:
                self._leaving_out.see(task_set, now)
            return
        _log.error(f"Task {slot} in stage {task_set} failed {times} times; aborting job")
        reason = (
            f"Task {slot} in stage {task_set} failed {times} times, most recent failure: {lost}"
        )
        self._listener.task_set_aborted(task_set, job_aborted(failure, reason, task_set.name), now)

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
        self._log_loss(
            task_set,
            f"Lost task {slot}.{attempt} in stage {task_set} (TID {task_id}) "
            f"({executor.host} executor {executor.id}): FetchFailed: {failure.message}",
        )
        task_set.finish((slot,))
        self._copies.interrupt_others(task_set, (slot,))
        self._listener.fetch_failed(task_set, failure, now)
        if self._leaving_out is not None:
            self._leaving_out.unreadable(self.executors.get(failure.executor_id or ""), now)
        self._retire_if_over(task_set)

    def _log_loss(self, task_set: TaskSet, lost: str) -> None:
        """Log the first few, in a line each, and none once the job has ended."""
        task_set.losses += 1
        if task_set.losses <= LOSSES_LOGGED_MAX and not task_set.is_zombie:
            _log.warning(lost.partition("\n")[0])

    def _lost(self, task_set: TaskSet, slot: int, reason: str, now: float) -> None:
        """An attempt is over, and that is not its own fault."""
        self._requeue(task_set, slot)
        if task_set.is_barrier and not task_set.is_zombie:
            failure = TaskFailure(EXECUTOR_LOST, reason, "", None, False)
            self._listener.barrier_failed(task_set, failure, summary(failure), now)

    def _requeue(self, task_set: TaskSet, slot: int) -> None:
        """An attempt is over without success: another one that runs goes on, or a new one waits."""
        if not self._copies.takes_over(task_set, slot):
            task_set.requeue(slot)
        self._retire_if_over(task_set)

    def _retire_if_over(self, task_set: TaskSet) -> None:
        """Forget a task set that nothing can come from any more."""
        if self._task_sets.remove_if_over(task_set):
            if task_set.losses > LOSSES_LOGGED_MAX:
                _log.warning(f"Lost {task_set.losses} tasks in stage {task_set} in all")
            for executor in self.executors.values():
                executor.forget_stage(task_set.key)
            self.barriers.forget(task_set)
            self._copies.forget(task_set)
            if self._leaving_out is not None:
                self._leaving_out.forget(task_set)

    def _is_of_use(self, task_set: TaskSet, task_id: int) -> bool:
        """An attempt has ended: say whether it matters to its slot."""
        if self._copies.is_current(task_set, task_id):
            return True
        self._retire_if_over(task_set)
        return False

    def give_up(self, task_set: TaskSet, error: Exception, now: float) -> None:
        """A task set can never succeed."""
        self._listener.task_set_aborted(task_set, error, now)

    def timer_fired(self, name: str, now: float) -> None:
        """A timer of ours, or of the dispatcher's, is due."""
        if name == SPECULATION_TIMER:
            self._copies.look(now)
        elif name == BARRIER_TIMER:
            self._dispatcher.forget_timer(name)
            self.barriers.look(now)
        elif name in (HOPELESS_TIMER, EXCLUSION_TIMER) and self._leaving_out is not None:
            self._leaving_out.timer_fired(name, now)
        else:
            self._dispatcher.timer_fired(name, now)
