"""The Spark-style engine: RDDs, the scheduler that runs them, and the backends that host it.

The names that a driver script uses are here, with PySpark's spelling. They are loaded when they are
first used: an executor's worker imports parts of this package and never a context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minimesos.spark.accumulators import Accumulator, AccumulatorParam
    from minimesos.spark.barrier import BarrierTaskContext, BarrierTaskInfo, RDDBarrier
    from minimesos.spark.broadcast import Broadcast
    from minimesos.spark.conf import SparkConf
    from minimesos.spark.context import SparkContext
    from minimesos.spark.files import SparkFiles
    from minimesos.spark.inheritable_threads import InheritableThread, inheritable_thread_target
    from minimesos.spark.profiler import BasicProfiler, Profiler
    from minimesos.spark.rdd import RDD
    from minimesos.spark.serializers import CPickleSerializer, MarshalSerializer
    from minimesos.spark.statcounter import StatCounter
    from minimesos.spark.status import SparkJobInfo, SparkStageInfo, StatusTracker
    from minimesos.spark.storage_level import StorageLevel
    from minimesos.spark.taskcontext import TaskContext

_MODULES = {
    "Accumulator": "accumulators",
    "AccumulatorParam": "accumulators",
    "BarrierTaskContext": "barrier",
    "BarrierTaskInfo": "barrier",
    "BasicProfiler": "profiler",
    "Broadcast": "broadcast",
    "CPickleSerializer": "serializers",
    "InheritableThread": "inheritable_threads",
    "MarshalSerializer": "serializers",
    "Profiler": "profiler",
    "RDD": "rdd",
    "RDDBarrier": "barrier",
    "SparkConf": "conf",
    "SparkContext": "context",
    "SparkFiles": "files",
    "SparkJobInfo": "status",
    "SparkStageInfo": "status",
    "StatCounter": "statcounter",
    "StatusTracker": "status",
    "StorageLevel": "storage_level",
    "TaskContext": "taskcontext",
    "inheritable_thread_target": "inheritable_threads",
}

__all__ = [
    "RDD",
    "Accumulator",
    "AccumulatorParam",
    "BarrierTaskContext",
    "BarrierTaskInfo",
    "BasicProfiler",
    "Broadcast",
    "CPickleSerializer",
    "InheritableThread",
    "MarshalSerializer",
    "Profiler",
    "RDDBarrier",
    "SparkConf",
    "SparkContext",
    "SparkFiles",
    "SparkJobInfo",
    "SparkStageInfo",
    "StatCounter",
    "StatusTracker",
    "StorageLevel",
    "TaskContext",
    "inheritable_thread_target",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{module}"), name)
