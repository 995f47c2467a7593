"""Barrier stages, as users see them: `RDD.barrier()`, and the context of a task that runs in one.

All tasks of a barrier stage run at the same time, and can wait for each other. What they call goes
to the driver, where `scheduler.barrier` brings them together.

Source: PySpark 3.5's `RDDBarrier`, `BarrierTaskContext` and `BarrierTaskInfo`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from minimesos.spark.errors import PySparkRuntimeError
from minimesos.spark.taskcontext import TaskContext

if TYPE_CHECKING:
    from minimesos.spark.rdd import RDD

T = TypeVar("T")
U = TypeVar("U")


class Call(IntEnum):
    """What a task asks of the driver; the numbers of `BarrierCall.Kind` in spark.proto."""

    BARRIER = 0
    ALL_GATHER = 1
    TASK_INFOS = 2


class RDDBarrier(Generic[T]):
    """An RDD whose next step is to run in a barrier stage."""

    def __init__(self, rdd: RDD[T]) -> None:
        self.rdd = rdd

    def mapPartitions(
        self, f: Callable[[Iterable[T]], Iterable[U]], preservesPartitioning: bool = False
    ) -> RDD[U]:
        """`RDD.mapPartitions`, in tasks that are launched together."""
        return _together(self.rdd.mapPartitions(f, preservesPartitioning))

    def mapPartitionsWithIndex(
        self, f: Callable[[int, Iterator[T]], Iterable[U]], preservesPartitioning: bool = False
    ) -> RDD[U]:
        """`RDD.mapPartitionsWithIndex`, in tasks that are launched together."""
        return _together(self.rdd.mapPartitionsWithIndex(f, preservesPartitioning))


def _together(rdd: RDD[U]) -> RDD[U]:
    rdd.is_barrier = True
    return rdd


class BarrierTaskInfo:
    """One task of a barrier stage. `address` is its executor's, as host:port; port 0 for none."""

    def __init__(self, address: str) -> None:
        self.address = address


class BarrierTaskContext(TaskContext):
    """One attempt at one task of a barrier stage."""

    __slots__ = ()

    @classmethod
    def get(cls) -> BarrierTaskContext:
        """Return the task that runs in this process.

        Raises PySparkRuntimeError (NOT_IN_BARRIER_STAGE) if none does, or no such task.
        """
        task = TaskContext.get()
        if not isinstance(task, BarrierTaskContext):
            raise PySparkRuntimeError("It is not in a barrier stage.", "NOT_IN_BARRIER_STAGE")
        return task

    def barrier(self) -> None:
        """Wait until all tasks of the stage have called this.

        Every task has to make the same calls equally often. Raises SparkException if they do not,
        or if `spark.barrier.sync.timeout` has passed.
        """
        self._ask(Call.BARRIER)

    def allGather(self, message: str = "") -> list[str]:
        """Wait like `barrier`, and return the messages of all tasks, in the order of partitions."""
        if not isinstance(message, str):
            raise TypeError("Argument `message` must be of type `str`")
        return self._ask(Call.ALL_GATHER, message)

    def getTaskInfos(self) -> list[BarrierTaskInfo]:
        """Return all tasks of the stage, in the order of partitions. Does not wait for others."""
        return [BarrierTaskInfo(address) for address in self._ask(Call.TASK_INFOS)]

    def _ask(self, kind: Call, message: Any = "") -> list[str]:
        return self.env.meet(self.taskAttemptId(), int(kind), message)
