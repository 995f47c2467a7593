"""The contract between cores and the worlds that run them: stimuli go in, effects come out.

A core (master, agent, scheduler session, executor session) is a plain object with one method,
`handle(stimulus, now)`. It never waits, reads a clock, opens a socket or touches a file. The real
world (`minimesos.runtime`) and the simulated one (`minimesos.testing`) perform its effects and
turn what happens into its next stimuli, so the same core runs in both.

Peers are opaque strings that the world assigns, one per connection (`"scheduler/3"`,
`"agent/17"`); a peer that reconnects has a new name. The one exception are connections that the
core itself asks for by `Connect`: it chooses the peer's name (`"master"`).

There is one clock: `now` is in seconds since the Unix epoch and never goes backwards, so it serves
timers and timestamps alike.

After `handle` returns, the world performs the effects in order, except that every `Persist` is
durable before any `Send` of the same batch leaves the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import Message


class Stimulus:
    """Something that happened to an actor. Actors add their own subclasses."""

    __slots__ = ()


class Effect:
    """Something an actor wants done. Actors add their own subclasses."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Connected(Stimulus):
    """A peer's stream is open: it connected to us, or a `Connect` of ours succeeded."""

    peer: str


@dataclass(frozen=True, slots=True)
class Received(Stimulus):
    """A message arrived. `message` is the inner message, never a transport envelope."""

    peer: str
    message: Message


@dataclass(frozen=True, slots=True)
class Disconnected(Stimulus):
    """A peer's stream ended, or a `Connect` of ours failed; `reason` is for people."""

    peer: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TimerFired(Stimulus):
    """A timer set by `SetTimer` is due. It fires once."""

    name: str


@dataclass(frozen=True, slots=True)
class EffectFailed(Stimulus):
    """The world could not perform `effect` (disk full, fork failed, ...)."""

    effect: Effect
    reason: str


@dataclass(frozen=True, slots=True)
class Connect(Effect):
    """Open a stream to `address` (host:port) under the name `peer`, closing an older one."""

    peer: str
    address: str


@dataclass(frozen=True, slots=True)
class Send(Effect):
    """Send a message to a peer; dropped silently if the peer is gone (a `Disconnected` follows)."""

    peer: str
    message: Message


@dataclass(frozen=True, slots=True)
class Close(Effect):
    """Close a peer's stream after what was sent before it. No `Disconnected` follows."""

    peer: str


@dataclass(frozen=True, slots=True)
class SetTimer(Effect):
    """Fire `TimerFired(name)` once `now` reaches `at_s`; replaces an older one of that name."""

    name: str
    at_s: float


@dataclass(frozen=True, slots=True)
class CancelTimer(Effect):
    """Forget a timer; no error if there is none."""

    name: str


@dataclass(frozen=True, slots=True)
class Persist(Effect):
    """Append `record` to the actor's durable store before anything of this batch is sent."""

    record: Message


@dataclass(frozen=True, slots=True)
class Stop(Effect):
    """End this actor's program with `exit_code` after the batch; `reason` goes to the log."""

    exit_code: int
    reason: str


class Actor(Protocol):
    """What a world can run."""

    def start(self, now: float) -> Sequence[Effect]:
        """Effects of coming to life: first timers, first connections. Called once."""
        ...

    def handle(self, stimulus: Stimulus, now: float) -> Sequence[Effect]:
        """React to one stimulus.

        Never raises for what a peer sent. An exception is our own bug: the world logs the
        actor's state and stops the program.
        """
        ...
