"""Connections of the simulated network: what arrives, in which order, and what does not."""

from __future__ import annotations

import pytest

from minimesos.actor import Close, Connect, Connected, Disconnected, Received, Send
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.testing.network import Faults, Network
from minimesos.testing.simulator import Node, Simulator


class Recorder:
    """An actor that does what it is told and remembers what it hears."""

    def __init__(self, *first):
        self.first = list(first)
        self.heard = []

    def start(self, now):
        return self.first

    def handle(self, stimulus, now):
        self.heard.append(stimulus)
        return []

    def messages(self):
        return [each.message for each in self.heard if isinstance(each, Received)]

    def kinds(self):
        return [type(each) for each in self.heard]


class Pair:
    """A server and a client on two hosts, connected."""

    def __init__(self, seed=1, listens=True, **faults):
        self.simulator = Simulator(seed)
        self.network = self.simulator.network = Network(self.simulator, Faults(**faults))
        self.server, self.client = Recorder(), Recorder(Connect("server", "here"))
        self.server_node = self.node("server", self.server)
        self.client_node = self.node("client", self.client)
        if listens:
            self.network.listen("here", self.server_node)
        self.simulator.start(self.client_node)
        self.simulator.advance(1)

    def node(self, name, actor):
        def unexpected(effect):
            raise AssertionError(effect)

        return Node(name, "client", name, actor, unexpected, lambda stop: None)

    def do(self, node, *effects):
        self.simulator.perform(node, None, effects)

    def ids(self, *values):
        return [mesos_pb2.TaskID(value=str(value)) for value in values]


def test_both_ends_hear_of_the_beginning_and_what_is_sent_arrives_in_order():
    pair = Pair(delay_min_s=0.0, delay_max_s=0.5)
    assert pair.client.heard == [Connected("server")]
    assert pair.server.heard == [Connected("client/1")]
    sent = pair.ids(*range(50))
    pair.do(pair.client_node, *(Send("server", message) for message in sent))
    pair.do(pair.server_node, *(Send("client/1", message) for message in sent))
    pair.simulator.advance(1)
    assert pair.server.messages() == pair.client.messages() == sent


def test_nobody_shares_a_message_with_anybody():
    pair = Pair()
    (message,) = pair.ids("t1")
    pair.do(pair.client_node, Send("server", message))
    pair.simulator.advance(1)
    assert pair.server.messages() == [message]
    assert pair.server.messages()[0] is not message


def test_a_connection_to_nobody_is_refused():
    pair = Pair(listens=False)
    assert pair.client.heard == [Disconnected("server", "connection refused")]


def test_only_the_other_end_hears_of_a_close_and_after_what_was_sent_before():
    pair = Pair()
    (message,) = pair.ids("t1")
    pair.do(pair.client_node, Send("server", message), Close("server"), Send("server", message))
    pair.simulator.advance(1)
    assert pair.server.kinds() == [Connected, Received, Disconnected]
    assert pair.client.kinds() == [Connected]


def test_when_a_program_dies_its_peers_hear_of_it():
    pair = Pair()
    pair.simulator.kill(pair.server_node)
    pair.simulator.advance(1)
    assert pair.client.kinds() == [Connected, Disconnected]
    assert pair.server.kinds() == [Connected]


@pytest.mark.parametrize("seed", range(6))
def test_a_partition_is_silent_and_what_it_held_comes_late_or_the_connection_is_found_broken(seed):
    pair = Pair(seed)
    sent = pair.ids("t1", "t2")
    pair.network.isolate("server")
    pair.do(pair.client_node, *(Send("server", message) for message in sent))
    pair.simulator.advance(1000)
    assert pair.server.kinds() == [Connected]
    assert pair.client.kinds() == [Connected]
    pair.network.rejoin("server")
    pair.simulator.advance(1)
    survived = pair.server.messages() == sent and pair.client.kinds() == [Connected]
    broken = pair.server.kinds() == pair.client.kinds() == [Connected, Disconnected]
    assert survived or broken


def test_a_partition_lets_both_outcomes_happen():
    outcomes = set()
    for seed in range(20):
        pair = Pair(seed)
        pair.network.isolate("server")
        pair.do(pair.client_node, Send("server", pair.ids("t1")[0]))
        pair.simulator.advance(1)
        pair.network.rejoin("server")
        pair.simulator.advance(1)
        outcomes.add(bool(pair.server.messages()))
    assert outcomes == {True, False}


def test_a_lost_message_breaks_its_connection():
    pair = Pair()
    pair.network.faults = Faults(loss=1.0)
    pair.do(pair.client_node, Send("server", pair.ids("t1")[0]))
    pair.simulator.advance(1)
    assert pair.server.kinds() == pair.client.kinds() == [Connected, Disconnected]


def test_only_messages_that_programs_repeat_are_duplicated():
    pair = Pair()
    pair.network.faults = Faults(duplication=1.0)
    pair.do(pair.client_node, Send("server", cluster_pb2.Pong()), Send("server", pair.ids("t1")[0]))
    pair.simulator.advance(1)
    assert len(pair.server.messages()) == 3
