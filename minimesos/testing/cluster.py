"""A whole cluster in virtual time: a master, agents and frameworks, and what can befall them.

    def test_tasks_of_an_unreachable_agent_are_reported_lost():
        cluster = SimCluster(seed=7, agents=2, cpus=4, mem=1024)
        framework = cluster.subscribe("spark", role="analytics")
        task = framework.launch_on("agent-1", cpus=1)
        cluster.partition("agent-1")
        cluster.advance(seconds=90)
        assert framework.states(task)[-1] == "TASK_LOST"

The cores are the real ones; only the world around them is simulated. Checkers hold after every
step. Programs are named `master`, `agent-1`, `agent-2`, ..., and by the names of frameworks; each
has a host of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from minimesos.actor import Effect, Stop
from minimesos.agent.agent import Agent
from minimesos.agent.flags import AgentFlags
from minimesos.drivers.scheduler_session import SchedulerSession
from minimesos.errors import InvariantViolated
from minimesos.ids import RandomIds
from minimesos.master.flags import MasterFlags
from minimesos.master.master import Master, master_info
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.testing import builders
from minimesos.testing.checkers import Checkers
from minimesos.testing.executors import (
    COMMAND_EXECUTOR,
    Behaviour,
    Containers,
    MakeExecutor,
    StartProgram,
)
from minimesos.testing.framework import SimFramework
from minimesos.testing.network import Faults, Network
from minimesos.testing.simulator import Node, Simulator

F = TypeVar("F", bound=SimFramework)

MASTER = "master"
MASTER_ADDRESS = "10.0.0.1:5050"
AGENT_PORT = 5051
DRIVER_PORT = 7077
REGISTRATION_TIMEOUT_S = 60.0
RECONCILE_INTERVAL_S = 60.0
SETTLE_TIMEOUT_S = 1800.0


class SimCluster:
    """A cluster whose agents have all registered."""

    def __init__(
        self,
        seed: int = 0,
        agents: int = 2,
        cpus: float | Sequence[float] = 4,
        mem: float = 1024,
        *,
        faults: Faults | None = None,
        master_flags: Mapping[str, Any] | None = None,
        keep_transcript: bool = True,
        check: bool = True,
    ) -> None:
        """`cpus` is of each agent, or one number for each.

        `check` False leaves the checkers out, whose cost grows with the cluster's size.
        """
        self.simulator = Simulator(seed, keep_transcript=keep_transcript)
        self.network = Network(self.simulator, faults or Faults())
        self.simulator.network = self.network
        self.nodes: dict[str, Node] = {}
        self.frameworks: dict[str, SimFramework] = {}
        self.behaviours: dict[str, Behaviour] = {}  # by task or executor id
        self.programs: dict[str, StartProgram] = {}  # that tasks are instead, by framework id
        self.executors: dict[str, MakeExecutor] = {}  # of a kind of their own, by framework id
        self.checkers = Checkers(self)
        if check:
            self.simulator.observers.append(self.checkers)
        self.isolated: list[str] = []
        self._master_flags = MasterFlags(**(master_flags or {}))
        self._containers: dict[str, Containers] = {}
        self._lives: dict[str, int] = {}
        self.master: Master
        self._start_master()
        names = [f"agent-{number}" for number in range(1, agents + 1)]
        each_cpus = cpus if isinstance(cpus, Sequence) else [cpus] * agents
        self._resources = {
            name: f"cpus:{amount:g};mem:{mem:g}"
            for name, amount in zip(names, each_cpus, strict=True)
        }
        for name in names:
            self._containers[name] = Containers(
                self.simulator, name, self.behaviours, self.programs, self.executors
            )
            self._start_agent(name)
        registered = self.run_until(
            lambda: all(self.agent(name).is_registered for name in names), REGISTRATION_TIMEOUT_S
        )
        if not registered:
            raise InvariantViolated("the agents of a simulated cluster do not register")

    # -- looking ----------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Virtual time, in seconds."""
        return self.simulator.now

    @property
    def transcript(self) -> str:
        """All that happened so far, one line a stimulus; the same for the same seed."""
        return self.simulator.transcript

    def story(self, id: str) -> str:
        """Return the lines of the transcript that name a task, an agent, an executor, ..."""
        return "\n".join(line for line in self.transcript.splitlines() if id in line)

    def agent(self, name: str) -> Agent:
        """Return an agent's core."""
        return self.agent_of(self.nodes[name])

    def agent_of(self, node: Node) -> Agent:
        """Return the core of an agent's program."""
        if not isinstance(node.actor, Agent):
            raise KeyError(f"{node.name} is not an agent")
        return node.actor

    def name_of(self, agent_id: str) -> str | None:
        """Return the name of the agent that has this id now."""
        for name, node in self.nodes.items():
            if node.kind == "agent" and self.agent(name).state.agent_id == agent_id:
                return name
        return None

    # -- time -------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.simulator.advance(seconds)

    def run_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Let time pass until something holds; False if it does not within the timeout."""
        return self.simulator.run_until(condition, timeout_s)

    # -- frameworks -------------------------------------------------------------------------------

    def subscribe(
        self, name: str, role: str = "*", *, wait: bool = True, **fields: Any
    ) -> SimFramework:
        """Start a framework and `wait` until it has subscribed; fields are FrameworkInfo's."""
        return self.add(SimFramework(self, builders.framework_info(name, role, **fields)), wait)

    def add(self, framework: F, wait: bool = True) -> F:
        """Start a framework of any kind and `wait` until it has subscribed."""
        self.frameworks[framework.name] = framework
        self._start_scheduler(framework)
        if wait and not self.run_until(
            lambda: framework.is_subscribed or framework.over, REGISTRATION_TIMEOUT_S
        ):
            raise InvariantViolated(f"framework {framework.name} cannot subscribe")
        return framework

    def operator_teardown(self, framework: SimFramework) -> bool:
        """Have an operator tear a framework down; False if the master does not know it."""
        self.master.begin(self.now)
        known = self.master.teardown(framework.id)
        self.simulator.perform(self.nodes[MASTER], None, self.master.finish())
        return known

    # -- faults -----------------------------------------------------------------------------------

    def partition(self, name: str) -> None:
        """Cut a program's host off from all others; nobody is told."""
        self.simulator.note(name, "is cut off")
        self.isolated.append(name)
        self.network.isolate(self.nodes[name].host)

    def heal(self, name: str | None = None) -> None:
        """End one partition, or all. Broken connections are found broken now."""
        for healed in [name] if name is not None else list(self.isolated):
            self.simulator.note(healed, "is back on the network")
            self.isolated.remove(healed)
            self.network.rejoin(self.nodes[healed].host)

    def crash(self, name: str) -> None:
        """Kill a program at once. Executors survive their agent, until they notice."""
        self.simulator.kill(self.nodes[name])

    def restart(self, name: str) -> None:
        """Start a program again that has ended, at its old address, remembering nothing.

        A framework is started again by its user, who knows its id.
        """
        if self.nodes[name].alive:
            raise ValueError(f"{name} is running")
        if name == MASTER:
            self._start_master()
        elif name in self.frameworks:
            self._start_scheduler(self.frameworks[name])
        else:
            self._start_agent(name)

    def settle(self) -> None:
        """End all faults, restart what is down, and let everybody come to agree.

        Raises Violation if they do not.
        """
        self.network.faults = Faults()
        self.heal()
        for name, node in self.nodes.items():
            framework = self.frameworks.get(name)
            if not node.alive and (framework is None or not framework.over):
                self.restart(name)
        deadline = self.now + SETTLE_TIMEOUT_S
        while not self.run_until(lambda: self.checkers.unsettled() is None, RECONCILE_INTERVAL_S):
            if self.now >= deadline:
                self.checkers.fail_unsettled()
            for framework in self.frameworks.values():
                if framework.is_subscribed:
                    framework.reconcile_all()
                elif framework.torn_down:
                    # A master that restarted meanwhile waits for it without end.
                    self.operator_teardown(framework)

    # -- programs ---------------------------------------------------------------------------------

    def _start_master(self) -> None:
        random = self._random(MASTER)
        ip, _, port = MASTER_ADDRESS.partition(":")
        info = master_info(RandomIds(random).uuid(), ip, int(port), MASTER)
        self.master = Master(self._master_flags, info, random)
        node = self._node(MASTER, MASTER, self.master)
        self.checkers.master_started()
        self.network.listen(MASTER_ADDRESS, node)
        self.simulator.start(node)

    def _start_agent(self, name: str) -> None:
        random = self._random(name)
        address = f"{name}:{AGENT_PORT}"
        containers = self._containers[name]
        agent = Agent(
            AgentFlags(master=MASTER_ADDRESS),
            builders.agent_info(name, self._resources[name], port=AGENT_PORT),
            address,
            ids=RandomIds(random),
            random=random,
            command_executor=COMMAND_EXECUTOR,
        )
        node = self._node(name, "agent", agent, other_effect=containers.perform)
        containers.agent = node
        self.network.listen(address, node)
        self.simulator.start(node)

    def _start_scheduler(self, framework: SimFramework) -> None:
        info = mesos_pb2.FrameworkInfo()
        info.CopyFrom(framework.info)
        session = SchedulerSession(MASTER_ADDRESS, info, random=self._random(framework.name))
        framework.node = self._node(
            framework.name, "scheduler", framework.play(session), other_effect=framework.hear
        )
        self.network.listen(f"{framework.name}:{DRIVER_PORT}", framework.node)
        self.simulator.start(framework.node)

    def _random(self, name: str) -> Any:
        self._lives[name] = self._lives.get(name, 0) + 1
        return self.simulator.random_of(f"{name}/{self._lives[name]}")

    def _node(
        self,
        name: str,
        kind: str,
        actor: Any,
        other_effect: Callable[[Effect], None] | None = None,
    ) -> Node:
        node = Node(
            name=name,
            kind=kind,
            host=name,
            actor=actor,
            other_effect=other_effect or _unexpected,
            on_stop=_ignore,
        )
        self.nodes[name] = node
        return node


def _unexpected(effect: Effect) -> None:
    raise InvariantViolated(f"nobody performs {effect}")


def _ignore(stop: Stop) -> None:
    """A program that ends by itself needs no further care."""
