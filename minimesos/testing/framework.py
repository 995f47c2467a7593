"""A simulated framework: a real `SchedulerSession`, played by a test.

It keeps its offers until the test uses or declines them, acknowledges every status, and remembers
all it was told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minimesos.actor import Actor, Effect
from minimesos.drivers.scheduler_session import SchedulerSession, acknowledgement
from minimesos.drivers.session import Arrived, Failed, Leave, Submit, Subscribed, Unsubscribed
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.states import TERMINAL
from minimesos.testing import builders
from minimesos.testing.executors import RUNS_UNTIL_KILLED, Behaviour
from minimesos.testing.simulator import Node

if TYPE_CHECKING:
    from minimesos.testing.cluster import SimCluster

Event = scheduler_pb2.Event
OFFER_TIMEOUT_S = 60.0
START_TIMEOUT_S = 60.0

_OVER = TERMINAL | {mesos_pb2.TASK_UNREACHABLE, mesos_pb2.TASK_UNKNOWN}


class SimFramework:
    """A framework of a `SimCluster`. It outlives its scheduler's crashes, as a user's would."""

    def __init__(self, cluster: SimCluster, info: mesos_pb2.FrameworkInfo) -> None:
        self.info = info  # gets its id from the first subscription
        self.node: Node
        self.offers: dict[str, mesos_pb2.Offer] = {}
        self.failures: list[Event.Failure] = []
        self.messages: list[bytes] = []
        self.error: str | None = None
        self.torn_down = False
        self.acknowledges = True
        self.react: Callable[[Event], None] | None = None
        """Called with each event after it was noted; may make calls, as a scheduler's callbacks."""
        self.tasks: list[str] = []  # launched so far
        self._cluster = cluster
        self._session: SchedulerSession
        self._updates: dict[str, list[mesos_pb2.TaskStatus]] = {}
        self._news: dict[type[Effect], Callable[[Any], None]] = {
            Subscribed: self._subscribed,
            Unsubscribed: lambda news: self.offers.clear(),
            Arrived: lambda news: self._arrived(news.event),
            Failed: self._failed,
        }
        self._events: dict[int, Callable[[Event], None]] = {
            Event.OFFERS: self._offered,
            Event.RESCIND: lambda event: self._rescinded(event.rescind.offer_id.value),
            Event.UPDATE: lambda event: self._updated(event.update.status),
            Event.FAILURE: lambda event: self.failures.append(event.failure),
            Event.MESSAGE: lambda event: self.messages.append(event.message.data),
        }

    @property
    def name(self) -> str:
        """The framework's name, which is also its scheduler's in `SimCluster.crash`."""
        return self.info.name

    @property
    def id(self) -> str:
        """The framework's id, empty before it has subscribed."""
        return self.info.id.value

    @property
    def is_subscribed(self) -> bool:
        """Whether its scheduler runs and believes that the master counts on it."""
        return self.node.alive and self._session.is_subscribed

    @property
    def over(self) -> bool:
        """Whether the framework has ended: by its own wish, or because the master removed it."""
        return self.torn_down or self.error is not None

    # -- what a test does -------------------------------------------------------------------------

    def launch_on(
        self,
        agent: str,
        *,
        cpus: float = 1,
        mem: float = 64,
        behaviour: Behaviour = RUNS_UNTIL_KILLED,
        executor: mesos_pb2.ExecutorInfo | None = None,
        wait: bool = True,
        **fields: Any,
    ) -> str:
        """Launch a task on an agent and return its id; `wait` until there is news of it.

        Waits for an offer that is large enough; raises AssertionError if none comes.
        """
        task_id = f"{self.name}-task-{len(self.tasks)}"
        offer = self._wait_for_offer(agent, cpus, mem)
        task = builders.task_info(
            task_id, offer.agent_id.value, cpus=cpus, mem=mem, executor=executor, **fields
        )
        self._cluster.behaviours[task_id] = behaviour
        self.launch([offer.id.value], task)
        if wait:
            started = self._cluster.run_until(lambda: bool(self.updates(task_id)), START_TIMEOUT_S)
            assert started, f"no news of {task_id} after {START_TIMEOUT_S:g} s"
        return task_id

    def _wait_for_offer(self, agent: str, cpus: float, mem: float) -> mesos_pb2.Offer:
        found = self._cluster.run_until(
            lambda: self._fitting(agent, cpus, mem) is not None, OFFER_TIMEOUT_S
        )
        offer = self._fitting(agent, cpus, mem)
        assert found, f"no offer of {agent} with cpus:{cpus:g};mem:{mem:g} to {self.name}"
        assert offer is not None
        return offer

    def _fitting(self, agent: str, cpus: float, mem: float) -> mesos_pb2.Offer | None:
        for offer in self.offers.values():
            has = {each.name: each.scalar.value for each in offer.resources}
            if offer.hostname == agent and has.get("cpus", 0) >= cpus and has.get("mem", 0) >= mem:
                return offer
        return None

    def launch(self, offer_ids: list[str], *tasks: mesos_pb2.TaskInfo) -> None:
        """Use offers for tasks; what is left comes back at once."""
        for task in tasks:
            task_id = task.task_id.value
            self.tasks.append(task_id)
            self._updates.setdefault(task_id, [])
        for offer_id in offer_ids:
            self.offers.pop(offer_id, None)
        self.submit(builders.accept(offer_ids, builders.launch(*tasks), refuse_seconds=0))

    def decline(self, refuse_seconds: float = 5.0) -> None:
        """Decline all offers."""
        offer_ids = list(self.offers)
        self.offers.clear()
        if offer_ids:
            self.submit(builders.decline(offer_ids, refuse_seconds))

    def kill(self, task_id: str) -> None:
        """Ask for a task to be killed."""
        self.submit(builders.kill(task_id))

    def reconcile(self, *task_ids: str) -> None:
        """Ask what became of tasks, or of all that the master knows."""
        self.submit(builders.reconcile(*((task_id, "") for task_id in task_ids)))

    def teardown(self) -> None:
        """End the framework. Its master may not hear of it, and then waits for its return."""
        self.torn_down = True
        self._cluster.simulator.give(self.node, Leave())

    def submit(self, call: scheduler_pb2.Call) -> None:
        """Make any call."""
        self._cluster.simulator.give(self.node, Submit(call))

    def updates(self, task_id: str) -> list[mesos_pb2.TaskStatus]:
        """Return the statuses of a task, in the order they came, without repetitions."""
        return self._updates.get(task_id, [])

    def states(self, task_id: str) -> list[str]:
        """Return a task's states by name, from TASK_STAGING, where every launch begins."""
        found = [mesos_pb2.TASK_STAGING, *(each.state for each in self.updates(task_id))]
        return [mesos_pb2.TaskState.Name(state) for state in found]

    def believes_in(self, task_id: str) -> bool:
        """Whether a launched task is not over, as far as the framework was told."""
        updates = self.updates(task_id)
        return not updates or updates[-1].state not in _OVER

    def reconcile_all(self) -> None:
        """Ask about every task that is believed in, and about what else the master knows.

        Calls may be lost with a stream, so every real framework does this from time to time.
        """
        believed = [task_id for task_id in self.tasks if self.believes_in(task_id)]
        if believed:
            self.reconcile(*believed)
        self.reconcile()

    # -- what the session tells -------------------------------------------------------------------

    def play(self, session: SchedulerSession) -> Actor:
        """Be the owner of a new session; returns what is to be run."""
        self._session = session
        self.offers.clear()
        return session

    def hear(self, news: Effect) -> None:
        """React to news of the session."""
        self._news[type(news)](news)

    def _subscribed(self, news: Subscribed) -> None:
        event = news.event
        assert isinstance(event, Event)
        self.info.id.CopyFrom(event.subscribed.framework_id)

    def _failed(self, news: Failed) -> None:
        self.error = news.message

    def _arrived(self, event: Any) -> None:
        handler = self._events.get(event.type)
        if handler is not None:
            handler(event)
        react = self.react
        if react is not None:
            # Not at once: the session is in the middle of its own turn.
            self._cluster.simulator.after(0.0, lambda: react(event))

    def _offered(self, event: Event) -> None:
        for offer in event.offers.offers:
            self.offers[offer.id.value] = offer

    def _rescinded(self, offer_id: str) -> None:
        self.offers.pop(offer_id, None)

    def _updated(self, status: mesos_pb2.TaskStatus) -> None:
        known = self._updates.setdefault(status.task_id.value, [])
        resent = status.uuid and status.uuid in [each.uuid for each in known]
        no_news = not status.uuid and known and known[-1].state == status.state
        if not resent and not no_news:
            known.append(status)
        call = acknowledgement(status)
        if call is not None and self.acknowledges:
            # Not at once: the session is in the middle of its own turn.
            self._cluster.simulator.after(0.0, lambda: self.submit(call))
