"""Which executor gets how many tasks where pools share the cores: a few at a time, in turns.

Executors are kept ahead as in `dispatch`, but not while it is unknown how long tasks take: another
pool's share must not wait behind them. How long they take is learned for each task set by itself,
because long tasks of one pool run beside short ones of another.

Made by the task scheduler instead of a plain dispatcher, under `spark.scheduler.mode=FAIR`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from minimesos.actor import Effect
from minimesos.spark.scheduler.dispatch import LOCALITY_TIMER, Dispatcher
from minimesos.spark.scheduler.executor import Executor
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.pools import Pools
from minimesos.spark.scheduler.task_set import TaskSet
from minimesos.spark.scheduler.task_sets import TaskSets

TURNS_AHEAD = 8
"""Turns in which the tasks that are queued ahead are handed out; so fair are shares of them."""


@dataclass(slots=True)
class _Progress:
    """How far one executor is with one task set."""

    since_s: float
    """When it last sent results, or was given work while it had none."""
    outstanding: int = 0


class FairDispatcher(Dispatcher):
    """A dispatcher in which the pools take turns."""

    def __init__(
        self,
        pools: Pools,
        task_sets: TaskSets,
        effects: list[Effect],
        give_up: Callable[[TaskSet, Exception, float], None],
        limits: Limits,
        started_at_s: float = 0.0,
    ) -> None:
        super().__init__(task_sets, effects, give_up, limits, started_at_s)
        self._pools = pools
        self._progress: dict[tuple[int, int], _Progress] = {}
        """By number of the executor and key of the task set, where something is outstanding."""

    def remove(self, executor_id: str) -> Executor | None:
        executor = super().remove(executor_id)
        if executor is not None:
            for key in [key for key in self._progress if key[0] == executor.number]:
                del self._progress[key]
        return executor

    def observe(self, executor: Executor, task_ids: list[int], now: float) -> None:
        executor.outstanding -= len(task_ids)
        executor.recalled.difference_update(task_ids)
        found = (self._task_sets.find(task_id)[0] for task_id in task_ids)
        counts = Counter(task_set for task_set in found if task_set is not None)
        for task_set, count in counts.items():
            progress = self._progress.get((executor.number, task_set.key))
            if progress is not None:
                busy_slots = min(executor.slots, progress.outstanding)
                task_set.learn((now - progress.since_s) * busy_slots / count)
                progress.since_s = now
                progress.outstanding -= count
                if progress.outstanding <= 0:
                    del self._progress[executor.number, task_set.key]

    def _hand_out(self, executors: Sequence[Executor], now: float) -> None:
        waiting = self._task_sets.active()
        while waiting := [each for each in waiting if each.pending]:
            task_set = self._pools.first(waiting, self._task_sets.live())
            if task_set.is_barrier:
                if not self._launch_together(task_set, now):
                    return  # slots are kept for it
                waiting.remove(task_set)
                continue
            rooms = [(self._room(task_set, executor), executor) for executor in executors]
            rooms = [(room, executor) for room, executor in rooms if room > 0]
            if not rooms:
                return  # whose turn it is must not be overtaken
            rooms.sort(key=lambda pair: -pair[0])
            turn = 1 + self._tasks_ahead(task_set) // TURNS_AHEAD
            if not any(
                self._launch(task_set, executor, min(room, turn), now) for room, executor in rooms
            ):
                waiting.remove(task_set)
                if task_set.is_choosy(now):
                    self.set_timer(LOCALITY_TIMER, task_set.choosy_until_s)

    def _launch(self, task_set: TaskSet, executor: Executor, limit: int, now: float) -> int:
        launched = super()._launch(task_set, executor, limit, now)
        if launched:
            self._sent(task_set, executor, launched, now)
        return launched

    def _copied(self, task_set: TaskSet, executor: Executor, task_id: int, now: float) -> None:
        super()._copied(task_set, executor, task_id, now)
        self._sent(task_set, executor, 1, now)

    def _sent(self, task_set: TaskSet, executor: Executor, count: int, now: float) -> None:
        key = executor.number, task_set.key
        self._progress.setdefault(key, _Progress(now)).outstanding += count

    def _tasks_ahead(self, task_set: TaskSet) -> int:
        return 0 if task_set.mean_s is None else super()._tasks_ahead(task_set)
