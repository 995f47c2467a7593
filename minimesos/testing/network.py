"""Connections between simulated programs, and what can go wrong with them.

A connection is what a gRPC stream is: both ends hear of its beginning and its end, and messages
arrive in order or not at all. A message that is lost therefore breaks its connection: that is what
loss looks like above TCP. Across a partition nothing arrives and nobody is told; when it heals, a
connection that has something to say either goes on, late, or is found broken. Every message is
encoded and decoded on its way, so that nobody shares an object with anybody.

Delays, losses and duplicates are drawn from the simulation's seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from google.protobuf.message import Message

from minimesos.actor import Connected, Disconnected, Received
from minimesos.proto.minimesos import cluster_pb2
from minimesos.testing.simulator import Node, Simulator

TICK_S = 1e-6
"""Between two messages of one connection: they never overtake each other."""

REPEATABLE = (
    cluster_pb2.RegisterAgent,
    cluster_pb2.ReregisterAgent,
    cluster_pb2.StatusUpdate,
    cluster_pb2.StatusUpdateAcknowledgement,
    cluster_pb2.KillTask,
    cluster_pb2.Ping,
    cluster_pb2.Pong,
)
"""Messages that our programs themselves may send twice, so that receivers must bear it."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How bad a network is. Probabilities are per message."""

    delay_min_s: float = 0.001
    delay_max_s: float = 0.002
    loss: float = 0.0
    duplication: float = 0.0


@dataclass(slots=True, eq=False)
class End:
    """One end of a connection: a program, and the name it has for the other."""

    node: Node
    peer: str
    open: bool = True  # this program still counts on the connection
    last_arrival_s: float = 0.0
    held: list[Callable[[], None]] = field(default_factory=list)  # what a partition keeps from it


@dataclass(slots=True, eq=False)
class Connection:
    """A stream between two programs."""

    client: End
    server: End

    def end_of(self, node: Node, peer: str) -> End | None:
        """Return the end that a program calls `peer`."""
        for end in (self.client, self.server):
            if end.node is node and end.peer == peer:
                return end
        return None

    def other(self, end: End) -> End:
        """Return the far end."""
        return self.server if end is self.client else self.client


class Network:
    """All connections. Implements `simulator.Connections`."""

    def __init__(self, simulator: Simulator, faults: Faults) -> None:
        self.faults = faults
        self._simulator = simulator
        self._random = simulator.random_of("network")
        self._listeners: dict[str, Node] = {}  # by address
        self._connections: dict[tuple[Node, str], Connection] = {}  # by both ends
        self._isolated: set[str] = set()
        self._accepted = 0

    def listen(self, address: str, node: Node) -> None:
        """Let others connect to a program."""
        self._listeners[address] = node

    # -- what programs do -------------------------------------------------------------------------

    def connect(self, node: Node, peer: str, address: str) -> None:
        """Open a connection; an older one of that name is closed."""
        self.close(node, peer)
        listener = self._listeners.get(address)
        if listener is not None and not self._reaches(node.host, listener.host):
            return  # nobody answers: it is the caller who gives up
        client = End(node, peer)
        if listener is None or not listener.alive:
            pending = Connection(client, client)
            self._connections[node, peer] = pending
            self._simulator.after(self._delay(), partial(self._refuse, pending))
            return
        self._accepted += 1
        server = End(listener, f"{node.kind}/{self._accepted}")
        connection = Connection(client, server)
        self._connections[node, peer] = connection
        self._connections[listener, server.peer] = connection
        self._arrive(server, lambda: self._simulator.give(server.node, Connected(server.peer)))
        self._arrive(client, lambda: self._simulator.give(client.node, Connected(client.peer)))

    def _refuse(self, pending: Connection) -> None:
        self._end(pending, pending.client, "connection refused")

    def send(self, node: Node, peer: str, message: Message) -> None:
        """Send a message on a connection; nothing if it is gone."""
        connection = self._connections.get((node, peer))
        end = connection.end_of(node, peer) if connection else None
        if connection is None or end is None or not end.open:
            return
        kind, data = type(message), message.SerializeToString()
        target = connection.other(end)
        if target is end:
            return  # it is about to be refused

        def deliver() -> None:
            if target.open:
                self._simulator.give(target.node, Received(target.peer, kind.FromString(data)))

        if self._random.random() < self.faults.loss:
            self._simulator.note(node.name, f"loses {kind.DESCRIPTOR.name} and its connection")
            self.break_off(connection, "connection reset")
            return
        self._arrive(target, deliver)
        if kind in REPEATABLE and self._random.random() < self.faults.duplication:
            self._arrive(target, deliver)

    def close(self, node: Node, peer: str) -> None:
        """Close a connection: the other end hears of it, this one does not."""
        connection = self._connections.get((node, peer))
        end = connection.end_of(node, peer) if connection else None
        if connection is None or end is None:
            return
        self._forget(end)
        far = connection.other(end)
        if far is not end:
            self._arrive(far, partial(self._end, connection, far, "closed by the other side"))

    def died(self, node: Node) -> None:
        """Close all connections of a program that ended."""
        for owner, peer in list(self._connections):
            if owner is node:
                self.close(node, peer)

    # -- what happens to them ---------------------------------------------------------------------

    def break_off(self, connection: Connection, reason: str) -> None:
        """Break a connection under both ends."""
        for end in (connection.client, connection.server):
            self._arrive(end, partial(self._end, connection, end, reason))

    def isolate(self, host: str) -> None:
        """Cut a host off from all others."""
        self._isolated.add(host)

    def rejoin(self, host: str) -> None:
        """End a host's isolation. The seed decides which of its connections have survived."""
        self._isolated.discard(host)
        connections = dict.fromkeys(self._connections.values())
        for connection in connections:
            ends = (connection.client, connection.server)
            if host not in {end.node.host for end in ends} or not any(end.held for end in ends):
                continue
            if not self._reaches(ends[0].node.host, ends[1].node.host):
                continue
            survives = self._random.random() < 0.5
            for end in ends:
                held, end.held = end.held, []
                if survives:
                    for arrival in held:
                        self._arrive(end, arrival)
            if not survives:
                self.break_off(connection, "connection timed out")

    def connections_of(self, node: Node) -> list[Connection]:
        """Return a program's connections."""
        found = (each for (owner, _), each in self._connections.items() if owner is node)
        return list(dict.fromkeys(found))

    def _end(self, connection: Connection, end: End, reason: str) -> None:
        if end.open:
            self._forget(end)
            self._simulator.give(end.node, Disconnected(end.peer, reason))

    def _forget(self, end: End) -> None:
        end.open = False
        self._connections.pop((end.node, end.peer), None)

    def _arrive(self, end: End, arrival: Callable[[], None]) -> None:
        """Have something arrive at an end, after all that is on its way there."""
        at_s = max(self._simulator.now + self._delay(), end.last_arrival_s + TICK_S)
        end.last_arrival_s = at_s
        self._simulator.at(at_s, partial(self._cross, end, arrival))

    def _cross(self, end: End, arrival: Callable[[], None]) -> None:
        connection = self._connections.get((end.node, end.peer))
        if connection is None:
            return
        # What is on the wire when the network is cut is lost with the rest.
        if end.held or not self._reaches(connection.client.node.host, connection.server.node.host):
            end.held.append(arrival)
        else:
            arrival()

    def _reaches(self, one: str, other: str) -> bool:
        return one == other or not self._isolated.intersection((one, other))

    def _delay(self) -> float:
        return self._random.uniform(self.faults.delay_min_s, self.faults.delay_max_s)
