"""What a master knows: frameworks, agents, offers, tasks, and the indexes that bind them.

The parts of the master (`frameworks`, `agents`, `offers`, `tasks`, ...) read these records freely
and change them through `Cluster`, which keeps the two sides of every relation, and the resources in
use, in step. Nothing here sends a message or talks to the allocator.

Messages that were received are kept as they are and never changed; live values stand beside them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from minimesos.errors import InvariantViolated
from minimesos.ids import DEFAULT_ROLE
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources
from minimesos.states import TaskState, is_terminal, releases_resources

Capability = mesos_pb2.FrameworkInfo.Capability


@dataclass(slots=True, eq=False)
class Task:
    """A task that was launched. `info` holds what never changes; its `state` is not the state."""

    info: mesos_pb2.Task
    role: str
    resources: Resources  # allocated to `role`
    state: TaskState  # newest that the agent has told us of
    statuses: list[mesos_pb2.TaskStatus] = field(default_factory=list)
    update_state: TaskState | None = None  # of the update that is on its way to the framework
    update_uuid: bytes = b""

    @property
    def id(self) -> str:
        return self.info.task_id.value

    @property
    def framework_id(self) -> str:
        return self.info.framework_id.value

    @property
    def agent_id(self) -> str:
        return self.info.agent_id.value

    @property
    def executor_id(self) -> str | None:
        """None for a command task: its executor is the agent's own affair."""
        return self.info.executor_id.value if self.info.HasField("executor_id") else None

    @property
    def is_terminal(self) -> bool:
        return is_terminal(self.state)

    @property
    def holds_resources(self) -> bool:
        return not releases_resources(self.state)

    def record(self, status: mesos_pb2.TaskStatus) -> None:
        """Add to the history: equal states in a row are one entry, `data` is not kept."""
        kept = mesos_pb2.TaskStatus()
        kept.CopyFrom(status)
        kept.ClearField("data")
        if self.statuses and self.statuses[-1].state == status.state:
            self.statuses[-1] = kept
        else:
            self.statuses.append(kept)

    def to_proto(self) -> mesos_pb2.Task:
        """Return the task as operators see it."""
        message = mesos_pb2.Task()
        message.CopyFrom(self.info)
        message.state = self.state
        message.ClearField("statuses")
        message.statuses.extend(self.statuses)
        if self.update_state is not None:
            message.status_update_state = self.update_state
            message.status_update_uuid = self.update_uuid
        return message


@dataclass(slots=True, eq=False)
class Executor:
    """An executor other than a command executor, on one agent."""

    info: mesos_pb2.ExecutorInfo
    agent_id: str
    resources: Resources  # allocated to the role of the task that brought it

    @property
    def id(self) -> str:
        return self.info.executor_id.value


@dataclass(slots=True, eq=False)
class Offer:
    """Resources of one agent, held for one role of one framework until it answers."""

    id: str
    framework_id: str
    agent_id: str
    role: str
    resources: Resources  # allocated to `role`


@dataclass(slots=True, eq=False)
class Framework:
    """A framework that subscribed, or that agents have told us of (`recovered`)."""

    id: str
    info: mesos_pb2.FrameworkInfo  # id is set
    registered_at: float
    completed_tasks: deque[Task]
    unreachable_tasks_max: int
    peer: str | None = None  # its subscription's stream; None while disconnected
    recovered: bool = False
    reregistered_at: float | None = None
    unregistered_at: float | None = None
    suppressed_roles: frozenset[str] = frozenset()
    offer_constraints: scheduler_pb2.OfferConstraints | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    unreachable_tasks: dict[str, Task] = field(default_factory=dict)
    executors: dict[str, dict[str, Executor]] = field(default_factory=dict)  # by agent, by id
    offers: dict[str, Offer] = field(default_factory=dict)
    # Apart from each other, as the same port of two agents would be one port in a sum.
    used_by_agent: dict[str, Resources] = field(default_factory=dict)
    capabilities: frozenset[Capability.Type] = frozenset()
    roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.set_info(self.info)

    def set_info(self, info: mesos_pb2.FrameworkInfo) -> None:
        """Replace the description and what is derived from it."""
        self.info = info
        self.capabilities = frozenset(capability.type for capability in info.capabilities)
        self.roles = roles_of(info)

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def used(self) -> Resources:
        """What its tasks and executors use on all agents."""
        return total(self.used_by_agent.values())

    @property
    def connected(self) -> bool:
        return self.peer is not None

    @property
    def partition_aware(self) -> bool:
        return Capability.PARTITION_AWARE in self.capabilities

    def agents(self) -> list[str]:
        """Return the ids of the agents that hold something of this framework."""
        found = dict.fromkeys(task.agent_id for task in self.tasks.values())
        found.update(dict.fromkeys(agent for agent, held in self.executors.items() if held))
        return list(found)

    def keep_unreachable(self, task: Task) -> None:
        """Remember a task whose agent was lost, forgetting the oldest beyond the limit."""
        self.unreachable_tasks[task.id] = task
        while len(self.unreachable_tasks) > self.unreachable_tasks_max:
            del self.unreachable_tasks[next(iter(self.unreachable_tasks))]


@dataclass(slots=True, eq=False)
class Agent:
    """A registered agent; `peer` is None while its stream is broken."""

    id: str
    info: mesos_pb2.AgentInfo  # id is set
    total: Resources
    version: str
    capabilities: frozenset[mesos_pb2.AgentInfo.Capability.Type]
    registered_at: float
    peer: str | None
    reregistered_at: float | None = None
    tasks: dict[str, dict[str, Task]] = field(default_factory=dict)  # by framework, by id
    executors: dict[str, dict[str, Executor]] = field(default_factory=dict)  # by framework, by id
    offers: dict[str, Offer] = field(default_factory=dict)
    used: dict[str, Resources] = field(default_factory=dict)  # by framework
    missed_pings: int = 0
    ping_outstanding: bool = False
    kills: dict[tuple[str, str], cluster_pb2.KillTask] = field(default_factory=dict)

    @property
    def hostname(self) -> str:
        return self.info.hostname

    @property
    def pid(self) -> str:
        """The agent's address in the form that Mesos's tools expect."""
        return f"slave(1)@{self.info.hostname}:{self.info.port}"

    @property
    def connected(self) -> bool:
        return self.peer is not None

    def all_tasks(self) -> Iterator[Task]:
        """Yield the tasks of all frameworks on this agent."""
        for tasks in self.tasks.values():
            yield from tasks.values()

    def executor(self, framework_id: str, executor_id: str) -> Executor | None:
        """Return an executor that runs here, None if there is no such one."""
        return self.executors.get(framework_id, {}).get(executor_id)

    def offered(self) -> Resources:
        """Return what is in offers that nobody has answered yet."""
        return total(offer.resources.unallocated() for offer in self.offers.values())

    def used_total(self) -> Resources:
        """Return what tasks and executors use, whoever they belong to."""
        return total(resources.unallocated() for resources in self.used.values())


class Cluster:
    """All records of one master. Its methods keep both ends of each relation in step."""

    __slots__ = (
        "agents",
        "agents_by_peer",
        "completed_frameworks",
        "frameworks",
        "frameworks_by_peer",
        "offers",
        "unreachable_agents",
    )

    def __init__(self) -> None:
        self.frameworks: dict[str, Framework] = {}
        self.completed_frameworks: dict[str, Framework] = {}  # oldest first
        self.agents: dict[str, Agent] = {}
        self.unreachable_agents: dict[str, float] = {}  # id → since when, oldest first
        self.offers: dict[str, Offer] = {}
        self.frameworks_by_peer: dict[str, Framework] = {}
        self.agents_by_peer: dict[str, Agent] = {}

    # -- tasks and executors ----------------------------------------------------------------------

    def add_task(self, framework: Framework, agent: Agent, task: Task) -> None:
        """Bind a task to its framework and agent and charge what it uses."""
        framework.tasks[task.id] = task
        agent.tasks.setdefault(framework.id, {})[task.id] = task
        if task.holds_resources:
            self._charge(framework, agent, task.resources)

    def set_state(self, framework: Framework, agent: Agent, task: Task, state: TaskState) -> bool:
        """Change a state, but not a terminal one; tell whether that released the resources."""
        held = task.holds_resources
        if not task.is_terminal:
            task.state = state
        released = held and not task.holds_resources
        if released:
            self._discharge(framework, agent, task.resources)
        return released

    def drop_task(self, framework: Framework, agent: Agent, task: Task) -> None:
        """Unbind a task that holds no resources any more."""
        if task.holds_resources:
            raise InvariantViolated(f"task {task.id} is dropped but holds {task.resources}")
        del framework.tasks[task.id]
        tasks = agent.tasks[framework.id]
        del tasks[task.id]
        if not tasks:
            del agent.tasks[framework.id]
        agent.kills.pop((framework.id, task.id), None)

    def add_executor(self, framework: Framework, agent: Agent, executor: Executor) -> None:
        """Bind an executor to its framework and agent and charge what it uses."""
        framework.executors.setdefault(agent.id, {})[executor.id] = executor
        agent.executors.setdefault(framework.id, {})[executor.id] = executor
        self._charge(framework, agent, executor.resources)

    def drop_executor(self, framework: Framework, agent: Agent, executor: Executor) -> None:
        """Unbind an executor and release what it used."""
        for index, key in ((framework.executors, agent.id), (agent.executors, framework.id)):
            del index[key][executor.id]
            if not index[key]:
                del index[key]
        self._discharge(framework, agent, executor.resources)

    def _charge(self, framework: Framework, agent: Agent, resources: Resources) -> None:
        used = agent.used.get(framework.id, Resources.EMPTY) + resources
        agent.used[framework.id] = framework.used_by_agent[agent.id] = used

    def _discharge(self, framework: Framework, agent: Agent, resources: Resources) -> None:
        rest = agent.used.get(framework.id, Resources.EMPTY) - resources
        if rest:
            agent.used[framework.id] = framework.used_by_agent[agent.id] = rest
        else:
            agent.used.pop(framework.id, None)
            framework.used_by_agent.pop(agent.id, None)

    # -- offers -----------------------------------------------------------------------------------

    def add_offer(self, offer: Offer) -> None:
        """Bind an offer to its framework and agent."""
        self.offers[offer.id] = offer
        self.frameworks[offer.framework_id].offers[offer.id] = offer
        self.agents[offer.agent_id].offers[offer.id] = offer

    def drop_offer(self, offer: Offer) -> None:
        """Unbind an offer; what it held is the caller's to give back."""
        del self.offers[offer.id]
        del self.frameworks[offer.framework_id].offers[offer.id]
        del self.agents[offer.agent_id].offers[offer.id]

    # -- connections ------------------------------------------------------------------------------

    def connect_framework(self, framework: Framework, peer: str | None) -> None:
        """Make `peer` the framework's stream, or none."""
        if framework.peer is not None:
            self.frameworks_by_peer.pop(framework.peer, None)
        framework.peer = peer
        if peer is not None:
            self.frameworks_by_peer[peer] = framework

    def connect_agent(self, agent: Agent, peer: str | None) -> None:
        """Make `peer` the agent's stream, or none."""
        if agent.peer is not None:
            self.agents_by_peer.pop(agent.peer, None)
        agent.peer = peer
        if peer is not None:
            self.agents_by_peer[peer] = agent

    # -- questions --------------------------------------------------------------------------------

    def allocated(self, role: str) -> Resources:
        """Return what tasks and executors of a role use (offers are not counted), unmarked."""
        return total(
            framework.used.allocations().get(role, Resources.EMPTY).unallocated()
            for framework in self.frameworks.values()
        )


def roles_of(info: mesos_pb2.FrameworkInfo) -> tuple[str, ...]:
    """Return the roles that a framework subscribes to: one unless it is MULTI_ROLE."""
    if any(capability.type == Capability.MULTI_ROLE for capability in info.capabilities):
        return tuple(info.roles)
    return (info.role or DEFAULT_ROLE,)


def total(amounts: Iterable[Resources]) -> Resources:
    """Return the sum of some resources."""
    result = Resources.EMPTY
    for amount in amounts:
        result = result + amount
    return result
