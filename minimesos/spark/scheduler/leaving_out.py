"""What follows when executors are excluded: who is given back, and who is given up.

A task that may run on none of the executors waits for a new one: an idle one is given back to make
room for it, and when none comes in time its job ends. Executors that the whole application has
excluded are ended if it is so set, or get work again after a while. `exclusion` has the rules.

Belongs to the task scheduler, which says what fails.
"""

from __future__ import annotations

from typing import Protocol

from minimesos.actor import Effect
from minimesos.spark.scheduler.dispatch import Dispatcher
from minimesos.spark.scheduler.effects import KillExecutors
from minimesos.spark.scheduler.exclusion import Exclusion
from minimesos.spark.scheduler.executor import Executor
from minimesos.spark.scheduler.failure import runs_nowhere
from minimesos.spark.scheduler.mishaps import ExclusionSettings
from minimesos.spark.scheduler.task_set import TaskSet
from minimesos.spark.scheduler.task_sets import TaskSets

HOPELESS_TIMER = "tasks that may run nowhere"
EXCLUSION_TIMER = "excluded executors"


class Owner(Protocol):
    """The task scheduler."""

    def executor_lost(
        self, executor_id: str, reason: str, caused_by_tasks: bool, now: float
    ) -> None:
        """An executor is gone with all its tasks."""

    def executor_released(self, executor_id: str, reason: str, now: float) -> None:
        """An executor that runs nothing is given back."""

    def give_up(self, task_set: TaskSet, error: Exception, now: float) -> None:
        """A task set can never succeed."""


class LeavingOut:
    """Acts on what `Exclusion` finds."""

    def __init__(
        self,
        settings: ExclusionSettings,
        owner: Owner,
        task_sets: TaskSets,
        dispatcher: Dispatcher,
        effects: list[Effect],
    ) -> None:
        self._owner = owner
        self._task_sets = task_sets
        self._dispatcher = dispatcher
        self._effects = effects
        self.exclusion = Exclusion(settings)
        dispatcher.exclusion = self.exclusion
        self.hopeless_at_s: dict[int, float] = {}
        """By key, when task sets are given up of which a task may run nowhere."""
        self._left_out: list[str] = []
        """Executors that the whole application has excluded, with what came in just now."""

    # -------------------------------------------------------------------------------- what fails

    def failed(
        self, task_set: TaskSet, slot: int, executor: Executor, reason: str, now: float
    ) -> None:
        """A task has failed: what waits there may not be to run there."""
        self.exclusion.failed(task_set, slot, executor, reason, now)
        if self.exclusion.forbids(task_set, executor, now):
            self._dispatcher.recall_from(executor, task_set)

    def unreadable(self, server: Executor | None, now: float) -> None:
        """Map outputs of an executor cannot be read."""
        if server is not None:
            self._left_out += self.exclusion.unreadable(server.id, server.host, now)

    def succeeded(self, task_set: TaskSet, now: float) -> None:
        """All of a task set is done."""
        self._left_out += self.exclusion.succeeded(task_set, now)

    def forget(self, task_set: TaskSet) -> None:
        """A task set is over."""
        self.hopeless_at_s.pop(task_set.key, None)
        self.exclusion.forget(task_set)

    # ---------------------------------------------------------------------------- what follows

    def act(self, now: float) -> None:
        """All that came in has been told: leave out whom the whole application has excluded."""
        if not self._left_out:
            return
        executor_ids, self._left_out = self._left_out, []
        for executor_id in executor_ids if self.exclusion.settings.kills else ():
            if executor_id in self._dispatcher.executors:
                reason = "excluded, because tasks failed there"
                self._owner.executor_lost(executor_id, reason, False, now)
                self._effects.append(KillExecutors((executor_id,)))
        self._await_excluded(now)
        self.see_all(now)

    def executor_added(self, now: float) -> None:
        """There is an executor more: whatever has waited for one may have its chance."""
        self.hopeless_at_s.clear()
        self.see_all(now)

    def see_all(self, now: float) -> None:
        """See whether all tasks may run somewhere."""
        for task_set in self._task_sets.active():
            self.see(task_set, now)

    def see(self, task_set: TaskSet, now: float) -> None:
        """If one of a set's tasks may run nowhere, make room for an executor where it may."""
        executors = self._dispatcher.executors.values()
        if task_set.is_zombie or not executors:
            return
        found = self.exclusion.nowhere(task_set, executors, now)
        if found is None:
            self.hopeless_at_s.pop(task_set.key, None)
            return
        give_up_at_s = self.hopeless_at_s.get(task_set.key)
        if give_up_at_s is None:
            idle = next((each for each in executors if not each.outstanding), None)
            if idle is not None:
                give_up_at_s = now + self.exclusion.settings.unschedulable_s
                self.hopeless_at_s[task_set.key] = give_up_at_s
                self._dispatcher.set_timer(HOPELESS_TIMER, give_up_at_s)
                self._effects.append(KillExecutors((idle.id,)))
                self._owner.executor_released(idle.id, "tasks that wait may not run there", now)
                return
        if give_up_at_s is None or give_up_at_s <= now:
            slot, reason = found
            error = runs_nowhere(str(task_set), slot, task_set.partitions[slot], reason)
            self._owner.give_up(task_set, error, now)

    def timer_fired(self, name: str, now: float) -> None:
        """It is time to give up what still waits, or excluded executors come back."""
        self._dispatcher.timer_fired(name, now)
        if name == HOPELESS_TIMER:
            self.see_all(now)
        else:
            self._await_excluded(now)

    def _await_excluded(self, now: float) -> None:
        """Give work to executors again once the application takes them back."""
        back_at_s = self.exclusion.expires_at_s(now)
        if back_at_s is not None:
            self._dispatcher.set_timer(EXCLUSION_TIMER, back_at_s)
