"""Frames over a socketpair, driven by hand or by asyncio."""

from __future__ import annotations

import asyncio
import socket

import pytest

from minimesos.runtime.frame_socket import HEADER, FrameSocket

DEADLINE_S = 10.0


class Peer:
    """A FrameSocket and what it has heard."""

    def __init__(self, sock: socket.socket) -> None:
        self.frames: list[bytes] = []
        self.turns: list[int] = []
        self.closed = asyncio.Event()
        self._arrived = asyncio.Event()
        self.link = FrameSocket(
            asyncio.get_running_loop(), sock, self._on_frame, self.closed.set, self._on_turn
        )

    def _on_frame(self, frame: bytes) -> None:
        self.frames.append(frame)
        self._arrived.set()

    def _on_turn(self) -> None:
        self.turns.append(len(self.frames))

    async def heard(self, count: int) -> list[bytes]:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.frames) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.frames


@pytest.fixture
async def peers():
    one, two = map(Peer, socket.socketpair())
    yield one, two
    one.link.close()
    two.link.close()


async def test_frames_arrive_whole_and_in_order(peers):
    one, two = peers
    sizes = [0, 1, 5, 300_000, 2, 0, 5_000_000, 3]
    frames = [bytes([i]) * size for i, size in enumerate(sizes)]
    for frame in frames:
        one.link.send(frame)
    assert await two.heard(len(frames)) == frames


async def test_frames_that_arrive_together_share_a_turn(peers):
    one, two = peers
    for _ in range(100):
        one.link.send(b"x")
    await two.heard(100)
    assert two.turns == [100]


async def test_a_frame_may_come_in_pieces():
    ours, theirs = socket.socketpair()
    peer = Peer(ours)
    with theirs:
        data = HEADER.pack(3) + b"abc" + HEADER.pack(2) + b"de"
        for at in range(len(data)):
            theirs.send(data[at : at + 1])
            peer.link.read()
    assert peer.frames == [b"abc", b"de"]
    peer.link.close()


async def test_what_does_not_fit_waits_and_then_says_that_it_is_sent(peers):
    one, two = peers
    two.link.pause()
    one.link.send(bytes(5_000_000))
    assert one.link.outbox_bytes > 0
    sent = asyncio.Event()
    one.link.when_sent(sent.set)
    assert not sent.is_set()
    two.link.resume()
    await asyncio.wait_for(sent.wait(), DEADLINE_S)
    assert one.link.outbox_bytes == 0
    await two.heard(1)


async def test_the_end_of_the_peer_is_told_once_after_its_last_frame(peers):
    one, two = peers
    one.link.send(b"last")
    one.link.close()
    await asyncio.wait_for(two.closed.wait(), DEADLINE_S)
    assert two.frames == [b"last"]
    assert two.link.closed
    two.link.send(b"into the void")


async def test_closing_from_a_callback_stops_the_frames_behind_it():
    ours, theirs = socket.socketpair()
    got: list[bytes] = []

    def close(frame: bytes) -> None:
        got.append(frame)
        link.close()

    link = FrameSocket(asyncio.get_running_loop(), ours, close, lambda: None)
    with theirs:
        theirs.sendall((HEADER.pack(1) + b"a") * 2)
        link.read()
    assert got == [b"a"]


async def test_the_rest_of_a_dead_peer_can_be_read_at_once(peers):
    one, two = peers
    for _ in range(200):
        one.link.send(bytes(100))
    one.link.close()
    two.link.read_rest()
    assert len(two.frames) == 200
    assert not two.closed.is_set()
