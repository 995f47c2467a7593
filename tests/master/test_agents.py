"""How agents register, are lost, and what their frameworks are told."""

from __future__ import annotations

import pytest

from minimesos.actor import Received
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources
from minimesos.testing import builders
from minimesos.testing.builders import Capability

Event = scheduler_pb2.Event
Reason = mesos_pb2.TaskStatus


def told(world, peer, kind):
    return [message for message in world.take(peer) if isinstance(message, kind)]


def test_agents_get_ids_in_the_order_they_register(world):
    assert [world.agent("a1"), world.agent("a2")] == ["master-S0", "master-S1"]


def test_registration_says_how_long_the_agent_may_be_silent_and_pings_begin(world):
    world.give(Received("agent/1", builders.register(builders.agent_info())))
    registered, ping = world.take("agent/1")
    assert registered.total_ping_timeout_s == 75
    assert registered.master_info.id == "master"
    assert ping.connected


def test_a_repeated_registration_is_acknowledged_and_not_a_second_agent(world):
    agent = world.agent("a1")
    assert world.agent("a1") == agent
    assert list(world.master.cluster.agents) == [agent]


def test_an_agent_that_lost_its_memory_replaces_itself(world):
    agent = world.agent("a1")
    framework = world.framework(capabilities=[Capability.PARTITION_AWARE])
    framework.running("a1", agent)
    world.disconnect("agent/a1")
    world.give(Received("agent/new", builders.register(builders.agent_info("a1"))))
    assert list(world.master.cluster.agents) == ["master-S1"]
    assert framework.states("t1")[-1] == "TASK_LOST"


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (builders.agent_info(hostname=""), "An agent must have a hostname"),
        (
            mesos_pb2.AgentInfo(
                hostname="h",
                resources=[mesos_pb2.Resource(name="cpus", type=mesos_pb2.Value.TEXT)],
            ),
            "Invalid resources: resource 'cpus' is TEXT",
        ),
        (
            mesos_pb2.AgentInfo(
                hostname="h",
                resources=[
                    mesos_pb2.Resource(
                        name="cpus",
                        type=mesos_pb2.Value.SCALAR,
                        scalar={"value": 1},
                        allocation_info={"role": "dev"},
                    )
                ],
            ),
            "An agent's resources are not allocated yet, but it has cpus(allocated: dev):1",
        ),
    ],
)
def test_an_invalid_agent_is_refused_and_told_why(world, info, message):
    world.give(Received("agent/1", builders.register(info)))
    (refused,) = world.take("agent/1")
    assert isinstance(refused, cluster_pb2.RegistrationRefused)
    assert refused.message.startswith(message)
    assert world.closed == ["agent/1"]


@pytest.mark.parametrize(
    ("brought", "message"),
    [
        (
            {"frameworks": [builders.framework_info("f1", "*")]},
            "Invalid framework: ID must not be empty",
        ),
        (
            {
                "tasks": [
                    mesos_pb2.Task(
                        name="t",
                        task_id={"value": "t1"},
                        framework_id={"value": "f1"},
                        agent_id={"value": "another"},
                        state=mesos_pb2.TASK_RUNNING,
                    )
                ]
            },
            "Task t1 is on agent another",
        ),
        (
            {
                "tasks": [
                    mesos_pb2.Task(
                        name="t",
                        task_id={"value": "t1"},
                        framework_id={"value": "f1"},
                        agent_id={"value": "@agent"},
                        state=mesos_pb2.TASK_FINISHED,  # its resources count no more
                        resources=[mesos_pb2.Resource(name="", type=mesos_pb2.Value.SCALAR)],
                    )
                ]
            },
            "Invalid resources: a resource has no name",
        ),
    ],
)
def test_an_agent_that_returns_with_what_cannot_be_its_own_is_refused(world, brought, message):
    info = builders.agent_info("a1")
    info.id.value = world.agent()
    back = cluster_pb2.ReregisterAgent(agent_info=info, **brought)
    for task in back.tasks:
        if task.agent_id.value == "@agent":
            task.agent_id.CopyFrom(info.id)
    world.give(Received("agent/again", back))
    assert world.take("agent/again") == [cluster_pb2.RegistrationRefused(message=message)]


def test_an_agent_that_answers_pings_stays(world):
    world.agent("a1")
    world.advance(300, answer_pings=("agent/a1",))
    assert world.master.cluster.agents


@pytest.mark.parametrize("aware", [True, False])
def test_an_agent_that_misses_five_pings_is_unreachable_and_its_tasks_with_it(world, aware):
    agent = world.agent("a1")
    framework = world.framework(
        "f1", "dev", capabilities=[Capability.PARTITION_AWARE] if aware else []
    )
    framework.running("a1", agent)
    world.advance(74)
    assert framework.states("t1") == ["TASK_RUNNING"]
    world.advance(1)
    status = framework.updates("t1")[-1]
    assert status.state == (mesos_pb2.TASK_UNREACHABLE if aware else mesos_pb2.TASK_LOST)
    assert status.reason == Reason.REASON_AGENT_REMOVED
    assert status.message == "Agent a1 is unreachable: health check timed out"
    assert status.unreachable_time.nanoseconds == int(world.now * 1e9)
    assert not status.HasField("uuid")
    record = world.master.cluster.frameworks[framework.id]
    assert list(record.unreachable_tasks) == ["t1"]
    assert not record.tasks
    assert world.master.allocated("dev") == Resources.EMPTY
    kinds = [event.type for event in framework.seen]
    assert framework.seen[-1].failure.agent_id.value == agent
    assert kinds.index(Event.FAILURE) > kinds.index(Event.UPDATE)


def test_offers_of_a_lost_agent_are_rescinded(world):
    agent = world.agent("a1")
    framework = world.framework()
    offer = framework.offer_of(agent)
    world.advance(76)
    assert [event.rescind.offer_id for event in framework.events(Event.RESCIND)] == [offer.id]


def test_a_terminal_task_on_a_lost_agent_stays_terminal(world):
    agent = world.agent("a1")
    framework = world.framework()
    framework.running("a1", agent)
    framework.update("a1", "t1", mesos_pb2.TASK_FINISHED, acknowledge=False)
    world.advance(76)
    assert framework.states("t1") == ["TASK_RUNNING", "TASK_FINISHED"]
    record = world.master.cluster.frameworks[framework.id]
    assert record.unreachable_tasks["t1"].state == mesos_pb2.TASK_FINISHED


def test_what_a_lost_agent_still_says_is_dropped_and_it_is_told_to_register_again(world):
    agent = world.agent("a1")
    framework = world.framework()
    framework.running("a1", agent)
    world.advance(76)
    world.take("agent/a1")
    status = builders.task_status("t1", mesos_pb2.TASK_FINISHED, agent_id=agent)
    world.give(Received("agent/a1", builders.status_update(framework.id, status)))
    (ping,) = world.take("agent/a1")
    assert not ping.connected
    assert framework.states("t1")[-1] == "TASK_LOST"


def test_when_an_agent_disconnects_only_tasks_of_checkpointing_frameworks_are_kept(world):
    agent = world.agent("a1")
    kept = world.framework("kept", "dev", checkpoint=True)
    kept.launch(agent, builders.task_info("t1", agent), refuse_seconds=60)
    dropped = world.framework("dropped", "prod", capabilities=[Capability.PARTITION_AWARE])
    world.advance(2)
    executor = builders.executor_info()
    dropped.launch(agent, builders.task_info("t2", agent, executor=executor))
    world.disconnect("agent/a1")
    assert not kept.updates()
    (status,) = dropped.updates()
    assert status.state == mesos_pb2.TASK_LOST
    assert status.reason == Reason.REASON_AGENT_DISCONNECTED
    assert status.message == "Agent a1 disconnected"
    assert world.master.allocated("prod") == Resources.EMPTY
    assert world.master.allocated("dev").cpus == 1


def test_a_disconnected_agent_is_not_offered(world):
    agent = world.agent("a1")
    framework = world.framework()
    offer = framework.offer_of(agent)
    world.disconnect("agent/a1")
    assert [event.rescind.offer_id for event in framework.events(Event.RESCIND)] == [offer.id]
    world.advance(20)
    framework.poll()
    assert not framework.offers


def test_an_agent_that_says_goodbye_is_removed_and_its_tasks_are_lost_for_good(world):
    agent = world.agent("a1")
    framework = world.framework(
        "f1", "dev", checkpoint=True, capabilities=[Capability.PARTITION_AWARE]
    )
    framework.running("a1", agent)
    goodbye = cluster_pb2.UnregisterAgent(agent_id=mesos_pb2.AgentID(value=agent))
    world.give(Received("agent/a1", goodbye))
    status = framework.updates("t1")[-1]
    assert status.state == mesos_pb2.TASK_LOST
    assert status.message == "Agent a1 removed: the agent unregistered"
    assert not world.master.cluster.agents
    assert not world.master.cluster.unreachable_agents
    record = world.master.cluster.frameworks[framework.id]
    assert [task.id for task in record.completed_tasks] == ["t1"]


def test_unreachable_tasks_are_bounded(make_world):
    world = make_world(max_unreachable_tasks_per_framework=2)
    agent = world.agent("a1")
    framework = world.framework()
    tasks = [builders.task_info(f"t{number}", agent, cpus=1) for number in range(4)]
    framework.launch(agent, *tasks)
    world.advance(76)
    record = world.master.cluster.frameworks[framework.id]
    assert list(record.unreachable_tasks) == ["t2", "t3"]
