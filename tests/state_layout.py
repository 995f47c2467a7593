"""The layout of Mesos's `/state` and its kin, as data, and a check of JSON against it.

An object's keys ending in `?` may be absent; no other key may be there. Used by the tests of both
snapshots and of the endpoints on a real cluster.

Source: Mesos 1.11 documentation "HTTP Endpoints"; types as its web UI and its clients read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NUMBER = (int, float)


@dataclass(frozen=True)
class Each:
    """An object whose keys are names and whose values all have one layout."""

    layout: Any


@dataclass(frozen=True)
class Amounts:
    """A summary of resources: the four kinds as numbers, others as numbers or text."""


ANYTHING = object()
LABELS = [{"key": str, "value?": str}]
RESOURCE = {  # in the format of operator endpoints
    "name": str,
    "type": str,
    "role?": str,
    "scalar?": {"value": NUMBER},
    "ranges?": {"range": [{"begin": int, "end": int}]},
    "set?": {"item": [str]},
    "reservation?": ANYTHING,
    "reservations?": [{"type": str, "role": str, "principal?": str, "labels?": ANYTHING}],
    "allocation_info?": {"role": str},
    "disk?": ANYTHING,
    "revocable?": {},
    "shared?": {},
    "provider_id?": {"value": str},
}
BUILD = {
    "git_sha?": str,
    "git_branch?": str,
    "git_tag?": str,
    "build_date": str,
    "build_time": NUMBER,
    "build_user": str,
}
STATUS = {
    "state": str,
    "timestamp": NUMBER,
    "labels?": LABELS,
    "container_status?": ANYTHING,
    "healthy?": bool,
    # Not Mesos's: only its GET_TASKS tells them.
    "reason?": str,
    "message?": str,
}
TASK = {
    "id": str,
    "name": str,
    "framework_id": str,
    "executor_id": str,
    "slave_id": str,
    "role": str,
    "state": str,
    "resources": Amounts(),
    "limits?": Each(NUMBER),
    "statuses": [STATUS],
    "user?": str,
    "labels?": LABELS,
    "discovery?": ANYTHING,
    "container?": ANYTHING,
    "health_check?": ANYTHING,
}
OFFER = {
    "id": str,
    "framework_id": str,
    "slave_id": str,
    "allocation_info": {"role": str},
    "resources": Amounts(),
}
EXECUTOR = {
    "executor_id": str,
    "name": str,
    "framework_id": str,
    "slave_id": str,
    "command": {
        "shell?": bool,
        "value?": str,
        "argv": [str],
        "uris": [{"value": str, "executable": bool}],
    },
    "resources": Amounts(),
    "role?": str,
    "labels?": LABELS,
    "type?": str,
}
FRAMEWORK = {
    "id": str,
    "name": str,
    "user": str,
    "hostname": str,
    "webui_url": str,
    "pid?": str,
    "principal?": str,
    "role?": str,
    "roles?": [str],
    "active": bool,
    "connected": bool,
    "recovered": bool,
    "checkpoint": bool,
    "failover_timeout": NUMBER,
    "registered_time": NUMBER,
    "unregistered_time": NUMBER,
    "reregistered_time?": NUMBER,
    "used_resources": Amounts(),
    "offered_resources": Amounts(),
    "resources": Amounts(),
    "capabilities": [str],
    "tasks": [TASK],
    "unreachable_tasks": [TASK],
    "completed_tasks": [TASK],
    "offers": [OFFER],
    "executors": [EXECUTOR],
    "labels?": LABELS,
    "offer_constraints": ANYTHING,
}
AGENT = {
    "id": str,
    "hostname": str,
    "port": int,
    "attributes": Each((int, float, str)),
    "domain?": ANYTHING,
    "pid": str,
    "registered_time": NUMBER,
    "reregistered_time?": NUMBER,
    "resources": Amounts(),
    "used_resources": Amounts(),
    "offered_resources": Amounts(),
    "unreserved_resources": Amounts(),
    "reserved_resources": Each(Amounts()),
    "active": bool,
    "deactivated": bool,
    "version": str,
    "capabilities": [str],
    "drain_info?": ANYTHING,
    "estimated_drain_start_time_seconds?": NUMBER,
}
FULL = {
    "unreserved_resources_full": [RESOURCE],
    "used_resources_full": [RESOURCE],
    "offered_resources_full": [RESOURCE],
    "reserved_resources_full": Each([RESOURCE]),
}
MASTER_STATE = {
    "version": str,
    "start_time": NUMBER,
    "elected_time?": NUMBER,
    "id": str,
    "pid": str,
    "hostname": str,
    "capabilities": [str],
    "activated_slaves": NUMBER,
    "deactivated_slaves": NUMBER,
    "unreachable_slaves": NUMBER,
    "domain?": ANYTHING,
    "leader?": str,
    "leader_info?": {"id": str, "pid": str, "port": int, "hostname": str, "domain?": ANYTHING},
    "cluster?": str,
    "log_dir?": str,
    "external_log_file?": str,
    "flags": Each(str),
    "slaves": [AGENT],
    "recovered_slaves": [ANYTHING],
    "frameworks": [FRAMEWORK],
    "completed_frameworks": [FRAMEWORK],
    "orphan_tasks": [],
    "unregistered_frameworks": [],
}
SLAVES = {"slaves": [AGENT | FULL], "recovered_slaves": [ANYTHING]}
COUNTED = ("STAGING", "STARTING", "RUNNING", "KILLING", "FINISHED", "KILLED", "FAILED", "LOST",
           "ERROR", "UNREACHABLE")  # fmt: skip
COUNTS = {f"TASK_{name}": int for name in COUNTED}
SUMMARY = {
    "hostname": str,
    "cluster?": str,
    "slaves": [AGENT | COUNTS | {"framework_ids": [str]}],
    "frameworks": [
        {
            "id": str,
            "name": str,
            "pid?": str,
            "used_resources": Amounts(),
            "offered_resources": Amounts(),
            "capabilities": [str],
            "hostname": str,
            "webui_url": str,
            "active": bool,
            "connected": bool,
            "recovered": bool,
            "slave_ids": [str],
            **COUNTS,
        }
    ],
}
ROLES = {
    "roles": [
        {
            "name": str,
            "weight": NUMBER,
            "quota": {
                "role": str,
                "guarantee": Each(NUMBER),
                "limit": Each(NUMBER),
                "consumed": Each(NUMBER),
            },
            "resources": Each(NUMBER),
            "allocated": Each(NUMBER),
            "offered": Each(NUMBER),
            "reserved": Each(NUMBER),
            "frameworks": [str],
        }
    ]
}
VERSION = {"version": str, **BUILD}

AGENT_EXECUTOR = {
    "id": str,
    "name": str,
    "source": str,
    "container": str,
    "directory": str,
    "resources": Amounts(),
    "role?": str,
    "labels?": LABELS,
    "type?": str,
    "tasks": [TASK],
    "completed_tasks": [TASK],
    "queued_tasks": [
        {
            "id": str,
            "name": str,
            "slave_id": str,
            "resources": Amounts(),
            "role": str,
            "command?": ANYTHING,
            "executor_id?": str,
            "discovery?": ANYTHING,
        }
    ],
}
AGENT_FRAMEWORK = {
    "id": str,
    "name": str,
    "user": str,
    "hostname": str,
    "principal?": str,
    "role?": str,
    "roles?": [str],
    "failover_timeout": NUMBER,
    "checkpoint": bool,
    "executors": [AGENT_EXECUTOR],
    "completed_executors": [AGENT_EXECUTOR],
}
AGENT_STATE = {
    "version": str,
    "start_time": NUMBER,
    "id": str,
    "pid": str,
    "hostname": str,
    "capabilities": [str],
    "domain?": ANYTHING,
    "drain_config?": ANYTHING,
    "estimated_drain_start_time_seconds?": int,
    "resources": Amounts(),
    "unreserved_resources": Amounts(),
    "unreserved_resources_allocated": Amounts(),
    "reserved_resources": Each(Amounts()),
    "reserved_resources_allocated": Each(Amounts()),
    "reserved_resources_full": Each([RESOURCE]),
    "unreserved_resources_full": [RESOURCE],
    "resource_providers": [ANYTHING],
    "attributes": Each((int, float, str)),
    "master_hostname?": str,
    "log_dir?": str,
    "external_log_file?": str,
    "flags": Each(str),
    "frameworks": [AGENT_FRAMEWORK],
    "completed_frameworks": [AGENT_FRAMEWORK],
}


def problems(value: Any, layout: Any, where: str = "") -> Iterator[str]:
    """Yield what is wrong with a JSON value: a path into it and what was found there."""
    match layout:
        case dict():
            yield from _object_problems(value, layout, where)
        case list():
            if not isinstance(value, list):
                yield f"{where}: not an array: {value!r}"
            elif value and not layout:
                yield f"{where}: not empty: {value!r}"
            else:
                for index, item in enumerate(value):
                    yield from problems(item, layout[0], f"{where}[{index}]")
        case Each(inner):
            if not isinstance(value, dict):
                yield f"{where}: not an object: {value!r}"
            else:
                for name, member in value.items():
                    yield from problems(member, inner, f"{where}.{name}")
        case Amounts():
            numbers = dict.fromkeys(("cpus", "gpus", "mem", "disk"), NUMBER)
            others = dict.fromkeys(set(value) - set(numbers), (int, float, str))
            yield from problems(value, numbers | others, where)
        case type() | tuple():
            if not isinstance(value, layout) or (isinstance(value, bool) and layout is not bool):
                yield f"{where}: {value!r} is of a wrong type"


def _object_problems(value: Any, layout: dict[str, Any], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: not an object: {value!r}"
        return
    members = {name.removesuffix("?"): member for name, member in layout.items()}
    for name in sorted({name for name in layout if not name.endswith("?")} - set(value)):
        yield f"{where}.{name}: missing"
    for name in sorted(set(value) - set(members)):
        yield f"{where}.{name}: unknown"
    for name in set(value) & set(members):
        yield from problems(value[name], members[name], f"{where}.{name}")
