"""A master core by itself: tests give it stimuli and look at its effects."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from google.protobuf.message import Message

from minimesos.actor import (
    CancelTimer,
    Close,
    Disconnected,
    Effect,
    Received,
    Send,
    SetTimer,
    Stimulus,
    TimerFired,
)
from minimesos.master.flags import MasterFlags
from minimesos.master.master import Master, master_info
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.testing import builders

Event = scheduler_pb2.Event
MASTER_ID = "master"


class World:
    """Runs a master under a clock that the test moves; keeps what each peer was sent."""

    def __init__(self, **flags: Any) -> None:
        self.master = Master(
            MasterFlags(**flags), master_info(MASTER_ID, "127.0.0.1", 5050), Random(1)
        )
        self.now = 1_000_000.0
        self.timers: dict[str, float] = {}
        self.sent: dict[str, list[Message]] = {}
        self.closed: list[str] = []
        self._perform(self.master.start(self.now))

    def give(self, stimulus: Stimulus) -> list[Effect]:
        """Hand over one stimulus, and what it makes due at once; return its own effects."""
        effects = list(self.master.handle(stimulus, self.now))
        self._perform(effects)
        self._fire_due()
        return effects

    def _perform(self, effects: Any) -> None:
        for effect in effects:
            match effect:
                case Send(peer, message):
                    self.sent.setdefault(peer, []).append(message)
                case SetTimer(name, at_s):
                    self.timers[name] = at_s
                case CancelTimer(name):
                    self.timers.pop(name, None)
                case Close(peer):
                    self.closed.append(peer)
                case _:
                    raise AssertionError(f"unexpected effect {effect}")

    def _fire_due(self) -> None:
        while due := sorted((at, name) for name, at in self.timers.items() if at <= self.now):
            del self.timers[due[0][1]]
            self._perform(self.master.handle(TimerFired(due[0][1]), self.now))

    def advance(self, seconds: float, answer_pings: tuple[str, ...] = ()) -> None:
        """Let time pass; the agents named answer pings as they come."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 1, end)
            self._fire_due()
            for peer in answer_pings:
                if any(
                    isinstance(message, cluster_pb2.Ping) for message in self.sent.get(peer, ())
                ):
                    self.sent[peer] = [
                        each for each in self.sent[peer] if not isinstance(each, cluster_pb2.Ping)
                    ]
                    self.give(Received(peer, cluster_pb2.Pong()))

    def take(self, peer: str) -> list[Message]:
        """Return what a peer was sent since the last time."""
        return self.sent.pop(peer, [])

    def disconnect(self, peer: str) -> None:
        """Break a peer's stream."""
        self.give(Disconnected(peer, "gone"))

    # -- agents -----------------------------------------------------------------------------------

    def agent(self, name: str = "a1", resources: str = "cpus:4;mem:1024") -> str:
        """Register an agent at the peer agent/NAME on a host of that name; return its id."""
        peer = f"agent/{name}"
        self.give(Received(peer, builders.register(builders.agent_info(name, resources))))
        registered = self.take(peer)[0]
        assert isinstance(registered, cluster_pb2.AgentRegistered)
        return registered.agent_id.value

    # -- frameworks -------------------------------------------------------------------------------

    def framework(
        self, name: str = "f1", role: str = "*", *, peer: str = "", **fields: Any
    ) -> Framework:
        """Subscribe a framework at the peer scheduler/NAME."""
        peer = peer or f"scheduler/{name}"
        info = builders.framework_info(name, role, **fields)
        self.give(Received(peer, builders.subscribe(info)))
        return Framework(self, peer, info)


class Framework:
    """A framework's end of its stream, as a test plays it."""

    def __init__(self, world: World, peer: str, info: mesos_pb2.FrameworkInfo) -> None:
        self.world = world
        self.peer = peer
        self.info = info
        self.offers: dict[str, mesos_pb2.Offer] = {}
        self.seen: list[Event] = []
        subscribed = self.events(Event.SUBSCRIBED)
        self.id = subscribed[0].subscribed.framework_id.value if subscribed else ""

    def poll(self) -> None:
        """Take in what has arrived."""
        for event in self.world.take(self.peer):
            assert isinstance(event, Event)
            self.seen.append(event)
            for offer in event.offers.offers:
                self.offers[offer.id.value] = offer
            if event.type == Event.RESCIND:
                self.offers.pop(event.rescind.offer_id.value, None)

    def events(self, kind: Event.Type) -> list[Event]:
        """Return all events of a kind so far."""
        self.poll()
        return [event for event in self.seen if event.type == kind]

    def errors(self) -> list[str]:
        return [event.error.message for event in self.events(Event.ERROR)]

    def updates(self, task_id: str | None = None) -> list[mesos_pb2.TaskStatus]:
        """Return the statuses so far, of one task if it is named."""
        statuses = [event.update.status for event in self.events(Event.UPDATE)]
        return [each for each in statuses if task_id in (None, each.task_id.value)]

    def states(self, task_id: str) -> list[str]:
        return [mesos_pb2.TaskState.Name(each.state) for each in self.updates(task_id)]

    def call(self, call: scheduler_pb2.Call) -> None:
        """Make a call in this framework's name."""
        call.framework_id.value = self.id
        self.world.give(Received(self.peer, call))

    def offer_of(self, agent_id: str) -> mesos_pb2.Offer:
        """Return the outstanding offer of an agent."""
        self.poll()
        return next(each for each in self.offers.values() if each.agent_id.value == agent_id)

    def accept(self, agent_id: str, *operations: mesos_pb2.Offer.Operation, **filters: Any) -> None:
        """Use the outstanding offer of an agent."""
        offer = self.offer_of(agent_id)
        del self.offers[offer.id.value]
        self.call(builders.accept([offer.id.value], *operations, **filters))

    def launch(self, agent_id: str, *tasks: mesos_pb2.TaskInfo, **filters: Any) -> None:
        """Launch tasks with the outstanding offer of an agent."""
        self.accept(agent_id, builders.launch(*tasks), **filters)

    def running(self, agent: str, agent_id: str, task_id: str = "t1", **fields: Any) -> str:
        """Launch a task, have its agent report that it runs, and acknowledge that."""
        self.launch(agent_id, builders.task_info(task_id, agent_id, **fields))
        self.update(agent, task_id, mesos_pb2.TASK_RUNNING)
        return task_id

    def update(
        self,
        agent: str,
        task_id: str,
        state: mesos_pb2.TaskState,
        *,
        latest: mesos_pb2.TaskState | None = None,
        acknowledge: bool = True,
        **fields: Any,
    ) -> mesos_pb2.TaskStatus:
        """Have an agent report a state, and acknowledge it if the framework gets it."""
        agent_id = self.world.master.cluster.agents_by_peer[f"agent/{agent}"].id
        uuid = len(self.seen).to_bytes(2, "big") + state.to_bytes(14, "big")
        status = builders.task_status(task_id, state, agent_id=agent_id, uuid=uuid, **fields)
        self.world.give(Received(f"agent/{agent}", builders.status_update(self.id, status, latest)))
        if acknowledge:
            self.call(builders.acknowledge(status))
        return status


@pytest.fixture
def world() -> World:
    """A fresh master."""
    return World()


@pytest.fixture
def make_world() -> Callable[..., World]:
    """Make masters with flags."""
    return World
