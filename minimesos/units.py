"""Durations and sizes as Mesos writes them: `10secs`, `1.5hrs`, `2GB`.

Used by flags, logs and endpoints. A duration is a float of seconds everywhere else in the program,
a size an int of bytes; here they meet text.

Source: Mesos documentation "Configuration"; printing as in Mesos 1.11.
"""

from __future__ import annotations

import re
from decimal import Decimal

from minimesos.errors import InvalidValue

NANOSECONDS = 1_000_000_000
_DURATION_MAX_NS = 2**63 - 1

_DURATION_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "secs": NANOSECONDS,
    "mins": 60 * NANOSECONDS,
    "hrs": 3600 * NANOSECONDS,
    "days": 86400 * NANOSECONDS,
    "weeks": 7 * 86400 * NANOSECONDS,
}
_SIZE_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}

_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)([a-z]+)")
_SIZE = re.compile(r"(\d+)([A-Za-z]+)")


def parse_duration(text: str) -> float:
    """Return the seconds of `<number><unit>`, unit one of ns us ms secs mins hrs days weeks.

    Raises InvalidValue for signs, spaces, unknown units and what does not fit 64 bits of
    nanoseconds.
    """
    match = _DURATION.fullmatch(text)
    if match is None or match[2] not in _DURATION_UNITS_NS:
        units = " ".join(_DURATION_UNITS_NS)
        raise InvalidValue(f"'{text}' is not a duration like 10secs (units: {units})")
    nanoseconds = round(Decimal(match[1]) * _DURATION_UNITS_NS[match[2]])
    if nanoseconds > _DURATION_MAX_NS:
        raise InvalidValue(f"duration '{text}' is too long")
    return nanoseconds / NANOSECONDS


def format_duration(seconds: float) -> str:
    """Print seconds in the largest unit that is not larger, or the one below if only that is whole.

    So 90 is `90secs`, 60 `1mins`, 1.5 `1500ms` and 102600 `1.1875days`.
    """
    nanoseconds = round(abs(seconds) * NANOSECONDS)
    sign = "-" if seconds < 0 else ""
    below: tuple[str, int] | None = None
    unit, size = "ns", 1
    for name, candidate in _DURATION_UNITS_NS.items():
        if candidate > nanoseconds:
            break
        below = (unit, size) if candidate > 1 else None
        unit, size = name, candidate
    if nanoseconds % size and below is not None and nanoseconds % below[1] == 0:
        unit, size = below
    if nanoseconds % size == 0:
        return f"{sign}{nanoseconds // size}{unit}"
    return f"{sign}{nanoseconds / size:.15g}{unit}"


def parse_size(text: str) -> int:
    """Return the bytes that `<integer><B|KB|MB|GB|TB>` denotes, powers of 1024, in either case."""
    match = _SIZE.fullmatch(text)
    if match is None or match[2].upper() not in _SIZE_UNITS:
        raise InvalidValue(f"'{text}' is not a size like 512MB (units: {' '.join(_SIZE_UNITS)})")
    return int(match[1]) * _SIZE_UNITS[match[2].upper()]


def format_size(size_bytes: int) -> str:
    """Print bytes in the largest unit that divides them: `2GB`, `1536MB`, `0B`."""
    for unit, size in reversed(_SIZE_UNITS.items()):
        if size_bytes and size_bytes % size == 0:
            return f"{size_bytes // size}{unit}"
    return f"{size_bytes}B"
