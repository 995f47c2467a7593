"""Agent attributes: `rack:r1;speed:2.5;p:[1-3]`, facts about a machine that frameworks choose by.

Used by the agent to read its `--attributes`, and by whoever shows them. They are never allocated.

Source: Mesos documentation "Attributes and Resources".
"""

from __future__ import annotations

from collections.abc import Iterable

from minimesos.errors import InvalidAttributes, InvalidValue
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.values import THOUSANDTHS, coalesce, format_scalar, format_value, parse_value


def parse_attributes(text: str) -> list[mesos_pb2.Attribute]:
    """Read `name:value;...`, each split at its first colon, in the order given.

    Raises InvalidAttributes for a missing name or value, and for sets, which agents may not have.
    """
    attributes = []
    for piece in filter(None, (part.strip() for part in text.split(";"))):
        name, colon, given = (part.strip() for part in piece.partition(":"))
        if not (name and colon and given):
            raise InvalidAttributes(f"bad attribute '{piece}': expecting name:value")
        try:
            value = parse_value(given)
        except InvalidValue as error:
            raise InvalidAttributes(f"bad attribute '{piece}': {error}") from error
        attribute = mesos_pb2.Attribute(name=name)
        if isinstance(value, frozenset):
            raise InvalidAttributes(f"bad attribute '{piece}': a set is not supported")
        if isinstance(value, int):
            attribute.type = mesos_pb2.Value.SCALAR
            attribute.scalar.value = value / THOUSANDTHS
        elif isinstance(value, tuple):
            attribute.type = mesos_pb2.Value.RANGES
            for begin, end in value:
                attribute.ranges.range.add(begin=begin, end=end)
        else:
            attribute.type = mesos_pb2.Value.TEXT
            attribute.text.value = value
        attributes.append(attribute)
    return attributes


def format_attributes(attributes: Iterable[mesos_pb2.Attribute]) -> str:
    """Print attributes in the syntax that `parse_attributes` reads."""
    return "; ".join(f"{attribute.name}:{_format(attribute)}" for attribute in attributes)


def attributes_json(attributes: Iterable[mesos_pb2.Attribute]) -> dict[str, float | str]:
    """Return attributes as `/state` shows them: scalars as numbers, the others as text."""
    return {
        attribute.name: (
            attribute.scalar.value
            if attribute.type == mesos_pb2.Value.SCALAR
            else _format(attribute)
        )
        for attribute in attributes
    }


def _format(attribute: mesos_pb2.Attribute) -> str:
    if attribute.type == mesos_pb2.Value.SCALAR:
        return format_scalar(round(attribute.scalar.value * THOUSANDTHS))
    if attribute.type == mesos_pb2.Value.RANGES:
        return format_value(coalesce((pair.begin, pair.end) for pair in attribute.ranges.range))
    if attribute.type == mesos_pb2.Value.SET:
        return format_value(frozenset(attribute.set.item))
    return attribute.text.value
