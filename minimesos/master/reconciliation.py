"""Reconciliation: a framework asks what became of its tasks.

Answers carry no uuid and are not acknowledged. There is no answer while an agent that may know is
on its way back.

Source: Mesos 1.11 documentation "Reconciliation" and `Master::_reconcileTasks`.
"""

from __future__ import annotations

from collections.abc import Iterable

from minimesos.log import get_logger
from minimesos.master.context import Context
from minimesos.master.state import Framework, Task
from minimesos.master.tasks import NANOSECONDS, Tasks
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.states import TaskState, state_for

_log = get_logger(__name__)


class Reconciliation:
    """Answers RECONCILE, and KILL of a task that is not known."""

    def __init__(self, context: Context, tasks: Tasks) -> None:
        self._context = context
        self._cluster = context.cluster
        self._tasks = tasks

    def reconcile(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Answer for the tasks named, or for all that are held if none is named."""
        named = call.reconcile.tasks
        if named:
            _log.info("Explicit reconciliation", tasks=len(named), framework=framework.id)
            for task in named:
                agent_id = task.agent_id.value if task.HasField("agent_id") else None
                self.answer(framework, task.task_id.value, agent_id)
        else:
            _log.info("Implicit reconciliation", tasks=len(framework.tasks), framework=framework.id)
            self._answer_known(framework, framework.tasks.values())

    def _answer_known(self, framework: Framework, tasks: Iterable[Task]) -> None:
        for task in tasks:
            state = task.update_state if task.update_state is not None else task.state
            status = self._status(task.id, state, "Latest task state")
            status.agent_id.value = task.agent_id
            if task.executor_id is not None:
                status.executor_id.value = task.executor_id
            if task.statuses:
                _copy_observations(task.statuses[-1], status)
            self._tasks.forward(framework, status)

    def answer(self, framework: Framework, task_id: str, agent_id: str | None) -> None:
        """Answer for one task, wherever the framework believes it is."""
        task = framework.tasks.get(task_id)
        if task is not None:
            self._answer_known(framework, [task])
            return
        since = self._cluster.unreachable_agents.get(agent_id) if agent_id is not None else None
        if agent_id in self._cluster.agents:
            state, message = mesos_pb2.TASK_GONE, "Task is unknown to the agent"
        elif since is not None:
            state, message = mesos_pb2.TASK_UNREACHABLE, "Task is unreachable"
        else:
            state, message = mesos_pb2.TASK_UNKNOWN, "Task is unknown"
        status = self._status(task_id, state_for(state, framework.capabilities), message)
        if agent_id is not None:
            status.agent_id.value = agent_id
        if since is not None:
            status.unreachable_time.nanoseconds = int(since * NANOSECONDS)
        self._tasks.forward(framework, status)

    def _status(self, task_id: str, state: TaskState, message: str) -> mesos_pb2.TaskStatus:
        status = self._tasks.new_status(task_id, state)
        status.reason = mesos_pb2.TaskStatus.REASON_RECONCILIATION
        status.message = f"Reconciliation: {message}"
        return status


def _copy_observations(known: mesos_pb2.TaskStatus, status: mesos_pb2.TaskStatus) -> None:
    """Repeat what the last update said about the task's health and container."""
    if known.HasField("healthy"):
        status.healthy = known.healthy
    if known.HasField("check_status"):
        status.check_status.CopyFrom(known.check_status)
    if known.HasField("container_status"):
        status.container_status.CopyFrom(known.container_status)
