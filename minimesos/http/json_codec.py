"""Protobuf messages as the JSON that Mesos's v1 APIs speak, both ways.

It differs from protobuf's own mapping: names are those of the `.proto`, 64-bit integers are
numbers, explicit defaults are written, unknown keys and unknown enum names are ignored, a bare
value stands for a list of one. Used by the HTTP APIs; knows nothing of any message.

Source: Mesos 1.11, `stout/protobuf.hpp` and `stout/jsonify.hpp`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import EncodeError, Message

from minimesos.errors import InvalidValue

M = TypeVar("M", bound=Message)
Field = Any  # a FieldDescriptor: the stubs know two classes of that name, and so of Descriptor
Descriptor = Any

DEPTH_MAX = 100
"""Of nested messages; what is deeper is refused."""

_INTEGERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)
_FLOATS = frozenset({FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT})
_BOOLEANS = {"true": True, "false": False}


def dumps(message: Message) -> bytes:
    """Return the message as JSON text. Infinity and NaN are written bare, as Mesos does."""
    return json.dumps(to_json(message), separators=(",", ":")).encode()


def loads(data: bytes, message_type: type[M]) -> M:
    """Read JSON text. Raises InvalidValue that says which field is wrong, or missing."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"not JSON: {error}") from error
    return from_json(value, message_type)


def to_json(message: Message) -> dict[str, Any]:
    """Return the message as JSON values."""
    fields: dict[str, Any] = {field.name: _write(field, v) for field, v in message.ListFields()}
    for name in _defaults_written(message.DESCRIPTOR):
        if name not in fields:
            field = message.DESCRIPTOR.fields_by_name[name]
            fields[name] = _write_one(field, field.default_value)
    return fields


def from_json(value: object, message_type: type[M]) -> M:
    """Build a message of JSON values. Raises InvalidValue."""
    message = message_type()
    _read_message(value, message, message_type.DESCRIPTOR.name, DEPTH_MAX)
    problem = missing_problem(message)
    if problem is not None:
        raise InvalidValue(problem)
    return message


def missing_problem(message: Message) -> str | None:
    """Say which required fields a message lacks, None if it has them all."""
    if message.IsInitialized():
        return None
    try:
        message.SerializeToString()
    except EncodeError as error:
        return str(error)
    return None


_written: dict[Descriptor, tuple[str, ...]] = {}


def _defaults_written(descriptor: Descriptor) -> tuple[str, ...]:
    """Return the fields that are written even if unset: those with a default of their own."""
    names = _written.get(descriptor)
    if names is None:
        names = _written[descriptor] = tuple(
            field.name
            for field in descriptor.fields
            if field.has_default_value and not field.GetOptions().deprecated
        )
    return names


# -- writing --------------------------------------------------------------------------------------


def _write(field: Field, value: Any) -> Any:
    if (entry := _map_entry(field)) is not None:
        item = entry.fields_by_name["value"]
        return {str(key): _write_one(item, value[key]) for key in value}
    if field.is_repeated:
        return [_write_one(field, each) for each in value]
    return _write_one(field, value)


def _write_one(field: Field, value: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return to_json(value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode()
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return value if named is None else named.name
    return value


# -- reading --------------------------------------------------------------------------------------


def _read_message(value: object, message: Message, where: str, depth: int) -> None:
    if not isinstance(value, Mapping):
        raise InvalidValue(f"{where}: expecting an object, got {_kind(value)}")
    if not depth:
        raise InvalidValue(f"{where}: nested too deeply")
    message.SetInParent()  # an empty object is there, too
    for name, given in value.items():
        field = message.DESCRIPTOR.fields_by_name.get(name)
        if field is None or given is None:
            continue
        _read_field(given, message, field, f"{where}.{name}", depth - 1)


def _read_field(given: object, message: Message, field: Field, where: str, depth: int) -> None:
    is_message = field.type == FieldDescriptor.TYPE_MESSAGE
    if (entry := _map_entry(field)) is not None:
        _read_map(given, getattr(message, field.name), entry, where, depth)
    elif field.is_repeated:
        items = getattr(message, field.name)
        for each in given if isinstance(given, list) else [given]:
            if is_message:
                _read_message(each, items.add(), where, depth)
            elif (scalar := _read_scalar(each, field, where)) is not None:
                items.append(scalar)
    elif is_message:
        _read_message(given, getattr(message, field.name), where, depth)
    elif (scalar := _read_scalar(given, field, where)) is not None:
        setattr(message, field.name, scalar)


def _read_map(given: object, items: Any, entry: Descriptor, where: str, depth: int) -> None:
    if not isinstance(given, Mapping):
        raise InvalidValue(f"{where}: expecting an object, got {_kind(given)}")
    key_field, item_field = entry.fields_by_name["key"], entry.fields_by_name["value"]
    for name, value in given.items():
        key = _read_scalar(name, key_field, where)
        if item_field.type == FieldDescriptor.TYPE_MESSAGE:
            _read_message(value, items[key], f"{where}.{name}", depth)
        else:
            items[key] = _read_scalar(value, item_field, f"{where}.{name}")


def _read_scalar(given: object, field: Field, where: str) -> Any:
    """Return the value for a field; None for the name of an enum value that we do not know."""
    try:
        if field.cpp_type in _INTEGERS:
            return _bounded(_number(given, int), field)
        if field.cpp_type in _FLOATS:
            return _number(given, float)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return _bytes(given)
    except (ValueError, OverflowError, TypeError) as error:
        raise InvalidValue(f"{where}: {error}") from error
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if isinstance(given, bool):
            return given
        if isinstance(given, str) and given in _BOOLEANS:
            return _BOOLEANS[given]
    elif isinstance(given, str):
        if field.enum_type is None:
            return given
        named = field.enum_type.values_by_name.get(given)
        return None if named is None else named.number
    raise InvalidValue(f"{where}: {_kind(given)} is not expected here")


def _number(given: object, kind: type[int] | type[float]) -> int | float:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise ValueError(f"expecting a number, got {_kind(given)}")
    if kind is int and isinstance(given, str):
        try:
            return int(given)
        except ValueError:
            pass  # "1.5" is cut to 1, as the number would be
    return kind(float(given)) if isinstance(given, str) else kind(given)


_BITS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64),
}


def _bounded(value: int | float, field: Field) -> int:
    low, end = _BITS[field.cpp_type]
    if not low <= value < end:
        raise ValueError(f"{value} does not fit")
    return int(value)


def _bytes(given: object) -> bytes:
    if not isinstance(given, str):
        raise ValueError(f"expecting base64, got {_kind(given)}")
    text = "".join(given.split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from error


def _map_entry(field: Field) -> Descriptor | None:
    """Return the type of a map's entries, None if the field is no map."""
    kind = field.message_type
    return kind if kind is not None and kind.GetOptions().map_entry else None


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")
