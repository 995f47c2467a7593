"""What the master checks of tasks and executors before it launches them.

Every function says what is wrong in Mesos's words, or returns None; the order of the checks is
Mesos's too. Resources are expected to carry their allocation role already, and executors the
framework's id. Checks are against what is left of the accepted offers, so of two tasks that each
want all of it the second is refused.

Source: Mesos 1.11 `master/validation.cpp`.
"""

from __future__ import annotations

import math

from minimesos.ids import id_problem
from minimesos.log import get_logger
from minimesos.master.command_validation import (
    check_problem,
    command_problem,
    container_problem,
    health_check_problem,
)
from minimesos.master.resource_validation import (
    consistency_problem,
    resources_problem,
    together_problem,
)
from minimesos.master.state import Agent, Framework
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources
from minimesos.values import THOUSANDTHS, thousandths

_log = get_logger(__name__)

EXECUTOR_CPUS_MIN = thousandths(0.01)
EXECUTOR_MEM_MIN = thousandths(32)
_OVERLAP = "There are overlapping resources"

ExecutorInfo = mesos_pb2.ExecutorInfo
TaskInfo = mesos_pb2.TaskInfo


def task_problem(
    task: mesos_pb2.TaskInfo, framework: Framework, agent: Agent, available: Resources
) -> str | None:
    """Say why a task of a LAUNCH cannot run on `agent` with what is `available` of its offers."""
    problem = own_problem(task, framework, agent) or _executor_of_task_problem(
        task, framework, agent, available
    )
    if problem is None and unshares_cgroups(task.container):
        return "Only tasks in a task group may have 'share_cgroups' set to 'false'"
    return problem


# -- a task by itself -----------------------------------------------------------------------------


def own_problem(task: mesos_pb2.TaskInfo, framework: Framework, agent: Agent) -> str | None:
    """Say what is wrong with a task whatever runs it, and however much was offered."""
    return (
        _task_id_problem(task, framework)
        or _agent_id_problem(task, agent)
        or _durations_problem(task)
        or _checks_problem(task)
        or _task_resources_problem(task)
        or _payload_problem(task)
        or _limits_problem(task, agent)
    )


def _task_id_problem(task: mesos_pb2.TaskInfo, framework: Framework) -> str | None:
    id = task.task_id.value
    problem = id_problem(id)
    if problem is not None:
        return f"Task uses invalid TaskID: {problem}"
    if id in framework.tasks:
        return f"Task has duplicate ID: {id}"
    if id in framework.unreachable_tasks:
        return f"Task reuses the ID of an unreachable task: {id}"
    return None


def _agent_id_problem(task: mesos_pb2.TaskInfo, agent: Agent) -> str | None:
    if task.agent_id.value != agent.id:
        return f"Task uses invalid agent {task.agent_id.value} while agent {agent.id} is expected"
    return None


def _durations_problem(task: mesos_pb2.TaskInfo) -> str | None:
    if task.kill_policy.grace_period.nanoseconds < 0:
        return "Task's 'kill_policy.grace_period' must be non-negative"
    if task.max_completion_time.nanoseconds < 0:
        return "Task's `max_completion_time` must be non-negative"
    return None


def _checks_problem(task: mesos_pb2.TaskInfo) -> str | None:
    problem = check_problem(task.check) if task.HasField("check") else None
    if problem is not None:
        return f"Task uses invalid check: {problem}"
    problem = health_check_problem(task.health_check) if task.HasField("health_check") else None
    return f"Task uses invalid health check: {problem}" if problem else None


def _task_resources_problem(task: mesos_pb2.TaskInfo) -> str | None:
    if not task.resources:
        return "Task uses no resources"
    problem = resources_problem(task.resources)
    if problem is not None:
        return f"Task uses invalid resources: {problem}"
    return consistency_problem(
        task.resources,
        duplicate="Task uses duplicate persistence ID",
        roles="Invalid task resources",
        mixed="Task mixes revocable and non-revocable resources",
    )


def _payload_problem(task: mesos_pb2.TaskInfo) -> str | None:
    problem = command_problem(task.command)
    if problem is not None:
        return f"Task's `CommandInfo` is invalid: {problem}"
    problem = container_problem(task.container) if task.HasField("container") else None
    return f"Task's `ContainerInfo` is invalid: {problem}" if problem else None


def _limits_problem(task: mesos_pb2.TaskInfo, agent: Agent) -> str | None:
    if not task.limits:
        return None
    if mesos_pb2.AgentInfo.Capability.TASK_RESOURCE_LIMITS not in agent.capabilities:
        return "Agent is not capable of handling task resource limits"
    if set(task.limits) - {"cpus", "mem"}:
        return "Only cpus and mem may be included in a task's resource limits"
    requests = Resources.from_proto(task.resources)
    for name, long_name, short_name in (("cpus", "CPU", "cpu"), ("mem", "memory", "memory")):
        if name not in task.limits:
            continue
        request, limit = requests.scalar(name), task.limits[name].value
        if not request:
            return (
                f"When a {long_name} limit is specified, a {long_name} request must also be"
                " specified"
            )
        if not math.isinf(limit) and not limit * THOUSANDTHS >= request:
            return (
                f"The {short_name} limit must be greater than or equal to the {short_name} request"
            )
    return None


# -- an executor ----------------------------------------------------------------------------------


def _executor_of_task_problem(
    task: mesos_pb2.TaskInfo, framework: Framework, agent: Agent, available: Resources
) -> str | None:
    if task.HasField("executor") == task.HasField("command"):
        return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
    needed = Resources.from_proto(task.resources)
    if task.HasField("executor"):
        executor = task.executor
        problem = executor_problem(executor, framework, agent) or _custom_problem(executor)
        if problem is not None:
            return problem
        own = Resources.from_proto(executor.resources)
        problem = together_problem(
            [task.resources, executor.resources],
            duplicate="Task and its executor use duplicate persistence ID",
            mixed="Task and its executor mix revocable and non-revocable resources",
            overlap=_OVERLAP,
        )
        if problem == _OVERLAP:
            return f"{_OVERLAP} in the task resources {needed} and executor resources {own}"
        if problem is not None:
            return problem
        if agent.executor(framework.id, executor.executor_id.value) is None:
            _warn_if_small(task)
            needed = needed + own
    if not available.contains(needed):
        return (
            f"Total resources {needed} required by task and its"
            f" executor is more than available {available}"
        )
    return None


def executor_problem(
    executor: mesos_pb2.ExecutorInfo, framework: Framework, agent: Agent
) -> str | None:
    """Say what is wrong with an executor, also as compared with one of its id on the agent."""
    existing = agent.executor(framework.id, executor.executor_id.value)
    if existing is not None and existing.info == executor:
        return None  # it was looked at when it was launched
    return (
        _executor_type_problem(executor)
        or _executor_fields_problem(executor)
        or _framework_id_problem(executor, framework)
        or _executor_resources_problem(executor)
        or _compatibility_problem(executor, framework, agent)
    )


def _executor_type_problem(executor: mesos_pb2.ExecutorInfo) -> str | None:
    if executor.type == ExecutorInfo.CUSTOM and not executor.HasField("command"):
        return "'ExecutorInfo.command' must be set for 'CUSTOM' executor"
    if executor.type != ExecutorInfo.DEFAULT:
        return None
    if executor.HasField("command"):
        return "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"
    if executor.HasField("container"):
        if executor.container.type != mesos_pb2.ContainerInfo.MESOS:
            return "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor"
        if executor.container.mesos.HasField("image"):
            return "'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor"
    return None


def _executor_fields_problem(executor: mesos_pb2.ExecutorInfo) -> str | None:
    problem = id_problem(executor.executor_id.value)
    if problem is not None:
        return f"Executor uses invalid ExecutorID: {problem}"
    if executor.shutdown_grace_period.nanoseconds < 0:
        return "ExecutorInfo's 'shutdown_grace_period' must be non-negative"
    problem = command_problem(executor.command)
    if problem is not None:
        return f"Executor's `CommandInfo` is invalid: {problem}"
    problem = container_problem(executor.container) if executor.HasField("container") else None
    return f"Executor's `ContainerInfo` is invalid: {problem}" if problem else None


def _framework_id_problem(executor: mesos_pb2.ExecutorInfo, framework: Framework) -> str | None:
    if not executor.HasField("framework_id"):
        return "'ExecutorInfo.framework_id' must be set"
    if executor.framework_id.value != framework.id:
        return (
            "ExecutorInfo has an invalid FrameworkID"
            f" (Actual: {executor.framework_id.value} vs Expected: {framework.id})"
        )
    return None


def _executor_resources_problem(executor: mesos_pb2.ExecutorInfo) -> str | None:
    problem = resources_problem(executor.resources)
    if problem is not None:
        return f"Executor uses invalid resources: {problem}"
    return consistency_problem(
        executor.resources,
        duplicate="Executor uses duplicate persistence ID",
        roles="Invalid executor resources",
        mixed="Executor mixes revocable and non-revocable resources",
    )


def _compatibility_problem(
    executor: mesos_pb2.ExecutorInfo, framework: Framework, agent: Agent
) -> str | None:
    existing = agent.executor(framework.id, executor.executor_id.value)
    if existing is not None and existing.info != executor:
        # Mesos prints both; they may hold secrets, so we do not.
        return "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID."
    return None


def _custom_problem(executor: mesos_pb2.ExecutorInfo) -> str | None:
    """Check what only holds for executors of a LAUNCH."""
    if executor.HasField("type") and executor.type != ExecutorInfo.CUSTOM:
        return "'ExecutorInfo.type' must be 'CUSTOM'"
    if not executor.HasField("command"):
        return "'ExecutorInfo.command' must be set"
    resources = Resources.from_proto(executor.resources)
    if any(metadata.shared_size for _, metadata, _ in resources.entries()):
        return f"Executor resources {resources} should not contain any shared resources"
    return share_cgroups_problem(executor)


def share_cgroups_problem(executor: mesos_pb2.ExecutorInfo) -> str | None:
    """Refuse an executor without cgroups of its own: they are what it is isolated by."""
    linux = executor.container.linux_info
    if linux.HasField("share_cgroups") and linux.share_cgroups:
        return "The 'share_cgroups' field cannot be set to 'true' on executor containers"
    return None


def _warn_if_small(task: mesos_pb2.TaskInfo) -> None:
    resources = Resources.from_proto(task.executor.resources)
    small = (
        resources.scalar("cpus") < EXECUTOR_CPUS_MIN or resources.scalar("mem") < EXECUTOR_MEM_MIN
    )
    if small:
        _log.warning(
            "Executor uses less than 0.01 cpus or 32 MB of memory",
            executor=task.executor.executor_id.value,
            task=task.task_id.value,
            resources=resources.unallocated(),
        )


def unshares_cgroups(container: mesos_pb2.ContainerInfo) -> bool:
    """Tell whether a nested container is to have cgroups of its own."""
    return not container.linux_info.share_cgroups
