"""The operator API of the master."""

from __future__ import annotations

import pytest

from minimesos.master.operator import Operator, OperatorRefusal
from minimesos.proto.mesos.v1 import master_pb2, mesos_pb2
from minimesos.testing import builders

Call = master_pb2.Call


def ask(world, kind, **fields):
    answer, effects = Operator(world.master).operate(Call(type=kind, **fields), world.now)
    world._perform(effects)
    return answer


def test_every_answer_is_a_complete_message_of_its_own_type(world):
    agent = world.agent()
    framework = world.framework()
    framework.running("a1", agent, executor=builders.executor_info())
    for kind in Operator(world.master)._handlers:
        if kind != Call.TEARDOWN:
            answer = ask(world, kind)
            assert master_pb2.Response.Type.Name(answer.type) == Call.Type.Name(kind)
            assert answer.IsInitialized()
            assert answer.SerializeToString()


def test_state_is_the_four_lists_in_one(world):
    agent = world.agent()
    framework = world.framework()
    framework.running("a1", agent)
    state = ask(world, Call.GET_STATE).get_state
    assert state.get_tasks == ask(world, Call.GET_TASKS).get_tasks
    assert state.get_tasks.tasks[0].state == mesos_pb2.TASK_RUNNING
    assert state.get_agents.agents[0].agent_info.id.value == agent
    assert state.get_frameworks.frameworks[0].framework_info.id.value == framework.id
    assert not state.get_executors.executors


def test_an_operator_can_tear_a_framework_down(world):
    framework = world.framework(failover_timeout=60)
    world.disconnect(framework.peer)
    id = mesos_pb2.FrameworkID(value=framework.id)
    assert ask(world, Call.TEARDOWN, teardown=Call.Teardown(framework_id=id)) is None
    assert framework.id in world.master.cluster.completed_frameworks
    with pytest.raises(OperatorRefusal, match="No framework found") as refusal:
        ask(world, Call.TEARDOWN, teardown=Call.Teardown(framework_id=id))
    assert refusal.value.status == 400


def test_what_is_not_supported_says_so(world):
    with pytest.raises(OperatorRefusal, match="MARK_AGENT_GONE is not supported") as refusal:
        ask(world, Call.MARK_AGENT_GONE)
    assert refusal.value.status == 501
