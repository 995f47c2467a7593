"""Resources: an exact, immutable bag of scalars, ranges and sets, kept apart by their metadata.

Everybody counts with it: agents what they have, the allocator what it gives, frameworks what they
may use. Arithmetic is on integers and never meets a message; messages are read and written at the
edge. It decides nothing: who may have what is the allocator's business, and the master's
validation.

Invariants: (1) no quantity is zero or empty; (2) no group of quantities is empty; (3) a value is
never changed in place, so groups are shared freely between instances; (4) ranges are coalesced.

Source: Mesos documentation "Attributes and Resources"; arithmetic as in Mesos 1.11, except that
taking away more than there is raises instead of being ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar

from minimesos.errors import InvalidResources, InvariantViolated
from minimesos.ids import is_role_within, role_problem
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resource_messages import entry_of, messages_of
from minimesos.resource_metadata import (
    Kind,
    Metadata,
    Reservation,
    ReservationFormat,
    with_allocation,
    with_kind,
)
from minimesos.resource_text import is_json, kind_of, parse_json, parse_text
from minimesos.values import (
    THOUSANDTHS,
    Ranges,
    Value,
    coalesce,
    covers,
    format_value,
    parse_value,
    subtract_ranges,
    thousandths,
)

Entry = tuple[str, Metadata, Value]
Groups = dict[Metadata, dict[str, Value]]


class Resources:
    """An immutable amount of resources; see the module for its invariants."""

    __slots__ = ("_groups", "_hash", "_quantities")

    EMPTY: ClassVar[Resources]

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        groups: Groups = {}
        for name, metadata, value in entries:
            if value:
                group = groups.setdefault(metadata, {})
                group[name] = _add(group[name], value) if name in group else value
        self._groups = groups
        self._quantities: dict[str, int] | None = None
        self._hash: int | None = None

    @classmethod
    def _of_groups(cls, groups: Groups) -> Resources:
        if not groups:
            return cls.EMPTY
        resources = cls.__new__(cls)
        resources._groups = groups
        resources._quantities = None
        resources._hash = None
        return resources

    # -- builders ---------------------------------------------------------------------------------

    @classmethod
    def of(
        cls,
        role: str | None = None,
        *,
        allocated: str | None = None,
        revocable: bool = False,
        **values: float | str,
    ) -> Resources:
        """Build resources in code: `Resources.of(cpus=1, mem=32, ports="[1-5]", role="dev")`.

        `role` reserves them statically, `allocated` is the role they are allocated to.
        """
        metadata = Metadata(
            reservations=() if role is None else (Reservation(role),),
            allocated=allocated,
            revocable=revocable,
        )
        entries: list[Entry] = []
        for name, given in values.items():
            value = parse_value(given) if isinstance(given, str) else thousandths(given)
            if isinstance(value, str) or (isinstance(value, int) and value < 0):
                raise InvalidResources(f"{name}={given!r} is not an amount of a resource")
            entries.append((name, with_kind(metadata, kind_of(value)), value))
        return cls(entries)

    @classmethod
    def parse(cls, text: str, default_role: str = "*") -> Resources:
        """Read `name(role):value;...` or a JSON array of `Resource` objects.

        Amounts of zero are dropped. Raises InvalidResources that names the piece and the rule it
        breaks.
        """
        problem = role_problem(default_role)
        if problem is not None:
            raise InvalidResources(f"invalid default role: {problem}")
        if is_json(text):
            return cls.from_proto(parse_json(text, default_role))
        entries = list(parse_text(text, default_role))
        _check_types(entries)
        return cls(entries)

    @staticmethod
    def names_in(text: str) -> frozenset[str]:
        """Return the names that `text` mentions, also with zero: they are not auto-detected."""
        if is_json(text):
            return frozenset(message.name for message in parse_json(text, "*"))
        return frozenset(name for name, _, _ in parse_text(text, "*"))

    @classmethod
    def from_proto(cls, messages: Iterable[mesos_pb2.Resource]) -> Resources:
        """Read messages, in either reservation format; raises InvalidResources."""
        entries = [entry_of(message) for message in messages]
        _check_types(entries)
        return cls(entries)

    @classmethod
    def problem(cls, messages: Iterable[mesos_pb2.Resource]) -> str | None:
        """Say why `from_proto` would refuse these messages; None if it would not."""
        try:
            cls.from_proto(messages)
        except InvalidResources as error:
            return str(error)
        return None

    def to_proto(
        self, form: ReservationFormat = ReservationFormat.POST_REFINEMENT
    ) -> list[mesos_pb2.Resource]:
        """Write messages, a shared volume once per copy.

        Raises InvalidResources for refined reservations in PRE_REFINEMENT, which cannot express
        them.
        """
        return [
            message
            for name, metadata, value in self.entries()
            for message in messages_of(name, metadata, value, form)
        ]

    # -- arithmetic -------------------------------------------------------------------------------

    def __add__(self, other: Resources) -> Resources:
        if not other._groups:
            return self
        if not self._groups:
            return other
        groups = dict(self._groups)
        for metadata, theirs in other._groups.items():
            mine = groups.get(metadata)
            if mine is None:
                groups[metadata] = theirs
                continue
            group = dict(mine)
            for name, value in theirs.items():
                group[name] = _add(group[name], value) if name in group else value
            groups[metadata] = group
        return self._of_groups(groups)

    def __sub__(self, other: Resources) -> Resources:
        """Take away what must be there; raises InvariantViolated if it is not."""
        if not other._groups:
            return self
        groups = dict(self._groups)
        for metadata, theirs in other._groups.items():
            group = dict(groups.get(metadata, ()))
            for name, value in theirs.items():
                have = group.get(name)
                if have is None or not covers(have, value):
                    raise InvariantViolated(f"cannot take {other} from {self}: not enough {name}")
                rest = _subtract(have, value)
                if rest:
                    group[name] = rest
                else:
                    del group[name]
            if group:
                groups[metadata] = group
            else:
                del groups[metadata]
        return self._of_groups(groups)

    def contains(self, other: Resources) -> bool:
        """Tell whether all of `other` is here, metadata included."""
        for metadata, theirs in other._groups.items():
            mine = self._groups.get(metadata)
            if mine is None:
                return False
            for name, value in theirs.items():
                have = mine.get(name)
                if have is None or not covers(have, value):
                    return False
        return True

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __eq__(self, other: object) -> bool:
        return self._groups == other._groups if isinstance(other, Resources) else NotImplemented

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(
                frozenset((key, frozenset(group.items())) for key, group in self._groups.items())
            )
        return self._hash

    # -- what is in it ----------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        """Yield (name, metadata, value) of each piece; for a shared volume value is its copies."""
        for metadata, group in self._groups.items():
            for name, value in group.items():
                yield name, metadata, value

    def quantities(self) -> Mapping[str, int]:
        """Return the scalars in thousandths, summed over metadata; a shared volume counts once."""
        if self._quantities is None:
            totals: dict[str, int] = {}
            for name, metadata, value in self.entries():
                if isinstance(value, int):
                    totals[name] = totals.get(name, 0) + (metadata.shared_size or value)
            self._quantities = totals
        return self._quantities

    def scalar(self, name: str) -> int:
        """Return one scalar in thousandths, summed over metadata; 0 if there is none."""
        return self.quantities().get(name, 0)

    @property
    def cpus(self) -> float:
        """CPUs, for display."""
        return self.scalar("cpus") / THOUSANDTHS

    @property
    def mem_mb(self) -> float:
        """Memory in MB, for display."""
        return self.scalar("mem") / THOUSANDTHS

    @property
    def ports(self) -> Ranges:
        """The ports, whoever they are reserved to."""
        pairs: list[tuple[int, int]] = []
        for metadata, group in self._groups.items():
            value = group.get("ports")
            if metadata.kind is Kind.RANGES and isinstance(value, tuple):
                pairs += value
        return coalesce(pairs)

    # -- selections -------------------------------------------------------------------------------

    def select(self, wanted: Callable[[Metadata], bool]) -> Resources:
        """Return the pieces whose metadata is wanted."""
        groups = {key: group for key, group in self._groups.items() if wanted(key)}
        return self if len(groups) == len(self._groups) else self._of_groups(groups)

    def unreserved(self) -> Resources:
        """Return what is reserved to nobody."""
        return self.select(lambda metadata: not metadata.reservations)

    def reserved_to(self, role: str) -> Resources:
        """Return what is reserved to exactly this role."""
        return self.select(lambda metadata: metadata.role == role)

    def reservations(self) -> dict[str, Resources]:
        """Return what is reserved, by role."""
        roles = dict.fromkeys(metadata.role for metadata in self._groups)
        return {role: self.reserved_to(role) for role in roles if role is not None}

    def allocatable_to(self, role: str) -> Resources:
        """Return what may be offered to `role`: not reserved, or to it or an ancestor."""
        return self.select(
            lambda metadata: metadata.role is None or is_role_within(role, metadata.role)
        )

    def allocated_to(self, role: str) -> Resources:
        """Return the same resources, marked as allocated to `role`."""
        return self._reallocated(role)

    def unallocated(self) -> Resources:
        """Return the same resources without the mark of whom they are allocated to."""
        return self._reallocated(None)

    def _reallocated(self, role: str | None) -> Resources:
        if all(metadata.allocated == role for metadata in self._groups):
            return self
        groups: Groups = {}
        for metadata, group in self._groups.items():
            key = with_allocation(metadata, role)
            if key in groups:  # the same piece was allocated to two roles
                merged = self._of_groups({key: groups[key]}) + self._of_groups({key: group})
                groups[key] = merged._groups[key]
            else:
                groups[key] = group
        return self._of_groups(groups)

    def allocations(self) -> dict[str | None, Resources]:
        """Split by the role that pieces are allocated to, None for what is not allocated."""
        roles = dict.fromkeys(metadata.allocated for metadata in self._groups)
        if len(roles) == 1:
            return dict.fromkeys(roles, self)
        return {role: self._select_allocated(role) for role in roles}

    def _select_allocated(self, role: str | None) -> Resources:
        return self.select(lambda metadata: metadata.allocated == role)

    # -- for people and programs ------------------------------------------------------------------

    def __str__(self) -> str:
        pieces = []
        for name, metadata, value in self.entries():
            if metadata.shared_size:
                size = format_value(metadata.shared_size)
                pieces.append(f"{metadata.annotate(name)}:{size}<{value}>")
            else:
                pieces.append(f"{metadata.annotate(name)}:{format_value(value)}")
        return "; ".join(pieces) or "{}"

    def __repr__(self) -> str:
        return f"<Resources {self}>"

    def to_json(self) -> dict[str, float | str]:
        """Return the summary that `/state` shows: numbers for scalars, strings for ranges and sets.

        Roles and volumes are merged; cpus, gpus, mem and disk are always there.
        """
        summary: dict[str, float | str] = {"cpus": 0.0, "gpus": 0.0, "mem": 0.0, "disk": 0.0}
        merged: dict[str, Value] = {}
        for name, metadata, value in self.entries():
            key = f"{name}_revocable" if metadata.revocable else name
            amount = metadata.shared_size or value
            same_type = key in merged and type(merged[key]) is type(amount)
            merged[key] = _add(merged[key], amount) if same_type else amount
        for key, value in merged.items():
            summary[key] = value / THOUSANDTHS if isinstance(value, int) else format_value(value)
        return summary


Resources.EMPTY = Resources()


def _add(left: Value, right: Value) -> Value:
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left | right
    if isinstance(left, tuple) and isinstance(right, tuple):
        return coalesce(left + right)
    raise InvariantViolated(f"cannot add {left!r} and {right!r}: equal metadata, different types")


def _subtract(left: Value, right: Value) -> Value:
    if isinstance(left, int) and isinstance(right, int):
        return left - right
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left - right
    if isinstance(left, tuple) and isinstance(right, tuple):
        return subtract_ranges(left, right)
    raise InvariantViolated(f"cannot take {right!r} from {left!r}: different types")


def _check_types(entries: Iterable[Entry]) -> None:
    kinds: dict[str, Kind] = {}
    for name, metadata, _ in entries:
        if kinds.setdefault(name, metadata.kind) is not metadata.kind:
            raise InvalidResources(f"resource '{name}' is given with two types")
