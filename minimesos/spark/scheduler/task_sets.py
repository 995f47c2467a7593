"""The task sets of which tasks are pending or running, and which task has which id.

Ids are numbers that rise with time. A task set's first attempts get a block of them, so that an id
is a slot by subtraction; later attempts get single ones, which are remembered.

Belongs to the task scheduler.
"""

from __future__ import annotations

from collections.abc import Sequence

from minimesos.spark.scheduler.task_set import TaskSet


class TaskSets:
    """Live task sets by priority; zombies among them as long as their tasks run."""

    def __init__(self) -> None:
        self._live: list[TaskSet] = []
        self._next_task_id = 0
        self._retries: dict[int, tuple[TaskSet, int]] = {}
        """Slots of current attempts that are not first ones, by task id."""

    def live(self) -> tuple[TaskSet, ...]:
        """Return all of them; they may be added and removed meanwhile."""
        return tuple(self._live)

    def active(self) -> list[TaskSet]:
        """Return those that are not zombies."""
        return [task_set for task_set in self._live if not task_set.is_zombie]

    def add(self, task_set: TaskSet) -> None:
        """Take in a task set, and give its first attempts their ids."""
        task_set.first_task_id = self._next_task_id
        self._next_task_id += len(task_set)
        self._live.append(task_set)
        self._live.sort(key=lambda live: live.priority)

    def remove_if_over(self, task_set: TaskSet) -> bool:
        """Forget a task set that nothing can come from any more; True if that was so."""
        if not task_set.is_over() or task_set not in self._live:
            return False
        self._live.remove(task_set)
        return True

    def find(self, task_id: int) -> tuple[TaskSet | None, int]:
        """Return the task set and slot whose current attempt has this id."""
        for task_set in self._live:
            slot = task_set.slot_of(task_id)
            if slot is not None:
                return task_set, slot
        return self._retries.get(task_id, (None, -1))

    def begin(self, task_set: TaskSet, slots: Sequence[int]) -> Sequence[int]:
        """Return the ids of attempts that are about to start."""
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

    def begin_copy(self, task_set: TaskSet, slot: int, executor: int) -> int:
        """Return the id of a second attempt at a running slot."""
        task_id = self._next_task_id
        self._next_task_id += 1
        task_set.add_copy(slot, task_id, executor)
        self._retries[task_id] = task_set, slot
        return task_id

    def promote(self, task_set: TaskSet, slot: int, task_id: int) -> int:
        """Have a copy change places with its slot's current attempt; return the id of that one."""
        other = task_set.promote(task_id)
        self._retries[task_id] = self._retries[other] = task_set, slot
        return other

    def end_copy(self, task_set: TaskSet, task_id: int) -> None:
        """An attempt that is not its slot's current one has ended."""
        task_set.end_copy(task_id)
        self.end(task_id)

    def end(self, task_id: int) -> None:
        """An attempt has ended; to be called for those that are not first ones."""
        self._retries.pop(task_id, None)
