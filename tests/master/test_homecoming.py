"""Agents that come back: after a broken stream, a partition, or a master that started anew."""

from __future__ import annotations

import pytest

from minimesos.actor import Received
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources
from minimesos.testing import builders
from minimesos.testing.builders import Call, Capability


def told(world, peer, kind):
    return [message for message in world.take(peer) if isinstance(message, kind)]


def task(framework, agent_id, task_id="t1", state=mesos_pb2.TASK_RUNNING, role="*", **fields):
    """Return a task as a returning agent reports it."""
    return mesos_pb2.Task(
        name=task_id,
        task_id=mesos_pb2.TaskID(value=task_id),
        framework_id=mesos_pb2.FrameworkID(value=framework),
        agent_id=mesos_pb2.AgentID(value=agent_id),
        state=state,
        resources=Resources.of(cpus=1, mem=64, allocated=role).to_proto(),
        **fields,
    )


def come_back(world, agent_id, peer="agent/back", host="a1", **report):
    info = builders.agent_info(host, id=agent_id)
    world.give(Received(peer, builders.reregister(info, **report)))


def with_id(framework):
    info = mesos_pb2.FrameworkInfo()
    info.CopyFrom(framework.info)
    info.id.value = framework.id
    return info


@pytest.mark.parametrize("aware", [True, False])
def test_an_unreachable_agent_returns_with_its_id_and_its_tasks(world, aware):
    agent = world.agent("a1")
    framework = world.framework(
        "f1", "dev", capabilities=[Capability.PARTITION_AWARE] if aware else []
    )
    framework.running("a1", agent)
    world.advance(76)
    report = task(framework.id, agent, role="dev")
    come_back(world, agent, tasks=[report], frameworks=[with_id(framework)])
    status = framework.updates("t1")[-1]
    assert status.state == mesos_pb2.TASK_RUNNING
    assert status.reason == mesos_pb2.TaskStatus.REASON_AGENT_REREGISTERED
    record = world.master.cluster.frameworks[framework.id]
    assert record.tasks["t1"].state == mesos_pb2.TASK_RUNNING
    assert not record.unreachable_tasks
    assert not world.master.cluster.unreachable_agents
    assert world.master.allocated("dev").cpus == 1
    offered = Resources.from_proto(framework.offer_of(agent).resources)
    assert offered == Resources.parse("cpus:3;mem:960")


def test_after_a_master_restart_agents_bring_their_tasks_and_frameworks_back(world):
    """The framework is known, inactive, until it subscribes with its old id."""
    info = builders.framework_info("spark", "dev", id="old-0000", failover_timeout=60)
    come_back(world, "old-S0", tasks=[task("old-0000", "old-S0", role="dev")], frameworks=[info])
    record = world.master.cluster.frameworks["old-0000"]
    assert record.recovered
    assert not record.connected
    assert world.master.allocated("dev").cpus == 1

    framework = world.framework("spark", "dev", id="old-0000", failover_timeout=60)

    assert framework.id == "old-0000"
    assert not world.master.cluster.frameworks["old-0000"].recovered
    offered = Resources.from_proto(framework.offer_of("old-S0").resources)
    assert offered == Resources.parse("cpus:3;mem:960")
    framework.call(builders.kill("t1"))
    assert told(world, "agent/back", cluster_pb2.KillTask)


def test_a_recovered_framework_is_told_nothing_and_a_present_one_is(world):
    framework = world.framework("spark", "dev", id="old-0000", failover_timeout=60)
    come_back(
        world,
        "old-S0",
        tasks=[task("old-0000", "old-S0", role="dev")],
        frameworks=[with_id(framework)],
    )
    assert framework.states("t1") == ["TASK_RUNNING"]


def test_tasks_of_a_framework_completed_meanwhile_are_shut_down(world):
    agent = world.agent("a1")
    framework = world.framework()
    framework.running("a1", agent)
    world.advance(76)
    framework.call(Call(type=Call.TEARDOWN))
    come_back(world, agent, tasks=[task(framework.id, agent)], frameworks=[with_id(framework)])
    (shutdown,) = told(world, "agent/back", cluster_pb2.ShutdownFramework)
    assert shutdown.framework_id.value == framework.id
    assert not world.master.cluster.agents[agent].tasks


def test_a_spurious_reregistration_changes_nothing(world):
    agent = world.agent("a1")
    framework = world.framework("f1", "dev")
    framework.running("a1", agent)
    world.take("agent/a1")
    updates = framework.updates()
    come_back(
        world,
        agent,
        peer="agent/a1",
        tasks=[task(framework.id, agent, role="dev")],
        frameworks=[with_id(framework)],
    )
    registered, ping = world.take("agent/a1")
    assert isinstance(registered, cluster_pb2.AgentReregistered)
    assert not registered.reconcile
    assert ping.connected
    assert framework.updates() == updates
    assert world.master.allocated("dev").cpus == 1


def test_tasks_that_never_reached_the_agent_are_handed_to_it_to_answer_for(world):
    agent = world.agent("a1")
    framework = world.framework(
        "f1", "dev", checkpoint=True, capabilities=[Capability.PARTITION_AWARE]
    )
    executor = builders.executor_info("e1")
    framework.launch(agent, builders.task_info("t1", agent, executor=executor))
    world.disconnect("agent/a1")
    come_back(world, agent)
    (registered,) = told(world, "agent/back", cluster_pb2.AgentReregistered)
    (named,) = registered.reconcile
    assert (named.task_id.value, named.framework_id.value) == ("t1", framework.id)
    assert named.partition_aware
    # The task stays charged until the agent answers; its executor is gone.
    assert world.master.allocated("dev") == Resources.of(cpus=1, mem=64)


def test_a_kill_that_was_missed_is_sent_again(world):
    agent = world.agent("a1")
    framework = world.framework(checkpoint=True)
    framework.running("a1", agent)
    world.disconnect("agent/a1")
    framework.call(builders.kill("t1"))
    come_back(world, agent, tasks=[task(framework.id, agent)], frameworks=[with_id(framework)])
    (kill,) = told(world, "agent/back", cluster_pb2.KillTask)
    assert kill.task_id.value == "t1"


def test_a_task_that_was_called_lost_when_the_stream_broke_is_killed(world):
    agent = world.agent("a1")
    framework = world.framework("f1", "dev")  # does not checkpoint
    framework.running("a1", agent)
    world.disconnect("agent/a1")
    assert framework.states("t1")[-1] == "TASK_LOST"
    come_back(
        world,
        agent,
        tasks=[task(framework.id, agent, role="dev")],
        frameworks=[with_id(framework)],
    )
    (kill,) = told(world, "agent/back", cluster_pb2.KillTask)
    assert kill.task_id.value == "t1"
    # It uses its resources until it is dead.
    assert world.master.allocated("dev").cpus == 1
    offered = Resources.from_proto(_later_offer(world, framework, agent).resources)
    assert offered == Resources.parse("cpus:3;mem:960")


def test_a_task_that_was_launched_again_elsewhere_is_killed_where_it_was(make_world):
    world = make_world(max_unreachable_tasks_per_framework=0)  # so that its id is forgotten
    first = world.agent("a1")
    framework = world.framework("f1", "dev")
    framework.running("a1", first)
    world.advance(76)
    second = world.agent("a2")
    framework.running("a2", second, "t1")
    come_back(
        world,
        first,
        tasks=[task(framework.id, first, role="dev")],
        frameworks=[with_id(framework)],
    )
    (kill,) = told(world, "agent/back", cluster_pb2.KillTask)
    assert kill.task_id.value == "t1"
    assert world.master.cluster.frameworks[framework.id].tasks["t1"].agent_id == second


def test_the_same_agent_on_a_new_stream_closes_the_old_one(world):
    agent = world.agent("a1")
    come_back(world, agent)
    assert world.closed == ["agent/a1"]
    world.disconnect("agent/a1")
    assert world.master.cluster.agents[agent].connected


def test_an_agent_cannot_come_back_as_another_host(world):
    agent = world.agent("a1")
    come_back(world, agent, host="elsewhere")
    (message,) = world.take("agent/back")
    assert isinstance(message, cluster_pb2.ShutdownAgent)
    assert world.master.cluster.agents[agent].peer == "agent/a1"


def test_an_agent_cannot_run_more_than_it_has(world):
    tasks = [task("f", "old-S0", f"t{number}") for number in range(5)]
    come_back(world, "old-S0", tasks=tasks, frameworks=[builders.framework_info(id="f")])
    (refused,) = world.take("agent/back")
    assert isinstance(refused, cluster_pb2.RegistrationRefused)
    assert "uses cpus:5" in refused.message


def test_an_agent_that_stays_away_is_unreachable_after_seventy_five_seconds(world):
    agent = world.agent("a1")
    framework = world.framework(checkpoint=True)
    framework.running("a1", agent)
    world.disconnect("agent/a1")
    world.advance(76)
    assert agent in world.master.cluster.unreachable_agents
    assert framework.states("t1")[-1] == "TASK_LOST"


def test_a_framework_changed_meanwhile_is_described_to_the_agent(world):
    agent = world.agent("a1")
    framework = world.framework("old", failover_timeout=60, checkpoint=True)
    framework.running("a1", agent)
    world.disconnect("agent/a1")
    world.framework(
        "new", id=framework.id, failover_timeout=60, checkpoint=True, peer="scheduler/2"
    )
    come_back(world, agent, tasks=[task(framework.id, agent)], frameworks=[with_id(framework)])
    (update,) = told(world, "agent/back", cluster_pb2.UpdateFramework)
    assert update.framework_info.name == "new"


def _later_offer(world, framework, agent):
    for _ in range(10):
        world.advance(1)
        framework.poll()
        if framework.offers:
            break
    return framework.offer_of(agent)
