"""`/state` of an agent: what it runs and has run, as JSON that consoles and programs read.

Made from the agent core's state by whoever serves it, between two stimuli. Commands and
environments are left out: they may hold secrets. When this copy was built is added by the endpoint.

Source: Mesos documentation "HTTP Endpoints", `/slave(1)/state`; key names are Mesos's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import minimesos
from minimesos import flags
from minimesos.agent.agent import CAPABILITIES
from minimesos.agent.state import AgentState, Executor, Framework, Task
from minimesos.attributes import attributes_json
from minimesos.detector import master_address
from minimesos.http.state_json import (
    by_role,
    full_by_role,
    full_json,
    labels_json,
    message_json,
    status_json,
)
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources

Json = dict[str, Any]


def state_json(state: AgentState) -> Json:
    """Return the whole of an agent's state."""
    info = state.info
    total = Resources.from_proto(info.resources)
    allocated = state.allocated().unallocated()
    return {
        "version": minimesos.__version__,
        "start_time": state.started_at,
        "id": state.agent_id,
        "pid": f"slave(1)@{state.address}",
        "hostname": info.hostname,
        "capabilities": [mesos_pb2.AgentInfo.Capability.Type.Name(kind) for kind in CAPABILITIES],
        "resources": total.to_json(),
        "unreserved_resources": total.unreserved().to_json(),
        "unreserved_resources_allocated": allocated.unreserved().to_json(),
        "reserved_resources": by_role(total),
        "reserved_resources_allocated": by_role(allocated),
        "unreserved_resources_full": full_json(total.unreserved()),
        "reserved_resources_full": full_by_role(total),
        "resource_providers": [],
        "attributes": attributes_json(info.attributes),
        "master_hostname": master_address(state.flags.master).rpartition(":")[0],
        "flags": flags.to_json(state.flags),
        "frameworks": [_framework(framework) for framework in state.frameworks.values()],
        "completed_frameworks": [_framework(framework) for framework in state.completed_frameworks],
    }


def _framework(framework: Framework) -> Json:
    info = framework.info
    kinds = [capability.type for capability in info.capabilities]
    multi_role = mesos_pb2.FrameworkInfo.Capability.MULTI_ROLE in kinds
    return {
        "id": framework.framework_id,
        "name": info.name,
        "user": info.user,
        "hostname": info.hostname,
        **({"principal": info.principal} if info.HasField("principal") else {}),
        **({"roles": list(info.roles)} if multi_role else {"role": info.role}),
        "failover_timeout": info.failover_timeout,
        "checkpoint": info.checkpoint,
        "executors": [_executor(executor) for executor in framework.executors.values()],
        "completed_executors": [_executor(executor) for executor in framework.completed_executors],
    }


def _executor(executor: Executor) -> Json:
    info = executor.info
    ended = (*executor.terminated.values(), *executor.completed)
    json: Json = {
        "id": executor.executor_id,
        "name": info.name,
        "source": info.source,
        "container": executor.container_id,
        "directory": executor.sandbox,
        "resources": executor.allocated().to_json() if executor.is_alive else _NOTHING,
        "tasks": [_task(executor, task) for task in executor.launched.values()],
        "completed_tasks": [_task(executor, task) for task in ended],
        "queued_tasks": [_queued_task(executor, task) for task in executor.queued.values()],
    }
    if info.resources:
        json["role"] = _role(executor.resources)
    json |= labels_json(info)
    if info.HasField("type"):
        json["type"] = mesos_pb2.ExecutorInfo.Type.Name(info.type)
    return json


def _queued_task(executor: Executor, task: Task) -> Json:
    json: Json = {
        "id": task.task_id,
        "name": task.info.name,
        "slave_id": task.info.agent_id.value,
        "resources": task.resources.to_json(),
        "role": _role(task.resources),
    }
    if not executor.for_command:
        json["executor_id"] = executor.executor_id
    if task.info.HasField("discovery"):
        json["discovery"] = message_json(task.info.discovery)
    return json


def _task(executor: Executor, task: Task) -> Json:
    info = task.info
    json: Json = {
        "id": task.task_id,
        "name": info.name,
        "framework_id": executor.framework_id,
        "executor_id": "" if executor.for_command else executor.executor_id,
        "slave_id": info.agent_id.value,
        "role": _role(task.resources),
        "state": mesos_pb2.TaskState.Name(task.state),
        "resources": task.resources.to_json(),
        "statuses": [status_json(status) for status in task.statuses],
    }
    if info.command.user:
        json["user"] = info.command.user
    if info.limits:
        json["limits"] = {name: limit.value for name, limit in info.limits.items()}
    json |= labels_json(info)
    for name in ("discovery", "container", "health_check"):
        if info.HasField(name):
            json[name] = message_json(getattr(info, name))
    return json


def _role(resources: Resources) -> str:
    """Return the role that resources are allocated to; a task's are all allocated to one."""
    roles: Iterable[str | None] = resources.allocations()
    return next((role for role in roles if role is not None), "*")


_NOTHING = Resources.EMPTY.to_json()
