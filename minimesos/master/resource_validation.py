"""What the master checks of the resources that tasks and executors ask for.

Every function says what is wrong in Mesos's words, or returns None. `duplicate`, `mixed` and so on
are the openings of the messages, which differ with who asks.

Source: Mesos 1.11 `master/validation.cpp`.
"""

from __future__ import annotations

from collections.abc import Sequence

from minimesos.ids import id_problem
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources
from minimesos.values import THOUSANDTHS, thousandths

Messages = Sequence[mesos_pb2.Resource]


def resources_problem(messages: Messages) -> str | None:
    """Check each resource by itself: its form, whole GPUs, and what disks say of themselves."""
    problem = Resources.problem(messages)
    if problem is not None:
        return f"Invalid resources: {problem}"
    for resource in messages:
        if resource.name == "gpus" and thousandths(resource.scalar.value) % THOUSANDTHS:
            return "Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer"
        problem = _disk_problem(resource) if resource.HasField("disk") else None
        if problem is not None:
            return f"Invalid DiskInfo: {problem}"
    return None


def _disk_problem(resource: mesos_pb2.Resource) -> str | None:
    disk = resource.disk
    if not disk.HasField("persistence"):
        if disk.HasField("volume"):
            return "Non-persistent volume not supported"
        return None if disk.HasField("source") else "DiskInfo is set but empty"
    if resource.HasField("revocable"):
        return "Persistent volumes cannot be created from revocable resources"
    if not resource.reservations and resource.role == "*":
        return "Persistent volumes cannot be created from unreserved resources"
    if not disk.HasField("volume"):
        return "Expecting 'volume' to be set for persistent volume"
    if disk.volume.HasField("host_path"):
        return "Expecting 'host_path' to be unset for persistent volume"
    problem = id_problem(disk.persistence.id)
    return f"Invalid persistence ID for persistent volume: {problem}" if problem else None


def consistency_problem(messages: Messages, duplicate: str, roles: str, mixed: str) -> str | None:
    """Check one party's resources against each other: persistence ids, roles, revocability."""
    problem = _persistence_problem(messages)
    if problem is not None:
        return f"{duplicate}: {problem}"
    problem = _allocation_problem(messages)
    if problem is not None:
        return f"{roles}: {problem}"
    problem = _revocability_problem(messages)
    return f"{mixed}: {problem}" if problem else None


def together_problem(
    parts: Sequence[Messages], duplicate: str, mixed: str, overlap: str
) -> str | None:
    """Check what several parties (a task and its executor) ask for together: nothing twice."""
    messages = [resource for part in parts for resource in part]
    if _overlaps([Resources.from_proto(part) for part in parts]):
        return overlap
    problem = _persistence_problem(messages)
    if problem is not None:
        return f"{duplicate}: {problem}"
    problem = _revocability_problem(messages)
    return f"{mixed}: {problem}" if problem else None


def _persistence_problem(messages: Messages) -> str | None:
    seen: set[tuple[str, str]] = set()
    for resource in messages:
        if not resource.disk.HasField("persistence"):
            continue
        role = resource.reservations[-1].role if resource.reservations else resource.role
        id = resource.disk.persistence.id
        if (role, id) in seen:
            return f"Persistence ID '{id}' is not unique"
        seen.add((role, id))
    return None


def _allocation_problem(messages: Messages) -> str | None:
    roles = list(dict.fromkeys(resource.allocation_info.role for resource in messages))
    if "" in roles:
        return "The resources are not allocated to a role"
    if len(roles) > 1:
        return (
            f"The resources have multiple allocation roles ('{roles[1]}' and '{roles[0]}')"
            " but only one allocation role is allowed"
        )
    return None


def _revocability_problem(messages: Messages) -> str | None:
    kinds: dict[str, set[bool]] = {}
    for resource in messages:
        kinds.setdefault(resource.name, set()).add(resource.HasField("revocable"))
    for name, found in kinds.items():
        if len(found) > 1:
            return f"Cannot use both revocable and non-revocable '{name}' at the same time"
    return None


def _overlaps(parts: Sequence[Resources]) -> bool:
    """Tell whether a port or set item is named twice: then the sum has fewer than the parts."""
    together = Resources.EMPTY
    for part in parts:
        together = together + part
    return _discrete_size(together) != sum(_discrete_size(part) for part in parts)


def _discrete_size(resources: Resources) -> int:
    size = 0
    for _, _, value in resources.entries():
        if isinstance(value, frozenset):
            size += len(value)
        elif isinstance(value, tuple):
            size += sum(end - begin + 1 for begin, end in value)
    return size
