"""An agent's bond with its master: connect, register, watch the pings, begin again when it breaks.

Every attempt waits a random time whose bound doubles, so that a thousand agents do not knock at
once on a master that comes back. A stream that is open but silent for the ping timeout counts as
broken.

Used by the agent core, which says what to send as its (re-)registration and what follows from it.

Source: Mesos documentation "Agent", registration back-off and health checks.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from random import Random

from google.protobuf.message import Message

from minimesos.actor import CancelTimer, Close, Connect, Effect, Send, SetTimer
from minimesos.backoff import Backoff
from minimesos.log import get_logger
from minimesos.proto.minimesos import cluster_pb2

MASTER = "master"
ATTEMPT_TIMER = "registration"
PING_TIMER = "ping-timeout"

REGISTER_BACKOFF_MAX_S = 60.0
CONNECT_BACKOFF_MAX_S = 10.0
"""Knocking costs a master that is down nothing, and somebody may be waiting for it to start."""
CONNECT_TIMEOUT_S = 20.0
PING_TIMEOUT_S = 75.0
"""Until the master says otherwise: five pings, 15 s apart."""

log = get_logger(__name__)


class Phase(Enum):
    """How far the bond has come."""

    WAITING = "waiting"  # for the next attempt to connect
    CONNECTING = "connecting"
    REGISTERING = "registering"
    REGISTERED = "registered"
    STOPPED = "stopped"


class Registration:
    """Appends its effects to a list that is shared with the agent."""

    def __init__(
        self,
        address: str,
        backoff_factor_s: float,
        random: Random,
        effects: list[Effect],
        greeting: Callable[[], Message],
    ) -> None:
        self.phase = Phase.WAITING
        self._address = address
        self._connecting = Backoff(backoff_factor_s, CONNECT_BACKOFF_MAX_S, random)
        self._registering = Backoff(backoff_factor_s, REGISTER_BACKOFF_MAX_S, random)
        self._effects = effects
        self._greeting = greeting
        self._ping_timeout_s = PING_TIMEOUT_S

    @property
    def is_registered(self) -> bool:
        return self.phase is Phase.REGISTERED

    def start(self, now: float) -> None:
        """Schedule the first attempt."""
        self.phase = Phase.WAITING
        self._connecting.reset()
        self._effects.append(CancelTimer(PING_TIMER))
        self._schedule(self._connecting, now)

    def attempt(self, now: float) -> None:
        """React to the attempt timer: connect, or register once more."""
        if self.phase is Phase.REGISTERING:
            self._effects.append(Send(MASTER, self._greeting()))
            self._schedule(self._registering, now)
        elif self.phase in (Phase.WAITING, Phase.CONNECTING):
            self.phase = Phase.CONNECTING
            self._effects.append(Connect(MASTER, self._address))
            self._effects.append(SetTimer(ATTEMPT_TIMER, now + CONNECT_TIMEOUT_S))

    def connected(self, now: float) -> None:
        """React to an open stream: register."""
        if self.phase is not Phase.CONNECTING:
            return
        log.info("New master detected", master=f"master@{self._address}")
        self.phase = Phase.REGISTERING
        self._registering.reset()
        # A master that never answers is as good as gone.
        self._effects.append(SetTimer(PING_TIMER, now + self._ping_timeout_s))
        self.attempt(now)

    def disconnected(self, reason: str, now: float) -> None:
        """React to a stream that broke, or could not be opened."""
        if self.phase is Phase.STOPPED:
            return
        if self.phase is Phase.CONNECTING:
            log.warning("Cannot reach the master, will try again", master=self._address, why=reason)
            self.phase = Phase.WAITING
            self._schedule(self._connecting, now)
        else:
            log.warning("Lost the master, detecting a new one", master=self._address, why=reason)
            self.start(now)

    def accepted(self, ping_timeout_s: float, now: float) -> None:
        """React to the master's answer: watch for pings."""
        self.phase = Phase.REGISTERED
        self._ping_timeout_s = ping_timeout_s or PING_TIMEOUT_S
        self._effects.append(CancelTimer(ATTEMPT_TIMER))
        self._effects.append(SetTimer(PING_TIMER, now + self._ping_timeout_s))

    def ping(self, ping: cluster_pb2.Ping, now: float) -> None:
        """Answer a ping; start over if the master says that it does not count on us."""
        self._effects.append(Send(MASTER, cluster_pb2.Pong()))
        if self.phase is not Phase.REGISTERED:
            return
        if ping.connected:
            self._effects.append(SetTimer(PING_TIMER, now + self._ping_timeout_s))
        else:
            self._restart("the master thinks that this agent is disconnected", now)

    def ping_timed_out(self, now: float) -> None:
        """React to a silent master: start over."""
        if self.phase in (Phase.REGISTERING, Phase.REGISTERED):
            self._restart(f"not a word from the master for {self._ping_timeout_s:g} s", now)

    def stop(self) -> None:
        """Stay away from the master from now on."""
        self.phase = Phase.STOPPED
        self._effects += [CancelTimer(ATTEMPT_TIMER), CancelTimer(PING_TIMER), Close(MASTER)]

    def _restart(self, why: str, now: float) -> None:
        log.warning("Leaving the master to register again", master=self._address, why=why)
        self._effects.append(Close(MASTER))
        self.start(now)

    def _schedule(self, backoff: Backoff, now: float) -> None:
        self._effects.append(SetTimer(ATTEMPT_TIMER, now + backoff.next_s()))
