"""The parts of `/state` that a master and an agent write alike: statuses, labels, whole messages.

Used by the two snapshots. Whoever can reach the port may read it, so environments and secrets never
get in.

Source: Mesos 1.11 documentation "HTTP Endpoints", `/state`. `reason` and `message` of a status are
our addition: Mesos tells them only in `GET_TASKS`, but they are what people look for first.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from minimesos.http import json_codec
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resource_metadata import ReservationFormat
from minimesos.resources import Resources

Json = dict[str, Any]

MESSAGE_CHARS_MAX = 2000
"""Of a status: a failed task may bring a traceback, and there may be thousands of them."""

_SECRETS = frozenset({"environment", "secret"})


def message_json(message: Message) -> Json:
    """Return any message as JSON, without what may be secret."""
    found: Json = _pruned(json_codec.to_json(message))
    return found


def _pruned(value: Any) -> Any:
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _pruned(member)
        for name, member in value.items()
        # A discovery's `environment` is a plain word.
        if not (name in _SECRETS and isinstance(member, dict))
    }


def labels_json(holder: Any) -> Json:
    """Return the member `labels` of a message that may have some; nothing if it has none."""
    if not holder.HasField("labels"):
        return {}
    return {"labels": [json_codec.to_json(label) for label in holder.labels.labels]}


def status_json(status: mesos_pb2.TaskStatus) -> Json:
    """Return an entry of a task's `statuses`."""
    entry: Json = {
        "state": mesos_pb2.TaskState.Name(status.state),
        "timestamp": status.timestamp,
        **labels_json(status),
    }
    if status.HasField("container_status"):
        entry["container_status"] = message_json(status.container_status)
    if status.HasField("healthy"):
        entry["healthy"] = status.healthy
    if status.HasField("reason"):
        entry["reason"] = mesos_pb2.TaskStatus.Reason.Name(status.reason)
    if status.message:
        entry["message"] = _shortened(status.message)
    return entry


def _shortened(text: str) -> str:
    return text if len(text) <= MESSAGE_CHARS_MAX else f"{text[: MESSAGE_CHARS_MAX - 1]}…"


def full_json(resources: Resources) -> list[Json]:
    """Return resources one by one, as `/reserve` and its kin expect them back."""
    return [json_codec.to_json(each) for each in resources.to_proto(ReservationFormat.ENDPOINT)]


def by_role(resources: Resources) -> dict[str, Json]:
    """Return the summary of what is reserved to each role."""
    return {role: part.to_json() for role, part in resources.reservations().items()}


def full_by_role(resources: Resources) -> dict[str, list[Json]]:
    """Return what is reserved to each role, one by one."""
    return {role: full_json(part) for role, part in resources.reservations().items()}
