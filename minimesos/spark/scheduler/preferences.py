"""Which tasks of a set would rather run where, and for how long others leave them alone.

Delay scheduling by level: a task is first for the executor that has cached its input, then for that
one's host or the host of its files, then for any. A level lasts as long as its wait after the last
launch that suited a task, and no longer than tasks wait for it. What prefers nothing does not wait.
Racks are not known here, so there is no level for them.

Made by `placement`, belongs to a task set.
Source: Zaharia et al., "Delay Scheduling" (EuroSys 2010); the levels are Spark's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

PENDING = 0
"""State of a slot that waits; the others are in `task_set`."""
ANY_WORKER = -1
BY_EXECUTOR, BY_HOST, ANYWHERE = range(3)
"""Levels."""


class Preferences:
    """Slots by the executor, or by the host, that they should run on.

    `waits_s` are those of the levels BY_EXECUTOR and BY_HOST.
    """

    __slots__ = (
        "_absent",
        "_by_executor",
        "_by_host",
        "_level",
        "_since_s",
        "_waits_s",
        "_workers",
    )

    def __init__(self, waits_s: tuple[float, float], now: float) -> None:
        self._waits_s = waits_s
        self._since_s = now
        self._level = BY_EXECUTOR
        self._by_executor: dict[str, deque[int]] = {}
        self._by_host: dict[str, deque[int]] = {}
        self._absent: dict[str, deque[int]] = {}
        """By hosts that have no executor."""
        self._workers: dict[tuple[int, str], int] = {}

    def prefer_worker(self, slot: int, executor_id: str, worker: int) -> None:
        """The slot's input is cached by a worker of an executor."""
        self._by_executor.setdefault(executor_id, deque()).append(slot)
        self._workers[slot, executor_id] = worker

    def prefer_host(self, slot: int, host: str, is_there: bool = True) -> None:
        """The slot's input is on a host, which has executors if it `is_there`."""
        hosts = self._by_host if is_there else self._absent
        hosts.setdefault(host, deque()).append(slot)

    def slots(self) -> set[int]:
        """Return all slots that prefer something that is there."""
        lists = (*self._by_executor.values(), *self._by_host.values())
        return set().union(*lists)

    def worker(self, slot: int, executor_id: str) -> int:
        """Return the worker that holds the slot's input, if it is one of this executor's."""
        return self._workers.get((slot, executor_id), ANY_WORKER)

    def level(self, state: bytearray, now: float) -> int:
        """Return the level up to which tasks may be launched now."""
        while self._level < ANYWHERE:
            lists = self._by_executor if self._level == BY_EXECUTOR else self._by_host
            if any(_prune(slots, state) for slots in lists.values()):
                wait_s = self._waits_s[self._level]
                if now < self._since_s + wait_s:
                    break
                self._since_s += wait_s
            else:
                self._since_s = now
            self._level += 1
        return self._level

    def next_level_at_s(self) -> float:
        """Return when the next level is allowed, if nothing is launched before."""
        return self._since_s + self._waits_s[self._level] if self._level < ANYWHERE else 0.0

    def take(
        self,
        limit: int,
        executor_id: str,
        host: str,
        state: bytearray,
        now: float,
        besides: Collection[int] = (),
    ) -> list[int]:
        """Return up to `limit` pending slots that prefer this executor or host."""
        taken = pop_pending(self._by_executor.get(executor_id), limit, state, besides)
        if taken:
            self._restart(BY_EXECUTOR, now)
        elif self.level(state, now) >= BY_HOST:
            taken = pop_pending(self._by_host.get(host), limit, state, besides)
            if taken:
                self._restart(BY_HOST, now)
        return taken

    def take_any(
        self, limit: int, state: bytearray, now: float, besides: Collection[int] = ()
    ) -> list[int]:
        """Return up to `limit` pending slots once those preferred have had their chance."""
        taken: list[int] = []
        if self.level(state, now) < ANYWHERE:
            return taken
        for slots in (*self._by_executor.values(), *self._by_host.values()):
            taken += pop_pending(slots, limit - len(taken), state, {*taken, *besides})
        return taken

    def joined(self, host: str, now: float) -> None:
        """A host has an executor: tasks that prefer it may wait for it again."""
        if host in self._absent:
            self._by_host.setdefault(host, deque()).extend(self._absent.pop(host))
            self._restart(BY_HOST, now)

    def forget(self, executor_id: str, host: str | None) -> list[int]:
        """An executor is gone, and with it all of a `host` if that is given.

        Returns the slots that preferred these and now prefer nothing else.
        """
        slots = set(self._by_executor.pop(executor_id, ()))
        if host in self._by_host:
            self._absent[host] = self._by_host.pop(host)
            slots.update(self._absent[host])
        return sorted(slots - self.slots())

    def _restart(self, level: int, now: float) -> None:
        """Something suits a task at this level: wait for more of that."""
        self._level = min(self._level, level)
        self._since_s = now


def pop_pending(
    slots: deque[int] | None, limit: int, state: bytearray, besides: Collection[int] = ()
) -> list[int]:
    """Take up to `limit` slots that are pending from a queue, and drop those that are not."""
    taken: list[int] = []
    while slots and len(taken) < limit:
        slot = slots.popleft()
        if state[slot] == PENDING and slot not in besides:
            taken.append(slot)
    return taken


def _prune(slots: deque[int], state: bytearray) -> bool:
    """Drop slots that do not wait from the front; say whether any waits."""
    while slots and state[slots[0]] != PENDING:
        slots.popleft()
    return bool(slots)
