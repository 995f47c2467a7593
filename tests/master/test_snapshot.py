"""The JSON that consoles and programs read of a master."""

from __future__ import annotations

import json

from minimesos.master import snapshot
from minimesos.master.operator import Operator
from minimesos.proto.mesos.v1 import master_pb2, mesos_pb2
from minimesos.testing import builders
from minimesos.testing.builders import Call, Capability

from ..state_layout import MASTER_STATE, ROLES, SLAVES, problems

SECRET = "hunter2"


def busy(world):
    """Return the ids of an agent and a framework with a task in every list."""
    agent = world.agent("a1", "cpus:4;mem:1024;ports:[31000-31009];disk(dev):10")
    framework = world.framework("spark", "dev", principal="alice", webui_url="http://here")
    environment = mesos_pb2.Environment(
        variables=[mesos_pb2.Environment.Variable(name="PASSWORD", value=SECRET)]
    )
    command = mesos_pb2.CommandInfo(value="run", environment=environment)
    executor = builders.executor_info("e1", command=command, data=SECRET.encode())
    check = mesos_pb2.HealthCheck(type=mesos_pb2.HealthCheck.COMMAND, command=command)
    framework.launch(
        agent,
        builders.task_info("t1", agent, executor=executor, data=SECRET.encode()),
        builders.task_info("t2", agent, health_check=check),
        refuse_seconds=0,
    )
    framework.update("a1", "t1", mesos_pb2.TASK_RUNNING, data=SECRET.encode())
    framework.update("a1", "t2", mesos_pb2.TASK_FINISHED)
    world.advance(2, answer_pings=("agent/a1",))
    return agent, framework.id


def test_state_has_mesoss_layout(world):
    agent, framework_id = busy(world)
    state = json.loads(json.dumps(snapshot.state(world.master, world.now)))

    assert state["id"] == "master"
    assert state["pid"] == state["leader"] == "master@127.0.0.1:5050"
    assert (state["activated_slaves"], state["deactivated_slaves"]) == (1.0, 0.0)
    assert state["flags"]["allocation_interval"] == "1secs"

    (slave,) = state["slaves"]
    assert slave["pid"] == "slave(1)@a1:5051"
    assert slave["resources"]["ports"] == "[31000-31009]"
    assert slave["used_resources"]["cpus"] == 1.1
    assert slave["offered_resources"]["cpus"] == 2.9
    assert slave["reserved_resources"]["dev"]["disk"] == 10

    (framework,) = state["frameworks"]
    assert (framework["id"], framework["role"], framework["principal"]) == (
        framework_id, "dev", "alice",
    )  # fmt: skip
    assert "roles" not in framework
    assert framework["resources"]["cpus"] == 4
    assert framework["unregistered_time"] == 0
    (task,) = framework["tasks"]
    assert (task["id"], task["state"], task["executor_id"]) == ("t1", "TASK_RUNNING", "e1")
    assert (task["slave_id"], task["role"], task["resources"]["mem"]) == (agent, "dev", 64)
    assert [each["state"] for each in task["statuses"]] == ["TASK_RUNNING"]
    (done,) = framework["completed_tasks"]
    assert (done["id"], done["executor_id"]) == ("t2", "")
    (executor,) = framework["executors"]
    assert executor["command"]["value"] == "run"
    offers = framework["offers"]
    assert {offer["allocation_info"]["role"] for offer in offers} == {"dev"}


def test_every_field_has_mesoss_name_and_type(world):
    busy(world)
    labels = mesos_pb2.Labels(labels=[mesos_pb2.Label(key="a", value="b"), {"key": "c"}])
    framework = world.framework("f2", "dev", labels=labels, capabilities=[Capability.MULTI_ROLE])
    world.agent("a2")
    a3 = world.agent("a3")
    framework.launch(a3, builders.task_info("t3", a3, labels=labels), refuse_seconds=60)
    framework.update("a3", "t3", mesos_pb2.TASK_FAILED, message="no", labels=labels, healthy=False)
    world.disconnect("agent/a2")
    world.framework("f3").call(Call(type=Call.TEARDOWN))

    state = json.loads(json.dumps(snapshot.state(world.master, world.now)))
    assert list(problems(state, MASTER_STATE)) == []
    assert list(problems(json.loads(json.dumps(snapshot.agents(world.master))), SLAVES)) == []
    assert list(problems(json.loads(json.dumps(snapshot.roles(world.master))), ROLES)) == []
    lists = ("tasks", "completed_tasks", "offers", "executors")
    assert all(any(each[name] for each in state["frameworks"]) for name in lists)
    assert state["completed_frameworks"]


def test_agents_resources_are_shown_one_by_one(world):
    busy(world)
    (agent,) = snapshot.agents(world.master)["slaves"]
    disk = {
        "name": "disk",
        "type": "SCALAR",
        "role": "dev",
        "scalar": {"value": 10.0},
        "reservations": [{"type": "STATIC", "role": "dev"}],
    }
    assert agent["reserved_resources_full"] == {"dev": [disk]}
    assert {each["name"]: each["role"] for each in agent["unreserved_resources_full"]} == {
        "cpus": "*", "mem": "*", "ports": "*",
    }  # fmt: skip
    used = {each["name"]: each for each in agent["used_resources_full"]}
    assert used["cpus"]["scalar"] == {"value": 1.1}
    assert used["cpus"]["allocation_info"] == {"role": "dev"}
    assert {each["name"] for each in agent["offered_resources_full"]} >= {"cpus", "ports", "disk"}


def test_a_failed_task_tells_its_reason_and_its_message_within_a_limit(world):
    agent = world.agent("a1")
    framework = world.framework()
    framework.launch(agent, builders.task_info("t1", agent))
    reason = mesos_pb2.TaskStatus.REASON_CONTAINER_LIMITATION_MEMORY
    framework.update("a1", "t1", mesos_pb2.TASK_FAILED, reason=reason, message="x" * 5000)

    (task,) = snapshot.state(world.master, world.now)["frameworks"][0]["completed_tasks"]

    (status,) = task["statuses"]
    assert status["reason"] == "REASON_CONTAINER_LIMITATION_MEMORY"
    assert len(status["message"]) == 2000
    assert status["message"].endswith("x…")


def test_whole_messages_in_a_task_have_mesoss_json(world):
    agent = world.agent("a1")
    framework = world.framework()
    discovery = mesos_pb2.DiscoveryInfo(
        visibility=mesos_pb2.DiscoveryInfo.CLUSTER, environment="staging",
        ports=mesos_pb2.Ports(ports=[mesos_pb2.Port(number=80)]),
    )  # fmt: skip
    check = mesos_pb2.HealthCheck(type=mesos_pb2.HealthCheck.TCP, tcp={"port": 80})
    task = builders.task_info("t1", agent, discovery=discovery, health_check=check)
    framework.launch(agent, task)

    (task,) = snapshot.state(world.master, world.now)["frameworks"][0]["tasks"]

    assert task["discovery"] == {
        "visibility": "CLUSTER", "environment": "staging", "ports": {"ports": [{"number": 80}]},
    }  # fmt: skip
    assert task["health_check"]["grace_period_seconds"] == 10.0  # a default of its own


def test_no_secret_gets_into_the_state(world):
    busy(world)
    text = json.dumps([snapshot.state(world.master, world.now), snapshot.agents(world.master)])
    assert SECRET not in text
    assert "PASSWORD" not in text
    answer, _ = Operator(world.master).operate(
        master_pb2.Call(type=master_pb2.Call.GET_STATE), world.now
    )
    assert SECRET.encode() not in answer.SerializeToString()


def test_multi_role_frameworks_show_roles(world):
    world.framework("f1", "dev", capabilities=[Capability.MULTI_ROLE])
    (framework,) = snapshot.state(world.master, world.now)["frameworks"]
    assert framework["roles"] == ["dev"]
    assert "role" not in framework


def test_lost_agents_and_ended_frameworks_are_shown_as_such(world):
    agent = world.agent("a1")
    framework = world.framework()
    framework.running("a1", agent)
    world.advance(76)
    state = snapshot.state(world.master, world.now)
    assert state["unreachable_slaves"] == 1.0
    (task,) = state["frameworks"][0]["unreachable_tasks"]
    assert task["state"] == "TASK_LOST"
    framework.call(Call(type=Call.TEARDOWN))
    state = snapshot.state(world.master, world.now)
    assert not state["frameworks"]
    assert state["completed_frameworks"][0]["unregistered_time"] == world.now
    assert not state["completed_frameworks"][0]["active"]


def test_roles_show_their_weight_share_and_ancestors(make_world):
    world = make_world(weights="eng=2")
    agent = world.agent("a1", "cpus:4;mem:1024;disk(eng):10")
    framework = world.framework("f1", "eng/web")
    framework.launch(agent, builders.task_info("t1", agent), refuse_seconds=60)
    roles = {role["name"]: role for role in snapshot.roles(world.master)["roles"]}
    assert list(roles) == ["*", "eng", "eng/web"]
    assert roles["eng"]["weight"] == 2
    assert roles["eng"]["reserved"] == {"disk": 10}
    assert roles["eng"]["allocated"] == roles["eng/web"]["allocated"]  # those below count, too
    assert roles["eng"]["quota"]["consumed"] == {"cpus": 1, "mem": 64, "disk": 10}
    assert roles["eng"]["frameworks"] == []
    assert roles["*"]["allocated"] == {}
    assert roles["eng/web"]["allocated"] == {"cpus": 1, "mem": 64}
    assert roles["eng/web"]["frameworks"] == [framework.id]
