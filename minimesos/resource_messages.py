"""Between the `Resource` message and a piece of resource: name, metadata and value.

Used by `minimesos.resources` only. Reads and writes all three ways in which a message tells
reservations, and knows the rules that a single message must obey.

Source: `Resource` in Mesos's `mesos.proto`, and the documentation "Reservation".
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from minimesos.errors import InvalidResources, InvalidValue
from minimesos.ids import DEFAULT_ROLE
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resource_metadata import (
    Disk,
    Kind,
    Metadata,
    Reservation,
    ReservationFormat,
    check_reservations,
)
from minimesos.values import THOUSANDTHS, Value, coalesce, thousandths

_ReservationInfo = mesos_pb2.Resource.ReservationInfo


PIECES_REMEMBERED = 4096
"""The same pieces come again and again: with each offer, task and status of an agent."""


def entry_of(message: mesos_pb2.Resource) -> tuple[str, Metadata, Value]:
    """Read one piece; raises InvalidResources with the rule that the message breaks."""
    return _entry_of(message.SerializePartialToString())


@lru_cache(PIECES_REMEMBERED)
def _entry_of(data: bytes) -> tuple[str, Metadata, Value]:
    message = mesos_pb2.Resource()
    message.MergeFromString(data)
    name = message.name
    if not name:
        raise InvalidResources("a resource has no name")
    metadata = metadata_of(message)
    value = _value_of(message)
    if message.HasField("shared") and isinstance(value, int) and value:
        return name, replace(metadata, shared_size=value), 1
    return name, metadata, value


def _value_of(message: mesos_pb2.Resource) -> Value:
    name = message.name
    if message.type == mesos_pb2.Value.SCALAR:
        try:
            scalar = thousandths(message.scalar.value)
        except InvalidValue as error:
            raise InvalidResources(f"resource '{name}': {error}") from error
        if not message.HasField("scalar") or scalar < 0:
            raise InvalidResources(f"resource '{name}' has no scalar, or a negative one")
        return scalar
    if message.type == mesos_pb2.Value.SET:
        return frozenset(message.set.item)
    pairs = [(pair.begin, pair.end) for pair in message.ranges.range]
    for begin, end in pairs:
        if begin > end:
            raise InvalidResources(
                f"resource '{name}' has a range {begin}-{end} that ends before it begins"
            )
    return coalesce(pairs)


def metadata_of(message: mesos_pb2.Resource) -> Metadata:
    """Read the metadata of a message; either reservation format will do.

    Raises InvalidResources with the rule that is broken.
    """
    if message.type == mesos_pb2.Value.TEXT:
        raise InvalidResources(f"resource '{message.name}' is TEXT, which is not supported")
    reservations = _reservations_of(message)
    disk = _disk_of(message) if message.HasField("disk") else None
    shared = message.HasField("shared")
    volume = disk is not None and disk.persistence_id is not None
    if shared and not volume:
        raise InvalidResources(f"resource '{message.name}' is shared but not a persistent volume")
    if volume and message.HasField("revocable"):
        raise InvalidResources("a persistent volume cannot be revocable")
    allocation = message.allocation_info
    return Metadata(
        kind=Kind(message.type),
        reservations=reservations,
        disk=disk,
        revocable=message.HasField("revocable"),
        provider_id=message.provider_id.value if message.HasField("provider_id") else None,
        allocated=allocation.role if message.HasField("allocation_info") else None,
    )


def _disk_of(message: mesos_pb2.Resource) -> Disk:
    info = message.disk
    if message.name != "disk" or message.type != mesos_pb2.Value.SCALAR:
        raise InvalidResources(f"DiskInfo should not be set for '{message.name}' resource")
    return Disk(
        persistence_id=info.persistence.id if info.HasField("persistence") else None,
        source=(
            info.source.SerializeToString(deterministic=True) if info.HasField("source") else None
        ),
        info=info.SerializeToString(deterministic=True),
    )


def _reservations_of(message: mesos_pb2.Resource) -> tuple[Reservation, ...]:
    if message.reservations:
        stack = tuple(_reservation_of(info, info.role) for info in message.reservations)
        if message.HasField("role") and message.role not in (DEFAULT_ROLE, stack[-1].role):
            raise InvalidResources(
                f"resource '{message.name}' has role '{message.role}' but its reservations end in "
                f"'{stack[-1].role}'"
            )
    elif message.role != DEFAULT_ROLE:
        dynamic = message.HasField("reservation")
        stack = (
            (_reservation_of(message.reservation, message.role, dynamic=True),)
            if dynamic
            else (Reservation(message.role),)
        )
    elif message.HasField("reservation"):
        raise InvalidResources(f"resource '{message.name}' of role '*' cannot be reserved")
    else:
        return ()
    check_reservations(stack)
    return stack


def _reservation_of(
    info: mesos_pb2.Resource.ReservationInfo, role: str, dynamic: bool | None = None
) -> Reservation:
    labels = (
        (label.key, label.value if label.HasField("value") else None)
        for label in info.labels.labels
    )
    return Reservation(
        role=role,
        dynamic=info.type != _ReservationInfo.STATIC if dynamic is None else dynamic,
        principal=info.principal if info.HasField("principal") else None,
        labels=tuple(sorted(labels, key=lambda pair: (pair[0], pair[1] or ""))),
    )


def messages_of(
    name: str, metadata: Metadata, value: Value, form: ReservationFormat
) -> list[mesos_pb2.Resource]:
    """Write one piece: one message, or as many as there are copies of a shared volume."""
    message = mesos_pb2.Resource(name=name)
    _write_metadata(message, metadata, form)
    if isinstance(value, int):
        message.scalar.value = (metadata.shared_size or value) / THOUSANDTHS
        return [message] * value if metadata.shared_size else [message]
    if isinstance(value, frozenset):
        message.set.item.extend(sorted(value))
    else:
        for begin, end in value:
            message.ranges.range.add(begin=begin, end=end)
    return [message]


def _write_metadata(
    message: mesos_pb2.Resource, metadata: Metadata, form: ReservationFormat
) -> None:
    """Set all fields of `message` that metadata speaks of."""
    message.type = metadata.kind.value
    _write_reservations(message, metadata.reservations, form)
    if metadata.disk is not None:
        message.disk.ParseFromString(metadata.disk.info)
    if metadata.revocable:
        message.revocable.SetInParent()
    if metadata.shared_size:
        message.shared.SetInParent()
    if metadata.provider_id is not None:
        message.provider_id.value = metadata.provider_id
    if metadata.allocated is not None:
        message.allocation_info.role = metadata.allocated


def _write_reservations(
    message: mesos_pb2.Resource, stack: tuple[Reservation, ...], form: ReservationFormat
) -> None:
    if form is not ReservationFormat.PRE_REFINEMENT:
        for reservation in stack:
            info = message.reservations.add(
                role=reservation.role,
                type=_ReservationInfo.DYNAMIC if reservation.dynamic else _ReservationInfo.STATIC,
            )
            _write_owner(info, reservation)
    if form is ReservationFormat.POST_REFINEMENT:
        return
    if len(stack) > 1:
        if form is ReservationFormat.ENDPOINT:
            return
        raise InvalidResources(f"refined reservation to '{stack[-1].role}' needs the newer format")
    message.role = stack[0].role if stack else DEFAULT_ROLE
    if stack and stack[0].dynamic:
        message.reservation.SetInParent()
        _write_owner(message.reservation, stack[0])


def _write_owner(info: mesos_pb2.Resource.ReservationInfo, reservation: Reservation) -> None:
    if reservation.principal is not None:
        info.principal = reservation.principal
    for key, value in reservation.labels:
        info.labels.labels.add(key=key, value=value)
