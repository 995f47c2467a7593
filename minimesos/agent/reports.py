"""What becomes of tasks, on its way to the master: statuses are completed, recorded and passed on.

Statuses come from executors (`take`) or are made by the agent itself (`own`). Either way the task's
record follows, a terminal one shrinks the container, and the update stream takes charge of it.

Used by the agent core and its parts. Delivery is `status_updates`'s business.

Source: Mesos documentation "Executor HTTP API", calls UPDATE; rules as in Mesos 1.11.
"""

from __future__ import annotations

from uuid import UUID

from minimesos.actor import Effect, Send
from minimesos.agent.containers import UpdateContainer
from minimesos.agent.state import AgentState, Executor, ExecutorState, Framework
from minimesos.agent.status_updates import StatusUpdates
from minimesos.ids import Ids, id_problem
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.states import is_terminal

UUID_BYTES = 16

log = get_logger(__name__)


class Reports:
    """Appends its effects to a list that is shared with the agent."""

    def __init__(
        self, state: AgentState, updates: StatusUpdates, ids: Ids, effects: list[Effect]
    ) -> None:
        self._state = state
        self._updates = updates
        self._ids = ids
        self._effects = effects

    def take(self, executor: Executor, status: mesos_pb2.TaskStatus, now: float) -> None:
        """Take in a valid status that an executor made, and acknowledge it to the executor."""
        framework = self._state.frameworks[executor.framework_id]
        completed = mesos_pb2.TaskStatus()
        completed.CopyFrom(status)
        completed.agent_id.CopyFrom(self._state.info.id)
        completed.executor_id.CopyFrom(executor.info.executor_id)
        completed.source = mesos_pb2.TaskStatus.SOURCE_EXECUTOR
        if not completed.HasField("timestamp"):
            completed.timestamp = now
        container = completed.container_status
        container.container_id.value = executor.container_id
        if executor.pid is not None:
            container.executor_pid = executor.pid
        if not container.network_infos:
            address = container.network_infos.add().ip_addresses.add()
            address.ip_address = self._state.address.rpartition(":")[0]
        self._pass_on(framework, executor, completed, now)
        if executor.peer is not None:
            acknowledged = executor_pb2.Event.Acknowledged(task_id=status.task_id, uuid=status.uuid)
            event = executor_pb2.Event(
                type=executor_pb2.Event.ACKNOWLEDGED, acknowledged=acknowledged
            )
            self._effects.append(Send(executor.peer, event))

    def own(
        self,
        framework: Framework,
        executor: Executor | None,
        task_id: str,
        state: mesos_pb2.TaskState,
        reason: mesos_pb2.TaskStatus.Reason,
        message: str,
        now: float,
    ) -> None:
        """Make a status of our own; `executor` is None if the task never had one here."""
        status = mesos_pb2.TaskStatus(
            state=state,
            reason=reason,
            message=message,
            source=mesos_pb2.TaskStatus.SOURCE_AGENT,
            timestamp=now,
            uuid=UUID(self._ids.uuid()).bytes,
        )
        status.task_id.value = task_id
        status.agent_id.CopyFrom(self._state.info.id)
        if executor is not None:
            status.executor_id.CopyFrom(executor.info.executor_id)
        self._pass_on(framework, executor, status, now)

    def _pass_on(
        self,
        framework: Framework,
        executor: Executor | None,
        status: mesos_pb2.TaskStatus,
        now: float,
    ) -> None:
        task_id = status.task_id.value
        if framework.terminating:
            return
        if executor is not None:
            if task_id in executor.terminated:
                log.warning(
                    "Ignored a status of a task that has ended",
                    task=task_id,
                    framework=framework.framework_id,
                    state=mesos_pb2.TaskState.Name(status.state),
                )
                return
            self._record(executor, status)
        log.info(
            "Handling status update",
            state=mesos_pb2.TaskState.Name(status.state),
            task=task_id,
            framework=framework.framework_id,
            message=status.message,
        )
        self._updates.add(framework.framework_id, status, now)

    def _record(self, executor: Executor, status: mesos_pb2.TaskStatus) -> None:
        task_id = status.task_id.value
        task = executor.find(task_id)
        if task is None:
            return
        task.record(status)
        if is_terminal(status.state):
            executor.queued.pop(task_id, None)
            executor.launched.pop(task_id, None)
            executor.terminated[task_id] = task
            if executor.state is ExecutorState.RUNNING:
                limits = UpdateContainer(executor.container_id, executor.allocated())
                self._effects.append(limits)


def status_problem(executor: Executor, status: mesos_pb2.TaskStatus) -> str | None:
    """Say why an executor's status cannot be taken in, None if it can."""
    problem = id_problem(status.task_id.value)
    if problem is not None:
        return problem
    if len(status.uuid) != UUID_BYTES:
        return "it has no UUID of 16 bytes"
    if status.executor_id.value not in ("", executor.executor_id):
        return f"it names another executor, '{status.executor_id.value}'"
    if status.HasField("source") and status.source != mesos_pb2.TaskStatus.SOURCE_EXECUTOR:
        return "its source is not SOURCE_EXECUTOR"
    return None
