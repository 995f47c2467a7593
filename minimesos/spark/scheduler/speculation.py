"""Which tasks are slow, so that a copy of them is run on another host.

Slow is what runs longer than a multiple of the median of its task set, once most of that has ended.
How many records a task gets through is not known here, so rates do not excuse a slow one, as they
may in Spark.

Asked by the task scheduler, under `spark.speculation`, every interval.

Source: Spark's "Configuration" page, `spark.speculation.*`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from minimesos.spark.scheduler.executor import Executor
from minimesos.spark.scheduler.mishaps import SpeculationSettings
from minimesos.spark.scheduler.run_times import RunTimes
from minimesos.spark.scheduler.task_set import RUNNING, TaskSet
from minimesos.spark.scheduler.task_sets import TaskSets


class Speculation:
    """What is known of how long tasks take and run."""

    def __init__(self, settings: SpeculationSettings, task_sets: TaskSets) -> None:
        self.settings = settings
        self._task_sets = task_sets
        self._run_times = RunTimes()
        self._taken: dict[int, list[float]] = {}
        """Seconds of each task that has succeeded, by key of the task set."""
        self.sent = self._run_times.sent
        self.executor_gone = self._run_times.forget

    def ended(
        self, executor: Executor, task_ids: Sequence[int], outcomes: Sequence[int], now: float
    ) -> None:
        """Tasks have ended; `outcomes` is empty if all have succeeded."""
        taken = self._run_times.ended(executor, task_ids, now)
        for index, (task_id, taken_s) in enumerate(zip(task_ids, taken, strict=True)):
            task_set, _ = self._task_sets.find(task_id)
            if task_set is not None and not (outcomes and outcomes[index]):
                self._taken.setdefault(task_set.key, []).append(taken_s)

    def forget(self, task_set: TaskSet) -> None:
        """A task set is over."""
        self._taken.pop(task_set.key, None)

    def slow(self, executor_slots: int, now: float) -> list[tuple[TaskSet, int]]:
        """Return the slots of which a copy is wanted. `executor_slots` are one executor's."""
        thresholds: dict[int, float] = {}
        found = []
        for task_id, since_s in self._run_times.running():
            task_set, slot = self._task_sets.find(task_id)
            if task_set is None or task_set.is_zombie or task_set.state[slot] != RUNNING:
                continue
            if task_set.is_barrier:
                continue  # a copy would be one too many where all wait for each other
            if task_set.task_id(slot) != task_id or task_set.copies_of((slot,)):
                continue
            if task_set.key not in thresholds:
                thresholds[task_set.key] = self._threshold_s(task_set, executor_slots)
            if now - since_s > thresholds[task_set.key]:
                found.append((task_set, slot))
        return found

    def _threshold_s(self, task_set: TaskSet, executor_slots: int) -> float:
        settings, size = self.settings, len(task_set)
        taken = self._taken.get(task_set.key)
        if size > 1 and taken and task_set.done >= max(1, int(settings.quantile * size)):
            return max(settings.multiplier * median(taken), settings.min_runtime_s)
        if settings.threshold_s is not None and size <= executor_slots:
            return settings.threshold_s
        return math.inf
