"""Which names of PySpark 3.5 there are here, in which of its modules, and what they stand for."""

from __future__ import annotations

from collections.abc import Mapping

_HOMES: Mapping[str, str] = {
    "accumulators": "Accumulator AccumulatorParam AddingAccumulatorParam",
    "approximate": "BoundedFloat",
    "broadcast": "Broadcast",
    "compat.versions": "__version__",
    "compat.session": "SparkSession",
    "conf": "SparkConf",
    "context": "SparkContext",
    "errors": (
        "PySparkException PySparkNotImplementedError PySparkRuntimeError PySparkTypeError "
        "IllegalArgumentException"
    ),
    "files": "SparkFiles",
    "inheritable_threads": "InheritableThread inheritable_thread_target",
    "partitioner": "Partitioner portable_hash",
    "profiler": "BasicProfiler PStatsParam Profiler",
    "rdd": "RDD",
    "resultiterable": "ResultIterable",
    "serializers": (
        "AutoBatchedSerializer AutoSerializer BatchedSerializer "
        "CPickleSerializer CartesianDeserializer CloudPickleSerializer "
        "CompressedSerializer FramedSerializer MarshalSerializer NoOpSerializer "
        "PairDeserializer PickleSerializer Serializer UTF8Deserializer"
    ),
    "statcounter": "StatCounter",
    "status": "SparkJobInfo SparkStageInfo StatusTracker",
    "storage": "StorageLevel",
    "taskcontext": "TaskContext",
}
"""Modules of `minimesos.spark`, and their names that scripts may use."""

_OF_ROOT = "Accumulator AccumulatorParam BasicProfiler Broadcast CPickleSerializer "
_OF_ROOT += "InheritableThread inheritable_thread_target MarshalSerializer Profiler "
_OF_ROOT += "SparkJobInfo SparkStageInfo StatusTracker RDD SparkConf SparkContext SparkFiles "
_OF_ROOT += "StorageLevel TaskContext __version__"

MODULES: Mapping[str, tuple[str, ...]] = {
    module: tuple(names.split())
    for module, names in {
        "pyspark": _OF_ROOT,
        "pyspark.accumulators": "Accumulator AccumulatorParam AddingAccumulatorParam",
        "pyspark.broadcast": "Broadcast",
        "pyspark.cloudpickle": "dump dumps load loads CloudPickler",
        "pyspark.conf": "SparkConf",
        "pyspark.context": "SparkContext",
        "pyspark.errors": (
            "PySparkException PySparkNotImplementedError PySparkRuntimeError PySparkTypeError "
            "IllegalArgumentException"
        ),
        "pyspark.files": "SparkFiles",
        "pyspark.profiler": "BasicProfiler PStatsParam Profiler",
        "pyspark.rdd": "BoundedFloat RDD Partitioner portable_hash",
        "pyspark.resultiterable": "ResultIterable",
        "pyspark.serializers": (
            "AutoBatchedSerializer AutoSerializer BatchedSerializer "
            "CPickleSerializer CartesianDeserializer CloudPickleSerializer "
            "CompressedSerializer FramedSerializer MarshalSerializer NoOpSerializer "
            "PairDeserializer PickleSerializer Serializer UTF8Deserializer"
        ),
        "pyspark.sql": "SparkSession",
        "pyspark.statcounter": "StatCounter",
        "pyspark.status": "SparkJobInfo SparkStageInfo StatusTracker",
        "pyspark.storagelevel": "StorageLevel",
        "pyspark.taskcontext": "TaskContext",
        "pyspark.util": "InheritableThread inheritable_thread_target",
        "pyspark.version": "__version__",
    }.items()
}
"""PySpark's modules, and their names."""

_HOME_BY_NAME = {
    name: f"minimesos.spark.{home}" for home, names in _HOMES.items() for name in names.split()
}


def home_of(module: str, name: str) -> str | None:
    """Return the module in which a name of one of PySpark's modules is here, if it is."""
    if name not in MODULES[module]:
        return None
    return "cloudpickle" if module == "pyspark.cloudpickle" else _HOME_BY_NAME[name]


def absence(name: str) -> str:
    """Say of a name of PySpark that it is not here, and where it is."""
    return (
        f"{name} is not in minimesos, which has the RDD API of PySpark. DataFrames, SQL, streaming "
        "and ML are in PySpark itself: pip install 'minimesos[spark]', and run with a master that "
        "asks for it, as minimesos submit --master spark+local[2] does"
    )
