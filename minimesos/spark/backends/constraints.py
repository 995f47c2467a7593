"""Whether an agent's attributes are what the application asks for.

Used by the backends before they look at an offer's resources. Reads no texts: that is done by
`spark.mesos.constraints` itself.

Source: Spark's "Running Spark on Mesos" page. It fails on a number that is none; here that is no
match, and a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from minimesos.attributes import format_attributes
from minimesos.errors import InvalidValue
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.mesos_texts import Constraints
from minimesos.values import thousandths

_WARNINGS_MAX = 256

_log = get_logger(__name__)


def unmet(constraints: Constraints, attributes: Iterable[mesos_pb2.Attribute]) -> str:
    """Say which constraints do not hold for an agent, for people; empty if all do.

    If an agent has several attributes of one name, one of them has to match.
    """
    by_name: dict[str, list[mesos_pb2.Attribute]] = {}
    for attribute in attributes:
        by_name.setdefault(attribute.name, []).append(attribute)
    return "; ".join(
        filter(None, (_unmet(name, wanted, by_name) for name, wanted in constraints.items()))
    )


def _unmet(name: str, wanted: Sequence[str], by_name: dict[str, list[mesos_pb2.Attribute]]) -> str:
    offered = by_name.get(name)
    if offered is None:
        return f"no attribute {name}"
    if not wanted or any(_MATCHERS[each.type](each, wanted) for each in offered):
        return ""
    have = ", ".join(format_attributes([each]).replace(":", "=", 1) for each in offered)
    return f"{name}:{','.join(wanted)} is not met by {have}"


def _matches_scalar(attribute: mesos_pb2.Attribute, wanted: Sequence[str]) -> bool:
    have = thousandths(attribute.scalar.value)
    numbers = (_thousandths(attribute.name, text) for text in wanted)
    return any(number is not None and number <= have for number in numbers)


def _matches_ranges(attribute: mesos_pb2.Attribute, wanted: Sequence[str]) -> bool:
    ranges = attribute.ranges.range
    numbers = (_whole(attribute.name, text) for text in wanted)
    return any(
        number is not None and any(each.begin <= number <= each.end for each in ranges)
        for number in numbers
    )


def _matches_set(attribute: mesos_pb2.Attribute, wanted: Sequence[str]) -> bool:
    return set(wanted) <= set(attribute.set.item)


def _matches_text(attribute: mesos_pb2.Attribute, wanted: Sequence[str]) -> bool:
    return attribute.text.value in wanted


_MATCHERS: dict[int, Callable[[mesos_pb2.Attribute, Any], bool]] = {
    mesos_pb2.Value.SCALAR: _matches_scalar,
    mesos_pb2.Value.RANGES: _matches_ranges,
    mesos_pb2.Value.SET: _matches_set,
    mesos_pb2.Value.TEXT: _matches_text,
}


def _thousandths(name: str, text: str) -> int | None:
    try:
        return thousandths(float(text))
    except (ValueError, InvalidValue):
        _warn_once(name, text)
        return None


def _whole(name: str, text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        _warn_once(name, text)
        return None


@lru_cache(_WARNINGS_MAX)
def _warn_once(name: str, text: str) -> None:
    _log.warning("constraint on a number can match nothing", attribute=name, value=text)
