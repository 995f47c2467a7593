"""Complete, valid messages, so that a test sets only the fields it is about.

    info = framework_info("spark", role="analytics", failover_timeout=60)
    task = task_info("t1", agent_id, cpus=1)

Keyword arguments not named in a signature are fields of the message.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minimesos.attributes import parse_attributes
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resource_metadata import ReservationFormat
from minimesos.resources import Resources

Call = scheduler_pb2.Call
Capability = mesos_pb2.FrameworkInfo.Capability

UUID = bytes(range(16))


def framework_info(
    name: str = "framework",
    role: str = "*",
    *,
    id: str = "",
    capabilities: Iterable[Capability.Type] = (),
    **fields: Any,
) -> mesos_pb2.FrameworkInfo:
    """Return a framework of one role; with MULTI_ROLE it is the only one in `roles`."""
    capabilities = tuple(capabilities)
    info = mesos_pb2.FrameworkInfo(
        user="user",
        name=name,
        capabilities=[Capability(type=capability) for capability in capabilities],
    )
    if Capability.MULTI_ROLE not in capabilities:
        info.role = role
    elif "roles" not in fields:
        info.roles.append(role)
    if id:
        info.id.value = id
    info.MergeFrom(mesos_pb2.FrameworkInfo(**fields))
    return info


def agent_info(
    hostname: str = "host", resources: str = "cpus:4;mem:1024", *, id: str = "", **fields: Any
) -> mesos_pb2.AgentInfo:
    """Return an agent with these resources."""
    info = mesos_pb2.AgentInfo(
        hostname=hostname, port=5051, resources=Resources.parse(resources).to_proto()
    )
    if id:
        info.id.value = id
    info.MergeFrom(mesos_pb2.AgentInfo(**fields))
    return info


def task_info(
    task_id: str,
    agent_id: str,
    *,
    cpus: float = 1,
    mem: float = 64,
    executor: mesos_pb2.ExecutorInfo | None = None,
    **fields: Any,
) -> mesos_pb2.TaskInfo:
    """Return a command task, or one of `executor`."""
    task = mesos_pb2.TaskInfo(
        name=task_id,
        task_id=mesos_pb2.TaskID(value=task_id),
        agent_id=mesos_pb2.AgentID(value=agent_id),
        resources=Resources.of(cpus=cpus, mem=mem).to_proto(),
    )
    if executor is not None:
        task.executor.CopyFrom(executor)
    else:
        task.command.value = "sleep 1000"
    if "resources" in fields:
        task.ClearField("resources")
    task.MergeFrom(mesos_pb2.TaskInfo(**fields))
    return task


def executor_info(
    executor_id: str = "executor", *, cpus: float = 0.1, mem: float = 32, **fields: Any
) -> mesos_pb2.ExecutorInfo:
    """Return a custom executor, or the default one if `type` says so."""
    executor = mesos_pb2.ExecutorInfo(
        executor_id=mesos_pb2.ExecutorID(value=executor_id),
        resources=Resources.of(cpus=cpus, mem=mem).to_proto(),
    )
    if fields.get("type") != mesos_pb2.ExecutorInfo.DEFAULT:
        executor.command.value = "./executor"
    executor.MergeFrom(mesos_pb2.ExecutorInfo(**fields))
    return executor


def task_status(
    task_id: str,
    state: mesos_pb2.TaskState,
    *,
    agent_id: str = "",
    uuid: bytes = UUID,
    **fields: Any,
) -> mesos_pb2.TaskStatus:
    """Return a status as an agent sends it."""
    status = mesos_pb2.TaskStatus(
        task_id=mesos_pb2.TaskID(value=task_id),
        state=state,
        agent_id=mesos_pb2.AgentID(value=agent_id),
        uuid=uuid,
        source=mesos_pb2.TaskStatus.SOURCE_EXECUTOR,
        timestamp=0.0,
    )
    status.MergeFrom(mesos_pb2.TaskStatus(**fields))
    return status


def offer(
    offer_id: str = "offer",
    resources: str = "cpus:4;mem:8192",
    *,
    agent_id: str = "agent",
    hostname: str = "",
    attributes: str = "",
) -> mesos_pb2.Offer:
    """Return an offer; its host bears the agent's id as its name unless it has another."""
    return mesos_pb2.Offer(
        id=mesos_pb2.OfferID(value=offer_id),
        framework_id=mesos_pb2.FrameworkID(value="framework"),
        agent_id=mesos_pb2.AgentID(value=agent_id),
        hostname=hostname or agent_id,
        resources=Resources.parse(resources).to_proto(ReservationFormat.PRE_REFINEMENT),
        attributes=parse_attributes(attributes),
    )


# -- scheduler calls ------------------------------------------------------------------------------


def subscribe(info: mesos_pb2.FrameworkInfo, suppressed_roles: Iterable[str] = ()) -> Call:
    """Return a SUBSCRIBE."""
    call = Call(
        type=Call.SUBSCRIBE,
        subscribe=Call.Subscribe(framework_info=info, suppressed_roles=suppressed_roles),
    )
    if info.HasField("id"):
        call.framework_id.CopyFrom(info.id)
    return call


def accept(
    offer_ids: Iterable[str],
    *operations: mesos_pb2.Offer.Operation,
    refuse_seconds: float = 5.0,
) -> Call:
    """Return an ACCEPT."""
    return Call(
        type=Call.ACCEPT,
        accept=Call.Accept(
            offer_ids=[mesos_pb2.OfferID(value=id) for id in offer_ids],
            operations=operations,
            filters=mesos_pb2.Filters(refuse_seconds=refuse_seconds),
        ),
    )


def launch(*tasks: mesos_pb2.TaskInfo) -> mesos_pb2.Offer.Operation:
    """Return a LAUNCH."""
    return mesos_pb2.Offer.Operation(
        type=mesos_pb2.Offer.Operation.LAUNCH,
        launch=mesos_pb2.Offer.Operation.Launch(task_infos=tasks),
    )


def launch_group(
    executor: mesos_pb2.ExecutorInfo, *tasks: mesos_pb2.TaskInfo
) -> mesos_pb2.Offer.Operation:
    """Return a LAUNCH_GROUP."""
    return mesos_pb2.Offer.Operation(
        type=mesos_pb2.Offer.Operation.LAUNCH_GROUP,
        launch_group=mesos_pb2.Offer.Operation.LaunchGroup(
            executor=executor, task_group=mesos_pb2.TaskGroupInfo(tasks=tasks)
        ),
    )


def decline(offer_ids: Iterable[str], refuse_seconds: float = 5.0) -> Call:
    """Return a DECLINE."""
    return Call(
        type=Call.DECLINE,
        decline=Call.Decline(
            offer_ids=[mesos_pb2.OfferID(value=id) for id in offer_ids],
            filters=mesos_pb2.Filters(refuse_seconds=refuse_seconds),
        ),
    )


def kill(task_id: str, agent_id: str = "") -> Call:
    """Return a KILL, with the agent if it is given."""
    call = Call(type=Call.KILL, kill=Call.Kill(task_id=mesos_pb2.TaskID(value=task_id)))
    if agent_id:
        call.kill.agent_id.value = agent_id
    return call


def acknowledge(status: mesos_pb2.TaskStatus) -> Call:
    """Return the ACKNOWLEDGE of a status."""
    return Call(
        type=Call.ACKNOWLEDGE,
        acknowledge=Call.Acknowledge(
            agent_id=status.agent_id, task_id=status.task_id, uuid=status.uuid
        ),
    )


def reconcile(*tasks: tuple[str, str]) -> Call:
    """Return a RECONCILE of (task id, agent id or "") pairs; implicit without any."""
    call = Call(type=Call.RECONCILE, reconcile=Call.Reconcile())
    for task_id, agent_id in tasks:
        named = call.reconcile.tasks.add()
        named.task_id.value = task_id
        if agent_id:
            named.agent_id.value = agent_id
    return call


# -- what agents send -----------------------------------------------------------------------------


def register(info: mesos_pb2.AgentInfo) -> cluster_pb2.RegisterAgent:
    """Return a RegisterAgent."""
    return cluster_pb2.RegisterAgent(agent_info=info, version="1.0.0")


def reregister(
    info: mesos_pb2.AgentInfo,
    *,
    tasks: Iterable[mesos_pb2.Task] = (),
    executors: Iterable[mesos_pb2.ExecutorInfo] = (),
    frameworks: Iterable[mesos_pb2.FrameworkInfo] = (),
) -> cluster_pb2.ReregisterAgent:
    """Return a ReregisterAgent."""
    return cluster_pb2.ReregisterAgent(
        agent_info=info, version="1.0.0", tasks=tasks, executors=executors, frameworks=frameworks
    )


def status_update(
    framework_id: str,
    status: mesos_pb2.TaskStatus,
    latest_state: mesos_pb2.TaskState | None = None,
) -> cluster_pb2.StatusUpdate:
    """Return a StatusUpdate; the status is the newest unless `latest_state` says otherwise."""
    return cluster_pb2.StatusUpdate(
        framework_id=mesos_pb2.FrameworkID(value=framework_id),
        status=status,
        latest_state=status.state if latest_state is None else latest_state,
    )
