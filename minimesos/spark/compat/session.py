"""The part of SparkSession that RDD scripts use: a way to make a context, and to stop it.

Source: PySpark 3.5's SparkSession.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, ClassVar, NoReturn, Self

from minimesos.spark.compat.names import absence
from minimesos.spark.compat.real import asks_for_real, load_pyspark, real_settings
from minimesos.spark.compat.versions import __version__
from minimesos.spark.conf import SparkConf
from minimesos.spark.context import SparkContext
from minimesos.spark.settings.application import APP_NAME, MASTER


class Builder:
    """Collects settings. Each method returns the builder, so calls can be chained."""

    def __init__(self) -> None:
        self._settings: dict[str, object] = {}

    def master(self, master: str) -> Builder:
        """Set where it runs."""
        return self.config(MASTER.name, master)

    def appName(self, name: str) -> Builder:
        """Set the application's name."""
        return self.config(APP_NAME.name, name)

    def config(
        self,
        key: str | None = None,
        value: object = None,
        conf: SparkConf | None = None,
        *,
        map: Mapping[str, object] | None = None,
    ) -> Builder:
        """Set a setting, or all those of a configuration or mapping."""
        self._settings.update(conf.getAll() if conf is not None else ())
        self._settings.update(map or {})
        if key is not None:
            self._settings[key] = value
        return self

    def getOrCreate(self) -> Any:
        """Return a session of the active context, or of a new one.

        If the master asks for the real PySpark, the session is its own.
        """
        conf = SparkConf().setAll(self._settings.items())
        if asks_for_real(conf.get(MASTER.name)):
            builder: Any = load_pyspark().sql.SparkSession.builder
            for key, text in real_settings(conf.as_mapping()).items():
                builder = builder.config(key, text)
            return builder.getOrCreate()
        session = SparkSession(SparkContext.getOrCreate(conf))
        for key, value in self._settings.items():
            session.conf.set(key, value)
        return session

    def __getattr__(self, name: str) -> NoReturn:
        _refuse(f"pyspark.sql.SparkSession.builder.{name}", name)


class RuntimeConfig:
    """Settings of a session: those of its context, and what is set later, which has no effect."""

    def __init__(self, conf: SparkConf) -> None:
        self._conf = conf

    def set(self, key: str, value: object) -> None:
        """Set a setting."""
        self._conf.set(key, value)

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return a setting, or the default."""
        return self._conf.get(key, default)


class _BuilderOf:
    def __get__(self, instance: object, owner: type) -> Builder:
        return Builder()


class SparkSession:
    """A context in the shape in which SQL programs have it; of SQL itself there is nothing."""

    builder: ClassVar[_BuilderOf] = _BuilderOf()

    def __init__(self, sparkContext: SparkContext) -> None:
        self.sparkContext = sparkContext
        self.conf = RuntimeConfig(sparkContext.getConf())

    @classmethod
    def getActiveSession(cls) -> SparkSession | None:
        """Return a session of the active context, if there is one."""
        context = SparkContext._active_spark_context
        return cls(context) if context is not None else None

    @property
    def version(self) -> str:
        """The version of PySpark whose API this is."""
        return __version__

    def stop(self) -> None:
        """Stop the context."""
        self.sparkContext.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __getattr__(self, name: str) -> NoReturn:
        _refuse(f"pyspark.sql.SparkSession.{name}", name)


def _refuse(where: str, name: str) -> NoReturn:
    if name.startswith("_"):
        raise AttributeError(name)
    raise NotImplementedError(absence(where))
