"""The agent core: which part of the agent reacts to what.

A world feeds it the master's messages, executors' calls, what the containerizer reports and timers;
effects come out. The parts: `registration` (bond with the master), `tasks` (what the master asks),
`executors` (their lives), `reports` and `status_updates` (what became of tasks). All state is in
`state`, read by `snapshot`.

Does no I/O and starts no process. Recovery after a restart is not built yet: a new agent core knows
nothing of an older one's executors.

Source: Mesos documentation "Architecture"; rules as in Mesos 1.11.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from google.protobuf.message import Message

import minimesos
from minimesos.actor import (
    Connected,
    Disconnected,
    Effect,
    EffectFailed,
    Received,
    Send,
    Stimulus,
    Stop,
    TimerFired,
)
from minimesos.agent import executors, registration, status_updates
from minimesos.agent.containers import (
    ContainerExited,
    ContainerLaunched,
    LaunchContainer,
    UpdateContainer,
)
from minimesos.agent.executors import Executors
from minimesos.agent.flags import AgentFlags
from minimesos.agent.registration import MASTER, Registration
from minimesos.agent.reports import Reports, status_problem
from minimesos.agent.state import AgentState, Executor, Framework, Task
from minimesos.agent.status_updates import StatusUpdates
from minimesos.agent.tasks import Tasks
from minimesos.detector import master_address
from minimesos.ids import Ids
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.states import NEVER_FROM_EXECUTOR

CAPABILITIES = (
    mesos_pb2.AgentInfo.Capability.MULTI_ROLE,
    mesos_pb2.AgentInfo.Capability.HIERARCHICAL_ROLE,
    mesos_pb2.AgentInfo.Capability.RESERVATION_REFINEMENT,
)
EXIT_REFUSED = 1

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ShutdownRequested(Stimulus):
    """The operator wants this agent to kill its executors and end, for good if `unregister`."""

    reason: str
    unregister: bool = False


class Agent:
    """One agent. `info` has no id yet; `address` is the ip:port that executors find it at.

    `command_executor` is the command line (argv) that runs a task which has no executor.
    """

    def __init__(
        self,
        flags: AgentFlags,
        info: mesos_pb2.AgentInfo,
        address: str,
        *,
        ids: Ids,
        random: Random,
        command_executor: Sequence[str],
    ) -> None:
        self.state = AgentState(flags, info, address)
        self._effects: list[Effect] = []
        self._updates = StatusUpdates(self._effects)
        self._reports = Reports(self.state, self._updates, ids, self._effects)
        self._executors = Executors(self.state, self._reports, self._updates, ids, self._effects)
        self._tasks = Tasks(
            self.state, self._executors, self._reports, self._updates, command_executor
        )
        self._registration = Registration(
            master_address(flags.master),
            flags.registration_backoff_factor,
            random,
            self._effects,
            self._greeting,
        )
        self._fill_tables()

    def _fill_tables(self) -> None:
        """Say who reacts to what."""
        self._stimuli: dict[type[Stimulus], Callable[[Any, float], None]] = {
            Received: self._received,
            Connected: self._connected,
            Disconnected: self._disconnected,
            TimerFired: self._timer_fired,
            EffectFailed: self._effect_failed,
            ContainerLaunched: lambda stimulus, _: self._executors.container_launched(stimulus),
            ContainerExited: self._container_exited,
            ShutdownRequested: self._shutdown_requested,
        }
        self._messages: dict[type[Message], Callable[[Any, float], None]] = {
            cluster_pb2.AgentRegistered: self._registered,
            cluster_pb2.AgentReregistered: self._reregistered,
            cluster_pb2.Ping: self._ping,
            cluster_pb2.RunTask: self._tasks.run,
            cluster_pb2.RunTaskGroup: self._tasks.run_group,
            cluster_pb2.KillTask: self._tasks.kill,
            cluster_pb2.ShutdownExecutor: self._shutdown_executor,
            cluster_pb2.ShutdownFramework: self._shutdown_framework,
            cluster_pb2.StatusUpdateAcknowledgement: self._tasks.acknowledge,
            cluster_pb2.FrameworkToExecutor: self._framework_to_executor,
            cluster_pb2.UpdateFramework: self._update_framework,
            cluster_pb2.ShutdownAgent: lambda message, now: self._shut_down(message.message, now),
            cluster_pb2.RegistrationRefused: self._refused,
        }
        self._calls: dict[int, Callable[[Executor, executor_pb2.Call, float], None]] = {
            executor_pb2.Call.UPDATE: self._update,
            executor_pb2.Call.MESSAGE: self._executor_to_framework,
            executor_pb2.Call.HEARTBEAT: lambda executor, call, now: None,
        }
        self._timers: dict[str, Callable[[str, float], None]] = {
            registration.ATTEMPT_TIMER: lambda _, now: self._registration.attempt(now),
            registration.PING_TIMER: self._ping_timed_out,
            status_updates.TIMER: self._updates.retry,
            executors.REGISTRATION_TIMER: self._executors.registration_timed_out,
            executors.SHUTDOWN_TIMER: self._executors.shutdown_timed_out,
        }

    @property
    def is_registered(self) -> bool:
        """Whether the master counts on this agent, as far as it knows."""
        return self._registration.is_registered

    def start(self, now: float) -> list[Effect]:
        """Begin to look for the master."""
        self.state.started_at = now
        self._registration.start(now)
        return self._take_effects()

    def handle(self, stimulus: Stimulus, now: float) -> list[Effect]:
        """React to one stimulus; a stimulus type that it does not know is a bug of the world."""
        self._stimuli[type(stimulus)](stimulus, now)
        return self._take_effects()

    def _take_effects(self) -> list[Effect]:
        effects = self._effects.copy()
        self._effects.clear()
        return effects

    # -- stimuli ----------------------------------------------------------------------------------

    def _connected(self, stimulus: Connected, now: float) -> None:
        if stimulus.peer == MASTER:
            self._registration.connected(now)

    def _disconnected(self, stimulus: Disconnected, now: float) -> None:
        if stimulus.peer == MASTER:
            self._updates.pause()
            self._registration.disconnected(stimulus.reason, now)
        else:
            self._executors.disconnected(stimulus.peer)

    def _timer_fired(self, stimulus: TimerFired, now: float) -> None:
        self._timers[stimulus.name.partition("/")[0]](stimulus.name, now)

    def _received(self, stimulus: Received, now: float) -> None:
        if stimulus.peer == MASTER:
            self._messages[type(stimulus.message)](stimulus.message, now)
        elif isinstance(stimulus.message, executor_pb2.Call):
            self._called(stimulus.peer, stimulus.message, now)

    def _called(self, peer: str, call: executor_pb2.Call, now: float) -> None:
        if not call.IsInitialized():
            log.warning("Ignored a call that lacks a required field", peer=peer, type=call.type)
            return
        if call.type == executor_pb2.Call.SUBSCRIBE:
            self._executors.subscribe(peer, call, now)
            return
        executor = self.state.peers.get(peer)
        handler = self._calls.get(call.type)
        if executor is None or handler is None:
            log.warning(
                "Ignored a call of an executor that is not subscribed, or of an unknown type",
                peer=peer,
                type=call.type,
            )
            return
        handler(executor, call, now)

    def _container_exited(self, stimulus: ContainerExited, now: float) -> None:
        self._executors.exited(stimulus, now)
        self._stop_if_done()

    def _effect_failed(self, stimulus: EffectFailed, now: float) -> None:
        effect = stimulus.effect
        if isinstance(effect, LaunchContainer):
            reason = mesos_pb2.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED
            message = f"Failed to launch container: {stimulus.reason}"
            exited = ContainerExited(effect.container_id, None, reason, message)
            self._container_exited(exited, now)
        elif isinstance(effect, UpdateContainer):
            self._executors.update_failed(effect.container_id, stimulus.reason)
        else:
            log.error("An effect failed", effect=type(effect).__name__, why=stimulus.reason)

    def _shutdown_requested(self, stimulus: ShutdownRequested, now: float) -> None:
        if stimulus.unregister and self._registration.is_registered:
            farewell = cluster_pb2.UnregisterAgent(agent_id=self.state.info.id)
            self._effects.append(Send(MASTER, farewell))
        self._shut_down(stimulus.reason, now)

    # -- the master -------------------------------------------------------------------------------

    def _greeting(self) -> Message:
        info = self.state.info
        capabilities = [mesos_pb2.AgentInfo.Capability(type=kind) for kind in CAPABILITIES]
        if not self.state.agent_id:
            return cluster_pb2.RegisterAgent(
                agent_info=info, version=minimesos.__version__, capabilities=capabilities
            )
        greeting = cluster_pb2.ReregisterAgent(
            agent_info=info, version=minimesos.__version__, capabilities=capabilities
        )
        for framework in self.state.frameworks.values():
            if framework.terminating or not framework.executors:
                continue
            greeting.frameworks.append(framework.info)
            for executor in framework.executors.values():
                if executor.is_alive and not executor.for_command:
                    greeting.executors.append(executor.info)
                    greeting.executors[-1].framework_id.CopyFrom(framework.info.id)
                greeting.tasks.extend(
                    self._task_message(framework, executor, task)
                    for task in executor.incomplete_tasks()
                )
        return greeting

    def _task_message(self, framework: Framework, executor: Executor, task: Task) -> mesos_pb2.Task:
        message = task_message(framework, executor, task)
        outstanding = self._updates.outstanding(framework.framework_id, task.task_id)
        if outstanding is not None:
            message.status_update_state = outstanding.state
            message.status_update_uuid = outstanding.uuid
        return message

    def _registered(self, message: cluster_pb2.AgentRegistered, now: float) -> None:
        agent_id = message.agent_id.value
        if self.state.agent_id not in ("", agent_id):
            why = f"the master gave this agent a second id, {agent_id}"
            log.error("Stopping", why=why, agent=self.state.agent_id)
            self._effects.append(Stop(EXIT_REFUSED, why))
            return
        if not self.state.agent_id:
            info = mesos_pb2.AgentInfo()
            info.CopyFrom(self.state.info)
            info.id.value = agent_id
            self.state.info = info
        master = message.master_info.pid or self.state.flags.master
        log.info(f"Registered with master {master}; given agent ID {agent_id}")
        self._registration.accepted(message.total_ping_timeout_s, now)
        self._updates.resume(now)

    def _reregistered(self, message: cluster_pb2.AgentReregistered, now: float) -> None:
        if message.agent_id.value != self.state.agent_id:
            log.warning("Ignored a registration of another agent", agent=message.agent_id.value)
            return
        log.info(f"Re-registered with master {message.master_info.pid or self.state.flags.master}")
        self._registration.accepted(message.total_ping_timeout_s, now)
        self._updates.resume(now)
        self._tasks.reconcile(message, now)

    def _refused(self, message: cluster_pb2.RegistrationRefused, now: float) -> None:
        log.error("The master refused this agent", why=message.message)
        why = f"the master refused this agent: {message.message}"
        self._effects.append(Stop(EXIT_REFUSED, why))

    def _ping(self, message: cluster_pb2.Ping, now: float) -> None:
        self._registration.ping(message, now)
        self._pause_unless_registered()

    def _ping_timed_out(self, _: str, now: float) -> None:
        self._registration.ping_timed_out(now)
        self._pause_unless_registered()

    def _pause_unless_registered(self) -> None:
        if not self._registration.is_registered:
            self._updates.pause()

    def _shutdown_executor(self, message: cluster_pb2.ShutdownExecutor, now: float) -> None:
        framework = self.state.frameworks.get(message.framework_id.value)
        if framework is not None and message.executor_id.value in framework.executors:
            self._executors.shutdown(framework.executors[message.executor_id.value], now)

    def _shutdown_framework(self, message: cluster_pb2.ShutdownFramework, now: float) -> None:
        framework = self.state.frameworks.get(message.framework_id.value)
        if framework is None or framework.terminating:
            return
        log.info("Shutting down framework", framework=framework.framework_id)
        framework.terminating = True
        self._updates.close_framework(framework.framework_id)
        for executor in framework.executors.values():
            self._executors.shutdown(executor, now)
        self._executors.retire(framework)

    def _framework_to_executor(self, message: cluster_pb2.FrameworkToExecutor, now: float) -> None:
        self._executors.message(message.framework_id.value, message.executor_id.value, message.data)

    def _update_framework(self, message: cluster_pb2.UpdateFramework, now: float) -> None:
        framework = self.state.frameworks.get(message.framework_info.id.value)
        if framework is not None:
            framework.info = message.framework_info

    def _shut_down(self, why: str, now: float) -> None:
        if self.state.terminating:
            return
        log.info("Shutting down", why=why)
        self.state.terminating = True
        self._updates.pause()
        self._registration.stop()
        for executor in self.state.executors():
            self._executors.shutdown(executor, now)
        self._stop_if_done()

    def _stop_if_done(self) -> None:
        if self.state.terminating and not self.state.containers:
            self._effects.append(Stop(0, "the agent has been shut down"))

    # -- executors --------------------------------------------------------------------------------

    def _update(self, executor: Executor, call: executor_pb2.Call, now: float) -> None:
        status = call.update.status
        problem = status_problem(executor, status)
        if problem is not None:
            log.warning("Ignored a status of an executor", task=status.task_id.value, why=problem)
        elif status.state in NEVER_FROM_EXECUTOR:
            log.warning(
                "Shutting down an executor that sent a state it may not know of",
                executor=executor.executor_id,
                framework=executor.framework_id,
                state=mesos_pb2.TaskState.Name(status.state),
            )
            self._executors.shutdown(executor, now)
        else:
            self._reports.take(executor, status, now)

    def _executor_to_framework(
        self, executor: Executor, call: executor_pb2.Call, now: float
    ) -> None:
        message = cluster_pb2.ExecutorToFramework(data=call.message.data)
        message.framework_id.value = executor.framework_id
        message.executor_id.value = executor.executor_id
        self._effects.append(Send(MASTER, message))


def task_message(framework: Framework, executor: Executor, task: Task) -> mesos_pb2.Task:
    """Return what a master is told about a task when the agent registers again."""
    info = task.info
    message = mesos_pb2.Task(
        name=info.name,
        task_id=info.task_id,
        framework_id=framework.info.id,
        agent_id=info.agent_id,
        state=task.state,
        resources=info.resources,
        statuses=task.statuses,
    )
    if not executor.for_command:
        message.executor_id.CopyFrom(executor.info.executor_id)
    if task.statuses:
        message.status_update_state = task.state
        message.status_update_uuid = task.statuses[-1].uuid
    for name in ("labels", "discovery", "container", "health_check", "kill_policy"):
        if info.HasField(name):
            getattr(message, name).CopyFrom(getattr(info, name))
    user = info.command.user or executor.info.command.user
    if user:
        message.user = user
    return message
