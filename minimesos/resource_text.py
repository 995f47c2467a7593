"""How resources are written on a command line: `cpus:4;mem(dev):1024;ports:[1-9]`, or JSON.

Used by `Resources.parse`. It reads what an operator may give: unreserved resources and static
reservations.

Source: Mesos documentation "Attributes and Resources".
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from google.protobuf import json_format

from minimesos.errors import InvalidResources, InvalidValue
from minimesos.ids import DEFAULT_ROLE
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resource_messages import metadata_of
from minimesos.resource_metadata import Kind, Metadata, Reservation, check_reservations
from minimesos.values import Value, parse_value


def kind_of(value: Value) -> Kind:
    """Return the type of a value."""
    if isinstance(value, int):
        return Kind.SCALAR
    return Kind.SET if isinstance(value, frozenset) else Kind.RANGES


def is_json(text: str) -> bool:
    """Tell whether resources are given as a JSON array of `Resource` objects."""
    return text.lstrip().startswith("[")


def parse_text(text: str, default_role: str) -> Iterator[tuple[str, Metadata, Value]]:
    """Yield name, metadata and value of each `name(role):value`, empty ones too.

    Raises InvalidResources that names the piece at fault.
    """
    for piece in text.split(";"):
        if not piece.strip():
            continue
        parts = piece.split(":")
        if len(parts) != 2:
            raise InvalidResources(f"bad resource '{piece.strip()}': missing or extra ':'")
        name, role = _split_role(parts[0].strip(), default_role)
        try:
            value = parse_value(parts[1])
        except InvalidValue as error:
            raise InvalidResources(f"bad resource '{piece.strip()}': {error}") from error
        if isinstance(value, str):
            raise InvalidResources(
                f"bad resource '{piece.strip()}': text is not a resource, "
                "expecting a non-negative number, [ranges] or a {set}"
            )
        reservations = () if role == DEFAULT_ROLE else (Reservation(role),)
        check_reservations(reservations)
        yield name, Metadata(kind=kind_of(value), reservations=reservations), value


def _split_role(text: str, default_role: str) -> tuple[str, str]:
    name, opening, rest = text.partition("(")
    if not opening and ")" not in text:
        role = default_role
    elif rest.endswith(")") and rest.count(")") == 1 and "(" not in rest:
        role = rest[:-1].strip()
    else:
        raise InvalidResources(f"bad resource '{text}': mismatched parentheses")
    if not name.strip():
        raise InvalidResources(f"bad resource '{text}': it has no name")
    return name.strip(), role


def parse_json(text: str, default_role: str) -> list[mesos_pb2.Resource]:
    """Read a JSON array of `Resource` objects.

    Raises InvalidResources also for what cannot be given on a command line: dynamic reservations,
    persistent volumes and revocable resources.
    """
    try:
        array = json.loads(text)
    except ValueError as error:
        raise InvalidResources(f"resources are not valid JSON: {error}") from error
    messages = []
    for item in array:
        try:
            message = json_format.ParseDict(item, mesos_pb2.Resource(), ignore_unknown_fields=True)
        except json_format.ParseError as error:
            raise InvalidResources(f"bad resource {json.dumps(item)}: {error}") from error
        if not message.IsInitialized():
            missing = ", ".join(_missing(message))
            raise InvalidResources(f"bad resource {json.dumps(item)}: missing {missing}")
        if not message.HasField("role") and not message.reservations:
            message.role = default_role
        _check_static(message)
        messages.append(message)
    return messages


def _missing(message: mesos_pb2.Resource) -> list[str]:
    required = (name for name in ("name", "type") if not message.HasField(name))
    return list(required) or ["a required field"]


def _check_static(message: mesos_pb2.Resource) -> None:
    metadata = metadata_of(message)
    if any(reservation.dynamic for reservation in metadata.reservations):
        raise InvalidResources(f"resource '{message.name}': dynamic reservations cannot be given")
    if metadata.disk is not None and metadata.disk.persistence_id is not None:
        raise InvalidResources(f"resource '{message.name}': persistent volumes cannot be given")
    if metadata.revocable:
        raise InvalidResources(f"resource '{message.name}': revocable resources cannot be given")
