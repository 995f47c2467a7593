"""Dynamic allocation: how many executors an application should hold, and which it gives back.

More are asked for while tasks wait: one at first, then two, four, eight, for as long as the wait
goes on, but never more than would run all tasks at once. The number falls as soon as fewer are
needed; executors themselves go only once they have been idle for a while. Two things keep them
longer: cached partitions, and map outputs that no shuffle service would serve in their place.

A pure policy, asked by `executor_demand`, which looks up what executors hold and carries the
decisions out. Does not know tasks, jobs or the cluster.

Source: Spark's documentation "Job Scheduling", "Dynamic Resource Allocation", and its
configuration page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.allocation import (
    CACHED_EXECUTOR_IDLE_TIMEOUT,
    EXECUTOR_ALLOCATION_RATIO,
    EXECUTOR_IDLE_TIMEOUT,
    EXECUTOR_INSTANCES,
    INITIAL_EXECUTORS,
    MAX_EXECUTORS,
    MIN_EXECUTORS,
    SCHEDULER_BACKLOG_TIMEOUT,
    SHUFFLE_TRACKING_ENABLED,
    SHUFFLE_TRACKING_TIMEOUT,
    SUSTAINED_SCHEDULER_BACKLOG_TIMEOUT,
)
from minimesos.spark.settings.executors import EXECUTOR_CORES
from minimesos.spark.settings.scheduling import TASK_CPUS
from minimesos.spark.settings.shuffle import SHUFFLE_SERVICE_ENABLED

_UNLIMITED_EXECUTORS = 2**31 - 1
_DEFAULT_CORES = 1


@dataclass(frozen=True, slots=True)
class AllocationSettings:
    """What the user allows. Times are in seconds, and may be infinite."""

    least: int = MIN_EXECUTORS.default
    most: int = _UNLIMITED_EXECUTORS
    initial: int = MIN_EXECUTORS.default
    tasks_per_executor: int = 1
    ratio: float = EXECUTOR_ALLOCATION_RATIO.default
    backlog_s: float = SCHEDULER_BACKLOG_TIMEOUT.default
    sustained_backlog_s: float = SCHEDULER_BACKLOG_TIMEOUT.default
    idle_s: float = EXECUTOR_IDLE_TIMEOUT.default
    cached_idle_s: float = CACHED_EXECUTOR_IDLE_TIMEOUT.default
    tracks_shuffles: bool = SHUFFLE_TRACKING_ENABLED.default
    """Map outputs are gone with their executor, so they keep it."""
    shuffle_idle_s: float = SHUFFLE_TRACKING_TIMEOUT.default

    @classmethod
    def of(cls, conf: Texts) -> AllocationSettings:
        """Read the settings, which have been checked. Raises InvalidValue."""
        least, most = MIN_EXECUTORS.read(conf), MAX_EXECUTORS.read(conf) or _UNLIMITED_EXECUTORS
        initial = max(least, INITIAL_EXECUTORS.read(conf), EXECUTOR_INSTANCES.read(conf) or 0)
        cores = EXECUTOR_CORES.read(conf) or _DEFAULT_CORES
        is_served = SHUFFLE_SERVICE_ENABLED.read(conf)
        return cls(
            least=least,
            most=most,
            initial=min(initial, most),
            tasks_per_executor=max(1, cores // TASK_CPUS.read(conf)),
            ratio=EXECUTOR_ALLOCATION_RATIO.read(conf),
            backlog_s=SCHEDULER_BACKLOG_TIMEOUT.read(conf),
            sustained_backlog_s=SUSTAINED_SCHEDULER_BACKLOG_TIMEOUT.read(conf),
            idle_s=EXECUTOR_IDLE_TIMEOUT.read(conf),
            cached_idle_s=CACHED_EXECUTOR_IDLE_TIMEOUT.read(conf),
            tracks_shuffles=not is_served and SHUFFLE_TRACKING_ENABLED.read(conf),
            shuffle_idle_s=SHUFFLE_TRACKING_TIMEOUT.read(conf),
        )


class IdleExecutor(NamedTuple):
    """An executor that runs nothing, and what may keep it all the same."""

    executor_id: str
    since_s: float
    has_blocks: bool = False
    """Holds cached partitions. Broadcasts do not count."""
    has_shuffles: bool = False
    """Holds map outputs that somebody may ask for, and that go with it."""
    is_read: bool = False
    """A running job reads some of these."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done now."""

    total: int | None = None
    """Ask for this many executors in all; None: as before."""
    added: int = 0
    """By how many that is more than before; 0 if it is fewer."""
    removed: tuple[IdleExecutor, ...] = ()
    """Give these back."""
    next_at_s: float = math.inf
    """When to ask again, if nothing happens until then."""


class ExecutorAllocationManager:
    """Spark's policy. `target` is how many executors have been asked for."""

    def __init__(self, settings: AllocationSettings) -> None:
        self.target = settings.initial
        self._settings = settings
        self._initializing = True
        """Nothing has happened yet that would make the initial number wrong."""
        self._to_add = 1
        self._add_at_s: float | None = None
        """When more executors are asked for; None while no task waits."""
        self._spared: set[str] = set()
        """Idle for long enough, but within the number that is kept."""
        self._rearmed_at_s: dict[str, float] = {}
        """From when the idle time of executors counts that were spared once."""

    def stage_submitted(self, now: float) -> None:
        """There are tasks that wait, until `all_started` says otherwise."""
        self._initializing = False
        if self._add_at_s is None:
            self._add_at_s = now + self._settings.backlog_s

    def all_started(self) -> None:
        """No task waits any more: each runs or has ended."""
        self._add_at_s = None
        self._to_add = 1

    def executor_added(self, now: float) -> None:
        """Another executor is there, so one that was spared may be one too many: it gets its time
        again."""
        self._rearmed_at_s.update(dict.fromkeys(self._spared, now))
        self._spared.clear()

    def decide(
        self, unfinished: int, live: int, idle: Sequence[IdleExecutor], now: float
    ) -> Decision:
        """Say what to do about `unfinished` tasks, waiting and running, and `live` executors."""
        deadlines = sorted((self._deadline_s(each), each) for each in idle)
        due = tuple(executor for at_s, executor in deadlines if at_s <= now)
        if due:
            self._initializing = False
        before = self.target
        self._retarget(unfinished, live, now)
        removed = self._removable(due, live)
        self._spared = {each.executor_id for each in due} - {each.executor_id for each in removed}
        self._forget_rearmed(idle)
        wake_ups = [at_s for at_s, _ in deadlines if at_s > now]
        if self._add_at_s is not None:
            wake_ups.append(self._add_at_s)
        return Decision(
            total=self.target if self.target != before else None,
            added=max(0, self.target - before),
            removed=removed,
            next_at_s=min(wake_ups, default=math.inf),
        )

    def _retarget(self, unfinished: int, live: int, now: float) -> None:
        if self._initializing:
            return
        settings = self._settings
        needed = math.ceil(unfinished * settings.ratio / settings.tasks_per_executor)
        if needed < self.target:
            self.target = max(needed, settings.least)
            self._to_add = 1
        elif self._add_at_s is not None and now >= self._add_at_s:
            self._add(needed, live)
            self._add_at_s = now + settings.sustained_backlog_s

    def _add(self, needed: int, live: int) -> None:
        """Raise the target by the next step, as far as executors are needed and allowed."""
        before = self.target
        # Steps are not wasted on executors that are there.
        self.target = min(max(before, live) + self._to_add, needed, self._settings.most)
        added = self.target - before
        self._to_add = self._to_add * 2 if added == self._to_add else 1

    def _deadline_s(self, executor: IdleExecutor) -> float:
        """Return until when an executor is kept at least."""
        settings = self._settings
        reasons = []
        if executor.has_blocks:
            reasons.append(settings.cached_idle_s)
        if executor.has_shuffles:
            reasons.append(math.inf if executor.is_read else settings.shuffle_idle_s)
        since_s = max(executor.since_s, self._rearmed_at_s.get(executor.executor_id, 0.0))
        return since_s + max(reasons, default=settings.idle_s)

    def _removable(self, due: tuple[IdleExecutor, ...], live: int) -> tuple[IdleExecutor, ...]:
        """Return those that are more than is wanted, which is never below the least."""
        return due[: max(0, live - self.target)]

    def _forget_rearmed(self, idle: Sequence[IdleExecutor]) -> None:
        if self._rearmed_at_s:
            there = {executor.executor_id for executor in idle}
            self._rearmed_at_s = {
                executor_id: at_s
                for executor_id, at_s in self._rearmed_at_s.items()
                if executor_id in there
            }
