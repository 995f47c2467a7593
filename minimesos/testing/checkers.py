"""What must hold in a simulated cluster after every step, and what must hold once it has settled.

Each checker knows one rule and raises `Violation`, which names the seed. They read the cores'
records and never change them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from minimesos.actor import Effect, Received, Send, Stimulus
from minimesos.master.state import Framework, Task
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.resources import Resources
from minimesos.testing.simulator import Node

if TYPE_CHECKING:
    from minimesos.testing.cluster import SimCluster

Call = scheduler_pb2.Call
Event = scheduler_pb2.Event


class Violation(AssertionError):
    """A rule of the cluster was broken."""


class Checkers:
    """All checkers of one cluster, as an observer of its steps."""

    def __init__(self, cluster: SimCluster) -> None:
        self._cluster = cluster
        self._offers = OfferLedger()
        self._ends: dict[Task, mesos_pb2.TaskState] = {}

    def master_started(self) -> None:
        """A new master knows nothing of an old one's offers and tasks."""
        self._offers = OfferLedger()
        self._ends = {}

    def stepped(self, node: Node, stimulus: Stimulus | None, effects: Sequence[Effect]) -> None:
        """Check what this step may have broken."""
        try:
            if node is self._cluster.nodes["master"]:
                self._offers.stepped(stimulus, effects, set(self._cluster.master.cluster.offers))
                self._no_agent_is_overcommitted()
                self._terminal_tasks_stay()
            elif node.kind == "agent":
                self._updates_are_resent(node)
                self._no_task_runs_twice()
        except Violation as violation:
            raise Violation(f"seed {self._cluster.simulator.seed}: {violation}") from None

    # -- after each step --------------------------------------------------------------------------

    def _no_agent_is_overcommitted(self) -> None:
        for agent in self._cluster.master.cluster.agents.values():
            held = agent.offered() + agent.used_total()
            if not agent.total.contains(held):
                raise Violation(f"agent {agent.id} has {agent.total}, but {held} is given away")

    def _terminal_tasks_stay(self) -> None:
        for task in self._tasks_of_master():
            end = self._ends.get(task)
            if end is not None and end != task.state:
                names = [mesos_pb2.TaskState.Name(each) for each in (end, task.state)]
                raise Violation(f"task {task.id} went from {names[0]} to {names[1]}")
            if task.is_terminal:
                self._ends[task] = task.state

    def _tasks_of_master(self) -> Iterator[Task]:
        cluster = self._cluster.master.cluster
        frameworks = (*cluster.frameworks.values(), *cluster.completed_frameworks.values())
        for framework in frameworks:
            yield from framework.tasks.values()
            yield from framework.unreachable_tasks.values()
            yield from framework.completed_tasks

    def _updates_are_resent(self, node: Node) -> None:
        """An update that waits for its acknowledgement has a timer that sends it again."""
        agent = self._cluster.agent_of(node)
        if not agent.is_registered or agent.state.terminating:
            return
        for framework_id, framework in agent.state.frameworks.items():
            for executor in framework.executors.values():
                for task in executor.incomplete_tasks():
                    outstanding = agent._updates.outstanding(framework_id, task.task_id)
                    timer = f"status-update/{framework_id}/{task.task_id}"
                    if outstanding is not None and timer not in node.timers:
                        raise Violation(f"the update of {task.task_id} is not sent again")

    def _no_task_runs_twice(self) -> None:
        places: dict[tuple[str, str], str] = {}
        for name, framework_id, task_id in self._running():
            other = places.setdefault((framework_id, task_id), name)
            if other != name:
                raise Violation(f"task {task_id} runs on {other} and {name}")

    def _running(self) -> Iterator[tuple[str, str, str]]:
        """Yield (agent, framework id, task id) of what agents run."""
        for name, node in self._cluster.nodes.items():
            if node.kind != "agent" or not node.alive:
                continue
            for framework_id, framework in self._cluster.agent(name).state.frameworks.items():
                for executor in framework.executors.values():
                    for task in (*executor.queued.values(), *executor.launched.values()):
                        yield name, framework_id, task.task_id

    # -- once the cluster has settled -------------------------------------------------------------

    def unsettled(self) -> str | None:
        """Say what has not come to rest yet; None if all agree on everything."""
        return next(self._disagreements(), None)

    def fail_unsettled(self) -> None:
        """Raise Violation: the cluster should have settled by now."""
        seed = self._cluster.simulator.seed
        raise Violation(f"seed {seed}: the cluster does not settle: {self.unsettled()}")

    def _disagreements(self) -> Iterator[str]:
        cluster = self._cluster
        for name, node in cluster.nodes.items():
            framework = cluster.frameworks.get(name)
            if framework is not None and framework.over:
                continue
            if not node.alive:
                yield f"{name} is not running"
            elif node.kind == "agent" and not cluster.agent(name).is_registered:
                yield f"{name} is not registered"
            elif framework is not None and not framework.is_subscribed:
                yield f"{name} is not subscribed"
        running = {(fw, task): name for name, fw, task in self._running()}
        held = {
            (framework.id, task.id): cluster.name_of(task.agent_id)
            for framework in cluster.master.cluster.frameworks.values()
            for task in framework.tasks.values()
            # The end of a task waits for ever for a framework that does not come back to hear it.
            if framework.connected or not task.is_terminal
        }
        if running != held:
            yield f"agents run {running}, the master holds {held}"
        yield from self._executors_astray()
        yield from self._miscounted()
        yield from self._offers_astray()
        yield from self._misinformed(running)

    def _executors_astray(self) -> Iterator[str]:
        """Executors, other than command executors, run where the master believes they do."""
        cluster = self._cluster
        running = {
            (name, framework_id, executor.executor_id)
            for name, node in cluster.nodes.items()
            if node.kind == "agent"
            for framework_id, framework in cluster.agent(name).state.frameworks.items()
            for executor in framework.executors.values()
            if executor.is_alive and not executor.for_command
        }
        held = {
            (cluster.name_of(agent_id), framework.id, executor_id)
            for framework in cluster.master.cluster.frameworks.values()
            for agent_id, executors in framework.executors.items()
            for executor_id in executors
        }
        if running != held:
            yield f"agents run executors {running}, the master holds {held}"

    def _miscounted(self) -> Iterator[str]:
        """The master's records and the allocator's charges must tell the same story."""
        cluster = self._cluster.master.cluster
        whole = sum_of(agent.total for agent in cluster.agents.values()).quantities()
        for role, shares in self._cluster.master.allocator.shares().items():
            for framework_id, counted in shares.frameworks.items():
                framework = cluster.frameworks.get(framework_id)
                charged = _charged(framework, role) if framework else Resources.EMPTY
                expected = _dominant(charged, whole)
                if counted.share != expected:
                    yield (
                        f"{framework_id} has {expected} of the cluster as {role},"
                        f" counted as {counted.share}"
                    )

    def _offers_astray(self) -> Iterator[str]:
        """What a framework may answer is what the master waits for."""
        for framework in self._cluster.frameworks.values():
            record = self._cluster.master.cluster.frameworks.get(framework.id)
            if record is None or framework.over:
                continue
            if set(record.offers) != set(framework.offers):
                yield (
                    f"{framework.name} holds offers {sorted(framework.offers)},"
                    f" the master {sorted(record.offers)}"
                )

    def _misinformed(self, running: Mapping[tuple[str, str], str]) -> Iterator[str]:
        """Frameworks must know what runs and what does not."""
        for framework in self._cluster.frameworks.values():
            if framework.over:
                continue
            for task_id in framework.tasks:
                runs = (framework.id, task_id) in running
                if runs != framework.believes_in(task_id):
                    word = "runs" if runs else "does not run"
                    yield f"{framework.name} does not know that {task_id} {word}"


class OfferLedger:
    """Each offer is made once, and then answered, rescinded or dropped with its framework, once."""

    def __init__(self) -> None:
        self._out: set[str] = set()
        self._made: set[str] = set()

    def stepped(
        self, stimulus: Stimulus | None, effects: Sequence[Effect], records: set[str]
    ) -> None:
        """Follow one step of the master; `records` are the offers that it holds now."""
        gone = self._answered(stimulus)
        for effect in effects:
            if isinstance(effect, Send) and isinstance(effect.message, Event):
                event = effect.message
                for offer in event.offers.offers:
                    self._make(offer.id.value)
                if event.type == Event.RESCIND:
                    self._rescind(event.rescind.offer_id.value, gone)
                    gone.add(event.rescind.offer_id.value)
        if not records <= self._out:
            raise Violation(f"offers {records - self._out} were never sent")
        vanished = self._out - records
        if vanished - gone and not _ends_a_subscription(stimulus):
            raise Violation(f"offers {vanished - gone} vanished without a word")
        self._out = records

    def _answered(self, stimulus: Stimulus | None) -> set[str]:
        if not isinstance(stimulus, Received) or not isinstance(stimulus.message, Call):
            return set()
        call = stimulus.message
        return {id.value for id in (*call.accept.offer_ids, *call.decline.offer_ids)}

    def _make(self, id: str) -> None:
        if id in self._made:
            raise Violation(f"offer {id} was made twice")
        self._made.add(id)
        self._out.add(id)

    def _rescind(self, id: str, gone: set[str]) -> None:
        if id not in self._out or id in gone:
            raise Violation(f"offer {id} was rescinded, but it was gone already")


def _ends_a_subscription(stimulus: Stimulus | None) -> bool:
    """Tell whether a step may take a framework's offers without telling it."""
    if stimulus is None:
        return True  # an operator's teardown
    if isinstance(stimulus, Received):
        message = stimulus.message
        return isinstance(message, Call) and message.type in (Call.SUBSCRIBE, Call.TEARDOWN)
    return type(stimulus).__name__ == "Disconnected"


def sum_of(amounts: Iterator[Resources]) -> Resources:
    """Return the sum of some resources."""
    total = Resources.EMPTY
    for amount in amounts:
        total = total + amount
    return total


def _charged(framework: Framework, role: str) -> Resources:
    used = framework.used.allocations().get(role, Resources.EMPTY)
    offers = (each.resources for each in framework.offers.values() if each.role == role)
    return used + sum_of(offers)


def _dominant(charged: Resources, whole: Mapping[str, int]) -> Fraction:
    ratios = (
        Fraction(amount, whole[name])
        for name, amount in charged.quantities().items()
        if whole.get(name)
    )
    return max(ratios, default=Fraction(0))
