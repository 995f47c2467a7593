"""The tasks of one stage attempt: which are pending, where the others run, which have failed.

A task is a slot, a number from 0; what is known about it is in arrays, not in an object, so that a
set of 20,000 costs next to nothing. First attempts have consecutive task ids; later ones get new
ids from the task scheduler, and sparse dicts remember them.

Belongs to the task scheduler, which decides how many tasks go where.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from minimesos.spark.scheduler.preferences import (
    ANY_WORKER,
    ANYWHERE,
    PENDING,
    Preferences,
    pop_pending,
)

POOL_PROPERTY = "spark.scheduler.pool"
"""The local property that names the pool of a thread's jobs."""
DEFAULT_POOL = "default"
RUNNING, DONE = PENDING + 1, PENDING + 2
NO_EXECUTOR = -1
_SMOOTHING = 0.5


class Copy(NamedTuple):
    """An attempt at a slot besides its current one."""

    slot: int
    executor: int
    attempt: int


class TaskSet:
    """One attempt at a stage's missing partitions. Slot i computes `partitions[i]`.

    Once `is_zombie`, nothing more of it is launched; what runs may still end. If it `is_barrier`,
    all its tasks run at the same time, or none; if one fails, so have all.
    """

    def __init__(
        self,
        *,
        key: int,
        stage_id: int,
        attempt: int,
        priority: tuple[int, int],
        partitions: Sequence[int],
        binary: bytes,
        payload: Callable[[int], bytes],
        preferences: Preferences | None = None,
        pool: str = DEFAULT_POOL,
        owner: Any = None,
        name: str = "",
        is_barrier: bool = False,
    ) -> None:
        self.key = key
        self.stage_id = stage_id
        self.attempt = attempt
        self.priority = priority
        self.partitions = partitions
        self.binary = binary
        self.payload = payload
        self.preferences = preferences
        self.pool = pool
        """Of what it shares cores, under `spark.scheduler.mode=FAIR`."""
        self.owner = owner
        """The stage, for the DAG scheduler; opaque here."""
        self.is_barrier = is_barrier
        self.name = name
        """Where in the user's program it comes from."""
        size = len(partitions)
        self.first_task_id = -1
        self.state = bytearray(size)
        self.executors = array("l", (NO_EXECUTOR,)) * size
        self.pending = size
        self.running = 0
        self.done = 0
        self.is_zombie = False
        self.mean_s: float | None = None
        """Observed seconds of one task, smoothed; None before the first has ended."""
        self.losses = 0
        """Attempts that failed or were lost, of all slots."""
        self.failures: dict[int, int] = {}
        self.attempts: dict[int, int] = {}
        """Number of the current attempt, where it is not 0."""
        self.retry_ids: dict[int, int] = {}
        """Task id of the current attempt, where it is not the first."""
        self.copies: dict[int, Copy] = {}
        """By task id: copies of slow tasks, and what lost to one and has not ended yet."""
        self.last_attempts: dict[int, int] = {}
        """Highest number of an attempt, where there was a copy."""
        self.forbidden: Collection[int] = ()
        """Slots that are not to be taken: they have failed where they would run."""
        self._next = 0
        self._requeued: deque[int] = deque()
        preferring = preferences.slots() if preferences is not None else ()
        self._free: Sequence[int] = (
            [slot for slot in range(size) if slot not in preferring] if preferring else range(size)
        )

    def __len__(self) -> int:
        return len(self.partitions)

    def __str__(self) -> str:
        return f"{self.stage_id}.{self.attempt}"

    def take(
        self, limit: int, executor: int, executor_id: str, host: str, now: float
    ) -> Sequence[int]:
        """Choose up to `limit` pending slots for an executor and mark them running there."""
        if self.is_zombie:
            return ()
        slots = self._choose(limit, executor_id, host, now)
        if isinstance(slots, range):
            size, start, stop = len(slots), slots.start, slots.stop
            self.state[start:stop] = _RUNNING * size
            self.executors[start:stop] = array("l", (executor,)) * size
        else:
            for slot in slots:
                self.state[slot] = RUNNING
                self.executors[slot] = executor
        self.pending -= len(slots)
        self.running += len(slots)
        return slots

    def _choose(self, limit: int, executor_id: str, host: str, now: float) -> Sequence[int]:
        state, preferences = self.state, self.preferences
        slots = self._pop_requeued(limit) if self._requeued else []
        if preferences is not None and len(slots) < limit:
            besides = {*slots, *self.forbidden}
            slots += preferences.take(limit - len(slots), executor_id, host, state, now, besides)
        if not slots and isinstance(self._free, range):
            stop = min(self._next + limit, len(self._free))
            fresh = range(self._next, stop)
            self._next = stop
            if not any(state[fresh.start : fresh.stop]):
                return fresh
            slots = [slot for slot in fresh if state[slot] == PENDING]
        while len(slots) < limit and self._next < len(self._free):
            slot = self._free[self._next]
            self._next += 1
            if state[slot] == PENDING and not (preferences is not None and slot in slots):
                slots.append(slot)
        if preferences is not None and len(slots) < limit:
            besides = {*slots, *self.forbidden}
            slots += preferences.take_any(limit - len(slots), state, now, besides)
        return slots

    def _pop_requeued(self, limit: int) -> list[int]:
        if not self.forbidden:
            return pop_pending(self._requeued, limit, self.state)
        allowed = deque(slot for slot in self._requeued if slot not in self.forbidden)
        kept = [slot for slot in self._requeued if slot in self.forbidden]
        slots = pop_pending(allowed, limit, self.state)
        self._requeued = deque([*kept, *allowed])
        return slots

    @property
    def choosy_until_s(self) -> float:
        """When tasks that prefer some executor or host may run in more places."""
        return self.preferences.next_level_at_s() if self.preferences is not None else 0.0

    def is_choosy(self, now: float) -> bool:
        """Some tasks still wait for the executor or host that they prefer."""
        preferences = self.preferences
        return preferences is not None and preferences.level(self.state, now) < ANYWHERE

    def workers(self, slots: Sequence[int], executor_id: str) -> list[int]:
        """Return the worker that each slot is meant for; empty if any will do for all."""
        if self.preferences is None:
            return []
        workers = [self.preferences.worker(slot, executor_id) for slot in slots]
        return workers if any(worker != ANY_WORKER for worker in workers) else []

    def task_id(self, slot: int) -> int:
        """Return the id of a slot's latest attempt."""
        return self.retry_ids.get(slot, self.first_task_id + slot)

    def slot_of(self, task_id: int) -> int | None:
        """Return the slot whose first attempt has this id."""
        slot = task_id - self.first_task_id
        return slot if 0 <= slot < len(self.partitions) and slot not in self.retry_ids else None

    def slots_running(self, task_ids: Sequence[int]) -> list[int] | None:
        """Return the slots of first attempts that all run; None if some id is of another kind."""
        first, size = self.first_task_id, len(self.partitions)
        if self.retry_ids or min(task_ids) < first or max(task_ids) >= first + size:
            return None
        slots = [task_id - first for task_id in task_ids]
        state = self.state
        return slots if _RUNNING * len(slots) == bytes(map(state.__getitem__, slots)) else None

    def finish(self, slots: Sequence[int]) -> None:
        """Mark running slots done."""
        for slot in slots:
            self.state[slot] = DONE
        self.running -= len(slots)
        self.done += len(slots)

    def requeue(self, slot: int) -> None:
        """Make a slot pending again: its attempt failed, or its output was lost."""
        if self.state[slot] == RUNNING:
            self.running -= 1
        elif self.state[slot] == DONE:
            self.done -= 1
        else:
            return
        self.state[slot] = PENDING
        self.executors[slot] = NO_EXECUTOR
        self.attempts[slot] = self._next_attempt(slot)
        self.pending += 1
        self._requeued.appendleft(slot)

    def add_copy(self, slot: int, task_id: int, executor: int) -> None:
        """A second attempt at a running slot is about to start."""
        attempt = self.last_attempts[slot] = self._next_attempt(slot)
        self.copies[task_id] = Copy(slot, executor, attempt)
        self.running += 1

    def copies_of(self, slots: Collection[int]) -> list[int]:
        """Return the task ids of other attempts at these slots that have not ended."""
        return [task_id for task_id, copy in self.copies.items() if copy.slot in slots]

    def copies_on(self, executor: int) -> list[int]:
        """Return the task ids of attempts on an executor that are not their slots' current ones."""
        return [task_id for task_id, copy in self.copies.items() if copy.executor == executor]

    def promote(self, task_id: int) -> int:
        """Have a copy change places with its slot's current attempt; return the id of that one."""
        slot, executor, attempt = self.copies.pop(task_id)
        other = self.task_id(slot)
        self.copies[other] = Copy(slot, self.executors[slot], self.attempts.get(slot, 0))
        self.executors[slot] = executor
        self.attempts[slot] = attempt
        self.retry_ids[slot] = task_id
        return other

    def end_copy(self, task_id: int) -> None:
        """An attempt that is not its slot's current one has ended."""
        del self.copies[task_id]
        self.running -= 1

    def attempt_number(self, slot: int, task_id: int) -> int:
        """Return the number of an attempt that has not ended."""
        copy = self.copies.get(task_id)
        return self.attempts.get(slot, 0) if copy is None else copy.attempt

    def _next_attempt(self, slot: int) -> int:
        return 1 + max(self.attempts.get(slot, 0), self.last_attempts.get(slot, 0))

    def drop(self, slot: int) -> None:
        """A pending slot need not run: an older attempt at the stage has finished its partition."""
        if self.state[slot] == PENDING:
            self.state[slot] = DONE
            self.pending -= 1
            self.done += 1

    def pending_slots(self) -> list[int]:
        """Return the slots that wait."""
        return [slot for slot, state in enumerate(self.state) if state == PENDING]

    def running_on(self, executor: int) -> list[int]:
        """Return the slots that were sent to an executor and have not ended."""
        return [
            slot
            for slot, where in enumerate(self.executors)
            if where == executor and self.state[slot] == RUNNING
        ]

    def forget_executor(self, executor_id: str, host: str | None) -> None:
        """Free the slots that would wait for an executor that is gone, and maybe its host."""
        if self.preferences is not None:
            freed = self.preferences.forget(executor_id, host)
            self._free = [*self._free[self._next :], *freed]
            self._next = 0

    def learn(self, seen_s: float) -> None:
        """A task has taken so long, or some have on average."""
        mean_s = self.mean_s
        self.mean_s = seen_s if mean_s is None else mean_s + _SMOOTHING * (seen_s - mean_s)

    def is_over(self) -> bool:
        """Nothing is running and nothing will be launched."""
        return self.running == 0 and (self.is_zombie or self.done == len(self.partitions))


_RUNNING = bytes((RUNNING,))
