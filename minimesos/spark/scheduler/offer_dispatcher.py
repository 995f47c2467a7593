"""Which executor gets which tasks where cores are had by offers only, each for one task.

Nothing is queued ahead and nothing recalled: an executor has no cores of its own, only those that
its tasks hold now. Tasks are spread one per executor and round, as in Spark's own scheduler. While
tasks wait, cores are asked for whenever some may have become free.

Made by the task scheduler instead of the other dispatchers, for backends that launch on offers.

Source: Spark's documentation "Running Spark on Mesos", fine-grained mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minimesos.actor import Effect
from minimesos.spark.env import Location
from minimesos.spark.scheduler.dispatch import LOCALITY_TIMER, Dispatcher
from minimesos.spark.scheduler.effects import Revive
from minimesos.spark.scheduler.executor import Executor, WorkerOffer
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.pools import Pools
from minimesos.spark.scheduler.task_set import RUNNING, TaskSet
from minimesos.spark.scheduler.task_sets import TaskSets


class OfferedExecutor(Executor):
    """An executor each of whose tasks goes by itself, under a name. Its slots are those in use."""

    __slots__ = ()

    def _add_batch(
        self,
        task_set: TaskSet,
        slots: Sequence[int],
        task_ids: Sequence[int],
        payloads: list[bytes],
    ) -> None:
        for slot, task_id, payload in zip(slots, task_ids, payloads, strict=True):
            super()._add_batch(task_set, (slot,), (task_id,), [payload])
            assert self._frame is not None
            attempt = task_set.attempt_number(slot, task_id)
            name = f"task {slot}.{attempt} in stage {task_set} (TID {task_id})"
            self._frame.tasks[-1].names.append(name)


class OfferDispatcher(Dispatcher):
    """A dispatcher that fills what is offered. Task sets go by priority, or by `pools`."""

    def __init__(
        self,
        pools: Pools | None,
        task_sets: TaskSets,
        effects: list[Effect],
        give_up: Callable[[TaskSet, Exception, float], None],
        limits: Limits,
        started_at_s: float = 0.0,
    ) -> None:
        super().__init__(task_sets, effects, give_up, limits, started_at_s)
        self._pools = pools
        self._slow: Sequence[tuple[TaskSet, int]] = ()
        """Slots of which a copy is wanted."""

    def add(self, location: Location, cores: int) -> Executor:
        """An executor has connected; tasks may have been launched on it before."""
        executor = self.executors.get(location.executor_id)
        if executor is None:
            executor = self.executors[location.executor_id] = self._new_executor(location)
        executor.location = location
        return executor

    def observe(self, executor: Executor, task_ids: list[int], now: float) -> None:
        """Tasks have ended, and hold their cores no more."""
        executor.outstanding -= len(task_ids)
        self._occupied(executor)

    def feed_all(self, now: float) -> None:
        """Ask for cores if tasks wait."""
        if any(task_set.pending for task_set in self._task_sets.active()):
            self._effects.append(Revive())
        self._note_starvation(now)

    def feed(self, executor: Executor, now: float) -> None:
        self.feed_all(now)

    def watch_balance(self, now: float) -> None:
        """Nothing is queued that could lie better elsewhere."""

    def fill(self, offers: Sequence[WorkerOffer], now: float) -> None:
        """Launch waiting tasks on these cores, which are there for as long as the tasks run."""
        rooms = {}
        for offer in offers:
            slots = offer.cores // self._limits.task_cpus
            if slots > 0:
                executor = self.executors.get(offer.executor_id)
                location = Location(offer.executor_id, offer.host, "", "")
                rooms[executor or self._new_executor(location)] = slots
        waiting = [task_set for task_set in self._task_sets.active() if task_set.pending]
        while waiting and rooms:
            task_set = self._next(waiting)
            if not self._fill_once(task_set, rooms, now):
                waiting.remove(task_set)
                if task_set.pending and not task_set.is_zombie and task_set.is_choosy(now):
                    self.set_timer(LOCALITY_TIMER, task_set.choosy_until_s)
        slow, self._slow = self._slow, ()
        for task_set, slot in slow:
            if task_set.state[slot] == RUNNING and not task_set.is_zombie:
                copied = self._copy(task_set, slot, rooms, now)
                if copied is not None:
                    self.executors[copied.id] = copied
                    self._occupied(copied)
        for executor in self.executors.values():
            executor.flush()
        self._note_starvation(now)

    def run_copies(self, slow: Sequence[tuple[TaskSet, int]], now: float) -> None:
        """Ask for cores for these; copies are launched behind what waits."""
        self._slow = slow
        if slow:
            self._effects.append(Revive())

    def _next(self, waiting: Sequence[TaskSet]) -> TaskSet:
        if self._pools is None:
            return waiting[0]
        return self._pools.first(waiting, self._task_sets.live())

    def _fill_once(self, task_set: TaskSet, rooms: dict[Executor, int], now: float) -> bool:
        """Launch a task of the set on each executor that has room; False if there was none."""
        launched = False
        for executor in list(rooms):
            if not self._launch(task_set, executor, 1, now):
                continue
            launched = True
            self.executors[executor.id] = executor
            self._occupied(executor)
            left = rooms.pop(executor) - 1
            if left:
                rooms[executor] = left  # behind the others
            if self._pools is not None:
                break  # whose turn it is next depends on what runs
        return launched

    def _new_executor(self, location: Location) -> Executor:
        self._numbers += 1
        return OfferedExecutor(
            self._numbers, location.host, 0, location, self._effects, self._limits
        )

    def _occupied(self, executor: Executor) -> None:
        """Note how many slots an executor has now."""
        self.total_slots += executor.outstanding - executor.slots
        executor.slots = executor.outstanding
