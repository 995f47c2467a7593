"""Executors as the master sees them: their end, and messages that pass through to and from them.

Command executors are not among them: they are the agent's own way to run a command.

Source: Mesos 1.11 `Master::exitedExecutor`, `shutdown`, `schedulerMessage`, `executorMessage`.
"""

from __future__ import annotations

from minimesos.log import get_logger
from minimesos.master.context import Context
from minimesos.master.state import Agent, Framework
from minimesos.master.tasks import Tasks
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2

_log = get_logger(__name__)


class Executors:
    """Relays what concerns executors."""

    def __init__(self, context: Context, tasks: Tasks) -> None:
        self._context = context
        self._cluster = context.cluster
        self._tasks = tasks

    def exited(self, agent: Agent, message: cluster_pb2.ExitedExecutor) -> None:
        """Forget an executor that ended, and tell its framework."""
        executor_id = message.executor_id.value
        framework = self._cluster.frameworks.get(message.framework_id.value)
        executor = agent.executor(message.framework_id.value, executor_id)
        if framework is None or executor is None:
            _log.warning("Unknown executor exited", executor=executor_id, agent=agent.id)
            return
        _log.info(
            "Executor exited",
            executor=executor_id,
            status=message.status,
            framework=framework.id,
            agent=agent.id,
        )
        self._tasks.remove_executor(framework, agent, executor)
        failure = scheduler_pb2.Event.Failure(
            agent_id=mesos_pb2.AgentID(value=agent.id),
            executor_id=message.executor_id,
            status=message.status,
        )
        self._context.notify(
            framework,
            scheduler_pb2.Event(type=scheduler_pb2.Event.FAILURE, failure=failure),
        )

    def shutdown(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Have an agent shut an executor down."""
        shutdown = call.shutdown
        agent = self._cluster.agents.get(shutdown.agent_id.value)
        if agent is None or agent.executor(framework.id, shutdown.executor_id.value) is None:
            _log.warning(
                "SHUTDOWN of unknown executor ignored",
                executor=shutdown.executor_id.value,
                framework=framework.id,
                agent=shutdown.agent_id.value,
            )
            return
        _log.info("Shutting executor down", executor=shutdown.executor_id.value, agent=agent.id)
        message = cluster_pb2.ShutdownExecutor(
            framework_id=framework.info.id, executor_id=shutdown.executor_id
        )
        if not self._context.tell(agent, message):
            _log.warning("Agent is not connected, SHUTDOWN is lost", agent=agent.id)

    def to_executor(self, framework: Framework, call: scheduler_pb2.Call) -> None:
        """Pass a framework's message on; nobody promises that it arrives."""
        message = call.message
        agent = self._cluster.agents.get(message.agent_id.value)
        passed = agent is not None and self._context.tell(
            agent,
            cluster_pb2.FrameworkToExecutor(
                framework_id=framework.info.id,
                executor_id=message.executor_id,
                data=message.data,
            ),
        )
        if not passed:
            _log.warning(
                "Message to executor dropped: agent is not connected",
                executor=message.executor_id.value,
                framework=framework.id,
                agent=message.agent_id.value,
            )

    def to_framework(self, agent: Agent, message: cluster_pb2.ExecutorToFramework) -> None:
        """Pass an executor's message on; nobody promises that it arrives."""
        framework = self._cluster.frameworks.get(message.framework_id.value)
        if framework is None or not framework.connected:
            _log.warning(
                "Message to framework dropped: it is not connected",
                executor=message.executor_id.value,
                framework=message.framework_id.value,
            )
            return
        passed_on = scheduler_pb2.Event.Message(
            agent_id=mesos_pb2.AgentID(value=agent.id),
            executor_id=message.executor_id,
            data=message.data,
        )
        self._context.notify(
            framework,
            scheduler_pb2.Event(type=scheduler_pb2.Event.MESSAGE, message=passed_on),
        )
