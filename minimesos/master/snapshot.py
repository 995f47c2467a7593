"""The master's records as JSON, in the layout of Mesos's `/state` and `/roles`.

One snapshot feeds the endpoints, the console and the command line. Made between two stimuli, so it
is consistent; it changes nothing. Environments and secrets never get in: anyone may read it. When
this copy was built is added by the endpoint.

Source: Mesos 1.11 documentation "HTTP Endpoints", `/master/state` and `/master/roles`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import minimesos
from minimesos import flags
from minimesos.attributes import attributes_json
from minimesos.http.state_json import (
    by_role,
    full_by_role,
    full_json,
    labels_json,
    message_json,
    status_json,
)
from minimesos.ids import DEFAULT_ROLE, is_role_within
from minimesos.master.master import Master
from minimesos.master.state import Agent, Capability, Executor, Framework, Offer, Task, total
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources
from minimesos.values import THOUSANDTHS

Json = dict[str, Any]


def state(master: Master, now: float) -> Json:
    """Return the whole state of a master."""
    cluster, info = master.cluster, master.info
    agents = cluster.agents.values()
    active = sum(agent.connected for agent in agents)
    return {
        "version": minimesos.__version__,
        "start_time": master.started_at,
        "elected_time": master.started_at,
        "id": info.id,
        "pid": info.pid,
        "hostname": info.hostname,
        "capabilities": _names(mesos_pb2.MasterInfo.Capability.Type, info.capabilities),
        "activated_slaves": float(active),
        "deactivated_slaves": float(len(agents) - active),
        "unreachable_slaves": float(len(cluster.unreachable_agents)),
        "leader": info.pid,
        "leader_info": {
            "id": info.id,
            "pid": info.pid,
            "port": info.port,
            "hostname": info.hostname,
        },
        **({"cluster": master.flags.cluster} if master.flags.cluster else {}),
        "flags": flags.to_json(master.flags),
        "slaves": [_agent(agent) for agent in agents],
        "recovered_slaves": [],
        "frameworks": [_framework(framework) for framework in cluster.frameworks.values()],
        "completed_frameworks": [
            _framework(framework) for framework in cluster.completed_frameworks.values()
        ],
        "orphan_tasks": [],
        "unregistered_frameworks": [],
    }


def _names(enum: Any, messages: Iterable[Any]) -> list[str]:
    return [enum.Name(message.type) for message in messages]


def _agent(agent: Agent) -> Json:
    return {
        "id": agent.id,
        "hostname": agent.hostname,
        "port": agent.info.port,
        "attributes": attributes_json(agent.info.attributes),
        "pid": agent.pid,
        "registered_time": agent.registered_at,
        **({"reregistered_time": agent.reregistered_at} if agent.reregistered_at else {}),
        "resources": agent.total.to_json(),
        "used_resources": agent.used_total().to_json(),
        "offered_resources": agent.offered().to_json(),
        "reserved_resources": by_role(agent.total),
        "unreserved_resources": agent.total.unreserved().to_json(),
        "active": agent.connected,
        "deactivated": False,
        "version": agent.version,
        "capabilities": sorted(map(mesos_pb2.AgentInfo.Capability.Type.Name, agent.capabilities)),
    }


def agents(master: Master) -> Json:
    """Return the answer of `/slaves`: the agents, with their resources one by one as well."""
    return {
        "slaves": [
            {
                **_agent(agent),
                "reserved_resources_full": full_by_role(agent.total),
                "unreserved_resources_full": full_json(agent.total.unreserved()),
                "used_resources_full": full_json(total(agent.used.values())),
                "offered_resources_full": full_json(
                    total(offer.resources for offer in agent.offers.values())
                ),
            }
            for agent in master.cluster.agents.values()
        ],
        "recovered_slaves": [],
    }


# -- frameworks -----------------------------------------------------------------------------------


def _framework(framework: Framework) -> Json:
    info = framework.info
    offered = total(offer.resources for offer in framework.offers.values())
    executors = [executor for held in framework.executors.values() for executor in held.values()]
    multi_role = Capability.MULTI_ROLE in framework.capabilities
    again = framework.reregistered_at
    return {
        "id": framework.id,
        "name": info.name,
        "user": info.user,
        "hostname": info.hostname,
        "webui_url": info.webui_url,
        **({"principal": info.principal} if info.HasField("principal") else {}),
        **({"roles": list(framework.roles)} if multi_role else {"role": info.role}),
        "active": framework.connected,
        "connected": framework.connected,
        "recovered": framework.recovered,
        "checkpoint": info.checkpoint,
        "failover_timeout": info.failover_timeout,
        "registered_time": framework.registered_at,
        **({"reregistered_time": again} if again else {}),
        "unregistered_time": framework.unregistered_at or 0.0,
        "used_resources": framework.used.unallocated().to_json(),
        "offered_resources": offered.unallocated().to_json(),
        "resources": (framework.used + offered).unallocated().to_json(),
        "capabilities": _names(Capability.Type, info.capabilities),
        "tasks": [_task(task) for task in framework.tasks.values()],
        "unreachable_tasks": [_task(task) for task in framework.unreachable_tasks.values()],
        "completed_tasks": [_task(task) for task in framework.completed_tasks],
        "offers": [_offer(offer) for offer in framework.offers.values()],
        "executors": [_executor(executor, framework) for executor in executors],
        **labels_json(info),
        "offer_constraints": (
            message_json(framework.offer_constraints) if framework.offer_constraints else {}
        ),
    }


def _task(task: Task) -> Json:
    info = task.info
    return {
        "id": task.id,
        "name": info.name,
        "framework_id": task.framework_id,
        "executor_id": task.executor_id or "",
        "slave_id": task.agent_id,
        "state": mesos_pb2.TaskState.Name(task.state),
        "resources": task.resources.unallocated().to_json(),
        "role": task.role,
        "statuses": [status_json(status) for status in task.statuses],
        **({"user": info.user} if info.HasField("user") else {}),
        **({"limits": {name: each.value for name, each in info.limits.items()}} if info.limits
           else {}),
        **labels_json(info),
        **{
            name: message_json(getattr(info, name))
            for name in ("discovery", "container", "health_check")
            if info.HasField(name)
        },
    }  # fmt: skip


def _executor(executor: Executor, framework: Framework) -> Json:
    info = executor.info
    command = info.command
    role = next(iter(executor.resources.allocations()), None)
    return {
        "executor_id": executor.id,
        "name": info.name,
        "framework_id": framework.id,
        "command": {
            "shell": command.shell,
            **({"value": command.value} if command.HasField("value") else {}),
            "argv": list(command.arguments),
            "uris": [{"value": uri.value, "executable": uri.executable} for uri in command.uris],
        },
        "resources": executor.resources.unallocated().to_json(),
        **({"role": role} if role is not None else {}),
        "slave_id": executor.agent_id,
        **labels_json(info),
        **({"type": mesos_pb2.ExecutorInfo.Type.Name(info.type)} if info.HasField("type") else {}),
    }


def _offer(offer: Offer) -> Json:
    return {
        "id": offer.id,
        "framework_id": offer.framework_id,
        "allocation_info": {"role": offer.role},
        "slave_id": offer.agent_id,
        "resources": offer.resources.unallocated().to_json(),
    }


# -- roles ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shares:
    """Who holds what, by role, unmarked. A question about a role is one about its subtree."""

    allocated: dict[str, Resources]
    offered: dict[str, Resources]
    reserved: dict[str, Resources]

    @classmethod
    def of(cls, master: Master) -> _Shares:
        shares = cls({}, {}, {})
        cluster = master.cluster
        for framework in cluster.frameworks.values():
            for role, part in framework.used.allocations().items():
                _add(shares.allocated, role or DEFAULT_ROLE, part)
        for offer in cluster.offers.values():
            _add(shares.offered, offer.role, offer.resources)
        for agent in cluster.agents.values():
            for role, part in agent.total.reservations().items():
                _add(shares.reserved, role, part)
        return shares


def _add(sums: dict[str, Resources], role: str, part: Resources) -> None:
    sums[role] = sums.get(role, Resources.EMPTY) + part.unallocated()


def _of_subtree(sums: dict[str, Resources], name: str) -> Resources:
    return total(part for role, part in sums.items() if is_role_within(role, name))


def roles(master: Master) -> Json:
    """Return the roles in use, and their ancestors; exactly those of the flag `roles` if set.

    What a role holds includes what those below it hold, as in the allocator.
    """
    weights = master.flags.weight_of_role
    shares = _Shares.of(master)
    return {
        "roles": [
            _role(master, shares, name, weights.get(name, 1.0))
            for name in _role_names(master, shares, weights)
        ]
    }


def _role_names(master: Master, shares: _Shares, weights: Iterable[str]) -> list[str]:
    allowed = master.flags.allowed_roles
    if allowed is not None:
        return sorted(allowed)
    used = {DEFAULT_ROLE, *weights, *shares.allocated, *shares.reserved}
    for framework in master.cluster.frameworks.values():
        used.update(framework.roles)
    ancestors = {role[:end] for role in used for end, each in enumerate(role) if each == "/"}
    return sorted(used | ancestors)


def _role(master: Master, shares: _Shares, name: str, weight: float) -> Json:
    allocated = _of_subtree(shares.allocated, name)
    offered = _of_subtree(shares.offered, name)
    reserved = _of_subtree(shares.reserved, name)
    return {
        "name": name,
        "weight": weight,
        "quota": {
            "role": name,
            "guarantee": {},
            "limit": {},
            "consumed": _quantities(reserved + allocated.unreserved()),
        },
        "resources": _quantities(allocated + offered),
        "allocated": _quantities(allocated),
        "offered": _quantities(offered),
        "reserved": _quantities(reserved),
        "frameworks": [
            framework.id
            for framework in master.cluster.frameworks.values()
            if name in framework.roles
        ],
    }


def _quantities(resources: Resources) -> dict[str, float]:
    return {name: value / THOUSANDTHS for name, value in resources.quantities().items()}
