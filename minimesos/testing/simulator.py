"""A world in virtual time: one heap orders all that happens, and a seed decides what is chance.

It runs any number of actors (`minimesos.actor`), performs their effects and turns what comes of
them into stimuli. Nothing waits and nothing is concurrent: the clock jumps to the next thing that
is due. Ties are broken by the seed, so that nobody leans on an order that nobody promised. The same
seed gives the same transcript, byte for byte.

Connections are `network`'s, containers `executors`'; what a cluster is made of is `cluster`'s.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from minimesos.actor import (
    Actor,
    CancelTimer,
    Close,
    Connect,
    Effect,
    Persist,
    Received,
    Send,
    SetTimer,
    Stimulus,
    Stop,
    TimerFired,
)

EPOCH_S = 1_000_000.0
"""Where virtual time begins. Small, so that microseconds are exact enough."""

_TOLD = frozenset({"type", "task_id", "agent_id", "executor_id", "state", "reason", "connected"})
_DEPTH_MAX = 3


@dataclass(slots=True, eq=False)
class Node:
    """A program that runs: an actor, its timers, and what is done with effects of its own kind."""

    name: str
    kind: str  # what a server that it connects to calls it: scheduler, agent, executor
    host: str
    actor: Actor
    other_effect: Callable[[Effect], None]
    on_stop: Callable[[Stop], None]
    alive: bool = True
    timers: dict[str, int] = field(default_factory=dict)  # name → ticket of its heap entry
    records: list[Message] = field(default_factory=list)


class Observer(Protocol):
    """Looks at every step after it was taken."""

    def stepped(self, node: Node, stimulus: Stimulus | None, effects: Sequence[Effect]) -> None:
        """`stimulus` is None for a start."""
        ...


class Connections(Protocol):
    """What the simulator needs of a network."""

    def connect(self, node: Node, peer: str, address: str) -> None:
        """Begin to connect; Connected or Disconnected follows, or nothing if no host answers."""
        ...

    def send(self, node: Node, peer: str, message: Message) -> None:
        """Put a message on its way; it is lost if `peer` is not connected."""
        ...

    def close(self, node: Node, peer: str) -> None:
        """End a connection; the other side hears Disconnected, the node does not."""
        ...

    def died(self, node: Node) -> None:
        """End all connections of a node that has crashed or stopped."""
        ...


class Simulator:
    """The clock, the heap and the seed."""

    def __init__(self, seed: int, *, keep_transcript: bool = True) -> None:
        self.seed = seed
        self.now = EPOCH_S
        self.random = self.random_of("simulator")
        self.network: Connections
        self.observers: list[Observer] = []
        self._heap: list[tuple[float, float, int, Callable[[], None]]] = []
        self._tickets = 0
        self._keep_transcript = keep_transcript
        self._lines: list[str] = []
        self._performers: dict[type[Effect], Callable[[Node, Any], None]] = {
            Send: lambda node, effect: self.network.send(node, effect.peer, effect.message),
            Connect: lambda node, effect: self.network.connect(node, effect.peer, effect.address),
            Close: lambda node, effect: self.network.close(node, effect.peer),
            SetTimer: self._set_timer,
            CancelTimer: self._cancel_timer,
            Persist: lambda node, effect: node.records.append(effect.record),
            Stop: self._stop,
        }

    def random_of(self, purpose: str) -> Random:
        """Return a source of randomness of its own for some purpose, drawn from the seed."""
        return Random(f"{self.seed}/{purpose}")

    @property
    def transcript(self) -> str:
        """All that happened so far, one line a stimulus."""
        return "\n".join(self._lines)

    # -- time -------------------------------------------------------------------------------------

    def after(self, delay_s: float, action: Callable[[], None]) -> int:
        """Do something later; return its ticket."""
        return self.at(self.now + delay_s, action)

    def at(self, time: float, action: Callable[[], None]) -> int:
        """Do something at a time, now if it is past; return its ticket."""
        self._tickets += 1
        entry = (max(time, self.now), self.random.random(), self._tickets, action)
        heapq.heappush(self._heap, entry)
        return self._tickets

    def step(self, until: float = float("inf")) -> bool:
        """Do the next thing that is due by `until`; False if there is none."""
        if not self._heap or self._heap[0][0] > until:
            return False
        self.now, _, _, action = heapq.heappop(self._heap)
        action()
        return True

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self.step(until):
            pass
        self.now = until

    def run_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Let time pass until something holds; False if it does not within the timeout."""
        until = self.now + timeout_s
        while not condition():
            if not self.step(until):
                self.now = until
                return condition()
        return True

    # -- actors -----------------------------------------------------------------------------------

    def start(self, node: Node) -> None:
        """Bring an actor to life."""
        self.note(node.name, "starts")
        self.perform(node, None, node.actor.start(self.now))

    def give(self, node: Node, stimulus: Stimulus) -> None:
        """Hand a stimulus to an actor, if it is alive, and perform what it wants done."""
        if not node.alive:
            return
        if self._keep_transcript:
            self.note(node.name, describe(stimulus))
        self.perform(node, stimulus, node.actor.handle(stimulus, self.now))

    def perform(self, node: Node, stimulus: Stimulus | None, effects: Sequence[Effect]) -> None:
        """Perform the effects of a step, and let observers look at it."""
        for effect in effects:
            perform = self._performers.get(type(effect))
            if perform is None:
                node.other_effect(effect)
            else:
                perform(node, effect)
        for observer in self.observers:
            observer.stepped(node, stimulus, effects)

    def kill(self, node: Node) -> None:
        """End a program at once, as `kill -9` does. The network notices."""
        if node.alive:
            self.note(node.name, "dies")
            node.alive = False
            node.timers.clear()
            self.network.died(node)

    def note(self, who: str, what: str) -> None:
        """Add a line to the transcript."""
        if self._keep_transcript:
            self._lines.append(f"{self.now - EPOCH_S:.6f} {who} {what}")

    def _set_timer(self, node: Node, effect: SetTimer) -> None:
        def fire() -> None:
            # Only the newest setting of a name counts.
            if node.timers.get(effect.name) == ticket:
                del node.timers[effect.name]
                self.give(node, TimerFired(effect.name))

        ticket = self.at(effect.at_s, fire)
        node.timers[effect.name] = ticket

    def _cancel_timer(self, node: Node, effect: CancelTimer) -> None:
        node.timers.pop(effect.name, None)

    def _stop(self, node: Node, effect: Stop) -> None:
        self.note(node.name, f"stops {effect.exit_code} {effect.reason}")
        node.alive = False
        node.timers.clear()
        self.network.died(node)
        node.on_stop(effect)


def describe(stimulus: Stimulus) -> str:
    """Return a line about a stimulus: what an eye looks for, and a checksum of all the rest."""
    if isinstance(stimulus, Received):
        return f"<- {stimulus.peer}: {describe_message(stimulus.message)}"
    # A session's owner hands it calls as stimuli.
    call = getattr(stimulus, "call", None)
    return f"is asked for {describe_message(call)}" if isinstance(call, Message) else str(stimulus)


def describe_message(message: Message) -> str:
    """Return a line about a message."""
    name = message.DESCRIPTOR.full_name.removeprefix("mesos.v1.").removeprefix("minimesos.")
    pairs = [f"{name}={value}" for name, value in dict.fromkeys(_told(message, 0))]
    checksum = zlib.crc32(message.SerializePartialToString(deterministic=True))
    return " ".join((name, *pairs, f"#{checksum:08x}"))


def _told(message: Message, depth: int) -> Iterator[tuple[str, str]]:
    for descriptor, value in message.ListFields():
        if descriptor.name in _TOLD and (depth == 0 or descriptor.name != "type"):
            yield descriptor.name, _shown(descriptor, value)
        elif descriptor.type == FieldDescriptor.TYPE_MESSAGE and depth < _DEPTH_MAX:
            for member in _members(value):
                yield from _told(member, depth + 1)


def _shown(descriptor: FieldDescriptor, value: Any) -> str:
    if descriptor.enum_type is not None:
        return descriptor.enum_type.values_by_number[value].name
    return str(getattr(value, "value", value))


def _members(value: Any) -> Iterable[Message]:
    if isinstance(value, Message):
        return (value,)
    return (each for each in value if isinstance(each, Message))
