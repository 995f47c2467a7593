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
