"""Every way in which a task or its executor can be wrong, and what its framework is told."""

from __future__ import annotations

import pytest

from minimesos.master.group_validation import group_problem
from minimesos.master.state import Agent, Executor, Framework, Task
from minimesos.master.task_validation import task_problem
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources
from minimesos.testing import builders

AGENT_ID = "m-S0"
FRAMEWORK_ID = "m-0000"
AVAILABLE = Resources.of(cpus=4, mem=1024, disk=100, ports="[1-9]", allocated="*")
ID = mesos_pb2.FrameworkID(value=FRAMEWORK_ID)


def framework():
    return Framework(
        id=FRAMEWORK_ID,
        info=builders.framework_info(id=FRAMEWORK_ID),
        registered_at=0,
        completed_tasks=None,
        unreachable_tasks_max=1,
    )


def agent(*capabilities):
    return Agent(
        id=AGENT_ID,
        info=builders.agent_info(id=AGENT_ID),
        total=Resources.parse("cpus:4;mem:1024"),
        version="1",
        capabilities=frozenset(capabilities),
        registered_at=0,
        peer=None,
    )


def allocated(message):
    """Mark resources as allocated, as the master does before it validates."""
    for resource in message.resources:
        resource.allocation_info.role = "*"
    return message


def task(**fields):
    fields.setdefault("agent_id", AGENT_ID)
    made = builders.task_info(fields.pop("task_id", "t1"), fields.pop("agent_id"), **fields)
    if made.HasField("executor"):
        allocated(made.executor)
    return allocated(made)


def executor(**fields):
    fields.setdefault("framework_id", ID)
    return builders.executor_info(**fields)


def problem(made):
    return task_problem(made, framework(), agent(), AVAILABLE)


def seconds(value):
    return mesos_pb2.DurationInfo(nanoseconds=int(value * 1e9))


def variable(**fields):
    environment = mesos_pb2.Environment(variables=[mesos_pb2.Environment.Variable(**fields)])
    return mesos_pb2.CommandInfo(value="true", environment=environment)


def raw(**fields):
    """Return one resource message, allocated."""
    resource = mesos_pb2.Resource(**fields)
    resource.allocation_info.role = "*"
    return resource


def scalar(name, value, **fields):
    return raw(
        name=name,
        type=mesos_pb2.Value.SCALAR,
        scalar=mesos_pb2.Value.Scalar(value=value),
        **fields,
    )


def test_a_valid_task_has_no_problem():
    assert problem(task()) is None
    assert problem(task(executor=executor())) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task_id": "a/b"}, "Task uses invalid TaskID"),
        ({"agent_id": "other"}, "Task uses invalid agent other while agent m-S0 is expected"),
        (
            {"kill_policy": mesos_pb2.KillPolicy(grace_period=seconds(-1))},
            "Task's 'kill_policy.grace_period' must be non-negative",
        ),
        (
            {"max_completion_time": seconds(-1)},
            "Task's `max_completion_time` must be non-negative",
        ),
        (
            {"check": mesos_pb2.CheckInfo(type=mesos_pb2.CheckInfo.HTTP)},
            "Task uses invalid check: Expecting 'http' to be set for HTTP check",
        ),
        (
            {
                "health_check": mesos_pb2.HealthCheck(
                    type=mesos_pb2.HealthCheck.TCP,
                    tcp=mesos_pb2.HealthCheck.TCPCheckInfo(port=1),
                    grace_period_seconds=-1,
                )
            },
            "Task uses invalid health check: Expecting 'grace_period_seconds' to be non-negative",
        ),
        ({"resources": []}, "Task uses no resources"),
        (
            {"resources": [scalar("gpus", 0.5)]},
            "Task uses invalid resources: Invalid 'gpus' resource",
        ),
        (
            {"resources": [scalar("disk", 1, disk=mesos_pb2.Resource.DiskInfo())]},
            "Task uses invalid resources: Invalid DiskInfo: DiskInfo is set but empty",
        ),
        (
            {
                "resources": [
                    scalar("cpus", 1),
                    scalar("cpus", 1, revocable=mesos_pb2.Resource.RevocableInfo()),
                ]
            },
            "Task mixes revocable and non-revocable resources:"
            " Cannot use both revocable and non-revocable 'cpus' at the same time",
        ),
        (
            {"command": variable(name="A")},
            "Task's `CommandInfo` is invalid:"
            " Environment variable 'A' of type 'VALUE' must have a value set",
        ),
        (
            {
                "container": mesos_pb2.ContainerInfo(
                    type=mesos_pb2.ContainerInfo.MESOS,
                    volumes=[mesos_pb2.Volume(container_path="x", mode=mesos_pb2.Volume.RW)],
                )
            },
            "Task's `ContainerInfo` is invalid: Invalid volume",
        ),
        (
            {"limits": {"cpus": mesos_pb2.Value.Scalar(value=2)}},
            "Agent is not capable of handling task resource limits",
        ),
        (
            {"executor": executor(), "command": mesos_pb2.CommandInfo(value="true")},
            "Task should have at least one (but not both)",
        ),
        (
            {
                "container": mesos_pb2.ContainerInfo(
                    type=mesos_pb2.ContainerInfo.MESOS,
                    linux_info=mesos_pb2.LinuxInfo(share_cgroups=False),
                )
            },
            "Only tasks in a task group may have 'share_cgroups' set to 'false'",
        ),
        ({"cpus": 5}, "Total resources cpus(allocated: *):5"),
    ],
)
def test_what_can_be_wrong_with_a_task(fields, message):
    assert (problem(task(**fields)) or "no problem").startswith(message)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"executor_id": "a/b"}, "Executor uses invalid ExecutorID"),
        (
            {"framework_id": mesos_pb2.FrameworkID(value="x")},
            "ExecutorInfo has an invalid FrameworkID (Actual: x vs Expected: m-0000)",
        ),
        (
            {"shutdown_grace_period": seconds(-1)},
            "ExecutorInfo's 'shutdown_grace_period' must be non-negative",
        ),
        ({"type": mesos_pb2.ExecutorInfo.DEFAULT}, "'ExecutorInfo.type' must be 'CUSTOM'"),
        (
            {
                "type": mesos_pb2.ExecutorInfo.DEFAULT,
                "command": mesos_pb2.CommandInfo(value="true"),
            },
            "'ExecutorInfo.command' must not be set for 'DEFAULT' executor",
        ),
        (
            {"command": variable(name="A", type=mesos_pb2.Environment.Variable.SECRET)},
            "Executor's `CommandInfo` is invalid:"
            " Environment variable 'A' of type 'SECRET' must have a secret set",
        ),
        ({"cpus": 3.5}, "Total resources"),
    ],
)
def test_what_can_be_wrong_with_an_executor(fields, message):
    assert (problem(task(executor=executor(**fields))) or "no problem").startswith(message)


def test_an_executor_needs_a_command():
    made = task(executor=executor())
    made.executor.ClearField("command")
    assert problem(made) == "'ExecutorInfo.command' must be set"


def test_resources_must_be_of_one_role():
    made = task()
    made.resources[0].allocation_info.role = "other"
    assert problem(made) == (
        "Invalid task resources: The resources have multiple allocation roles"
        " ('*' and 'other') but only one allocation role is allowed"
    )


def test_a_port_cannot_be_the_tasks_and_the_executors():
    ports = Resources.of(ports="[1-2]", allocated="*").to_proto()
    made = task(executor=executor())
    made.resources.extend(ports)
    made.executor.resources.extend(ports)
    assert problem(made).startswith("There are overlapping resources in the task resources")


def test_an_executor_that_runs_must_be_described_the_same_and_its_secrets_stay_out_of_the_text():
    known = allocated(executor(command=variable(name="PASSWORD", value="hunter2")))
    host, owner = agent(), framework()
    host.executors[owner.id] = {"executor": Executor(known, host.id, Resources.EMPTY)}
    same = task(cpus=4, mem=1024, executor=known)
    assert task_problem(same, owner, host, AVAILABLE) is None  # and is not charged again
    other = task(executor=executor(name="renamed"))
    text = task_problem(other, owner, host, AVAILABLE)
    assert text == "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID."


def test_task_ids_in_use_cannot_be_used_again():
    owner = framework()
    record = Task(mesos_pb2.Task(), "*", Resources.EMPTY, mesos_pb2.TASK_RUNNING)
    owner.tasks["t1"] = record
    assert task_problem(task(), owner, agent(), AVAILABLE) == "Task has duplicate ID: t1"
    owner.unreachable_tasks["t1"] = owner.tasks.pop("t1")
    assert task_problem(task(), owner, agent(), AVAILABLE) == (
        "Task reuses the ID of an unreachable task: t1"
    )


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"disk": 1}, "Only cpus and mem may be included in a task's resource limits"),
        ({"cpus": 0.5}, "The cpu limit must be greater than or equal to the cpu request"),
        ({"mem": 63}, "The memory limit must be greater than or equal to the memory request"),
        ({"mem": float("inf"), "cpus": 1}, None),
    ],
)
def test_limits_are_not_below_requests(limits, message):
    capable = agent(mesos_pb2.AgentInfo.Capability.TASK_RESOURCE_LIMITS)
    made = task()
    for name, value in limits.items():
        made.limits[name].value = value
    assert task_problem(made, framework(), capable, AVAILABLE) == message


# -- groups ---------------------------------------------------------------------------------------


def group(*tasks, **fields):
    fields.setdefault("type", mesos_pb2.ExecutorInfo.DEFAULT)
    fields.setdefault("resources", Resources.of(disk=1).to_proto())
    shared = allocated(executor(**fields))
    for each in tasks:
        if not each.HasField("executor"):
            each.executor.CopyFrom(shared)
    return group_problem(
        mesos_pb2.TaskGroupInfo(tasks=tasks), shared, framework(), agent(), AVAILABLE
    )


def test_a_valid_group_has_no_problem():
    assert group(task(), task(task_id="t2")) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cpus": 0}, "Executor 'executor' uses less CPUs (0) than the minimum required (0.01)"),
        ({"mem": 31}, "Executor 'executor' uses less memory (31MB) than the minimum required"),
        ({"resources": []}, "Executor 'executor' uses no disk"),
        ({"type": mesos_pb2.ExecutorInfo.UNKNOWN}, "Unknown executor type"),
        ({"cpus": 4}, "Total resources"),
    ],
)
def test_what_can_be_wrong_with_a_groups_executor(fields, message):
    assert (group(task(), **fields) or "no problem").startswith(message)


def test_what_can_be_wrong_with_a_group():
    assert group(task(), task()) == "Task 't1' is invalid: Task has duplicate ID: t1"
    other = task(task_id="t2", executor=executor(name="another"))
    assert "is different from executor" in group(task(), other)
    networked = task(
        container=mesos_pb2.ContainerInfo(
            type=mesos_pb2.ContainerInfo.MESOS, network_infos=[mesos_pb2.NetworkInfo()]
        ),
        health_check=mesos_pb2.HealthCheck(
            type=mesos_pb2.HealthCheck.HTTP, http=mesos_pb2.HealthCheck.HTTPCheckInfo(port=1)
        ),
    )
    assert "HTTP and TCP health checks are not supported" in group(networked)
    alone = task(
        task_id="t2",
        container=mesos_pb2.ContainerInfo(
            type=mesos_pb2.ContainerInfo.MESOS,
            linux_info=mesos_pb2.LinuxInfo(share_cgroups=False),
        ),
    )
    assert "the value of 'share_cgroups' must be the same" in group(task(), alone)
