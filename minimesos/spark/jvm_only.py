"""What only a Java virtual machine can do: the names are here, and say where it can be had.

Bases of `RDD` and of `SparkContext`. Signatures are PySpark's, so that a mistake in a call is told
as such; nothing is done.
"""

from __future__ import annotations

from typing import Any, NoReturn, Self

from minimesos.spark.errors import PySparkNotImplementedError


class _JvmOnlyAttributeError(PySparkNotImplementedError, AttributeError):
    """Also an AttributeError, so that `hasattr` says no."""


class _JvmOnly:
    """An attribute of PySpark's through which scripts reach into the virtual machine."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Self:
        if instance is None:
            return self
        raise _JvmOnlyAttributeError(*_explained(self._name))


class JvmOnlyOutputs:
    """Operations of an RDD that need Hadoop's classes, or Spark's own."""

    _jrdd = _JvmOnly()
    _to_java_object_rdd = _JvmOnly()

    def saveAsHadoopDataset(
        self,
        conf: dict[str, str],
        keyConverter: str | None = None,
        valueConverter: str | None = None,
    ) -> None:
        """Write through a Hadoop OutputFormat."""
        _refuse("saveAsHadoopDataset")

    def saveAsHadoopFile(
        self,
        path: str,
        outputFormatClass: str,
        keyClass: str | None = None,
        valueClass: str | None = None,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        conf: dict[str, str] | None = None,
        compressionCodecClass: str | None = None,
    ) -> None:
        """Write through a Hadoop OutputFormat."""
        _refuse("saveAsHadoopFile")

    def saveAsNewAPIHadoopDataset(
        self,
        conf: dict[str, str],
        keyConverter: str | None = None,
        valueConverter: str | None = None,
    ) -> None:
        """Write through a Hadoop OutputFormat."""
        _refuse("saveAsNewAPIHadoopDataset")

    def saveAsNewAPIHadoopFile(
        self,
        path: str,
        outputFormatClass: str,
        keyClass: str | None = None,
        valueClass: str | None = None,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        conf: dict[str, str] | None = None,
    ) -> None:
        """Write through a Hadoop OutputFormat."""
        _refuse("saveAsNewAPIHadoopFile")

    def saveAsSequenceFile(self, path: str, compressionCodecClass: str | None = None) -> None:
        """Write a Hadoop sequence file."""
        _refuse("saveAsSequenceFile")

    def toDF(self, schema: Any = None, sampleRatio: float | None = None) -> Any:
        """Make a DataFrame."""
        _refuse("toDF")

    def withResources(self, profile: Any) -> Any:
        """Compute this RDD on executors of its own kind."""
        _refuse(
            "withResources",
            "Executors are all alike here: set spark.executor.cores, spark.executor.memory and "
            "spark.task.cpus for the application.",
        )

    def getResourceProfile(self) -> None:
        """Return the profile given by `withResources`: none."""


class JvmOnlySources:
    """Operations of a context that need Hadoop's classes, or Spark's own."""

    _jvm = _JvmOnly()
    _jsc = _JvmOnly()
    _gateway = _JvmOnly()

    def sequenceFile(
        self,
        path: str,
        keyClass: str | None = None,
        valueClass: str | None = None,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        minSplits: int | None = None,
        batchSize: int = 0,
    ) -> Any:
        """Read a Hadoop sequence file."""
        _refuse("sequenceFile")

    def newAPIHadoopFile(
        self,
        path: str,
        inputFormatClass: str,
        keyClass: str,
        valueClass: str,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        conf: dict[str, str] | None = None,
        batchSize: int = 0,
    ) -> Any:
        """Read through a Hadoop InputFormat."""
        _refuse("newAPIHadoopFile")

    def newAPIHadoopRDD(
        self,
        inputFormatClass: str,
        keyClass: str,
        valueClass: str,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        conf: dict[str, str] | None = None,
        batchSize: int = 0,
    ) -> Any:
        """Read through a Hadoop InputFormat."""
        _refuse("newAPIHadoopRDD")

    def hadoopFile(
        self,
        path: str,
        inputFormatClass: str,
        keyClass: str,
        valueClass: str,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        conf: dict[str, str] | None = None,
        batchSize: int = 0,
    ) -> Any:
        """Read through a Hadoop InputFormat."""
        _refuse("hadoopFile")

    def hadoopRDD(
        self,
        inputFormatClass: str,
        keyClass: str,
        valueClass: str,
        keyConverter: str | None = None,
        valueConverter: str | None = None,
        conf: dict[str, str] | None = None,
        batchSize: int = 0,
    ) -> Any:
        """Read through a Hadoop InputFormat."""
        _refuse("hadoopRDD")


def refuse_gateway(gateway: Any, jsc: Any) -> None:
    """Raise if a context is to be made around one of Java."""
    if gateway is not None or jsc is not None:
        _refuse("SparkContext(gateway=..., jsc=...)")


def _refuse(name: str, instead: str = "") -> NoReturn:
    raise PySparkNotImplementedError(*_explained(name, instead))


def _explained(name: str, instead: str = "") -> tuple[str, str]:
    way_out = instead or (
        "It needs Spark's Java virtual machine. Masters such as spark+local[2] run the same script "
        "on the real PySpark: pip install 'minimesos[spark]'."
    )
    return f"{name} is not in minimesos. {way_out}", "NOT_IMPLEMENTED"
