"""A scripted peer (master or agent) on a real loopback port, for the drivers to talk to."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import pytest
from google.protobuf.message import Message

from minimesos.actor import Close, Connected, Effect, Received, Send, Stimulus
from minimesos.runtime.frames import StreamKind
from minimesos.runtime.loop import LoopThread
from minimesos.runtime.server import Server

PATIENCE_S = 20.0  # a test that waits for so long has failed


class Peer:
    """Hears calls, says what the test tells it to say."""

    def __init__(self, kind: StreamKind) -> None:
        self._kind = kind
        self._heard: queue.Queue[Message] = queue.Queue()
        self._loop = LoopThread.shared()
        self._name = ""
        self._loop.call(self._serve())

    # -- an actor ---------------------------------------------------------------------------------

    def start(self, now: float) -> Sequence[Effect]:
        return ()

    def handle(self, stimulus: Stimulus, now: float) -> Sequence[Effect]:
        if isinstance(stimulus, Connected):
            self._name = stimulus.peer
        elif isinstance(stimulus, Received):
            self._heard.put(stimulus.message)
        return ()

    # -- for tests --------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        return self._server.address

    def hear(self) -> Any:
        """Return the next call, waiting for it."""
        return self._heard.get(timeout=PATIENCE_S)

    def heard_nothing(self) -> bool:
        return self._heard.empty()

    def say(self, event: Message) -> None:
        self._post(Send(self._name, event))

    def hang_up(self) -> None:
        self._post(Close(self._name))

    def stop(self) -> None:
        self._loop.call(self._stop())

    def _post(self, effect: Effect) -> None:
        self._peers.host.post(lambda now: [effect])

    async def _serve(self) -> None:
        async def no_http() -> NoReturn:
            raise NotImplementedError

        self._server = Server(no_http)
        await self._server.bind("127.0.0.1", 0)
        self._peers = self._server.host(self, [self._kind])
        self._server.rpc.serve_locate(self._kind.service)
        await self._server.serve()
        self._running = asyncio.create_task(self._peers.host.run())

    async def _stop(self) -> None:
        self._peers.host.stop()
        await self._running
        await self._server.stop(self._peers)


@pytest.fixture
def make_peer() -> Iterator[Callable[[StreamKind], Peer]]:
    """Start peers that serve one kind of stream."""
    peers: list[Peer] = []

    def make(kind: StreamKind) -> Peer:
        peers.append(Peer(kind))
        return peers[-1]

    yield make
    for peer in peers:
        peer.stop()


class Calls:
    """Callbacks as they come: names and arguments, in order."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[str, tuple[Any, ...]]] = queue.Queue()
        self.reactions: dict[str, Callable[..., None]] = {}
        self.threads: set[str] = set()

    def note(self, name: str, driver: Any, *arguments: Any) -> None:
        self.threads.add(threading.current_thread().name)
        self._queue.put((name, arguments))
        if name in self.reactions:
            self.reactions[name](driver, *arguments)

    def next(self, name: str) -> tuple[Any, ...]:
        """Wait for the next callback, which must be this one; return its arguments."""
        found, arguments = self._queue.get(timeout=PATIENCE_S)
        assert found == name
        return arguments

    def none_left(self) -> bool:
        return self._queue.empty()


@pytest.fixture
def calls() -> Calls:
    """Return where the callbacks of a test's driver are noted."""
    return Calls()
