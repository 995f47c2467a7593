"""Why tasks end when their container does.

Used by `executors`, which records a cause when it kills a container, and asks for the final word
when the container is gone.

Source: Mesos 1.11, reasons of executor termination.
"""

from __future__ import annotations

from dataclasses import dataclass
from signal import Signals

from minimesos.agent.containers import ContainerExited
from minimesos.proto.mesos.v1 import mesos_pb2

_Status = mesos_pb2.TaskStatus


@dataclass(frozen=True, slots=True)
class Cause:
    """What to say of each task of a container that is gone."""

    state: mesos_pb2.TaskState
    reason: mesos_pb2.TaskStatus.Reason
    message: str


def cause_of(exited: ContainerExited, own: Cause | None) -> Cause:
    """Return the containerizer's reason if it has one, else our own for killing, else the exit."""
    if exited.reason is not None:
        messages = (exited.message, own.message if own is not None else "")
        return Cause(mesos_pb2.TASK_FAILED, exited.reason, "; ".join(filter(None, messages)))
    if own is None:
        own = Cause(
            mesos_pb2.TASK_FAILED,
            _Status.REASON_EXECUTOR_TERMINATED,
            f"Executor terminated: {describe(exited.status)}",
        )
    return Cause(own.state, own.reason, "; ".join(filter(None, (own.message, exited.message))))


def describe(status: int | None) -> str:
    """Say in words what a wait(2) status means, None being that of what never ran."""
    if status is None:
        return "never ran"
    signal = status & 0x7F
    if not signal:
        return f"exited with status {status >> 8}"
    try:
        return f"terminated with signal {Signals(signal).name}"
    except ValueError:
        return f"terminated with signal {signal}"
