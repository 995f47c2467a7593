"""Frames between programs of one host: what is written is what is read, and ends are noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from minimesos.runtime import same_host
from minimesos.runtime.same_host import FrameConnection, FrameServer, connect

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0


class Served:
    """A server with one method, and the connections that asked for it."""

    def __init__(self, path: str) -> None:
        self.server = FrameServer(path)
        self.server.methods["/echo"] = self._serve
        self._connections: asyncio.Queue[FrameConnection] = asyncio.Queue()
        self._clients: list[FrameConnection] = []
        self.release = asyncio.Event()

    async def connect(self, method: str = "/echo") -> FrameConnection:
        """Open a stream, which the fixture closes."""
        self._clients.append(await connect(self.server.path, method))
        return self._clients[-1]

    def close(self) -> None:
        self.release.set()
        for client in self._clients:
            client.close()

    async def _serve(self, connection: FrameConnection) -> None:
        self._connections.put_nowait(connection)
        await self.release.wait()

    async def next(self) -> FrameConnection:
        return await asyncio.wait_for(self._connections.get(), PATIENCE_S)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    served = Served(str(tmp_path / "frames"))
    await served.server.start()
    yield served
    served.close()
    await served.server.stop(0)


async def read(connection: FrameConnection) -> bytes | None:
    return await asyncio.wait_for(connection.read(), PATIENCE_S)


async def test_frames_of_any_size_arrive_whole_and_in_order(served: Served) -> None:
    client = await served.connect()
    server = await served.next()
    sizes = [0, 1, same_host.BUFFER_BYTES - 5, 3, same_host.BUFFER_BYTES, 5_000_000, 2, 0, 70_000]
    frames = [bytes([n]) * size for n, size in enumerate(sizes)]

    async def write() -> None:
        for frame in frames:
            await client.write(frame)

    writing = asyncio.ensure_future(write())
    assert [await read(server) for _ in frames] == frames
    await writing


async def test_frames_that_arrive_in_pieces_and_together_are_told_apart() -> None:
    connection = FrameConnection()
    data = b"".join(len(frame).to_bytes(4, "little") + frame for frame in (b"one", b"", b"three"))
    for piece in (data[:1], data[1:5], data[5:13], data[13:]):
        with connection.get_buffer(-1) as buffer:
            buffer[: len(piece)] = piece
        connection.buffer_updated(len(piece))
    assert [await read(connection) for _ in range(3)] == [b"one", b"", b"three"]


async def test_a_client_that_has_said_everything_still_hears_the_answer(served: Served) -> None:
    client = await served.connect()
    await client.write(b"question")
    await client.done_writing()
    server = await served.next()
    assert await read(server) == b"question"
    assert await read(server) is None
    await server.write(b"answer")
    served.release.set()
    assert await read(client) == b"answer"
    assert await read(client) is None


async def test_writing_waits_while_the_peer_does_not_read_and_fails_once_it_is_gone(
    served: Served,
) -> None:
    client = await served.connect()
    server = await served.next()
    written: list[int] = []

    async def write() -> None:
        for n in range(1000):
            await client.write(bytes(100_000))
            written.append(n)

    writing = asyncio.ensure_future(write())
    for _ in range(300):
        await read(server)
    assert len(written) < 500
    server.close()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(writing, PATIENCE_S)


async def test_a_frame_above_the_limit_ends_the_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(same_host, "FRAME_BYTES_MAX", 1000)
    client = await served.connect()
    await client.write(bytes(1001))
    assert await read(await served.next()) is None
    assert await read(client) is None


async def test_a_method_that_is_not_served_ends_the_connection(served: Served) -> None:
    client = await served.connect("/nobody")
    assert await read(client) is None


async def test_a_server_that_stops_ends_the_streams_that_are_left(served: Served) -> None:
    client = await served.connect()
    await served.next()
    await served.server.stop(0)
    assert await read(client) is None
