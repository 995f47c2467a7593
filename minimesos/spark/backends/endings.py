"""How the end of an executor is judged: what is said of it, and who is to blame.

Used by `coarse` and `fine`. An executor's end may count against its agent, which gets no more of
them after a few, and against the Spark tasks that ran on it, which are tried a few times only.

Source: Spark's documentation "Running Spark on Mesos"; Mesos's "Task State Reasons". Spark blames
agents also for ends that nobody there could help; here those that Mesos explains are told apart.
"""

from __future__ import annotations

from typing import NamedTuple

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.states import TERMINAL

_STATUS = mesos_pb2.TaskStatus

ENDED = TERMINAL | {mesos_pb2.TASK_UNREACHABLE, mesos_pb2.TASK_UNKNOWN}
"""States of a Mesos task that is over for us: as Spark, we do not wait for an agent's return."""

_OWN_ENDS = {mesos_pb2.TASK_FINISHED, mesos_pb2.TASK_FAILED, mesos_pb2.TASK_KILLED}

_NO_FAULT_OF_THE_EXECUTOR = {
    _STATUS.REASON_AGENT_DISCONNECTED,
    _STATUS.REASON_AGENT_DRAINING,
    _STATUS.REASON_AGENT_REMOVED,
    _STATUS.REASON_AGENT_REMOVED_BY_OPERATOR,
    _STATUS.REASON_AGENT_REREGISTERED,
    _STATUS.REASON_AGENT_RESTARTED,
    _STATUS.REASON_AGENT_UNKNOWN,
    _STATUS.REASON_CONTAINER_PREEMPTED,
    _STATUS.REASON_FRAMEWORK_REMOVED,
    _STATUS.REASON_INVALID_OFFERS,
    _STATUS.REASON_MASTER_DISCONNECTED,
    _STATUS.REASON_RECONCILIATION,
}

_DUPLICATE = ("duplicate ID", "reuses the ID")
"""What a master says of a task whose id is taken."""


class Verdict(NamedTuple):
    """What is made of an end."""

    reason: str
    blames_agent: bool
    charges_tasks: bool


def judge(status: mesos_pb2.TaskStatus, has_attached: bool, was_killed: bool = False) -> Verdict:
    """Say why an executor has ended, and whether its agent and its tasks may be the cause.

    It had connected to the driver if `has_attached`, and the driver did not need it any more if it
    `was_killed`.
    """
    state = status.state if status.state in _OWN_ENDS else mesos_pb2.TASK_LOST
    name = mesos_pb2.TaskState.Name(state).removeprefix("TASK_")
    reason = f"Executor finished with state {name}"
    if status.message:
        reason += f": {status.message}"
    is_innocent = (
        was_killed
        or state == mesos_pb2.TASK_KILLED
        or is_duplicate(status)
        or status.reason in _NO_FAULT_OF_THE_EXECUTOR
    )
    # Tasks that need too much memory do so anywhere, and are charged with the loss themselves.
    is_greed = has_attached and status.reason == _STATUS.REASON_CONTAINER_LIMITATION_MEMORY
    has_failed = state != mesos_pb2.TASK_FINISHED
    return Verdict(reason, has_failed and not (is_innocent or is_greed), not is_innocent)


def is_duplicate(status: mesos_pb2.TaskStatus) -> bool:
    """Whether a launch was refused because another task has the id."""
    return status.state == mesos_pb2.TASK_ERROR and any(
        words in status.message for words in _DUPLICATE
    )
