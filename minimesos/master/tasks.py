"""The life of a task in the master: from STAGING through status updates to the history.

Agents own the truth about tasks. The master records what they report, forwards it to frameworks
and relays acknowledgements; it makes updates of its own, without uuid, for tasks that no agent can
speak for. Called by the other parts of the master; it never decides that an agent is lost.

Source: Mesos 1.11 `Master::statusUpdate`, `updateTask`, `removeTask`, `acknowledge`, `kill`.
"""

from __future__ import annotations

from typing import cast

from minimesos.log import get_logger
from minimesos.master.context import Context
from minimesos.master.state import Agent, Executor, Framework, Task
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources
from minimesos.states import TaskState, is_terminal, state_for

_log = get_logger(__name__)

NANOSECONDS = 1_000_000_000
Reason = mesos_pb2.TaskStatus.Reason


class Tasks:
    """Follows tasks and the executors that run them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cluster = context.cluster

    # -- from agents ------------------------------------------------------------------------------

    def status_update(self, agent: Agent, message: cluster_pb2.StatusUpdate) -> None:
        """Forward an agent's update to its framework, and record it."""
        status = message.status
        framework = self._cluster.frameworks.get(message.framework_id.value)
        if framework is None:
            _log.warning(
                "Status update of unknown framework dropped",
                task=status.task_id.value,
                framework=message.framework_id.value,
                agent=agent.id,
            )
            return
        _log.info(
            "Status update",
            state=TaskState.Name(status.state),
            task=status.task_id.value,
            framework=framework.id,
            agent=agent.id,
            reason=Reason.Name(status.reason) if status.HasField("reason") else "",
            message=status.message,
        )
        self.forward(framework, status)
        task = framework.tasks.get(status.task_id.value)
        if task is None or task.agent_id != agent.id:
            _log.warning(
                "Status update of unknown task forwarded",
                task=status.task_id.value,
                framework=framework.id,
                agent=agent.id,
            )
            return
        self._record(framework, agent, task, status, _latest_state(message))

    def _record(
        self,
        framework: Framework,
        agent: Agent,
        task: Task,
        status: mesos_pb2.TaskStatus,
        latest_state: TaskState,
    ) -> None:
        # The update may be old news: what the agent has heard since decides about resources.
        if self._cluster.set_state(framework, agent, task, latest_state):
            self._give_back(framework, agent, task.resources)
        task.update_state = status.state
        task.update_uuid = status.uuid
        task.record(status)

    # -- from frameworks --------------------------------------------------------------------------

    def acknowledge(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Relay an acknowledgement; one of a terminal update ends the task's time in the master."""
        acknowledge = call.acknowledge
        agent = self._cluster.agents.get(acknowledge.agent_id.value)
        task_id = acknowledge.task_id.value
        if agent is None or not agent.connected:
            # The agent keeps sending the update, and the framework will acknowledge it again.
            _log.warning(
                "Acknowledgement dropped: agent is not connected",
                task=task_id,
                framework=framework.id,
                agent=acknowledge.agent_id.value,
            )
            return
        task = framework.tasks.get(task_id)
        if (
            task is not None
            and task.agent_id == agent.id
            and task.update_state is not None
            and is_terminal(task.update_state)
            and task.update_uuid == acknowledge.uuid
        ):
            self.complete(framework, agent, task)
        self._context.tell(
            agent,
            cluster_pb2.StatusUpdateAcknowledgement(
                framework_id=framework.info.id, task_id=acknowledge.task_id, uuid=acknowledge.uuid
            ),
        )

    def kill(self, framework: Framework, task: Task, kill: scheduler_pb2.Call.Kill) -> None:
        """Tell the task's agent to kill it: now, or when the agent is back."""
        if kill.HasField("agent_id") and kill.agent_id.value != task.agent_id:
            _log.warning(
                "Kill ignored: task is on another agent",
                task=task.id,
                framework=framework.id,
                agent=task.agent_id,
                agent_in_call=kill.agent_id.value,
            )
            return
        agent = self._cluster.agents[task.agent_id]
        message = cluster_pb2.KillTask(framework_id=framework.info.id, task_id=kill.task_id)
        if kill.HasField("kill_policy"):
            message.kill_policy.CopyFrom(kill.kill_policy)
        agent.kills[framework.id, task.id] = message
        if self._context.tell(agent, message):
            _log.info("Telling agent to kill task", task=task.id, agent=agent.id)
        else:
            _log.info("Kill waits for the agent's return", task=task.id, agent=agent.id)

    # -- launching --------------------------------------------------------------------------------

    def add(self, framework: Framework, agent: Agent, task: Task) -> None:
        """Take a new task, or one that an agent has told us of, into the records."""
        self._cluster.add_task(framework, agent, task)
        _log.info(
            "Adding task",
            task=task.id,
            resources=task.resources.unallocated(),
            framework=framework.id,
            agent=agent.id,
        )

    # -- ends -------------------------------------------------------------------------------------

    def complete(self, framework: Framework, agent: Agent, task: Task) -> None:
        """Move a terminal task to the framework's history."""
        self._cluster.drop_task(framework, agent, task)
        framework.completed_tasks.append(task)
        _log.info(
            "Removing task",
            task=task.id,
            state=TaskState.Name(task.state),
            framework=framework.id,
            agent=agent.id,
        )

    def end(
        self,
        framework: Framework,
        agent: Agent,
        task: Task,
        state: TaskState,
        reason: Reason,
        message: str,
        *,
        announce: bool = True,
    ) -> None:
        """End a task that its agent cannot end any more; one that was terminal keeps its state.

        UNREACHABLE is told as LOST to frameworks that do not know it, and the task is kept where a
        returning agent finds it. `announce` tells the framework.
        """
        if not task.is_terminal:
            status = self._status_of(task, state_for(state, framework.capabilities), message)
            status.reason = reason
            if state == mesos_pb2.TASK_UNREACHABLE:
                status.unreachable_time.nanoseconds = int(self._context.now * NANOSECONDS)
            if self._cluster.set_state(framework, agent, task, status.state):
                self._give_back(framework, agent, task.resources)
            task.record(status)
            if announce:
                self.forward(framework, status)
        if state == mesos_pb2.TASK_UNREACHABLE:
            self._cluster.drop_task(framework, agent, task)
            framework.keep_unreachable(task)
        else:
            self.complete(framework, agent, task)

    def remove_executor(self, framework: Framework, agent: Agent, executor: Executor) -> None:
        """Forget an executor and give back what it used."""
        self._cluster.drop_executor(framework, agent, executor)
        self._give_back(framework, agent, executor.resources)

    def _give_back(self, framework: Framework, agent: Agent, resources: Resources) -> None:
        self._context.allocator.recover_resources(
            framework.id, agent.id, resources, None, self._context.now
        )

    # -- the master's own updates -----------------------------------------------------------------

    def report(self, framework: Framework, task: Task, message: str, reason: Reason) -> None:
        """Tell a framework a task's present state, for a reason of the master's own."""
        status = self._status_of(task, task.state, message)
        status.reason = reason
        self.forward(framework, status)

    def refuse(
        self,
        framework: Framework,
        task: mesos_pb2.TaskInfo,
        state: TaskState,
        reason: Reason,
        message: str,
    ) -> None:
        """Tell a framework that a task it wanted launched will not be."""
        status = self.new_status(task.task_id.value, state_for(state, framework.capabilities))
        status.agent_id.CopyFrom(task.agent_id)
        status.reason = reason
        status.message = message
        _log.warning(
            "Task refused",
            task=task.task_id.value,
            framework=framework.id,
            state=TaskState.Name(status.state),
            message=message,
        )
        self.forward(framework, status)

    def new_status(self, task_id: str, state: TaskState) -> mesos_pb2.TaskStatus:
        """Start an update of the master's own: it has no uuid, so nobody acknowledges it."""
        return mesos_pb2.TaskStatus(
            task_id=mesos_pb2.TaskID(value=task_id),
            state=state,
            source=mesos_pb2.TaskStatus.SOURCE_MASTER,
            timestamp=self._context.now,
        )

    def _status_of(self, task: Task, state: TaskState, message: str) -> mesos_pb2.TaskStatus:
        status = self.new_status(task.id, state)
        status.message = message
        status.agent_id.value = task.agent_id
        if task.executor_id is not None:
            status.executor_id.value = task.executor_id
        return status

    def forward(self, framework: Framework, status: mesos_pb2.TaskStatus) -> None:
        """Send an update to a framework, if it is connected."""
        self._context.notify(
            framework,
            scheduler_pb2.Event(
                type=scheduler_pb2.Event.UPDATE, update=scheduler_pb2.Event.Update(status=status)
            ),
        )


def _latest_state(update: cluster_pb2.StatusUpdate) -> TaskState:
    """Return the newest state that the agent holds; an old agent may not say."""
    latest = update.latest_state
    return cast("TaskState", latest) if latest in TaskState.values() else update.status.state
