"""What the master checks of task groups before it launches them. All or nothing.

Source: Mesos 1.11 `master/validation.cpp`.
"""

from __future__ import annotations

from collections.abc import Iterable

from minimesos.master.resource_validation import together_problem
from minimesos.master.state import Agent, Framework, Task
from minimesos.master.task_validation import (
    EXECUTOR_CPUS_MIN,
    EXECUTOR_MEM_MIN,
    executor_problem,
    own_problem,
    share_cgroups_problem,
    unshares_cgroups,
)
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources

ExecutorInfo = mesos_pb2.ExecutorInfo


def group_problem(
    group: mesos_pb2.TaskGroupInfo,
    executor: mesos_pb2.ExecutorInfo,
    framework: Framework,
    agent: Agent,
    available: Resources,
) -> str | None:
    """Say why a task group cannot run; its tasks carry the executor already. All or nothing."""
    for task in group.tasks:
        problem = own_problem(task, framework, agent) or _member_problem(task)
        if problem is not None:
            return f"Task '{task.task_id.value}' is invalid: {problem}"
    ids = [task.task_id.value for task in group.tasks]
    for id in ids:
        if ids.count(id) > 1:
            return f"Task '{id}' is invalid: Task has duplicate ID: {id}"
    return (
        executor_problem(executor, framework, agent)
        or _group_executor_problem(group, executor)
        or _group_resources_problem(group, executor, framework, agent, available)
        or share_cgroups_problem(executor)
        or _sharing_problem(group, executor, framework, agent)
    )


def _member_problem(task: mesos_pb2.TaskInfo) -> str | None:
    if not task.HasField("executor"):
        return "'TaskInfo.executor' must be set"
    remote = (mesos_pb2.HealthCheck.HTTP, mesos_pb2.HealthCheck.TCP)
    if task.container.network_infos and task.health_check.type in remote:
        return (
            "HTTP and TCP health checks are not supported for"
            " nested containers not joining parent's network"
        )
    if task.HasField("container") and task.container.type == mesos_pb2.ContainerInfo.DOCKER:
        return "Docker ContainerInfo is not supported on the task"
    if task.limits and not unshares_cgroups(task.container):
        return (
            "Resource limits may only be set for tasks within a task group when"
            " the 'share_cgroups' field is set to 'false'."
        )
    return None


def _group_executor_problem(
    group: mesos_pb2.TaskGroupInfo, executor: mesos_pb2.ExecutorInfo
) -> str | None:
    id = executor.executor_id.value
    if not executor.HasField("type"):
        return "'ExecutorInfo.type' must be set"
    if executor.type == ExecutorInfo.UNKNOWN:
        return "Unknown executor type"
    docker = mesos_pb2.ContainerInfo.DOCKER
    if executor.HasField("container") and executor.container.type == docker:
        return "Docker ContainerInfo is not supported on the executor"
    for task in group.tasks:
        if task.executor != executor:
            return (
                f"The `ExecutorInfo` of task '{task.task_id.value}' is different from"
                f" executor '{id}'"
            )
    resources = Resources.from_proto(executor.resources)
    if resources.scalar("cpus") < EXECUTOR_CPUS_MIN:
        return (
            f"Executor '{id}' uses less CPUs ({resources.cpus:g}) than the minimum required (0.01)"
        )
    if resources.scalar("mem") < EXECUTOR_MEM_MIN:
        return (
            f"Executor '{id}' uses less memory ({resources.mem_mb:g}MB)"
            " than the minimum required (32MB)"
        )
    if not resources.scalar("disk"):
        return f"Executor '{id}' uses no disk"
    return None


def _group_resources_problem(
    group: mesos_pb2.TaskGroupInfo,
    executor: mesos_pb2.ExecutorInfo,
    framework: Framework,
    agent: Agent,
    available: Resources,
) -> str | None:
    problem = together_problem(
        [*(task.resources for task in group.tasks), executor.resources],
        duplicate="Task group and executor use duplicate persistence ID",
        mixed="Task group and executor mix revocable and non-revocable resources",
        overlap="There are overlapping resources in the task group's task resources"
        " and/or executor resources",
    )
    if problem is not None:
        return problem
    needed = Resources.EMPTY
    for task in group.tasks:
        needed = needed + Resources.from_proto(task.resources)
    if agent.executor(framework.id, executor.executor_id.value) is None:
        needed = needed + Resources.from_proto(executor.resources)
    if not available.contains(needed):
        return (
            f"Total resources {needed} required by task group and"
            f" its executor are more than available {available}"
        )
    return None


def _sharing_problem(
    group: mesos_pb2.TaskGroupInfo,
    executor: mesos_pb2.ExecutorInfo,
    framework: Framework,
    agent: Agent,
) -> str | None:
    """All tasks under one executor share its cgroups, or none does."""
    containers = [task.container for task in group.tasks]
    known: Iterable[Task] = (*framework.tasks.values(), *framework.unreachable_tasks.values())
    containers += [
        task.info.container
        for task in known
        if task.agent_id == agent.id and task.executor_id == executor.executor_id.value
    ]
    if len({unshares_cgroups(container) for container in containers}) > 1:
        return (
            "If set, the value of 'share_cgroups' must be the same for all"
            " tasks in each task group and under a single executor"
        )
    return None
