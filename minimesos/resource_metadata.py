"""What sets a piece of a resource apart from others of its name: reservations, disk, and so on.

Quantities with equal metadata add up, others are kept side by side (`minimesos.resources`). This
module converts metadata from and to the `Resource` message and knows the rules that messages must
obey; it knows nothing of quantities.

Source: `Resource` in Mesos's `mesos.proto`, and the documentation "Reservation" and "Persistent
Volumes".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from functools import lru_cache

from minimesos.errors import InvalidResources
from minimesos.ids import DEFAULT_ROLE, is_strict_subrole, role_problem
from minimesos.proto.mesos.v1 import mesos_pb2

_ReservationInfo = mesos_pb2.Resource.ReservationInfo


class Kind(Enum):
    """The type of a resource's value."""

    SCALAR = mesos_pb2.Value.SCALAR
    RANGES = mesos_pb2.Value.RANGES
    SET = mesos_pb2.Value.SET


class ReservationFormat(Enum):
    """How a message tells who a resource is reserved to."""

    PRE_REFINEMENT = "fields `role` and `reservation`: frameworks without RESERVATION_REFINEMENT"
    POST_REFINEMENT = "field `reservations`: frameworks with RESERVATION_REFINEMENT, and ourselves"
    ENDPOINT = "all three fields: operator endpoints"


@dataclass(frozen=True, slots=True)
class Reservation:
    """One level of a reservation stack."""

    role: str
    dynamic: bool = False
    principal: str | None = None
    labels: tuple[tuple[str, str | None], ...] = ()

    def __str__(self) -> str:
        parts = ["DYNAMIC" if self.dynamic else "STATIC", self.role]
        if self.principal is not None:
            parts.append(self.principal)
        if self.labels:
            pairs = (key if value is None else f"{key}: {value}" for key, value in self.labels)
            parts.append("{" + ", ".join(pairs) + "}")
        return f"({','.join(parts)})"


@dataclass(frozen=True, slots=True)
class Disk:
    """A volume or a special disk. Two are the same if persistence id and source are.

    Where a container mounts a volume (`DiskInfo.volume`) describes its use, not the disk, and is
    carried along.
    """

    persistence_id: str | None
    source: bytes | None
    info: bytes = field(compare=False, repr=False)

    def __str__(self) -> str:
        info = mesos_pb2.Resource.DiskInfo.FromString(self.info)
        parts = []
        if info.HasField("source"):
            source = info.source
            root = source.mount.root if source.HasField("mount") else source.path.root
            kind = mesos_pb2.Resource.DiskInfo.Source.Type.Name(source.type)
            parts.append(f"{kind}:{root}" if root else kind)
        if self.persistence_id is not None:
            parts.append(self.persistence_id)
        path = f":{info.volume.container_path}" if info.HasField("volume") else ""
        return f"[{','.join(parts)}{path}]"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The identity of a piece of resource, apart from its name and quantity.

    `shared_size` is the size, in thousandths, of a shared volume, else 0. The quantity kept for a
    shared volume is its number of copies: adding one twice makes two copies, not a larger volume.
    """

    kind: Kind = Kind.SCALAR
    reservations: tuple[Reservation, ...] = ()
    disk: Disk | None = None
    revocable: bool = False
    shared_size: int = 0
    provider_id: str | None = None
    allocated: str | None = None
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        identity = (self.kind.value, self.reservations, self.disk, self.revocable)
        object.__setattr__(
            self, "_hash", hash((*identity, self.shared_size, self.provider_id, self.allocated))
        )

    def __hash__(self) -> int:
        return self._hash

    @property
    def role(self) -> str | None:
        """The role that this is reserved to; None if to nobody."""
        return self.reservations[-1].role if self.reservations else None

    def annotate(self, name: str) -> str:
        """Return the name as Mesos prints it, with what is special: `cpus(allocated: r){REV}`."""
        text = name
        if self.allocated is not None:
            text += f"(allocated: {self.allocated})"
        if self.reservations:
            text += f"(reservations: [{','.join(map(str, self.reservations))}])"
        if self.disk is not None:
            text += str(self.disk)
        if self.revocable:
            text += "{REV}"
        return text + "<SHARED>" if self.shared_size else text


PLAIN = Metadata()
"""A scalar that is reserved to nobody and allocated to nobody."""


@lru_cache(maxsize=4096)
def with_kind(metadata: Metadata, kind: Kind) -> Metadata:
    """Return the same metadata for a value of another type."""
    return replace(metadata, kind=kind)


@lru_cache(maxsize=4096)
def with_allocation(metadata: Metadata, role: str | None) -> Metadata:
    """Return the same metadata, allocated to `role` (None: to nobody)."""
    return replace(metadata, allocated=role)


def metadata_of(message: mesos_pb2.Resource) -> Metadata:
    """Read the metadata of a message; either reservation format will do.

    Raises InvalidResources with the rule that is broken.
    """
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


def check_reservations(stack: tuple[Reservation, ...]) -> None:
    """Raise InvalidResources unless roles are valid and each refines the one before it."""
    for above, reservation in zip((None, *stack), stack, strict=False):
        role = reservation.role
        problem = role_problem(role)
        if problem is not None:
            raise InvalidResources(f"invalid reservation: {problem}")
        if role == DEFAULT_ROLE:
            raise InvalidResources("resources cannot be reserved to role '*'")
        if above is not None and not reservation.dynamic:
            raise InvalidResources(f"reservation to '{role}' is static but not the first")
        if above is not None and not is_strict_subrole(role, above.role):
            raise InvalidResources(f"reservation to '{role}' does not refine '{above.role}'")


def write_metadata(
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
