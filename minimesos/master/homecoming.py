"""What a returning agent brings: its tasks, executors and frameworks are matched with the records.

The agent may have been disconnected, unreachable, or admitted by an earlier master. Whatever runs
there is taken into the records and charged, so that nothing is offered twice; what must not run any
more is killed. Tasks that only the master knows are handed to the agent to answer for.

Called by `agents`. Source: Mesos 1.11 `Master::reregisterSlave`, `reconcileKnownSlave`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minimesos.errors import InvalidResources
from minimesos.ids import id_problem
from minimesos.log import get_logger
from minimesos.master.context import Context
from minimesos.master.frameworks import Frameworks
from minimesos.master.offers import Offers
from minimesos.master.state import Agent, Executor, Framework, Task, total
from minimesos.master.tasks import Tasks
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources
from minimesos.states import is_terminal, releases_resources

_log = get_logger(__name__)


def registration_problem(
    info: mesos_pb2.AgentInfo,
    tasks: Sequence[mesos_pb2.Task] = (),
    executors: Iterable[mesos_pb2.ExecutorInfo] = (),
    frameworks: Iterable[mesos_pb2.FrameworkInfo] = (),
) -> str | None:
    """Say why an agent cannot be what it says it is."""
    if not info.hostname:
        return "An agent must have a hostname"
    for framework in frameworks:
        problem = id_problem(framework.id.value)
        if problem is not None:
            return f"Invalid framework: {problem}"
    for task in tasks:
        if task.agent_id.value != info.id.value:
            return f"Task {task.task_id.value} is on agent {task.agent_id.value}"
    try:
        offered = Resources.from_proto(info.resources)
        used = total(_used_resources(tasks, executors))
    except InvalidResources as error:
        return f"Invalid resources: {error}"
    if offered != offered.unallocated():
        return f"An agent's resources are not allocated yet, but it has {offered}"
    if not offered.contains(used.unallocated()):
        return f"What runs on the agent uses {used.unallocated()}, but it has {offered}"
    return None


def _used_resources(
    tasks: Iterable[mesos_pb2.Task], executors: Iterable[mesos_pb2.ExecutorInfo]
) -> Iterable[Resources]:
    for task in tasks:
        resources = Resources.from_proto(task.resources)  # must be sound also where it has ended
        if not releases_resources(task.state):
            yield resources
    for executor in executors:
        yield Resources.from_proto(executor.resources)


class Homecoming:
    """Settles what a returning agent and the master know of each other's."""

    def __init__(
        self, context: Context, offers: Offers, tasks: Tasks, frameworks: Frameworks
    ) -> None:
        self._context = context
        self._cluster = context.cluster
        self._offers = offers
        self._tasks = tasks
        self._frameworks = frameworks

    def readmit(self, agent: Agent, message: cluster_pb2.ReregisterAgent) -> None:
        """Take in an agent that is not in the records, with all it runs."""
        adopted = self._adopt(agent, message)
        self._context.allocator.add_agent(agent.id, agent.hostname, agent.total, agent.used)
        self._confirm(agent, ())
        self._bring_up_to_date(agent, message)
        for framework, task in adopted:
            self._tasks.report(
                framework,
                task,
                "Unreachable agent re-reregistered",
                mesos_pb2.TaskStatus.REASON_AGENT_REREGISTERED,
            )

    def welcome_back(self, agent: Agent, message: cluster_pb2.ReregisterAgent) -> None:
        """Settle with an agent that is in the records."""
        used = dict(agent.used)
        adopted = self._adopt(agent, message)
        if agent.used != used:
            # The allocator cannot be told of more use on an agent, only of an agent in use.
            self._offers.rescind(agent.offers.values(), "agent came back with more in use")
            self._context.allocator.remove_agent(agent.id)
            self._context.allocator.add_agent(agent.id, agent.hostname, agent.total, agent.used)
        self._drop_missing_executors(agent, message.executors)
        self._confirm(agent, self._missing(agent, message.tasks))
        self._bring_up_to_date(agent, message)
        for framework, task in adopted:
            # Its framework was told that it is lost: it had to go when the stream broke.
            _log.info("Killing lost task", task=task.id, framework=framework.id, agent=agent.id)
            kill = cluster_pb2.KillTask(framework_id=framework.info.id, task_id=task.info.task_id)
            agent.kills[framework.id, task.id] = kill
        for kill in agent.kills.values():
            self._context.tell(agent, kill)

    # -- what the agent has -----------------------------------------------------------------------

    def _adopt(
        self, agent: Agent, message: cluster_pb2.ReregisterAgent
    ) -> list[tuple[Framework, Task]]:
        """Take into the records what runs on the agent and is not in them; return such tasks."""
        for info in message.frameworks:
            known = self._is_known(info.id.value)
            if not known:
                self._frameworks.recover(info)
        adopted = []
        for described in message.tasks:
            framework = self._cluster.frameworks.get(described.framework_id.value)
            if framework is not None and self._is_news(framework, described):
                framework.unreachable_tasks.pop(described.task_id.value, None)
                task = _task_of(described, framework)
                self._tasks.add(framework, agent, task)
                adopted.append((framework, task))
        for executor in message.executors:
            framework = self._cluster.frameworks.get(executor.framework_id.value)
            id = executor.executor_id.value
            if framework is not None and agent.executor(framework.id, id) is None:
                resources = _allocated(executor.resources, framework)
                self._cluster.add_executor(
                    framework, agent, Executor(executor, agent.id, resources)
                )
        return adopted

    def _is_known(self, framework_id: str) -> bool:
        cluster = self._cluster
        return framework_id in cluster.frameworks or framework_id in cluster.completed_frameworks

    def _is_news(self, framework: Framework, described: mesos_pb2.Task) -> bool:
        id = described.task_id.value
        if id in framework.tasks:
            # Also if it is another agent's: then this one is an old life of a task that was
            # launched again, and `_bring_up_to_date` has it killed.
            return False
        # A terminal task that we have closed: the agent has not heard the acknowledgement yet.
        closed = any(task.id == id for task in framework.completed_tasks)
        return not (is_terminal(described.state) and closed)

    # -- what it lacks ----------------------------------------------------------------------------

    def _missing(
        self, agent: Agent, reported: Iterable[mesos_pb2.Task]
    ) -> list[cluster_pb2.Reconcile]:
        """Return the tasks of the records that the agent did not name, for it to answer for."""
        named = {(task.framework_id.value, task.task_id.value) for task in reported}
        missing = []
        for task in agent.all_tasks():
            if (task.framework_id, task.id) not in named:
                framework = self._cluster.frameworks[task.framework_id]
                _log.warning(
                    "Task is unknown to the agent, reconciling",
                    task=task.id,
                    framework=framework.id,
                    agent=agent.id,
                )
                missing.append(
                    cluster_pb2.Reconcile(
                        framework_id=framework.info.id,
                        task_id=task.info.task_id,
                        partition_aware=framework.partition_aware,
                    )
                )
        return missing

    def _drop_missing_executors(
        self, agent: Agent, reported: Iterable[mesos_pb2.ExecutorInfo]
    ) -> None:
        named = {(item.framework_id.value, item.executor_id.value) for item in reported}
        held = [(id, each) for id, found in agent.executors.items() for each in found.values()]
        for framework_id, executor in held:
            if (framework_id, executor.id) not in named:
                _log.warning(
                    "Executor is unknown to the agent, removing it",
                    executor=executor.id,
                    framework=framework_id,
                    agent=agent.id,
                )
                framework = self._cluster.frameworks[framework_id]
                self._tasks.remove_executor(framework, agent, executor)

    # -- what the agent is told -------------------------------------------------------------------

    def _confirm(self, agent: Agent, missing: Iterable[cluster_pb2.Reconcile]) -> None:
        self._context.tell(
            agent,
            cluster_pb2.AgentReregistered(
                agent_id=agent.info.id,
                master_info=self._context.master_info,
                total_ping_timeout_s=self._context.flags.total_ping_timeout_s,
                reconcile=missing,
            ),
        )

    def _bring_up_to_date(self, agent: Agent, message: cluster_pb2.ReregisterAgent) -> None:
        """Tell the agent what happened to frameworks and tasks while it was away."""
        reported = {info.id.value: info for info in message.frameworks}
        for framework_id, info in reported.items():
            framework = self._cluster.frameworks.get(framework_id)
            if framework is None:
                self._context.tell(agent, cluster_pb2.ShutdownFramework(framework_id=info.id))
            elif framework.info != info:
                self._context.tell(
                    agent, cluster_pb2.UpdateFramework(framework_info=framework.info)
                )
        for described in message.tasks:
            framework = self._cluster.frameworks.get(described.framework_id.value)
            if framework is None:
                continue
            task = framework.tasks.get(described.task_id.value)
            if task is not None and task.agent_id != agent.id:
                kill = cluster_pb2.KillTask(
                    framework_id=described.framework_id, task_id=described.task_id
                )
                self._context.tell(agent, kill)


def _task_of(described: mesos_pb2.Task, framework: Framework) -> Task:
    resources = _allocated(described.resources, framework)
    return Task(
        info=described,
        role=next(iter(resources.allocations()), None) or framework.roles[0],
        resources=resources,
        state=described.state,
        statuses=list(described.statuses),
        update_state=(
            described.status_update_state if described.HasField("status_update_state") else None
        ),
        update_uuid=described.status_update_uuid,
    )


def _allocated(messages: Iterable[mesos_pb2.Resource], framework: Framework) -> Resources:
    resources = Resources.from_proto(messages)
    return (
        resources
        if None not in resources.allocations()
        else resources.allocated_to(framework.roles[0])
    )
