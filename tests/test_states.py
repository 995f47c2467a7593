"""Facts about task states."""

from __future__ import annotations

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.states import TERMINAL, is_terminal, releases_resources, state_for

PARTITION_AWARE = mesos_pb2.FrameworkInfo.Capability.PARTITION_AWARE


def test_every_state_is_known_to_be_terminal_or_not() -> None:
    not_terminal = {
        "TASK_STAGING",
        "TASK_STARTING",
        "TASK_RUNNING",
        "TASK_KILLING",
        "TASK_UNREACHABLE",
        "TASK_UNKNOWN",
    }
    assert {mesos_pb2.TaskState.Name(state) for state in TERMINAL} == (
        set(mesos_pb2.TaskState.keys()) - not_terminal
    )
    assert is_terminal(mesos_pb2.TASK_FINISHED)


def test_an_unreachable_task_is_not_terminal_but_uses_nothing() -> None:
    assert not is_terminal(mesos_pb2.TASK_UNREACHABLE)
    assert releases_resources(mesos_pb2.TASK_UNREACHABLE)
    assert releases_resources(mesos_pb2.TASK_LOST)
    assert not releases_resources(mesos_pb2.TASK_KILLING)


@pytest.mark.parametrize("name", ["DROPPED", "UNREACHABLE", "GONE", "GONE_BY_OPERATOR", "UNKNOWN"])
def test_frameworks_that_do_not_know_partitions_are_told_lost(name: str) -> None:
    state = mesos_pb2.TaskState.Value(f"TASK_{name}")
    assert state_for(state, []) == mesos_pb2.TASK_LOST
    assert state_for(state, [PARTITION_AWARE]) == state


def test_other_states_are_told_as_they_are() -> None:
    assert state_for(mesos_pb2.TASK_RUNNING, []) == mesos_pb2.TASK_RUNNING
