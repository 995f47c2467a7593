"""An application's configuration: `spark.*` keys with text values, and readers of such texts.

Source: Spark's "Configuration" page; PySpark's SparkConf.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, overload

from minimesos.errors import InvalidValue
from minimesos.spark.errors import PySparkRuntimeError

_MEMORY = re.compile(r"(\d+)\s*([a-z]*)", re.IGNORECASE)
_TIME = re.compile(r"(-?\d+)\s*([a-z]*)", re.IGNORECASE)

_MEMORY_UNITS_KB = {
    "k": 1,
    "kb": 1,
    "m": 1024,
    "mb": 1024,
    "": 1024,
    "g": 1024**2,
    "gb": 1024**2,
    "t": 1024**3,
    "tb": 1024**3,
}
_TIME_UNITS_S = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}


def parse_memory_mb(text: str) -> int:
    """Return the mebibytes of `512m`, `1g`, `2048k`, rounded down; a bare number is mebibytes."""
    match = _MEMORY.fullmatch(text.strip())
    if match is None or match[2].lower() not in _MEMORY_UNITS_KB:
        raise InvalidValue(f"'{text}' is not a size like 512m or 1g")
    return int(match[1]) * _MEMORY_UNITS_KB[match[2].lower()] // 1024


def parse_seconds(text: str) -> float:
    """Return the seconds of `3s`, `200ms`, `5min`, `1h`; a bare number is seconds."""
    match = _TIME.fullmatch(text.strip())
    if match is None or match[2].lower() not in _TIME_UNITS_S:
        raise InvalidValue(f"'{text}' is not a time like 200ms, 3s or 5min")
    return int(match[1]) * _TIME_UNITS_S[match[2].lower()]


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
        return self.set("spark.master", value)

    def setAppName(self, value: str) -> SparkConf:
        """Set the application's name."""
        return self.set("spark.app.name", value)

    def setSparkHome(self, value: str) -> SparkConf:
        """Set where the executors' installation is."""
        return self.set("spark.home", value)

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
            return self.set(f"spark.executorEnv.{key}", value)
        for name, text in pairs or ():
            self.set(f"spark.executorEnv.{name}", text)
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
        """Return a sorted `key=value` line for each property."""
        return "\n".join(f"{key}={value}" for key, value in sorted(self._settings.items()))

    def copy(self) -> SparkConf:
        """Return a configuration of its own with the same settings."""
        return SparkConf(loadDefaults=False).setAll(self._settings.items())

    def as_mapping(self) -> Mapping[str, str]:
        """Return the settings as a mapping that is not changed by later setters."""
        return dict(self._settings)
