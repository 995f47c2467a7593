"""What the parts of one master share: records, allocator, flags, and this stimulus's effects.

Created by `Master`, which calls `begin` and `take` around every stimulus; the parts append effects
through it. It makes no decision.
"""

from __future__ import annotations

from google.protobuf.message import Message

from minimesos.actor import CancelTimer, Close, Effect, Send, SetTimer, Stop
from minimesos.allocator.allocator import Allocator
from minimesos.master.flags import MasterFlags
from minimesos.master.state import Agent, Cluster, Framework
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2

# Kinds of timers; a timer's name is its kind, or kind/id.
ALLOCATE = "allocate"
ALLOCATE_NOW = "allocate_now"
HEARTBEAT = "heartbeat"
FAILOVER = "failover"
OFFER = "offer"
PING = "ping"
REREGISTER = "reregister"


class Context:
    """The shared part of a master. `now` is the time of the stimulus being handled."""

    __slots__ = ("_agents", "_effects", "_frameworks", "_offers", "allocator", "cluster", "flags",
                 "master_info", "now")  # fmt: skip

    def __init__(
        self, flags: MasterFlags, master_info: mesos_pb2.MasterInfo, allocator: Allocator
    ) -> None:
        self.flags = flags
        self.master_info = master_info
        self.allocator = allocator
        self.cluster = Cluster()
        self.now = 0.0
        self._effects: list[Effect] = []
        self._frameworks = 0
        self._agents = 0
        self._offers = 0

    def begin(self, now: float) -> None:
        """Start collecting the effects of one stimulus."""
        self.now = now
        self._effects = []

    def take(self) -> list[Effect]:
        """Return what was collected since `begin`."""
        effects, self._effects = self._effects, []
        return effects

    # -- effects ----------------------------------------------------------------------------------

    def send(self, peer: str, message: Message) -> None:
        """Send to a stream, whoever it belongs to."""
        self._effects.append(Send(peer, message))

    def notify(self, framework: Framework, event: scheduler_pb2.Event) -> None:
        """Send an event to a framework; nothing if it is not connected."""
        if framework.peer is not None:
            self._effects.append(Send(framework.peer, event))

    def tell(self, agent: Agent, message: Message) -> bool:
        """Send a message to an agent; False if it is not connected, and the message is lost."""
        if agent.peer is None:
            return False
        self._effects.append(Send(agent.peer, message))
        return True

    def close(self, peer: str) -> None:
        """End a stream after what was sent to it."""
        self._effects.append(Close(peer))

    def stop(self, exit_code: int, reason: str) -> None:
        """End the program."""
        self._effects.append(Stop(exit_code, reason))

    def set_timer(self, kind: str, at_s: float, id: str = "") -> None:
        """Set the timer of this kind, of this id if there is one for each."""
        self._effects.append(SetTimer(f"{kind}/{id}" if id else kind, at_s))

    def cancel_timer(self, kind: str, id: str) -> None:
        """Forget a timer."""
        self._effects.append(CancelTimer(f"{kind}/{id}"))

    # -- identifiers ------------------------------------------------------------------------------

    def new_framework_id(self) -> str:
        """Mint the next framework id."""
        self._frameworks += 1
        return f"{self.master_info.id}-{self._frameworks - 1:04d}"

    def new_agent_id(self) -> str:
        """Mint the next agent id."""
        self._agents += 1
        return f"{self.master_info.id}-S{self._agents - 1}"

    def new_offer_id(self) -> str:
        """Mint the next offer id."""
        self._offers += 1
        return f"{self.master_info.id}-O{self._offers - 1}"
