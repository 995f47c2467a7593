"""Which names of PySpark 3.5 there are here, in which of its modules, and what they stand for."""

from __future__ import annotations

from collections.abc import Mapping

_HOMES: Mapping[str, str] = {
    "accumulators": "Accumulator AccumulatorParam",
    "broadcast": "Broadcast",
    "compat.versions": "__version__",
    "compat.session": "SparkSession",
    "conf": "SparkConf",
    "context": "SparkContext",
    "errors": ("PySparkException PySparkRuntimeError PySparkTypeError IllegalArgumentException"),
    "files": "SparkFiles",
    "partitioner": "Partitioner portable_hash",
    "rdd": "RDD",
    "resultiterable": "ResultIterable",
    "statcounter": "StatCounter",
    "storage": "StorageLevel",
    "taskcontext": "TaskContext",
}
"""Modules of `minimesos.spark`, and their names that scripts may use."""

_OF_ROOT = "Accumulator AccumulatorParam Broadcast RDD SparkConf SparkContext SparkFiles "
_OF_ROOT += "StorageLevel TaskContext __version__"

MODULES: Mapping[str, tuple[str, ...]] = {
    module: tuple(names.split())
    for module, names in {
        "pyspark": _OF_ROOT,
        "pyspark.accumulators": "Accumulator AccumulatorParam",
        "pyspark.broadcast": "Broadcast",
        "pyspark.cloudpickle": "dump dumps load loads CloudPickler",
        "pyspark.conf": "SparkConf",
        "pyspark.context": "SparkContext",
        "pyspark.errors": (
            "PySparkException PySparkRuntimeError PySparkTypeError IllegalArgumentException"
        ),
        "pyspark.files": "SparkFiles",
        "pyspark.rdd": "RDD Partitioner portable_hash",
        "pyspark.resultiterable": "ResultIterable",
        "pyspark.sql": "SparkSession",
        "pyspark.statcounter": "StatCounter",
        "pyspark.storagelevel": "StorageLevel",
        "pyspark.taskcontext": "TaskContext",
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
