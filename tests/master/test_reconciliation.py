"""What frameworks are told of tasks they ask about."""

from __future__ import annotations

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.testing import builders
from minimesos.testing.builders import Capability

AWARE = {"capabilities": [Capability.PARTITION_AWARE]}


def answers(framework, *asked):
    before = len(framework.updates())
    framework.call(builders.reconcile(*asked))
    found = framework.updates()[before:]
    for status in found:
        assert status.reason == mesos_pb2.TaskStatus.REASON_RECONCILIATION
        assert status.source == mesos_pb2.TaskStatus.SOURCE_MASTER
        assert not status.HasField("uuid")
    return {
        each.task_id.value: (mesos_pb2.TaskState.Name(each.state), each.message) for each in found
    }


@pytest.mark.parametrize("fields", [AWARE, {}])
def test_explicit_reconciliation_of_tasks_that_are_not_known(world, fields):
    lost = world.agent("lost")
    framework = world.framework(**fields)
    world.advance(76)
    here = world.agent("here")

    found = answers(framework, ("t1", here), ("t2", lost), ("t3", "nobody"), ("t4", ""))

    states = ["TASK_GONE", "TASK_UNREACHABLE", "TASK_UNKNOWN", "TASK_UNKNOWN"]
    if not fields:
        states = ["TASK_LOST"] * 4
    assert [found[id][0] for id in ("t1", "t2", "t3", "t4")] == states
    assert [found[id][1] for id in ("t1", "t2", "t3", "t4")] == [
        "Reconciliation: Task is unknown to the agent",
        "Reconciliation: Task is unreachable",
        "Reconciliation: Task is unknown",
        "Reconciliation: Task is unknown",
    ]


def test_a_known_task_is_answered_with_the_state_on_its_way_whatever_was_claimed(world):
    agent = world.agent()
    framework = world.framework()
    framework.launch(agent, builders.task_info("t1", agent))
    framework.update(
        "a1",
        "t1",
        mesos_pb2.TASK_RUNNING,
        latest=mesos_pb2.TASK_FINISHED,
        acknowledge=False,
        healthy=True,
    )
    assert answers(framework, ("t1", "elsewhere")) == {
        "t1": ("TASK_RUNNING", "Reconciliation: Latest task state")
    }
    assert framework.updates()[-1].healthy


def test_implicit_reconciliation_answers_all_that_is_held_and_nothing_else(world):
    agent = world.agent()
    framework = world.framework()
    tasks = [builders.task_info(f"t{number}", agent) for number in range(4)]
    framework.launch(agent, *tasks)
    framework.update("a1", "t1", mesos_pb2.TASK_RUNNING)
    framework.update("a1", "t2", mesos_pb2.TASK_FINISHED, acknowledge=False)
    framework.update("a1", "t3", mesos_pb2.TASK_FINISHED)
    assert {id: state for id, (state, _) in answers(framework).items()} == {
        "t0": "TASK_STAGING",
        "t1": "TASK_RUNNING",
        "t2": "TASK_FINISHED",
    }
