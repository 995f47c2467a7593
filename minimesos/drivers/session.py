"""What the owner of a session and the session say to each other.

The owner (a callback driver, a Spark backend, an executor, a simulated framework) gives stimuli;
the session answers with effects, which the world hands to the owner in order. Scheduler and
executor sessions share these words.
"""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import Message

from minimesos.actor import Effect, Stimulus


@dataclass(frozen=True, slots=True)
class Submit(Stimulus):
    """Make this call: a `scheduler.Call` or `executor.Call`; the session fills in its own ids.

    The message is the session's from now on.
    """

    call: Message


@dataclass(frozen=True, slots=True)
class Leave(Stimulus):
    """End the session. A framework is torn down unless it means to come back (`failover`)."""

    failover: bool = False


@dataclass(frozen=True, slots=True)
class Arrived(Effect):
    """An event for the owner: a `scheduler.Event` or `executor.Event`, heartbeats left out."""

    event: Message


@dataclass(frozen=True, slots=True)
class Subscribed(Effect):
    """The subscription stands. `event` is the SUBSCRIBED event.

    `again` is true if the other side still knew us, so that nothing was lost but time.
    """

    event: Message
    again: bool


@dataclass(frozen=True, slots=True)
class Unsubscribed(Effect):
    """The subscription is lost; the session tries to get it back. Offers are void."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed(Effect):
    """The session is over and will not come back; `message` says why."""

    message: str
