"""A stream by itself, over a transport that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from minimesos.actor import Connected, Disconnected, Effect, Stimulus
from minimesos.proto.minimesos import cluster_pb2
from minimesos.runtime.frames import AGENT
from minimesos.runtime.loop import ActorLoop
from minimesos.runtime.streams import Peers, Stream


class Recorder:
    """An actor that keeps what it hears, and has enough once a stream is over."""

    def __init__(self) -> None:
        self.heard: list[Stimulus] = []
        self.heard_the_end = asyncio.Event()

    def start(self, now: float) -> Sequence[Effect]:
        return ()

    def handle(self, stimulus: Stimulus, now: float) -> Sequence[Effect]:
        self.heard.append(stimulus)
        if isinstance(stimulus, Disconnected):
            self.heard_the_end.set()
        return ()


class ClosedByItsPeer:
    """Says that the peer has closed the stream; a write in progress waits until it is cancelled."""

    def __init__(self, when_write_is_cancelled: Callable[[], object]) -> None:
        self.writes = asyncio.Event()
        self._when_write_is_cancelled = when_write_is_cancelled

    async def read(self) -> object:
        await self.writes.wait()
        return object()

    async def write(self, frame: bytes) -> None:
        self.writes.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._when_write_is_cancelled()


async def test_the_end_is_told_also_if_the_call_is_cancelled_while_it_ends() -> None:
    actor = Recorder()
    host = ActorLoop(actor)
    running = asyncio.create_task(host.run())
    stream = Stream("agent/1", Peers(host), AGENT.to_server, AGENT.to_client)
    stream.send(cluster_pb2.Ping())
    end = ClosedByItsPeer(lambda: pumping.cancel())
    pumping = asyncio.create_task(stream.pump(end))
    with pytest.raises(asyncio.CancelledError):
        await pumping
    await asyncio.wait_for(actor.heard_the_end.wait(), 20)
    assert actor.heard == [
        Connected("agent/1"),
        Disconnected("agent/1", "the peer closed the stream"),
    ]
    host.stop()
    await running
