"""The clock and the timers of the simulation."""

from __future__ import annotations

from minimesos.actor import CancelTimer, SetTimer, TimerFired
from minimesos.testing.simulator import EPOCH_S, Node, Simulator


class Timers:
    def __init__(self):
        self.fired = []

    def start(self, now):
        return [SetTimer("a", now + 1), SetTimer("b", now + 2), SetTimer("c", now + 3)]

    def handle(self, stimulus, now):
        self.fired.append((stimulus.name, now - EPOCH_S))
        if stimulus.name == "a":
            return [SetTimer("b", now + 10), CancelTimer("c"), CancelTimer("unknown")]
        return []


def test_timers_fire_once_at_their_time_and_the_newest_setting_counts():
    simulator = Simulator(1)
    actor = Timers()
    node = Node("n", "n", "n", actor, lambda effect: None, lambda stop: None)
    simulator.start(node)
    simulator.advance(100)
    assert actor.fired == [("a", 1.0), ("b", 11.0)]
    assert simulator.now == EPOCH_S + 100


def test_a_dead_program_hears_nothing():
    class Silence:
        def died(self, node):
            pass

    simulator = Simulator(1)
    simulator.network = Silence()
    actor = Timers()
    node = Node("n", "n", "n", actor, lambda effect: None, lambda stop: None)
    simulator.start(node)
    simulator.kill(node)
    simulator.give(node, TimerFired("a"))
    simulator.advance(100)
    assert actor.fired == []


def test_waiting_ends_as_soon_as_the_condition_holds_or_at_the_timeout():
    simulator = Simulator(1)
    done = []
    simulator.after(5, lambda: done.append(1))
    assert simulator.run_until(lambda: bool(done), 60)
    assert simulator.now == EPOCH_S + 5
    assert not simulator.run_until(lambda: False, 60)
    assert simulator.now == EPOCH_S + 65


def test_things_due_at_the_same_time_happen_in_an_order_that_the_seed_decides():
    def order(seed):
        simulator = Simulator(seed)
        happened = []
        for number in range(10):
            simulator.after(1, lambda number=number: happened.append(number))
        simulator.advance(2)
        return happened

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == list(range(10))
