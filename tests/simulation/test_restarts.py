"""Masters and agents that crash and come back."""

from __future__ import annotations

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources
from minimesos.testing.builders import Capability
from minimesos.testing.cluster import SimCluster
from minimesos.testing.executors import finishes


def test_after_a_master_restart_agents_and_frameworks_return_and_tasks_have_gone_on():
    cluster = SimCluster(seed=1)
    framework = cluster.subscribe("spark", role="dev", failover_timeout=600)
    task = framework.launch_on("agent-1", behaviour=finishes(after_s=300))
    id, agent_id = framework.id, cluster.agent("agent-1").state.agent_id
    old_master = cluster.master.info.id

    cluster.crash("master")
    cluster.advance(5)
    cluster.restart("master")
    cluster.settle()

    assert cluster.master.info.id != old_master
    assert framework.id == id
    assert cluster.agent("agent-1").state.agent_id == agent_id
    assert cluster.master.allocated("dev").cpus == 1
    assert "TASK_LOST" not in framework.states(task)
    again = framework.launch_on("agent-1", cpus=3)  # exactly what is left
    assert framework.states(again)[-1] == "TASK_RUNNING"
    cluster.advance(300)
    assert framework.states(task)[-1] == "TASK_FINISHED"


def test_ids_are_never_given_twice_across_masters():
    cluster = SimCluster(seed=2)
    first = cluster.subscribe("first", failover_timeout=600)
    cluster.crash("master")
    cluster.restart("master")
    second = cluster.subscribe("second")
    assert first.id != second.id


@pytest.mark.parametrize("aware", [True, False])
def test_when_an_agent_crashes_its_tasks_are_lost_and_it_returns_empty(aware):
    cluster = SimCluster(seed=3)
    framework = cluster.subscribe(
        "spark",
        role="dev",
        checkpoint=True,
        capabilities=[Capability.PARTITION_AWARE] if aware else [],
    )
    task = framework.launch_on("agent-1")
    cluster.crash("agent-1")
    cluster.advance(90)
    state = "TASK_UNREACHABLE" if aware else "TASK_LOST"
    assert framework.states(task) == ["TASK_STAGING", "TASK_RUNNING", state]
    assert cluster.master.allocated("dev") == Resources.EMPTY
    assert len(framework.failures) == 1
    cluster.restart("agent-1")
    cluster.settle()
    assert framework.launch_on("agent-1", cpus=4)


def test_tasks_of_a_framework_that_does_not_checkpoint_are_lost_as_soon_as_the_agent_is():
    cluster = SimCluster(seed=4)
    framework = cluster.subscribe("spark", role="dev")
    task = framework.launch_on("agent-1")
    cluster.crash("agent-1")
    cluster.advance(1)
    status = framework.updates(task)[-1]
    assert status.state == mesos_pb2.TASK_LOST
    assert status.reason == mesos_pb2.TaskStatus.REASON_AGENT_DISCONNECTED


def test_an_agent_that_restarts_at_once_gets_a_new_id_and_the_old_tasks_are_lost():
    cluster = SimCluster(seed=5)
    framework = cluster.subscribe("spark", checkpoint=True)
    task = framework.launch_on("agent-1")
    agent_id = cluster.agent("agent-1").state.agent_id
    cluster.crash("agent-1")
    cluster.restart("agent-1")
    cluster.advance(10)
    assert cluster.agent("agent-1").state.agent_id != agent_id
    assert framework.states(task)[-1] == "TASK_LOST"
    cluster.settle()


def test_the_end_of_a_task_whose_framework_a_former_master_removed_keeps_nobody_from_rest():
    cluster = SimCluster(seed=98)
    framework = cluster.subscribe("spark", role="dev", failover_timeout=600, checkpoint=True)
    framework.launch_on("agent-1", behaviour=finishes(after_s=20))
    cluster.partition("agent-1")
    cluster.operator_teardown(framework)
    cluster.advance(60)
    assert framework.over

    cluster.crash("master")  # and with it the memory of what was removed
    cluster.restart("master")
    cluster.heal("agent-1")
    cluster.advance(200)  # the agent misses the pings and comes back, with an end to report
    (told,) = cluster.master.cluster.frameworks.values()
    assert [task.state for task in told.tasks.values()] == [mesos_pb2.TASK_FINISHED]
    cluster.settle()

    assert cluster.master.allocated("dev") == Resources.EMPTY
