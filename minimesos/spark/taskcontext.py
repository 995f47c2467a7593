"""The running task, as user code and RDDs see it.

Made by the task runner for each task and made current while the task runs; one task runs at a time
in a worker process. Does not know how tasks are sent or retried.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from minimesos.spark.settings.scheduling import TASK_CPUS
from minimesos.spark.shuffle.counters import Counters

if TYPE_CHECKING:
    from minimesos.spark.accumulators import Accumulator
    from minimesos.spark.env import WorkerEnv


class _Running:
    """Notes the task that runs in this process. Threads of user code see it, too."""

    task: TaskContext | None = None


class _RunningHere(threading.local):
    """Notes the task that runs in each thread."""

    task: TaskContext | None = None


class TaskContext:
    """One attempt at one task.

    Public methods are PySpark's. The attributes are for the engine: `env`, the worker's
    surroundings; `payload`, what only this task was sent, by RDD id and partition;
    `accumulators`, those that the task has added to; `stored_blocks`, the (rdd id, partition)
    pairs that it has cached.
    """

    __slots__ = (
        "_attempt_number",
        "_counters",
        "_local_properties",
        "_partition_id",
        "_stage_id",
        "_task_attempt_id",
        "accumulators",
        "env",
        "payload",
        "stored_blocks",
        "stored_files",
    )

    _running: ClassVar[_Running | _RunningHere] = _Running()

    def __init__(
        self,
        *,
        env: WorkerEnv,
        stage_id: int = 0,
        partition_id: int = 0,
        attempt_number: int = 0,
        task_attempt_id: int = 0,
        payload: Mapping[Any, Any] | None = None,
        local_properties: Mapping[str, str] | None = None,
    ) -> None:
        self.env = env
        self._stage_id = stage_id
        self._partition_id = partition_id
        self._attempt_number = attempt_number
        self._task_attempt_id = task_attempt_id
        self.payload: Mapping[Any, Any] = payload if payload is not None else {}
        self._local_properties = local_properties
        self.accumulators: dict[int, Accumulator[Any]] = {}
        self.stored_blocks: list[tuple[int, int]] = []
        self.stored_files: list[tuple[int, int, int]] = []
        self._counters: Counters | None = None

    @classmethod
    def get(cls) -> TaskContext | None:
        """Return the task that runs in this process; None on the driver."""
        return TaskContext._running.task

    @classmethod
    def run_in_threads(cls) -> None:
        """Let each thread of this process be a worker from now on, with a task of its own."""
        if isinstance(cls._running, _Running):
            cls._running = _RunningHere()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make this the current task for the length of a `with` block."""
        running = TaskContext._running
        previous, running.task = running.task, self
        try:
            yield
        finally:
            running.task = previous

    @property
    def counters(self) -> Counters:
        """What operators of the task count."""
        if self._counters is None:
            self._counters = Counters()
        return self._counters

    def accumulator_updates(self) -> list[tuple[int, Any]]:
        """Return what this task has added to each accumulator, as (id, sum)."""
        return [(key, acc.task_value()) for key, acc in self.accumulators.items()]

    def stageId(self) -> int:
        """Return the id of the stage that this task belongs to."""
        return self._stage_id

    def partitionId(self) -> int:
        """Return the index of the partition that this task computes."""
        return self._partition_id

    def attemptNumber(self) -> int:
        """Return how many attempts at this task were made before this one."""
        return self._attempt_number

    def taskAttemptId(self) -> int:
        """Return the id of this attempt, unique within the application."""
        return self._task_attempt_id

    def getLocalProperty(self, key: str) -> str | None:
        """Return a property that the driver's thread had set when it submitted the job."""
        return None if self._local_properties is None else self._local_properties.get(key)

    def cpus(self) -> int:
        """Return the CPUs given to the task (`spark.task.cpus`)."""
        return TASK_CPUS.read(self.env.conf)

    def resources(self) -> dict[str, Any]:
        """Return the custom resources given to the task: none."""
        return {}
