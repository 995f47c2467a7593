"""Facts about task states that master, agent, drivers and consoles must agree on.

Source: Mesos 1.11 `mesos.proto` and documentation "Task State Reasons", "Partition-Aware".
"""

from __future__ import annotations

from collections.abc import Collection

from minimesos.proto.mesos.v1 import mesos_pb2

TaskState = mesos_pb2.TaskState

TERMINAL: frozenset[TaskState] = frozenset(
    {
        mesos_pb2.TASK_FINISHED,
        mesos_pb2.TASK_FAILED,
        mesos_pb2.TASK_KILLED,
        mesos_pb2.TASK_ERROR,
        mesos_pb2.TASK_LOST,
        mesos_pb2.TASK_DROPPED,
        mesos_pb2.TASK_GONE,
        mesos_pb2.TASK_GONE_BY_OPERATOR,
    }
)
"""A task in one of these never changes again."""

PARTITION_AWARE_ONLY: frozenset[TaskState] = frozenset(
    {
        mesos_pb2.TASK_DROPPED,
        mesos_pb2.TASK_UNREACHABLE,
        mesos_pb2.TASK_GONE,
        mesos_pb2.TASK_GONE_BY_OPERATOR,
        mesos_pb2.TASK_UNKNOWN,
    }
)
"""States that a framework without the capability PARTITION_AWARE is told of as TASK_LOST."""

NEVER_FROM_EXECUTOR: frozenset[TaskState] = PARTITION_AWARE_ONLY | {mesos_pb2.TASK_STAGING}
"""States that only a master or an agent may give a task."""


def is_terminal(state: TaskState) -> bool:
    """Tell whether a task in this state never changes again."""
    return state in TERMINAL


def releases_resources(state: TaskState) -> bool:
    """Tell whether a task in this state no longer counts as using its agent."""
    return state in TERMINAL or state == mesos_pb2.TASK_UNREACHABLE


def state_for(
    state: TaskState, capabilities: Collection[mesos_pb2.FrameworkInfo.Capability.Type]
) -> TaskState:
    """Return the state as a framework with these capabilities is told of it."""
    aware = mesos_pb2.FrameworkInfo.Capability.PARTITION_AWARE in capabilities
    if state in PARTITION_AWARE_ONLY and not aware:
        return mesos_pb2.TASK_LOST
    return state
