"""Has executors asked for and given back as the allocation manager decides.

Looks up for it how many tasks there are, since when executors are idle and what they hold, and
turns its decisions into effects. It looks when something may have changed, ten times a second at
most, and otherwise when the manager wants to be asked; never if nothing can change by time alone.
What happens more often, the ends of tasks, costs a glance at what waits.

Belongs to the DAG scheduler, and exists under dynamic allocation only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from minimesos.actor import Effect, SetTimer
from minimesos.log import get_logger
from minimesos.spark.scheduler.allocation import (
    AllocationSettings,
    ExecutorAllocationManager,
    IdleExecutor,
)
from minimesos.spark.scheduler.block_locations import BlockLocations
from minimesos.spark.scheduler.effects import KillExecutors, RequestExecutors
from minimesos.spark.scheduler.map_output import MapOutputTracker
from minimesos.spark.scheduler.placement import local_tasks
from minimesos.spark.scheduler.stage import Job, shuffles_read
from minimesos.spark.scheduler.task_scheduler import TaskScheduler
from minimesos.spark.scheduler.task_set import TaskSet

ALLOCATION_TIMER = "allocation"
LOOK_EVERY_S = 0.1

_log = get_logger(__name__)


class ExecutorDemand:
    """The allocation manager's eyes and hands. `jobs` are those that run."""

    def __init__(
        self,
        settings: AllocationSettings,
        tasks: TaskScheduler,
        outputs: MapOutputTracker,
        blocks: BlockLocations,
        jobs: Mapping[int, Job],
        effects: list[Effect],
    ) -> None:
        self._manager = ExecutorAllocationManager(settings)
        self._settings = settings
        self._tasks = tasks
        self._outputs = outputs
        self._blocks = blocks
        self._jobs = jobs
        self._effects = effects
        self._waiting: frozenset[TaskSet] = frozenset()
        """Task sets that were there when tasks were last seen to wait."""
        self._looked_at_s = -math.inf
        self._look_at_s = math.inf

    def start(self) -> None:
        """Ask for the executors that are wanted before there are tasks."""
        if self._manager.target:
            self._effects.append(RequestExecutors(self._manager.target, {}))

    def executor_added(self, now: float) -> None:
        """An executor takes tasks from now on."""
        self._manager.executor_added(now)
        self.heed(now)

    def heed(self, now: float) -> None:
        """Something has happened: tasks came, ran or ended, or an executor went."""
        self._glance(now)
        self._look_at(max(now, self._looked_at_s + LOOK_EVERY_S))

    def look(self, now: float) -> None:
        """Ask the manager; for when the timer is due."""
        self._looked_at_s = now
        self._look_at_s = math.inf
        self._glance(now)
        decision = self._manager.decide(
            self._tasks.unfinished, len(self._tasks.executors), self._idle(), now
        )
        if decision.total is not None:
            self._request(decision.total, decision.added)
        if decision.removed:
            self._remove(decision.removed, now)
        self._look_at(decision.next_at_s)

    def _glance(self, now: float) -> None:
        """See whether tasks wait, and whether they are others than those that waited before."""
        live = self._tasks.live()
        if self._waiting.isdisjoint(live):
            self._manager.all_started()
            if live:
                self._manager.stage_submitted(now)
        if self._tasks.has_backlog():
            self._waiting = frozenset(live)
        else:
            self._waiting = frozenset()
            self._manager.all_started()

    def _look_at(self, at_s: float) -> None:
        if at_s < self._look_at_s:
            self._look_at_s = at_s
            self._effects.append(SetTimer(ALLOCATION_TIMER, at_s))

    def _idle(self) -> list[IdleExecutor]:
        executors = [each for each in self._tasks.executors.values() if not each.outstanding]
        if not executors:
            return []
        cached = self._blocks.holders()
        wrote: Iterable[str] = ()
        read: Iterable[str] = ()
        if self._settings.tracks_shuffles:
            wrote = self._outputs.holders()
            if wrote and self._settings.shuffle_idle_s < math.inf:
                read = self._outputs.holders(shuffles_read(self._jobs.values()))
        return [
            IdleExecutor(
                each.id, each.progress_at_s, each.id in cached, each.id in wrote, each.id in read
            )
            for each in executors
        ]

    def _request(self, total: int, added: int) -> None:
        if added:
            executors = f"{added} new executor{'s' if added > 1 else ''}"
            _log.info(
                f"Requesting {executors} because tasks are backlogged "
                f"(new desired total will be {total})"
            )
        else:
            _log.debug("Fewer executors are needed", total=total)
        self._effects.append(RequestExecutors(total, local_tasks(self._tasks.active())))

    def _remove(self, executors: Iterable[IdleExecutor], now: float) -> None:
        reasons = {each.executor_id: f"idle for {now - each.since_s:.0f} s" for each in executors}
        named = ", ".join(f"{executor_id} ({reason})" for executor_id, reason in reasons.items())
        _log.info(f"Request to remove executorIds: {named}")
        for executor_id, reason in reasons.items():
            self._tasks.executor_released(executor_id, reason, now)
        self._effects.append(KillExecutors(tuple(reasons)))
