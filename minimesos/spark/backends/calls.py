"""The calls of Mesos's scheduler API that the backends make.

Source: Mesos documentation "Scheduler HTTP API".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2

Call = scheduler_pb2.Call


def launch(
    offer: mesos_pb2.Offer,
    tasks: Iterable[mesos_pb2.TaskInfo],
    refuse_seconds: float | None = None,
) -> Call:
    """Use an offer for tasks; what is left stays away for that long, by default the master's."""
    call = Call(type=Call.ACCEPT)
    call.accept.offer_ids.append(offer.id)
    operation = call.accept.operations.add(type=mesos_pb2.Offer.Operation.LAUNCH)
    operation.launch.task_infos.extend(tasks)
    if refuse_seconds is not None:
        call.accept.filters.refuse_seconds = refuse_seconds
    return call


def decline(offers: Sequence[mesos_pb2.Offer], refuse_seconds: float | None = None) -> Call:
    """Decline offers, for that long or by default the master's."""
    call = Call(type=Call.DECLINE)
    call.decline.offer_ids.extend(offer.id for offer in offers)
    if refuse_seconds is not None:
        call.decline.filters.refuse_seconds = refuse_seconds
    return call


def revive() -> Call:
    """Have all that was declined offered again."""
    return Call(type=Call.REVIVE)


def kill(task_id: str, agent_id: str = "") -> Call:
    """Kill a task, wherever it is if no agent is given."""
    call = Call(type=Call.KILL)
    call.kill.task_id.value = task_id
    if agent_id:
        call.kill.agent_id.value = agent_id
    return call


def reconcile(tasks: Iterable[tuple[str, str]] = ()) -> Call:
    """Ask for the states of (task id, agent id or "") pairs, without any for all there are."""
    call = Call(type=Call.RECONCILE)
    call.reconcile.SetInParent()
    for task_id, agent_id in tasks:
        task = call.reconcile.tasks.add()
        task.task_id.value = task_id
        if agent_id:
            task.agent_id.value = agent_id
    return call


def shut_down(executor_id: str, agent_id: str) -> Call:
    """Have an agent end an executor."""
    call = Call(type=Call.SHUTDOWN)
    call.shutdown.executor_id.value = executor_id
    call.shutdown.agent_id.value = agent_id
    return call
