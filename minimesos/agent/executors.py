"""The lives of executors: launched, subscribed, given their tasks, shut down, gone.

REGISTERING -> RUNNING -> TERMINATING -> TERMINATED. Tasks queue until the executor subscribes; then
its container is given their resources before they are delivered. However an executor ends, each of
its tasks gets a terminal status, and the executor is kept until those are acknowledged.

Used by the agent core. Which tasks may launch is decided in `tasks`; what an executor sends is
taken in by `reports`.

Source: Mesos documentation "Executor HTTP API"; rules as in Mesos 1.11.
"""

from __future__ import annotations

from collections.abc import Mapping

from minimesos.actor import CancelTimer, Close, Effect, Send, SetTimer
from minimesos.agent.causes import Cause, cause_of, describe
from minimesos.agent.containers import (
    ContainerExited,
    ContainerLaunched,
    DestroyContainer,
    LaunchContainer,
    UpdateContainer,
)
from minimesos.agent.environment import executor_environment, parse_variables
from minimesos.agent.registration import MASTER
from minimesos.agent.reports import Reports, status_problem
from minimesos.agent.sandbox import run_directory
from minimesos.agent.state import AgentState, Executor, ExecutorState, Framework, Task
from minimesos.agent.status_updates import StatusUpdates
from minimesos.ids import Ids
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources
from minimesos.units import NANOSECONDS, format_duration

REGISTRATION_TIMER = "executor-registration"
SHUTDOWN_TIMER = "executor-shutdown"
STATUS_UNKNOWN = -1

_Event = executor_pb2.Event

log = get_logger(__name__)


class Executors:
    """Appends its effects to a list that is shared with the agent."""

    def __init__(
        self,
        state: AgentState,
        reports: Reports,
        updates: StatusUpdates,
        ids: Ids,
        effects: list[Effect],
    ) -> None:
        self._state = state
        self._updates = updates
        self._reports = reports
        self._ids = ids
        self._effects = effects
        self._variables: Mapping[str, str] = parse_variables(
            state.flags.executor_environment_variables or "{}"
        )

    # -- launch -----------------------------------------------------------------------------------

    def launch(
        self, framework: Framework, info: mesos_pb2.ExecutorInfo, task: Task, now: float
    ) -> None:
        """Start an executor in a new container, with its first task queued."""
        flags = self._state.flags
        framework_id, executor_id = framework.framework_id, info.executor_id.value
        container_id = self._ids.uuid()
        executor = Executor(
            info=info,
            framework_id=framework_id,
            container_id=container_id,
            sandbox=run_directory(
                str(flags.work_dir), self._state.agent_id, framework_id, executor_id, container_id
            ),
            resources=Resources.from_proto(info.resources),
            shutdown_grace_s=(
                info.shutdown_grace_period.nanoseconds / NANOSECONDS
                if info.HasField("shutdown_grace_period")
                else flags.executor_shutdown_grace_period
            ),
            for_command=not task.info.HasField("executor"),
            queued={task.task_id: task},
        )
        framework.executors[executor_id] = executor
        self._state.containers[container_id] = executor
        log.info(
            "Launching executor",
            executor=executor_id,
            framework=framework_id,
            resources=executor.allocated(),
            sandbox=executor.sandbox,
        )
        self._effects.append(self._launch_container(framework, executor))
        deadline = now + flags.executor_registration_timeout
        self._effects.append(SetTimer(f"{REGISTRATION_TIMER}/{container_id}", deadline))

    def _launch_container(self, framework: Framework, executor: Executor) -> LaunchContainer:
        command = executor.info.command
        user = command.user or framework.info.user if self._state.flags.switch_user else ""
        return LaunchContainer(
            container_id=executor.container_id,
            framework_id=executor.framework_id,
            executor_id=executor.executor_id,
            command=command,
            environment=executor_environment(
                self._variables,
                command,
                framework_id=executor.framework_id,
                executor_id=executor.executor_id,
                agent_id=self._state.agent_id,
                agent_address=self._state.address,
                sandbox=executor.sandbox,
                shutdown_grace_s=executor.shutdown_grace_s,
            ),
            resources=executor.allocated(),
            sandbox=executor.sandbox,
            user=user,
        )

    def container_launched(self, stimulus: ContainerLaunched) -> None:
        """Note the pid of a container's first process."""
        executor = self._state.containers.get(stimulus.container_id)
        if executor is not None:
            executor.pid = stimulus.pid

    def registration_timed_out(self, timer: str, now: float) -> None:
        """Kill a container whose executor has not subscribed in time."""
        executor = self._state.containers.get(timer.partition("/")[2])
        if executor is None or executor.state is not ExecutorState.REGISTERING:
            return
        timeout = format_duration(self._state.flags.executor_registration_timeout)
        message = f"Executor did not register within {timeout}"
        log.warning(message, executor=executor.executor_id, framework=executor.framework_id)
        reason = mesos_pb2.TaskStatus.REASON_EXECUTOR_REGISTRATION_TIMEOUT
        self._destroy(executor, Cause(mesos_pb2.TASK_FAILED, reason, message))

    # -- connection -------------------------------------------------------------------------------

    def subscribe(self, peer: str, call: executor_pb2.Call, now: float) -> None:
        """Bind a connection to its executor and deliver what is due; refuse one we do not want."""
        framework = self._state.frameworks.get(call.framework_id.value)
        executor = framework.executors.get(call.executor_id.value) if framework else None
        if framework is None or executor is None or not executor.accepts_tasks:
            log.warning(
                "Shutting down an executor that should not run",
                executor=call.executor_id.value,
                framework=call.framework_id.value,
            )
            self._effects += [Send(peer, _Event(type=_Event.SHUTDOWN)), Close(peer)]
            return
        if executor.peer is not None and executor.peer != peer:
            self._unbind(executor)
        log.info(
            "Got registration for executor",
            executor=executor.executor_id,
            framework=executor.framework_id,
        )
        executor.peer = peer
        executor.state = ExecutorState.RUNNING
        self._state.peers[peer] = executor
        self._effects.append(CancelTimer(f"{REGISTRATION_TIMER}/{executor.container_id}"))
        for update in call.subscribe.unacknowledged_updates:
            if status_problem(executor, update.status) is None:
                self._reports.take(executor, update.status, now)
        if not executor.queued and not executor.had_task:
            # All its tasks were killed while it started.
            self.shutdown(executor, now)
            return
        self._subscribed(framework, executor)
        self._lose_undelivered(framework, executor, call.subscribe, now)
        for task in executor.launched.values():
            if task.kill is not None:
                self._send(executor, task.kill)
        self.deliver(executor)

    def _subscribed(self, framework: Framework, executor: Executor) -> None:
        subscribed = _Event.Subscribed(
            executor_info=executor.info,
            framework_info=framework.info,
            agent_info=self._state.info,
            container_id=mesos_pb2.ContainerID(value=executor.container_id),
        )
        self._send(executor, _Event(type=_Event.SUBSCRIBED, subscribed=subscribed))

    def _lose_undelivered(
        self,
        framework: Framework,
        executor: Executor,
        subscribe: executor_pb2.Call.Subscribe,
        now: float,
    ) -> None:
        """Drop tasks that were sent but never reached an executor which has subscribed again."""
        known = {task.task_id.value for task in subscribe.unacknowledged_tasks}
        for task in list(executor.launched.values()):
            if task.state == mesos_pb2.TASK_STAGING and task.task_id not in known:
                self._reports.own(
                    framework,
                    executor,
                    task.task_id,
                    framework.told_as(mesos_pb2.TASK_DROPPED),
                    mesos_pb2.TaskStatus.REASON_AGENT_RESTARTED,
                    "Task was lost on its way to the executor",
                    now,
                )

    def deliver(self, executor: Executor) -> None:
        """Send the queued tasks to a subscribed executor, the container's limits raised before."""
        if executor.peer is None or executor.state is not ExecutorState.RUNNING:
            return
        if not executor.queued:
            return
        self._effects.append(UpdateContainer(executor.container_id, executor.allocated()))
        for task in executor.queued.values():
            log.info(
                "Sending queued task to executor",
                task=task.task_id,
                executor=executor.executor_id,
                framework=executor.framework_id,
            )
            launch = _Event.Launch(task=task.info)
            self._send(executor, _Event(type=_Event.LAUNCH, launch=launch))
            executor.launched[task.task_id] = task
        executor.queued.clear()
        executor.had_task = True

    def disconnected(self, peer: str) -> None:
        """Forget a connection that broke: the executor may come back, or its container ends."""
        executor = self._state.peers.pop(peer, None)
        if executor is not None:
            executor.peer = None
            log.info(
                "Executor disconnected",
                executor=executor.executor_id,
                framework=executor.framework_id,
            )

    def message(self, framework_id: str, executor_id: str, data: bytes) -> None:
        """Pass a framework's message on to its executor, if that is there to hear it."""
        framework = self._state.frameworks.get(framework_id)
        executor = framework.executors.get(executor_id) if framework else None
        if executor is None or executor.peer is None:
            log.warning(
                "Dropped a message to an executor that is not connected",
                executor=executor_id,
                framework=framework_id,
            )
            return
        self._send(executor, _Event(type=_Event.MESSAGE, message=_Event.Message(data=data)))

    # -- end --------------------------------------------------------------------------------------

    def shutdown(self, executor: Executor, now: float) -> None:
        """Tell an executor to shut down, and kill its container after its grace period."""
        if not executor.accepts_tasks:
            return
        log.info(
            "Shutting down executor",
            executor=executor.executor_id,
            framework=executor.framework_id,
            grace_s=executor.shutdown_grace_s,
        )
        if executor.peer is None:
            # Nobody to ask: SIGTERM says the same.
            self._destroy(executor, executor.cause, executor.shutdown_grace_s)
            return
        executor.state = ExecutorState.TERMINATING
        self._send(executor, _Event(type=_Event.SHUTDOWN))
        deadline = now + executor.shutdown_grace_s
        self._effects.append(SetTimer(f"{SHUTDOWN_TIMER}/{executor.container_id}", deadline))

    def shutdown_timed_out(self, timer: str, now: float) -> None:
        """Kill an executor that has not shut down within its grace period."""
        executor = self._state.containers.get(timer.partition("/")[2])
        if executor is not None:
            self._destroy(executor, executor.cause)

    def update_failed(self, container_id: str, why: str) -> None:
        """Kill a container whose limits could not be changed."""
        executor = self._state.containers.get(container_id)
        if executor is None:
            return
        framework = self._state.frameworks[executor.framework_id]
        state = framework.told_as(mesos_pb2.TASK_GONE)
        reason = mesos_pb2.TaskStatus.REASON_CONTAINER_UPDATE_FAILED
        message = f"Failed to update resources for container: {why}"
        log.error(message, executor=executor.executor_id, framework=executor.framework_id)
        self._destroy(executor, Cause(state, reason, message))

    def exited(self, stimulus: ContainerExited, now: float) -> None:
        """End an executor of which nothing runs any more, and every task it had."""
        executor = self._state.containers.pop(stimulus.container_id, None)
        if executor is None:
            return
        framework = self._state.frameworks[executor.framework_id]
        log.info(
            "Executor exited",
            executor=executor.executor_id,
            framework=executor.framework_id,
            status=describe(stimulus.status),
            **({"why": stimulus.message} if stimulus.message else {}),
        )
        executor.state = ExecutorState.TERMINATED
        self._unbind(executor)
        for timer in (REGISTRATION_TIMER, SHUTDOWN_TIMER):
            self._effects.append(CancelTimer(f"{timer}/{executor.container_id}"))
        cause = cause_of(stimulus, executor.cause)
        for task in (*executor.queued.values(), *executor.launched.values()):
            self._reports.own(
                framework, executor, task.task_id, cause.state, cause.reason, cause.message, now
            )
        # The master has forgotten a framework that it had shut down, executors and all.
        if not executor.for_command and not framework.terminating:
            status = STATUS_UNKNOWN if stimulus.status is None else stimulus.status
            self.report_exit(framework.framework_id, executor.executor_id, status)
        self.retire(framework)

    def report_exit(self, framework_id: str, executor_id: str, status: int) -> None:
        """Tell the master that an executor has ended, or never began."""
        exited = cluster_pb2.ExitedExecutor(status=status)
        exited.framework_id.value = framework_id
        exited.executor_id.value = executor_id
        self._effects.append(Send(MASTER, exited))

    def kill(self, executor: Executor, task: Task, policy: mesos_pb2.KillPolicy | None) -> None:
        """Ask the executor to kill a task, again when it subscribes again."""
        kill = _Event.Kill(task_id=task.info.task_id, kill_policy=policy)
        task.kill = _Event(type=_Event.KILL, kill=kill)
        self._send(executor, task.kill)

    def retire(self, framework: Framework) -> None:
        """Complete the framework's executors that left nothing behind, and then the framework."""
        for executor in list(framework.executors.values()):
            if executor.is_alive or (executor.terminated and not framework.terminating):
                continue
            log.info(
                "Cleaning up executor",
                executor=executor.executor_id,
                framework=framework.framework_id,
            )
            del framework.executors[executor.executor_id]
            executor.completed.extend(executor.incomplete_tasks())
            framework.completed_executors.append(executor)
        if not framework.executors and not self._updates.has_pending(framework.framework_id):
            log.info("Cleaning up framework", framework=framework.framework_id)
            self._updates.close_framework(framework.framework_id)
            del self._state.frameworks[framework.framework_id]
            self._state.completed_frameworks.append(framework)

    def _destroy(self, executor: Executor, cause: Cause | None, grace_s: float = 0.0) -> None:
        executor.state = ExecutorState.TERMINATING
        executor.cause = cause
        self._effects.append(DestroyContainer(executor.container_id, grace_s))

    def _unbind(self, executor: Executor) -> None:
        if executor.peer is not None:
            self._state.peers.pop(executor.peer, None)
            self._effects.append(Close(executor.peer))
            executor.peer = None

    def _send(self, executor: Executor, event: executor_pb2.Event) -> None:
        if executor.peer is not None:
            self._effects.append(Send(executor.peer, event))
