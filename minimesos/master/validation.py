"""What the master checks of calls and framework descriptions before it acts on them.

Every function says what is wrong in Mesos's words, or returns None. Tasks and executors have their
own module, `task_validation`.

Source: Mesos 1.11 `master/validation.cpp`, and the table of errors of the scheduler HTTP API.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message

from minimesos.allocator.allocator import Alternatives
from minimesos.errors import InvalidValue
from minimesos.ids import id_problem, role_problem
from minimesos.master.state import Capability, roles_of
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.values import thousandths

Call = scheduler_pb2.Call

FAILOVER_TIMEOUT_MAX_S = 2**63 / 1e9
"""Mesos holds durations as 64 signed bits of nanoseconds."""
UUID_BYTES = 16

_WITHOUT_PAYLOAD = frozenset({Call.UNKNOWN, Call.TEARDOWN, Call.REVIVE, Call.SUPPRESS})


def call_problem(call: Call) -> str | None:
    """Say why a call is malformed, whoever sends it."""
    if not call.IsInitialized():
        return "Not initialized: a required field is missing"
    if not call.HasField("type"):
        return "Expecting 'type' to be present"
    field = Call.Type.Name(call.type).lower()
    if call.type not in _WITHOUT_PAYLOAD and not call.HasField(field):
        return f"Expecting '{field}' to be present"
    if call.type == Call.SUBSCRIBE:
        if call.subscribe.framework_info.id.value != call.framework_id.value:
            return "'framework_id' differs from 'subscribe.framework_info.id'"
        return None
    if not call.HasField("framework_id"):
        return "Expecting 'framework_id' to be present"
    if (
        call.type == Call.UPDATE_FRAMEWORK
        and call.update_framework.framework_info.id.value != call.framework_id.value
    ):
        return "'framework_id' differs from 'update_framework.framework_info.id'"
    if call.type == Call.ACKNOWLEDGE and len(call.acknowledge.uuid) != UUID_BYTES:
        return f"Not a valid UUID: {len(call.acknowledge.uuid)} bytes, {UUID_BYTES} expected"
    return None


def message_problem(message: Message) -> str | None:
    """Say why a message of an agent is malformed: each message in it must be there, and whole."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type and not field.is_repeated and not message.HasField(field.name):
            return f"Expecting '{field.name}' to be present"
    return None if message.IsInitialized() else "Not initialized: a required field is missing"


def framework_problem(
    info: mesos_pb2.FrameworkInfo,
    suppressed_roles: Iterable[str],
    constraints: scheduler_pb2.OfferConstraints,
) -> str | None:
    """Say why a framework cannot be as it describes itself."""
    problem = _roles_problem(info)
    if problem is not None:
        return problem
    if info.id.value:
        problem = id_problem(info.id.value)
        if problem is not None:
            return problem
    if not 0 <= info.failover_timeout < FAILOVER_TIMEOUT_MAX_S:
        return f"The framework failover_timeout ({info.failover_timeout:g}) is invalid"
    try:
        minimum_offers(info)
    except InvalidValue as error:
        return f"Invalid 'offer_filters': {error}"
    roles = set(roles_of(info))
    unknown = sorted(set(suppressed_roles) - roles)
    if unknown:
        return f"Suppressed roles {_set(unknown)} are not contained in the set of roles"
    for role in constraints.role_constraints:
        if role not in roles:
            return (
                f"Offer constraints specify `role_constraints` for a role '{role}'"
                " not contained in the set of roles"
            )
    return None


def _roles_problem(info: mesos_pb2.FrameworkInfo) -> str | None:
    multi_role = any(capability.type == Capability.MULTI_ROLE for capability in info.capabilities)
    if not multi_role:
        if info.roles:
            return (
                "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
            )
        problem = role_problem(info.role)
        return f"'FrameworkInfo.role' is not a valid role: {problem}" if problem else None
    if info.HasField("role"):
        return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
    duplicates = sorted({role for role in info.roles if list(info.roles).count(role) > 1})
    if duplicates:
        return f"'FrameworkInfo.roles' contains duplicate items: {_set(duplicates)}"
    for role in info.roles:
        problem = role_problem(role)
        if problem:
            return f"'FrameworkInfo.roles' contains invalid role: {problem}"
    return None


def minimum_offers(info: mesos_pb2.FrameworkInfo) -> dict[str, Alternatives]:
    """Return what an offer must hold at the least, by role, where the framework says so.

    Raises InvalidValue for amounts that are no amounts.
    """
    minimums: dict[str, Alternatives] = {}
    for role, offer_filters in info.offer_filters.items():
        if offer_filters.HasField("min_allocatable_resources"):
            minimums[role] = tuple(
                {name: thousandths(scalar.value) for name, scalar in least.quantities.items()}
                for least in offer_filters.min_allocatable_resources.quantities
            )
    return minimums


def policy_problem(
    info: mesos_pb2.FrameworkInfo, roles: frozenset[str] | None, root_submissions: bool
) -> str | None:
    """Say why this master does not want such a framework. `roles` None: any role will do."""
    if roles is not None:
        unknown = sorted(set(roles_of(info)) - roles)
        if unknown:
            return f"Roles {_set(unknown)} are not present in the master's --roles"
    if not root_submissions and info.user == "root":
        return "User 'root' is not allowed to run frameworks without --root_submissions set"
    return None


def update_problem(old: mesos_pb2.FrameworkInfo, new: mesos_pb2.FrameworkInfo) -> str | None:
    """Say why a framework's description cannot be replaced by UPDATE_FRAMEWORK."""
    problem = principal_problem(old, new)
    if problem is not None:
        return problem
    if new.user != old.user:
        return (
            "Updating 'FrameworkInfo.user' is unsupported; attempted to update"
            f" from '{old.user}' to '{new.user}'"
        )
    if new.checkpoint != old.checkpoint:
        return (
            "Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update"
            f" from '{str(old.checkpoint).lower()}' to '{str(new.checkpoint).lower()}'"
        )
    return None


def principal_problem(old: mesos_pb2.FrameworkInfo, new: mesos_pb2.FrameworkInfo) -> str | None:
    """Say so if a framework comes back as somebody else."""
    # An unset principal and an empty one are the same only to protobuf's getter.
    if (old.HasField("principal"), old.principal) != (new.HasField("principal"), new.principal):
        return "Changing framework's principal is not allowed."
    return None


def with_immutable_fields_of(
    old: mesos_pb2.FrameworkInfo, new: mesos_pb2.FrameworkInfo
) -> mesos_pb2.FrameworkInfo:
    """Return the new description with what cannot change as it was."""
    merged = mesos_pb2.FrameworkInfo()
    merged.CopyFrom(new)
    merged.user = old.user
    merged.checkpoint = old.checkpoint
    return merged


def _set(names: Iterable[str]) -> str:
    return "{ " + ", ".join(names) + " }"
