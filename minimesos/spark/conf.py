"""An application's configuration: `spark.*` keys with text values; `settings` knows their meaning.

Source: Spark's "Configuration" page; PySpark's SparkConf.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, overload

from minimesos.errors import InvalidValue
from minimesos.spark.errors import PySparkRuntimeError
from minimesos.spark.settings import EXECUTOR_ENV_PREFIX, redacted
from minimesos.spark.settings.application import APP_NAME, MASTER
from minimesos.spark.settings.executors import SPARK_HOME

_system_properties: dict[str, str] = {}
"""What `SparkContext.setSystemProperty` was told, for configurations made after it."""


def set_system_property(key: str, value: str) -> None:
    """Have configurations that are made from now on start with a property."""
    _system_properties[key] = value


class SparkConf:
    """Settings of an application. Setters return the configuration, so calls can be chained.

    With `loadDefaults` it starts from what `minimesos submit`, the properties file and the
    environment say; what is set here wins over them.
    """

    def __init__(self, loadDefaults: bool = True, _jvm: Any = None, _jconf: Any = None) -> None:
        self._settings: dict[str, str] = {}
        if loadDefaults:
            from minimesos.spark.submit import default_properties

            self._settings.update(default_properties())
            for key, value in _system_properties.items():
                if key.startswith("spark."):
                    self._settings[key] = value

    def set(self, key: str, value: object) -> SparkConf:
        """Set a property; the value is turned into text."""
        if value is None:
            raise InvalidValue(f"null value for {key}")
        # Spark's own spelling of booleans, as tasks may compare with it.
        self._settings[key] = str(value).lower() if isinstance(value, bool) else str(value)
        return self

    def setIfMissing(self, key: str, value: object) -> SparkConf:
        """Set a property unless it is set already."""
        return self if key in self._settings else self.set(key, value)

    def setMaster(self, value: str) -> SparkConf:
        """Set the master URL: local[N], local-cluster[...] or mesos://host:port."""
        return self.set(MASTER.name, value)

    def setAppName(self, value: str) -> SparkConf:
        """Set the application's name."""
        return self.set(APP_NAME.name, value)

    def setSparkHome(self, value: str) -> SparkConf:
        """Set where the executors' installation is."""
        return self.set(SPARK_HOME.name, value)

    def setExecutorEnv(
        self,
        key: str | None = None,
        value: str | None = None,
        pairs: Iterable[tuple[str, str]] | None = None,
    ) -> SparkConf:
        """Set an environment variable of executors, or several as `pairs`."""
        if (key is not None) == (pairs is not None):
            raise PySparkRuntimeError(
                "Either pass one key-value pair or a list of pairs.", "KEY_VALUE_PAIR_REQUIRED"
            )
        if key is not None:
            return self.set(EXECUTOR_ENV_PREFIX + key, value)
        for name, text in pairs or ():
            self.set(EXECUTOR_ENV_PREFIX + name, text)
        return self

    def setAll(self, pairs: Iterable[tuple[str, object]]) -> SparkConf:
        """Set several properties."""
        for key, value in pairs:
            self.set(key, value)
        return self

    @overload
    def get(self, key: str) -> str | None: ...

    @overload
    def get(self, key: str, defaultValue: None) -> str | None: ...

    @overload
    def get(self, key: str, defaultValue: str) -> str: ...

    def get(self, key: str, defaultValue: str | None = None) -> str | None:
        """Return a property, or the default."""
        return self._settings.get(key, defaultValue)

    def getAll(self) -> list[tuple[str, str]]:
        """Return all properties as pairs."""
        return list(self._settings.items())

    def contains(self, key: str) -> bool:
        """Say whether a property is set."""
        return key in self._settings

    def toDebugString(self) -> str:
        """Return a sorted `key=value` line for each property, without secrets."""
        shown = sorted(redacted(self._settings).items())
        return "\n".join(f"{key}={value}" for key, value in shown)

    def copy(self) -> SparkConf:
        """Return a configuration of its own with the same settings."""
        return SparkConf(loadDefaults=False).setAll(self._settings.items())

    def as_mapping(self) -> Mapping[str, str]:
        """Return the settings as a mapping that is not changed by later setters."""
        return dict(self._settings)
