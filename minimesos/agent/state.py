"""What an agent knows: frameworks, their executors, their tasks.

Held by the agent core and changed by its parts (`tasks`, `executors`); read by `snapshot` and by
registration. Nothing here decides or emits anything. Received messages are held, never changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from minimesos.agent.causes import Cause
from minimesos.agent.flags import AgentFlags
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.resources import Resources
from minimesos.states import state_for

COMPLETED_FRAMEWORKS_MAX = 50
COMPLETED_TASKS_PER_EXECUTOR_MAX = 200


class ExecutorState(Enum):
    """An executor only ever moves down this list."""

    REGISTERING = "REGISTERING"  # its container starts, it has not subscribed
    RUNNING = "RUNNING"
    TERMINATING = "TERMINATING"  # it has been told to shut down, or its container is being killed
    TERMINATED = "TERMINATED"  # nothing of it runs; updates of its tasks may be unacknowledged


@dataclass(slots=True)
class Task:
    """A task on this agent; `state` is the newest one, however much of it the master has seen."""

    info: mesos_pb2.TaskInfo
    resources: Resources
    state: mesos_pb2.TaskState = mesos_pb2.TASK_STAGING
    statuses: list[mesos_pb2.TaskStatus] = field(default_factory=list)  # the newest of each state
    kill: executor_pb2.Event | None = None  # sent to the executor again if it subscribes again

    @property
    def task_id(self) -> str:
        return self.info.task_id.value

    def record(self, status: mesos_pb2.TaskStatus) -> None:
        """Take over a new status."""
        self.state = status.state
        if self.statuses and self.statuses[-1].state == status.state:
            self.statuses.pop()
        self.statuses.append(status)


@dataclass(slots=True)
class Executor:
    """An executor in its container. A task is in exactly one of the four collections."""

    info: mesos_pb2.ExecutorInfo
    framework_id: str
    container_id: str
    sandbox: str
    resources: Resources  # its own, without its tasks'
    shutdown_grace_s: float
    for_command: bool  # made up by this agent to run one command task
    state: ExecutorState = ExecutorState.REGISTERING
    peer: str | None = None  # its connection, None while there is none
    pid: int | None = None
    cause: Cause | None = None  # of our killing it
    queued: dict[str, Task] = field(default_factory=dict)  # not delivered yet
    launched: dict[str, Task] = field(default_factory=dict)  # delivered, not terminal
    terminated: dict[str, Task] = field(default_factory=dict)  # terminal, not acknowledged
    completed: deque[Task] = field(
        default_factory=lambda: deque(maxlen=COMPLETED_TASKS_PER_EXECUTOR_MAX)
    )
    had_task: bool = False  # a task was delivered to it at some time

    @property
    def executor_id(self) -> str:
        return self.info.executor_id.value

    @property
    def is_alive(self) -> bool:
        return self.state is not ExecutorState.TERMINATED

    @property
    def accepts_tasks(self) -> bool:
        return self.state in (ExecutorState.REGISTERING, ExecutorState.RUNNING)

    def allocated(self) -> Resources:
        """Return what its container may use: its own resources and its live tasks'."""
        total = self.resources
        for task in (*self.queued.values(), *self.launched.values()):
            total += task.resources
        return total

    def find(self, task_id: str) -> Task | None:
        """Return a task that is not completed."""
        for tasks in (self.launched, self.queued, self.terminated):
            if task_id in tasks:
                return tasks[task_id]
        return None

    def incomplete_tasks(self) -> Iterator[Task]:
        """Yield the tasks whose last update is not acknowledged."""
        yield from self.queued.values()
        yield from self.launched.values()
        yield from self.terminated.values()


@dataclass(slots=True)
class Framework:
    """A framework that has something on this agent."""

    info: mesos_pb2.FrameworkInfo
    completed_executors: deque[Executor]
    executors: dict[str, Executor] = field(default_factory=dict)
    terminating: bool = False  # its executors are being shut down; nothing is reported any more

    @property
    def framework_id(self) -> str:
        return self.info.id.value

    def told_as(self, state: mesos_pb2.TaskState) -> mesos_pb2.TaskState:
        """Return a state as this framework may see it: DROPPED or GONE may have to be LOST."""
        return state_for(state, [capability.type for capability in self.info.capabilities])

    def executor_of(self, task_id: str) -> Executor | None:
        """Return the executor that has a task which is not completed."""
        for executor in self.executors.values():
            if executor.find(task_id) is not None:
                return executor
        return None


@dataclass(slots=True)
class AgentState:
    """All of it, with the indexes that stimuli are looked up by."""

    flags: AgentFlags
    info: mesos_pb2.AgentInfo  # replaced, never changed, when an id is given
    address: str  # ip:port that executors reach this agent at
    started_at: float = 0.0
    terminating: bool = False
    frameworks: dict[str, Framework] = field(default_factory=dict)
    completed_frameworks: deque[Framework] = field(
        default_factory=lambda: deque(maxlen=COMPLETED_FRAMEWORKS_MAX)
    )
    containers: dict[str, Executor] = field(default_factory=dict)  # live ones by container id
    peers: dict[str, Executor] = field(default_factory=dict)  # subscribed ones by connection

    @property
    def agent_id(self) -> str:
        """The id that the master gave, empty before."""
        return self.info.id.value

    def executors(self) -> Iterator[Executor]:
        """Yield every executor that is not yet completed."""
        for framework in self.frameworks.values():
            yield from framework.executors.values()

    def allocated(self) -> Resources:
        """Return what live executors and tasks use of this agent."""
        total = Resources.EMPTY
        for executor in self.executors():
            if executor.is_alive:
                total += executor.allocated()
        return total
