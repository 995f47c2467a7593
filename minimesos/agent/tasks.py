"""What the master asks for tasks: run, kill, acknowledge, and tell about unknown ones.

Decides whether a task may launch here, on a new executor or one that runs; a task that may not is
answered with DROPPED (LOST to frameworks that do not know partitions) and the reason, or with
FAILED if it asks for a container that cannot be had here. Command tasks get an executor made up for
them.

Used by the agent core. Executors do the rest.

Source: Mesos documentation "Architecture" and "Task State Reasons"; rules as in Mesos 1.11.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from minimesos.agent.container_wishes import container_problem
from minimesos.agent.executors import STATUS_UNKNOWN, Executors
from minimesos.agent.reports import Reports
from minimesos.agent.state import AgentState, Executor, Framework, Task
from minimesos.agent.status_updates import StatusUpdates
from minimesos.ids import id_problem
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources
from minimesos.states import is_terminal
from minimesos.units import NANOSECONDS

COMMAND_EXECUTOR_CPUS = 0.1
COMMAND_EXECUTOR_MEM_MB = 32
KILL_GRACE_S = 3.0
"""Time between SIGTERM and SIGKILL for a task whose kill policy says nothing."""
COMMAND_EXECUTOR_MARGIN_S = 2.0
"""What a command executor gets beyond its task's kill grace, to report the end of the task."""
_NAME_COMMAND_MAX = 15

_Status = mesos_pb2.TaskStatus

log = get_logger(__name__)


class Tasks:
    """The master's side of task handling. `command_executor` is the argv of a command executor."""

    def __init__(
        self,
        state: AgentState,
        executors: Executors,
        reports: Reports,
        updates: StatusUpdates,
        command_executor: Sequence[str],
    ) -> None:
        self._state = state
        self._executors = executors
        self._reports = reports
        self._updates = updates
        self._command_executor = tuple(command_executor)

    def run(self, message: cluster_pb2.RunTask, now: float) -> None:
        """Launch a task, or say why not."""
        info = message.task
        if self._state.terminating or info.agent_id.value != self._state.agent_id:
            log.warning("Ignored a task", task=info.task_id.value, agent=info.agent_id.value)
            return
        framework = self._framework(message.framework_info)
        log.info("Got assigned task", task=info.task_id.value, framework=framework.framework_id)
        if framework.terminating:
            log.warning("Ignored a task of a framework that is being shut down")
            return
        is_command = not info.HasField("executor")
        executor_id = info.task_id.value if is_command else info.executor.executor_id.value
        executor = framework.executors.get(executor_id)
        refusal = _refusal(framework, message, executor_id, executor)
        if refusal is not None:
            self._reports.own(framework, None, info.task_id.value, *refusal, now)
            is_there = executor is not None and executor.is_alive  # then its end is told in time
            if message.launch_executor and not is_command and not is_there:
                self._executors.report_exit(framework.framework_id, executor_id, STATUS_UNKNOWN)
            return
        task = Task(info, Resources.from_proto(info.resources))
        if executor is None:
            wanted = self._for_command(framework, task) if is_command else info.executor
            self._executors.launch(framework, wanted, task, now)
            return
        executor.queued[task.task_id] = task
        self._executors.deliver(executor)

    def run_group(self, message: cluster_pb2.RunTaskGroup, now: float) -> None:
        """Refuse a task group: there is no default executor yet."""
        if self._state.terminating:
            return
        framework = self._framework(message.framework_info)
        for info in message.task_group.tasks:
            self._drop(
                framework,
                info.task_id.value,
                _Status.REASON_TASK_GROUP_INVALID,
                "This agent does not run task groups",
                now,
            )
        if message.launch_executor:
            executor_id = message.executor.executor_id.value
            self._executors.report_exit(framework.framework_id, executor_id, STATUS_UNKNOWN)

    def kill(self, message: cluster_pb2.KillTask, now: float) -> None:
        """Kill a task, wherever it has got to."""
        task_id = message.task_id.value
        framework = self._state.frameworks.get(message.framework_id.value)
        log.info("Asked to kill task", task=task_id, framework=message.framework_id.value)
        if framework is None or framework.terminating:
            log.warning("Ignored the kill: nothing of the framework runs here", task=task_id)
            return
        executor = framework.executor_of(task_id)
        if executor is None:
            self._drop(
                framework,
                task_id,
                _Status.REASON_EXECUTOR_TERMINATED,
                "Cannot find executor",
                now,
            )
            return
        if task_id in executor.queued:
            self._reports.own(
                framework,
                executor,
                task_id,
                mesos_pb2.TASK_KILLED,
                _Status.REASON_TASK_KILLED_DURING_LAUNCH,
                "Killed before delivery to the executor",
                now,
            )
            if not executor.queued and not executor.had_task:
                self._executors.shutdown(executor, now)
        elif task_id in executor.launched:
            policy = message.kill_policy if message.HasField("kill_policy") else None
            self._executors.kill(executor, executor.launched[task_id], policy)

    def acknowledge(self, message: cluster_pb2.StatusUpdateAcknowledgement, now: float) -> None:
        """Let go of a status update; the task is complete if it was terminal."""
        framework_id, task_id = message.framework_id.value, message.task_id.value
        status = self._updates.acknowledge(framework_id, task_id, message.uuid, now)
        framework = self._state.frameworks.get(framework_id)
        if status is None or framework is None or not is_terminal(status.state):
            return
        executor = framework.executor_of(task_id)
        if executor is not None and task_id in executor.terminated:
            executor.completed.append(executor.terminated.pop(task_id))
        self._executors.retire(framework)

    def reconcile(self, message: cluster_pb2.AgentReregistered, now: float) -> None:
        """Tell the master about tasks that it holds and that never arrived here."""
        for wanted in message.reconcile:
            framework_id = wanted.framework_id.value
            framework = self._state.frameworks.get(framework_id)
            if framework is not None and framework.executor_of(wanted.task_id.value) is not None:
                continue
            framework = framework or self._framework(_stand_in(wanted))
            self._drop(
                framework,
                wanted.task_id.value,
                _Status.REASON_RECONCILIATION,
                "Reconciliation: task unknown to the agent",
                now,
            )

    def _framework(self, info: mesos_pb2.FrameworkInfo) -> Framework:
        framework = self._state.frameworks.get(info.id.value)
        if framework is None:
            limit = self._state.flags.max_completed_executors_per_framework
            framework = Framework(info, completed_executors=deque(maxlen=limit))
            self._state.frameworks[info.id.value] = framework
        framework.info = info
        return framework

    def _drop(
        self,
        framework: Framework,
        task_id: str,
        reason: mesos_pb2.TaskStatus.Reason,
        message: str,
        now: float,
    ) -> None:
        state = framework.told_as(mesos_pb2.TASK_DROPPED)
        self._reports.own(framework, None, task_id, state, reason, message, now)

    def _for_command(self, framework: Framework, task: Task) -> mesos_pb2.ExecutorInfo:
        """Make up the executor of a command task."""
        command = task.info.command
        words = command.value if command.shell else " ".join((command.value, *command.arguments))
        shown = words if len(words) <= _NAME_COMMAND_MAX else words[: _NAME_COMMAND_MAX - 3] + "..."
        prefix = "sh -c " if command.shell else ""
        info = mesos_pb2.ExecutorInfo(
            name=f"Command Executor (Task: {task.task_id}) (Command: {prefix}'{shown}')",
            source=task.task_id,
            framework_id=framework.info.id,
        )
        info.executor_id.value = task.task_id
        # The command's environment is for the task alone: it must not change the executor.
        info.command.CopyFrom(
            mesos_pb2.CommandInfo(
                shell=False,
                value=self._command_executor[0],
                arguments=self._command_executor,
                uris=command.uris,
            )
        )
        if command.HasField("user"):
            info.command.user = command.user
        roles = task.resources.allocations() or {None: Resources.EMPTY}
        overhead = Resources.of(
            allocated=next(iter(roles)), cpus=COMMAND_EXECUTOR_CPUS, mem=COMMAND_EXECUTOR_MEM_MB
        )
        info.resources.extend(overhead.to_proto())
        policy = task.info.kill_policy
        grace_s = KILL_GRACE_S
        if policy.HasField("grace_period"):
            grace_s = policy.grace_period.nanoseconds / NANOSECONDS
        info.shutdown_grace_period.nanoseconds = int(
            (grace_s + COMMAND_EXECUTOR_MARGIN_S) * NANOSECONDS
        )
        return info


Refusal = tuple[mesos_pb2.TaskState, mesos_pb2.TaskStatus.Reason, str]


def _refusal(
    framework: Framework, message: cluster_pb2.RunTask, executor_id: str, executor: Executor | None
) -> Refusal | None:
    """Say why a task cannot launch, None if it can."""
    info = message.task
    dropped = framework.told_as(mesos_pb2.TASK_DROPPED)
    problem = (
        id_problem(info.task_id.value)
        or id_problem(executor_id)
        or Resources.problem(info.resources)
        or Resources.problem(info.executor.resources)
    )
    if problem is not None:
        return dropped, _Status.REASON_TASK_INVALID, problem
    is_command = not info.HasField("executor")
    if is_command and executor is not None:
        why = f"Executor '{executor_id}' exists, and a command task needs one of its own"
        return dropped, _Status.REASON_TASK_INVALID, why
    if not is_command:
        ended = _executor_problem(message, executor)
        if ended is not None:
            return dropped, _Status.REASON_EXECUTOR_TERMINATED, ended
    owner = info if is_command else info.executor
    if executor is None and owner.HasField("container"):
        problem = container_problem(owner.container)
    if problem is not None:
        return mesos_pb2.TASK_FAILED, _Status.REASON_CONTAINER_LAUNCH_FAILED, problem
    return None


def _executor_problem(message: cluster_pb2.RunTask, executor: Executor | None) -> str | None:
    """Say why a task's executor is not as the master believes, None if it is."""
    if executor is None:
        return None if message.launch_executor else "The executor it was meant for has ended"
    if message.launch_executor:
        return "An executor was to be launched for it, but one of that id is still here"
    return None if executor.accepts_tasks else "The executor it was meant for is terminating"


def _stand_in(wanted: cluster_pb2.Reconcile) -> mesos_pb2.FrameworkInfo:
    """Make up a framework that this agent never met, to word its tasks' end for it."""
    info = mesos_pb2.FrameworkInfo(user="", name="", id=wanted.framework_id)
    if wanted.partition_aware:
        info.capabilities.add(type=mesos_pb2.FrameworkInfo.Capability.PARTITION_AWARE)
    return info
