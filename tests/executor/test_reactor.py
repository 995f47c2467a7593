"""The small event loop of the local executor."""

from __future__ import annotations

import os

import pytest
from minimesos_executor.reactor import SelectorReactor


@pytest.fixture
def reactor():
    return SelectorReactor()


@pytest.fixture
def pipe():
    read, write = os.pipe()
    yield read, write
    for fd in (read, write):
        os.close(fd)


def test_timers_run_in_the_order_of_their_times(reactor):
    ran = []
    reactor.call_later(0.002, lambda: (ran.append("later"), reactor.stop()))
    reactor.call_later(0.0, lambda: ran.append("first"))
    reactor.call_later(0.001, lambda: ran.append("second"))
    reactor.run()
    assert ran == ["first", "second", "later"]


def test_a_cancelled_timer_does_not_run(reactor):
    ran = []
    reactor.call_later(0.0, lambda: ran.append("cancelled")).cancel()
    reactor.call_later(0.001, reactor.stop)
    reactor.run()
    assert ran == []


def test_readers_and_writers_of_one_descriptor_are_apart(reactor):
    read, write = os.pipe()
    ran = []

    def on_write():
        ran.append("write")
        os.write(write, b"x")
        reactor.remove_writer(write)

    def on_read():
        ran.append(os.read(read, 1))
        reactor.remove_reader(read)
        reactor.stop()

    reactor.add_reader(read, on_read)
    reactor.add_writer(write, on_write)
    reactor.run()
    assert ran == ["write", b"x"]
    os.close(read)
    os.close(write)


def test_a_reader_removed_by_another_in_the_same_round_is_not_called(reactor, pipe):
    other = os.pipe()
    ran = []

    def react(mine, others):
        ran.append(mine)
        reactor.remove_reader(others)
        reactor.stop()

    for mine, others in ((pipe[0], other[0]), (other[0], pipe[0])):
        reactor.add_reader(mine, lambda mine=mine, others=others: react(mine, others))
    os.write(pipe[1], b"x")
    os.write(other[1], b"x")
    reactor.run()
    assert len(ran) == 1
    for fd in other:
        os.close(fd)
