"""Second attempts at slow tasks: which attempt of a task counts, and that the others end.

One attempt of a slot is its current one. Another takes its place when it succeeds first, or when
the current one fails; what runs in vain is interrupted. `speculation` says which tasks are slow.

Belongs to the task scheduler, which tells it how attempts end.
"""

from __future__ import annotations

from collections.abc import Sequence

from minimesos.spark.scheduler.dispatch import Dispatcher
from minimesos.spark.scheduler.executor import Executor
from minimesos.spark.scheduler.mishaps import SpeculationSettings
from minimesos.spark.scheduler.speculation import Speculation
from minimesos.spark.scheduler.task_set import RUNNING, TaskSet
from minimesos.spark.scheduler.task_sets import TaskSets

SPECULATION_TIMER = "speculation"


class Copies:
    """The attempts besides the current ones. Without settings there are none."""

    def __init__(
        self, settings: SpeculationSettings | None, task_sets: TaskSets, dispatcher: Dispatcher
    ) -> None:
        self._task_sets = task_sets
        self._dispatcher = dispatcher
        self.speculation = Speculation(settings, task_sets) if settings is not None else None
        dispatcher.speculation = self.speculation

    # ---------------------------------------------------------------------- when there are some

    def watch(self, now: float) -> None:
        """Look for slow tasks after a while, as long as there may be some."""
        if self.speculation is not None and self._task_sets.active():
            interval_s = self.speculation.settings.interval_s
            self._dispatcher.set_timer(SPECULATION_TIMER, now + interval_s)

    def look(self, now: float) -> None:
        """The time to look for slow tasks has come."""
        self._dispatcher.forget_timer(SPECULATION_TIMER)
        if self.speculation is not None:
            executors = self._dispatcher.executors.values()
            slots_max = max((each.slots for each in executors), default=0)
            self._dispatcher.run_copies(self.speculation.slow(slots_max, now), now)
            self.watch(now)

    # -------------------------------------------------------------------------- how attempts end

    def is_current(self, task_set: TaskSet, task_id: int) -> bool:
        """An attempt has ended: see that it is its slot's current one; False if it is of no use."""
        copy = task_set.copies.get(task_id)
        if copy is None:
            return True
        if task_set.state[copy.slot] == RUNNING:
            self._task_sets.promote(task_set, copy.slot, task_id)
            return True
        self._task_sets.end_copy(task_set, task_id)
        return False

    def takes_over(self, task_set: TaskSet, slot: int) -> bool:
        """A current attempt is over without success: say whether another one goes on instead."""
        others = task_set.copies_of((slot,))
        if not others or task_set.state[slot] != RUNNING:
            return False
        ended = self._task_sets.promote(task_set, slot, others[0])
        self._task_sets.end_copy(task_set, ended)
        return True

    def interrupt_others(self, task_set: TaskSet, slots: Sequence[int]) -> None:
        """Nothing that still runs for these slots is of use."""
        task_ids = set(task_set.copies_of(slots))
        for executor in self._dispatcher.executors.values() if task_ids else ():
            executor.interrupt(task_ids & set(task_set.copies_on(executor.number)))

    def lose(self, task_set: TaskSet, executor: Executor) -> None:
        """An executor is gone: of each slot one attempt that ran there is left, as current one."""
        for task_id in task_set.copies_on(executor.number):
            slot = task_set.copies[task_id].slot
            if task_set.state[slot] == RUNNING and task_set.executors[slot] == executor.number:
                # What had lost to a copy was still there when the slot had to run again.
                self._task_sets.end_copy(task_set, task_id)
            else:
                self.is_current(task_set, task_id)

    def executor_gone(self, executor: Executor) -> None:
        """Nothing runs there any more."""
        if self.speculation is not None:
            self.speculation.executor_gone(executor)

    def forget(self, task_set: TaskSet) -> None:
        """A task set is over."""
        if self.speculation is not None:
            self.speculation.forget(task_set)
