"""Mesos's values as plain Python: scalars in thousandths, ranges, sets; and their text syntax.

Used by `resources` and `attributes`. Knows nothing of names, roles or messages.

* A scalar is an int, the value times 1000: Mesos counts in fixed point with three decimals, so that
  adding and taking away 0.1 never drifts.
* Ranges are a tuple of inclusive (begin, end) pairs, sorted, disjoint and not adjacent.
* A set is a frozenset of strings.

Source: Mesos documentation "Attributes and Resources"; rounding and coalescing as in Mesos 1.11.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from minimesos.errors import InvalidValue

Ranges = tuple[tuple[int, int], ...]
Value = int | Ranges | frozenset[str]

THOUSANDTHS = 1000
SCALAR_MAX = 2**63 - 1
"""Largest scalar, in thousandths: Mesos keeps the fixed-point number in 64 signed bits."""
RANGE_END_MAX = 2**64 - 1

_NUMBER = re.compile(r"\+?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_BRACKETS = ("()", "[]", "{}")


def thousandths(value: float) -> int:
    """Return a number as whole thousandths, halves rounded away from zero.

    The number meant is the shortest decimal that denotes the double, so 1.5015 is 1502.
    Raises InvalidValue for what is not finite or does not fit 64 bits.
    """
    if isinstance(value, int) or value.is_integer():
        exact = int(value) * THOUSANDTHS
    elif value != value or value in (float("inf"), float("-inf")):
        raise InvalidValue(f"scalar {value} is not finite")
    else:
        exact = _round(Decimal(repr(value)))
    if abs(exact) > SCALAR_MAX:
        raise InvalidValue(f"scalar {value} is too large")
    return exact


def _round(number: Decimal) -> int:
    return int(number.scaleb(3).to_integral_value(ROUND_HALF_UP))


def format_scalar(value: int) -> str:
    """Print thousandths as Mesos prints scalars: `2`, `0.5`, `1.125`."""
    whole, rest = divmod(abs(value), THOUSANDTHS)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{rest:03}".rstrip("0") if rest else f"{sign}{whole}"


def coalesce(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Return sorted, disjoint, non-adjacent ranges that cover the same numbers."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(pairs):
        if merged and begin <= merged[-1][1] + 1:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((begin, end))
    return tuple(merged)


def subtract_ranges(left: Ranges, right: Ranges) -> Ranges:
    """Return the numbers of `left` that are not in `right`."""
    rest: list[tuple[int, int]] = []
    cuts = iter(right)
    cut = next(cuts, None)
    for begin, end in left:
        while cut is not None and cut[1] < begin:
            cut = next(cuts, None)
        while cut is not None and cut[0] <= end:
            if begin < cut[0]:
                rest.append((begin, cut[0] - 1))
            begin = cut[1] + 1
            if cut[1] > end:
                break
            cut = next(cuts, None)
        if begin <= end:
            rest.append((begin, end))
    return tuple(rest)


def covers(have: Value, wanted: Value) -> bool:
    """Tell whether `have` includes all of `wanted`; values of different types never do."""
    if isinstance(have, int):
        return isinstance(wanted, int) and have >= wanted
    if isinstance(have, frozenset):
        return isinstance(wanted, frozenset) and have >= wanted
    return isinstance(wanted, tuple) and not subtract_ranges(wanted, have)


def parse_value(text: str) -> Value | str:
    """Return the value that `text` denotes; what is neither number, ranges nor set is text (a str).

    Spaces do not count. `inf`, `nan` and negative numbers are text, as in Mesos. Raises
    InvalidValue for empty values, unbalanced brackets, malformed ranges and numbers too small to
    count.
    """
    stripped = text.replace(" ", "")
    if not stripped:
        raise InvalidValue("expecting a value, got an empty string")
    for pair in _BRACKETS:
        if stripped.count(pair[0]) != stripped.count(pair[1]):
            raise InvalidValue(f"unbalanced '{pair}' in '{text}'")
    if stripped[0] == "[":
        return _parse_ranges(stripped)
    if stripped[0] == "{":
        return _parse_set(stripped)
    if _NUMBER.fullmatch(stripped):
        return _parse_scalar(stripped)
    return stripped


def _parse_ranges(text: str) -> Ranges:
    if text[-1] != "]" or text.count("[") > 1 or "{" in text:
        raise InvalidValue(f"malformed ranges '{text}'")
    pairs = []
    for part in filter(None, text[1:-1].split(",")):
        begin, dash, end = part.partition("-")
        if not (dash and _is_index(begin) and _is_index(end)):
            raise InvalidValue(f"expecting ranges like [1-10,20-30], got '{text}'")
        if int(begin) > int(end):
            raise InvalidValue(f"range {part} in '{text}' ends before it begins")
        pairs.append((int(begin), int(end)))
    return coalesce(pairs)


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= RANGE_END_MAX


def _parse_set(text: str) -> frozenset[str]:
    if text[-1] != "}" or text.count("{") > 1 or "[" in text:
        raise InvalidValue(f"malformed set '{text}'")
    return frozenset(filter(None, text[1:-1].split(",")))


def _parse_scalar(text: str) -> int:
    number = float(text)
    mantissa = text.lower().partition("e")[0]
    if number < sys.float_info.min and mantissa.strip("+.0"):
        raise InvalidValue(f"scalar {text} is too small to be represented")
    exact = thousandths(number) if number > SCALAR_MAX / THOUSANDTHS else _round(Decimal(text))
    if exact == 0 and number > 0:
        raise InvalidValue(f"scalar {text} is not greater than 0 in three decimals")
    if exact > SCALAR_MAX:
        raise InvalidValue(f"scalar {text} is too large")
    return exact


def format_value(value: Value) -> str:
    """Print a value in the syntax that `parse_value` reads: `2.5`, `[1-10, 20-30]`, `{a, b}`."""
    if isinstance(value, int):
        return format_scalar(value)
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(value)) + "}"
    return "[" + ", ".join(f"{begin}-{end}" for begin, end in value) + "]"
