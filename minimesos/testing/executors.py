"""Simulated containers, and executors in them whose tasks follow a script.

Each simulated agent has a `Containers` that performs what its core asks of a containerizer. What
runs in a container is an executor: a real `ExecutorSession` with an owner that plays the tasks'
behaviours. A command executor ends after its only task, any other when it is told to. What tasks of
a framework do may also be a `Program` of its own, such as a Spark executor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from minimesos.actor import Actor, Effect
from minimesos.agent.containers import (
    ContainerExited,
    ContainerLaunched,
    DestroyContainer,
    LaunchContainer,
    UpdateContainer,
)
from minimesos.drivers import executor_session
from minimesos.drivers.executor_session import ExecutorEnvironment, ExecutorSession
from minimesos.drivers.session import Arrived, Leave, Submit
from minimesos.ids import RandomIds
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.testing.simulator import Node, Simulator

LAUNCH_S = 0.05
"""From LaunchContainer to a process that runs."""
START_TASK_S = 0.01
EXIT_S = 0.01
"""From the end of a process to its being reaped."""
COMMAND_EXECUTOR_LINGERS_S = 1.0
SIGKILLED = 9
FIRST_PID = 1000

COMMAND_EXECUTOR = ("minimesos-command-executor",)
"""The argv by which a container is known to hold a command executor."""

Event = executor_pb2.Event


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a task does: runs until it is killed, unless it ends by itself.

    A task that does not `register` is one whose executor never subscribes.
    """

    ends_after_s: float | None = None
    ends_as: mesos_pb2.TaskState = mesos_pb2.TASK_FINISHED
    registers: bool = True


RUNS_UNTIL_KILLED = Behaviour()
NEVER_REGISTERS = Behaviour(registers=False)


def finishes(after_s: float) -> Behaviour:
    """Return the behaviour of a task that finishes after some seconds."""
    return Behaviour(after_s)


def fails(after_s: float) -> Behaviour:
    """Return the behaviour of a task that fails after some seconds."""
    return Behaviour(after_s, mesos_pb2.TASK_FAILED)


class Program(Protocol):
    """What runs as a task."""

    def kill(self) -> None:
        """End at once, without a word; the task's end is known already."""
        ...


StartProgram = Callable[[mesos_pb2.TaskInfo, str, Callable[[mesos_pb2.TaskState], None]], Program]
"""Starts a task on a host; the program calls what it is given once, when it ends by itself."""


EXECUTOR_KIND = "spark-executor"
"""What simulated executors of Spark are to their drivers."""

MakeExecutor = Callable[[LaunchContainer, ExecutorSession, str], Actor]
"""Makes an executor with a session and a host; it says nothing but what the world performs."""


class Containers:
    """The containerizer of one simulated agent.

    Behaviours are looked up by task or executor id, programs and executors by framework id.
    """

    def __init__(
        self,
        simulator: Simulator,
        host: str,
        behaviours: Mapping[str, Behaviour],
        programs: Mapping[str, StartProgram],
        executors: Mapping[str, MakeExecutor],
    ) -> None:
        self.agent: Node  # whoever is the agent now; containers outlive agent processes
        self._simulator = simulator
        self._host = host
        self._behaviours = behaviours
        self._programs = programs
        self._executors = executors
        self._running: dict[str, Node] = {}  # by container id
        self._owners: dict[str, ExecutorOwner] = {}
        self._launching: set[str] = set()
        self._idle: set[str] = set()  # containers whose process never subscribes
        self._pid = FIRST_PID
        self._performers: dict[type[Effect], Callable[[Any], None]] = {
            LaunchContainer: self._launch,
            UpdateContainer: lambda effect: None,
            DestroyContainer: self._destroy,
        }

    def perform(self, effect: Effect) -> None:
        """Do what an agent asks of a containerizer."""
        self._performers[type(effect)](effect)

    def executors(self) -> list[Node]:
        """Return the executors that run."""
        return list(self._running.values())

    def _launch(self, effect: LaunchContainer) -> None:
        # The agent that asked is the one that is told: a later one does not know the container.
        agent = self.agent
        self._launching.add(effect.container_id)

        def run() -> None:
            if effect.container_id not in self._launching:
                return
            self._launching.discard(effect.container_id)
            self._pid += 1
            self._simulator.give(agent, ContainerLaunched(effect.container_id, self._pid))
            if not self._behaviour(effect.executor_id).registers:
                self._idle.add(effect.container_id)
                return
            node = self._executor(agent, effect)
            self._running[effect.container_id] = node
            self._simulator.start(node)

        self._simulator.after(LAUNCH_S, run)

    def _executor(self, agent: Node, effect: LaunchContainer) -> Node:
        random = self._simulator.random_of(f"executor/{effect.container_id}")
        environment = ExecutorEnvironment.parse(effect.environment)
        session = ExecutorSession(environment, ids=RandomIds(random), random=random)
        make = self._executors.get(environment.framework_id)
        node = Node(
            name=f"executor {effect.executor_id}",
            kind="executor" if make is None else EXECUTOR_KIND,
            host=self._host,
            actor=session if make is None else make(effect, session, self._host),
            other_effect=lambda news: owner.hear(news),
            on_stop=lambda stop: self._exited(agent, effect.container_id, stop.exit_code << 8),
        )
        is_command = tuple(effect.command.arguments) == COMMAND_EXECUTOR
        start = self._programs.get(environment.framework_id)
        owner = ExecutorOwner(self._simulator, node, self._behaviour, is_command, start)
        self._owners[effect.container_id] = owner
        return node

    def _behaviour(self, id: str) -> Behaviour:
        return self._behaviours.get(id, RUNS_UNTIL_KILLED)

    def _destroy(self, effect: DestroyContainer) -> None:
        id = effect.container_id
        node = self._running.get(id)
        if node is not None:
            self._simulator.kill(node)
            self._exited(self.agent, id, SIGKILLED)
        elif id in self._idle:
            self._idle.discard(id)
            self._exited(self.agent, id, SIGKILLED)
        elif id in self._launching:
            self._launching.discard(id)
            self._exited(self.agent, id, None)

    def _exited(self, agent: Node, container_id: str, status: int | None) -> None:
        self._running.pop(container_id, None)
        owner = self._owners.pop(container_id, None)
        if owner is not None:
            owner.kill_programs()
        exited = ContainerExited(container_id, status)
        self._simulator.after(EXIT_S, lambda: self._simulator.give(agent, exited))


class ExecutorOwner:
    """What an executor does: plays its tasks, and ends."""

    def __init__(
        self,
        simulator: Simulator,
        node: Node,
        behaviour_of: Callable[[str], Behaviour],
        is_command: bool,
        start_program: StartProgram | None = None,
    ) -> None:
        self._simulator = simulator
        self._node = node
        self._behaviour_of = behaviour_of
        self._is_command = is_command
        self._start_program = start_program
        self._live: dict[str, None] = {}
        self._programs: dict[str, Program] = {}  # by task id
        self._events: dict[int, Callable[[executor_pb2.Event], None]] = {
            Event.LAUNCH: lambda event: self._take_on(event.launch.task),
            Event.LAUNCH_GROUP: self._take_on_group,
            Event.KILL: lambda event: self._end(event.kill.task_id.value, mesos_pb2.TASK_KILLED),
            Event.SHUTDOWN: self._shut_down,
        }

    def hear(self, news: Effect) -> None:
        """React to news of the session."""
        if isinstance(news, Arrived):
            event = news.event
            assert isinstance(event, executor_pb2.Event)
            handler = self._events.get(event.type)
            if handler is not None:
                # Not at once: the session is in the middle of its own turn.
                self._later(0.0, lambda: handler(event))

    def _take_on_group(self, event: executor_pb2.Event) -> None:
        for task in event.launch_group.task_group.tasks:
            self._take_on(task)

    def _take_on(self, task: mesos_pb2.TaskInfo) -> None:
        task_id = task.task_id.value
        self._live[task_id] = None

        def run() -> None:
            if task_id not in self._live:
                return
            self._report(task_id, mesos_pb2.TASK_RUNNING)
            if self._start_program is not None:
                self._programs[task_id] = self._start_program(
                    task, self._node.host, lambda state: self._end(task_id, state)
                )
                return
            behaviour = self._behaviour_of(task_id)
            if behaviour.ends_after_s is not None:
                self._later(behaviour.ends_after_s, lambda: self._end(task_id, behaviour.ends_as))

        self._later(START_TASK_S, run)

    def _end(self, task_id: str, state: mesos_pb2.TaskState) -> None:
        if task_id not in self._live:
            return
        del self._live[task_id]
        program = self._programs.pop(task_id, None)
        if program is not None:
            program.kill()
        self._report(task_id, state)
        if self._is_command:
            self._later(COMMAND_EXECUTOR_LINGERS_S, self._leave)

    def _shut_down(self, event: executor_pb2.Event) -> None:
        for task_id in list(self._live):
            self._end(task_id, mesos_pb2.TASK_KILLED)
        self._later(START_TASK_S, self._leave)

    def kill_programs(self) -> None:
        """End what still runs: the container has ended."""
        for program in self._programs.values():
            program.kill()
        self._programs.clear()

    def _report(self, task_id: str, state: mesos_pb2.TaskState) -> None:
        status = mesos_pb2.TaskStatus(task_id=mesos_pb2.TaskID(value=task_id), state=state)
        self._simulator.give(self._node, Submit(executor_session.update(status)))

    def _leave(self) -> None:
        self._simulator.give(self._node, Leave())

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        self._simulator.after(delay_s, action)
