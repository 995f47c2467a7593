"""What a setting is: a name, a default and a way to read its text; and the kinds there are.

`settings` declares them all with the functions here; whoever needs a value calls `Setting.read`.
Values stay texts in a SparkConf, as in Spark, so every read parses; that is for the start of
things, not for each task.

Source: Spark's "Configuration" page, for the forms of times and sizes. A number without a unit is
in the setting's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, overload

from minimesos.errors import InvalidValue

T = TypeVar("T")

MIB = 2**20

_SIZE = re.compile(r"(\d+)\s*(?:([kmgtp])b?|(b))?")
_SIZE_UNITS = {"b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
_TIME_UNITS_S = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_TIME = re.compile(r"(\d+)\s*([a-z]*)")
_PYTHON_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmgt])")
_BOOLEANS = {"true": True, "false": False}
_PORT_MAX = 65535


class Texts(Protocol):
    """A SparkConf, or the plain mapping that executors are sent."""

    def get(self, key: str, /) -> str | None:
        """Return a property's text, None if it is not set."""
        ...


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One `spark.*` property that minimesos reads."""

    name: str
    default: T
    default_text: str
    """The default as a user would write it; empty if there is none."""
    parse: Callable[[str], T]
    """Raises ValueError with the rest of a sentence that begins with the text."""
    kind: str
    """What its values are, in a few words."""
    help: str
    fallback: Setting[T] | None = None
    """The setting whose value holds while this one is not set."""

    def read(self, conf: Texts) -> T:
        """Return the value. Raises InvalidValue that names the setting and its text."""
        text = conf.get(self.name)
        if text is None:
            return self.default if self.fallback is None else self.fallback.read(conf)
        try:
            return self.parse(text)
        except ValueError as error:
            raise InvalidValue(f"{self.name}: '{text}' {error}") from error

    def shown(self, conf: Texts) -> str:
        """Return `name=text` for people, also of a default."""
        text = conf.get(self.name)
        if text is None:
            text = self.default_text
            if self.fallback is not None:
                text = self.fallback.shown(conf).partition("=")[2]
        return f"{self.name}={text}"

    @property
    def origin(self) -> str:
        """Whose setting it is, by its name: Spark's, its Mesos mode's, or ours."""
        if self.name.startswith("spark.minimesos."):
            return "minimesos"
        return "Spark on Mesos" if self.name.startswith("spark.mesos.") else "Spark"


# -- readers of texts -----------------------------------------------------------------------------


def parse_bytes(text: str, unit: str = "b") -> int:
    """Return the bytes of `512m`, `1g`, `2048kb`; a bare number is in `unit`."""
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError("is not a size like 512m or 1g")
    return int(match[1]) * _SIZE_UNITS[match[2] or match[3] or unit]


def parse_mebibytes(text: str) -> int:
    """Return the mebibytes of a size, rounded down; a bare number is mebibytes."""
    return parse_bytes(text, "m") // MIB


def parse_python_bytes(text: str) -> int:
    """Return the bytes of a size as PySpark's workers read it: `0.5g`, never without a unit."""
    match = _PYTHON_SIZE.fullmatch(text.lower())
    if match is None:
        raise ValueError("is not a size like 512m or 1.5g")
    return int(float(match[1]) * _SIZE_UNITS[match[2]])


def parse_seconds(text: str, unit: str = "s") -> float:
    """Return the seconds of `3s`, `200ms`, `5min`, `1h`; a bare number is in `unit`."""
    match = _TIME.fullmatch(text.strip().lower())
    length_s = _TIME_UNITS_S.get(match[2] or unit) if match else None
    if match is None or length_s is None:
        raise ValueError("is not a time like 200ms, 3s or 5min")
    return int(match[1]) * length_s


def _parse_flag(text: str) -> bool:
    value = _BOOLEANS.get(text.strip().lower())
    if value is None:
        raise ValueError("is neither true nor false")
    return value


def _parse_words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _parse_absolute_path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("is not an absolute path")
    return text


# -- kinds of settings ----------------------------------------------------------------------------


@overload
def text(name: str, default: str, help: str) -> Setting[str]: ...
@overload
def text(name: str, default: None, help: str) -> Setting[str | None]: ...
def text(name: str, default: str | None, help: str) -> Setting[str] | Setting[str | None]:
    """A text of any form."""
    return Setting(name, default, default or "", str, "text", help)


def path(name: str, help: str) -> Setting[str | None]:
    """An absolute path, by default none."""
    return Setting(name, None, "", _parse_absolute_path, "an absolute path", help)


def pattern(name: str, default: str, help: str) -> Setting[re.Pattern[str]]:
    """A regular expression."""

    def parse(text: str) -> re.Pattern[str]:
        try:
            return re.compile(text)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error

    return Setting(name, parse(default), default, parse, "a regular expression", help)


def words(name: str, help: str) -> Setting[tuple[str, ...]]:
    """Texts with commas between them, by default none."""
    return Setting(name, (), "", _parse_words, "texts, with commas", help)


def flag(name: str, default: bool, help: str) -> Setting[bool]:
    """True or false, in either case."""
    return Setting(name, default, str(default).lower(), _parse_flag, "true or false", help)


@overload
def one_of(name: str, default: str, choices: tuple[str, ...], help: str) -> Setting[str]: ...
@overload
def one_of(
    name: str, default: None, choices: tuple[str, ...], help: str
) -> Setting[str | None]: ...
def one_of(
    name: str, default: str | None, choices: tuple[str, ...], help: str
) -> Setting[str] | Setting[str | None]:
    """One of a few words, in upper or lower case."""
    by_lower_case = {choice.lower(): choice for choice in choices}

    def parse(text: str) -> str:
        choice = by_lower_case.get(text.strip().lower())
        if choice is None:
            raise ValueError(f"is none of {', '.join(choices)}")
        return choice

    return Setting(name, default, default or "", parse, " or ".join(choices), help)


def port(name: str, default: int | Setting[int], help: str, *, minimum: int = 0) -> Setting[int]:
    """A port, 0 for any that is free. The default may be a setting's."""

    def parse(text: str) -> int:
        number = int(text) if text.strip().isdecimal() else -1
        if not minimum <= number <= _PORT_MAX:
            raise ValueError(f"is not a port from {minimum} to {_PORT_MAX}")
        return number

    if isinstance(default, Setting):
        return Setting(name, default.default, "", parse, "a port", help, default)
    return Setting(name, default, str(default), parse, "a port", help)


@overload
def whole(name: str, default: int, help: str, *, minimum: int) -> Setting[int]: ...
@overload
def whole(name: str, default: None, help: str, *, minimum: int) -> Setting[int | None]: ...
def whole(
    name: str, default: int | None, help: str, *, minimum: int
) -> Setting[int] | Setting[int | None]:
    """A whole number that is not below `minimum`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError("is not a whole number") from None
        if number < minimum:
            raise ValueError(f"is below {minimum}")
        return number

    kind = f"a number from {minimum}"
    return Setting(name, default, "" if default is None else str(default), parse, kind, help)


def number(name: str, default: float, help: str, *, most: float | None = None) -> Setting[float]:
    """A number from 0, up to `most` if that is given."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError("is not a number") from None
        if not 0 <= value < float("inf") or (most is not None and value > most):
            raise ValueError("is below 0" if most is None else f"is not within 0 and {most:g}")
        return value

    kind = "a number from 0" if most is None else f"a number from 0 to {most:g}"
    return Setting(name, default, f"{default:g}", parse, kind, help)


def seconds(
    name: str, default: str | Setting[float], help: str, *, unit: str = "s"
) -> Setting[float]:
    """A time, read as seconds; `unit` is that of a bare number. The default may be a setting's."""

    def parse(text: str) -> float:
        return parse_seconds(text, unit)

    kind = f"a time (bare: {unit})"
    if isinstance(default, Setting):
        return Setting(name, default.default, "", parse, kind, help, default)
    return Setting(name, parse(default), default, parse, kind, help)


@overload
def mebibytes(name: str, default: str, help: str, *, minimum: int = 0) -> Setting[int]: ...
@overload
def mebibytes(name: str, default: None, help: str, *, minimum: int = 0) -> Setting[int | None]: ...
def mebibytes(
    name: str, default: str | None, help: str, *, minimum: int = 0
) -> Setting[int] | Setting[int | None]:
    """A size, read as whole mebibytes, not below `minimum` of them; a bare number is mebibytes."""

    def parse(text: str) -> int:
        size_mb = parse_mebibytes(text)
        if size_mb < minimum:
            raise ValueError(f"is below {minimum}m")
        return size_mb

    kind = f"a size from {minimum}m (bare: m)" if minimum else "a size (bare: m)"
    value = None if default is None else parse(default)
    return Setting(name, value, default or "", parse, kind, help)


def falling_back(name: str, fallback: Setting[T], help: str) -> Setting[T]:
    """A setting of the same kind as another one, whose value holds while this one is not set."""
    return Setting(name, fallback.default, "", fallback.parse, fallback.kind, help, fallback)


def size_bytes(name: str, default: str, help: str, *, unit: str = "b") -> Setting[int]:
    """A size, read as bytes; `unit` is that of a bare number."""

    def parse(text: str) -> int:
        return parse_bytes(text, unit)

    return Setting(name, parse(default), default, parse, f"a size (bare: {unit})", help)


def python_size_bytes(name: str, default: str, help: str) -> Setting[int]:
    """A size as PySpark's workers read it: never a bare number."""
    value = parse_python_bytes(default)
    return Setting(name, value, default, parse_python_bytes, "a size with its unit", help)
