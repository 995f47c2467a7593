"""Which names of PySpark 3.5 there are here, in which of its modules, and what they stand for."""

from __future__ import annotations

from collections.abc import Mapping

_HOMES: Mapping[str, str] = {
    "minimesos.spark": """
        Accumulator AccumulatorParam BarrierTaskContext BarrierTaskInfo Broadcast InheritableThread
        RDD RDDBarrier SparkConf SparkContext SparkFiles SparkJobInfo SparkStageInfo StatCounter
        StatusTracker StorageLevel TaskContext inheritable_thread_target""",
    "minimesos.spark.accumulators": """
        AddingAccumulatorParam COMPLEX_ACCUMULATOR_PARAM FLOAT_ACCUMULATOR_PARAM
        INT_ACCUMULATOR_PARAM""",
    "minimesos.spark.approximate": "BoundedFloat",
    "minimesos.spark.compat.session": "SparkSession",
    "minimesos.spark.compat.versions": "__version__",
    "minimesos.spark.errors": """
        IllegalArgumentException PySparkAssertionError PySparkAttributeError PySparkException
        PySparkNotImplementedError PySparkRuntimeError PySparkTypeError PySparkValueError""",
    "minimesos.spark.partitioner": "Partitioner portable_hash",
    "minimesos.spark.profiler": "BasicProfiler Profiler PStatsParam",
    "minimesos.spark.resultiterable": "ResultIterable",
    "minimesos.spark.serializers": """
        AutoBatchedSerializer AutoSerializer BatchedSerializer CPickleSerializer
        CartesianDeserializer CloudPickleSerializer CompressedSerializer FramedSerializer
        MarshalSerializer NoOpSerializer PairDeserializer PickleSerializer Serializer
        UTF8Deserializer""",
    "cloudpickle": "CloudPickler dump dumps load loads",
}
"""Modules, and their names that scripts may use."""

MODULES: Mapping[str, tuple[str, ...]] = {
    module: tuple(names.split())
    for module, names in {
        "pyspark": """
            Accumulator AccumulatorParam BarrierTaskContext BarrierTaskInfo BasicProfiler Broadcast
            CPickleSerializer InheritableThread MarshalSerializer Profiler RDD RDDBarrier SparkConf
            SparkContext SparkFiles SparkJobInfo SparkStageInfo StatusTracker StorageLevel
            TaskContext __version__ inheritable_thread_target""",
        "pyspark.accumulators": """
            Accumulator AccumulatorParam AddingAccumulatorParam COMPLEX_ACCUMULATOR_PARAM
            FLOAT_ACCUMULATOR_PARAM INT_ACCUMULATOR_PARAM""",
        "pyspark.broadcast": "Broadcast",
        "pyspark.cloudpickle": _HOMES["cloudpickle"],
        "pyspark.conf": "SparkConf",
        "pyspark.context": "SparkContext",
        "pyspark.errors": _HOMES["minimesos.spark.errors"],
        "pyspark.files": "SparkFiles",
        "pyspark.profiler": _HOMES["minimesos.spark.profiler"],
        "pyspark.rdd": "BoundedFloat Partitioner RDD RDDBarrier portable_hash",
        "pyspark.resultiterable": "ResultIterable",
        "pyspark.serializers": _HOMES["minimesos.spark.serializers"],
        "pyspark.sql": "SparkSession",
        "pyspark.statcounter": "StatCounter",
        "pyspark.status": "SparkJobInfo SparkStageInfo StatusTracker",
        "pyspark.storagelevel": "StorageLevel",
        "pyspark.taskcontext": "BarrierTaskContext BarrierTaskInfo TaskContext",
        "pyspark.util": "InheritableThread inheritable_thread_target",
        "pyspark.version": "__version__",
    }.items()
}
"""PySpark's modules, and their names."""

_HOME_BY_NAME = {name: home for home, names in _HOMES.items() for name in names.split()}


def home_of(module: str, name: str) -> str | None:
    """Return the module in which a name of one of PySpark's modules is here, if it is."""
    return _HOME_BY_NAME[name] if name in MODULES[module] else None


def absence(name: str) -> str:
    """Say of a name of PySpark that it is not here, and where it is."""
    return (
        f"{name} is not in minimesos, which has the RDD API of PySpark. DataFrames, SQL, streaming "
        "and ML are in PySpark itself: pip install 'minimesos[spark]', and run with a master that "
        "asks for it, as minimesos submit --master spark+local[2] does"
    )
