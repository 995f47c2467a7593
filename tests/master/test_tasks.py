"""Status updates, acknowledgements, kills and the history of tasks."""

from __future__ import annotations

from minimesos.actor import Received
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources
from minimesos.testing import builders

UUID = builders.UUID


def told(world, peer, kind):
    return [message for message in world.take(peer) if isinstance(message, kind)]


def test_an_update_is_forwarded_as_it_is_and_its_acknowledgement_relayed(world):
    agent = world.agent()
    framework = world.framework()
    framework.launch(agent, builders.task_info("t1", agent))
    sent = framework.update("a1", "t1", mesos_pb2.TASK_RUNNING, data=b"secret")
    assert framework.updates() == [sent]
    (ack,) = told(world, "agent/a1", cluster_pb2.StatusUpdateAcknowledgement)
    assert (ack.task_id.value, ack.uuid, ack.framework_id.value) == (
        "t1", sent.uuid, framework.id,
    )  # fmt: skip
    record = world.master.cluster.frameworks[framework.id].tasks["t1"]
    assert record.state == mesos_pb2.TASK_RUNNING
    assert not record.statuses[-1].HasField("data")


def test_a_terminal_task_frees_its_resources_at_once_and_goes_when_acknowledged(world):
    agent = world.agent()
    framework = world.framework("f1", "dev")
    framework.running("a1", agent)
    finished = framework.update("a1", "t1", mesos_pb2.TASK_FINISHED, acknowledge=False)
    assert world.master.allocated("dev") == Resources.EMPTY
    record = world.master.cluster.frameworks[framework.id]
    assert "t1" in record.tasks
    framework.call(builders.acknowledge(finished))
    assert "t1" not in record.tasks
    assert [task.id for task in record.completed_tasks] == ["t1"]
    assert [status.state for status in record.completed_tasks[0].statuses] == [
        mesos_pb2.TASK_RUNNING,
        mesos_pb2.TASK_FINISHED,
    ]


def test_tasks_on_two_agents_may_have_the_same_port(world):
    framework = world.framework()
    used = Resources.parse("cpus:1;ports:[31005-31005]")
    for name in ("a1", "a2"):
        agent = world.agent(name, "cpus:4;mem:1024;ports:[31000-31009]")
        framework.running(name, agent, f"on-{name}", resources=used.to_proto())
    record = world.master.cluster.frameworks[framework.id]
    framework.update("a1", "on-a1", mesos_pb2.TASK_FINISHED)
    assert record.used.unallocated() == used
    framework.update("a2", "on-a2", mesos_pb2.TASK_FINISHED)
    assert record.used == Resources.EMPTY


def test_an_acknowledgement_of_an_older_update_does_not_end_the_task(world):
    agent = world.agent()
    framework = world.framework()
    framework.launch(agent, builders.task_info("t1", agent))
    running = framework.update("a1", "t1", mesos_pb2.TASK_RUNNING)
    framework.update("a1", "t1", mesos_pb2.TASK_FINISHED, acknowledge=False)
    framework.call(builders.acknowledge(running))
    assert "t1" in world.master.cluster.frameworks[framework.id].tasks


def test_a_pending_update_whose_latest_state_is_terminal_frees_resources(world):
    agent = world.agent()
    framework = world.framework("f1", "dev")
    framework.launch(agent, builders.task_info("t1", agent))
    framework.update(
        "a1", "t1", mesos_pb2.TASK_RUNNING, latest=mesos_pb2.TASK_FINISHED, acknowledge=False
    )
    assert world.master.allocated("dev") == Resources.EMPTY
    record = world.master.cluster.frameworks[framework.id].tasks["t1"]
    assert record.state == mesos_pb2.TASK_FINISHED
    assert record.update_state == mesos_pb2.TASK_RUNNING


def test_a_terminal_task_never_changes_but_late_updates_are_forwarded(world):
    agent = world.agent()
    framework = world.framework()
    framework.running("a1", agent)
    framework.update("a1", "t1", mesos_pb2.TASK_FAILED, acknowledge=False)
    framework.update("a1", "t1", mesos_pb2.TASK_FINISHED, acknowledge=False)
    assert framework.states("t1") == ["TASK_RUNNING", "TASK_FAILED", "TASK_FINISHED"]
    record = world.master.cluster.frameworks[framework.id].tasks["t1"]
    assert record.state == mesos_pb2.TASK_FAILED


def test_an_update_of_an_unknown_task_is_forwarded_and_of_an_unknown_framework_is_not(world):
    world.agent()
    framework = world.framework()
    framework.update("a1", "ghost", mesos_pb2.TASK_RUNNING)
    assert framework.states("ghost") == ["TASK_RUNNING"]
    stray = builders.task_status("t1", mesos_pb2.TASK_RUNNING)
    assert not world.give(Received("agent/a1", builders.status_update("nobody", stray)))


def test_while_its_framework_is_away_an_update_is_recorded_and_not_lost(world):
    agent = world.agent()
    framework = world.framework(failover_timeout=60)
    framework.launch(agent, builders.task_info("t1", agent))
    world.disconnect(framework.peer)
    status = builders.task_status("t1", mesos_pb2.TASK_RUNNING, agent_id=agent)
    world.give(Received("agent/a1", builders.status_update(framework.id, status)))
    record = world.master.cluster.frameworks[framework.id].tasks["t1"]
    assert record.state == mesos_pb2.TASK_RUNNING
    again = world.framework(id=framework.id, failover_timeout=60, peer="scheduler/2")
    world.give(Received("agent/a1", builders.status_update(framework.id, status)))  # the retry
    assert again.states("t1") == ["TASK_RUNNING"]


def test_an_acknowledgement_for_a_disconnected_agent_is_dropped_and_the_task_kept(world):
    agent = world.agent()
    framework = world.framework(checkpoint=True)
    framework.running("a1", agent)
    finished = framework.update("a1", "t1", mesos_pb2.TASK_FINISHED, acknowledge=False)
    world.disconnect("agent/a1")
    framework.call(builders.acknowledge(finished))
    assert "t1" in world.master.cluster.frameworks[framework.id].tasks


def test_a_kill_reaches_the_agent_with_its_policy(world):
    agent = world.agent()
    framework = world.framework()
    framework.running("a1", agent)
    call = builders.kill("t1", agent)
    call.kill.kill_policy.grace_period.nanoseconds = 7
    framework.call(call)
    framework.call(builders.kill("t1"))
    first, second = told(world, "agent/a1", cluster_pb2.KillTask)
    assert first.kill_policy.grace_period.nanoseconds == 7
    assert not second.HasField("kill_policy")


def test_a_kill_that_names_another_agent_is_ignored(world):
    agent = world.agent()
    framework = world.framework()
    framework.running("a1", agent)
    framework.call(builders.kill("t1", "elsewhere"))
    assert not told(world, "agent/a1", cluster_pb2.KillTask)


def test_a_kill_of_an_unknown_task_is_answered_like_a_reconciliation(world):
    framework = world.framework()
    framework.call(builders.kill("ghost"))
    (status,) = framework.updates("ghost")
    assert status.state == mesos_pb2.TASK_LOST
    assert status.reason == mesos_pb2.TaskStatus.REASON_RECONCILIATION


def test_histories_are_bounded(make_world):
    world = make_world(max_completed_tasks_per_framework=2)
    agent = world.agent()
    framework = world.framework()
    for number in range(4):
        id = f"t{number}"
        framework.launch(agent, builders.task_info(id, agent), refuse_seconds=0)
        framework.update("a1", id, mesos_pb2.TASK_FINISHED)
        world.advance(2, answer_pings=("agent/a1",))
        _decline_all(framework)
        world.advance(2, answer_pings=("agent/a1",))
    record = world.master.cluster.frameworks[framework.id]
    assert [task.id for task in record.completed_tasks] == ["t2", "t3"]


def _decline_all(framework):
    """Let what is free on an agent come as one offer."""
    framework.poll()
    framework.call(builders.decline(list(framework.offers), refuse_seconds=0))
    framework.offers.clear()
