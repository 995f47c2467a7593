"""Streams between programs of one host: frames over a unix socket, without gRPC.

The frames are those of the gRPC streams (`runtime.frames`), each behind its length; the first of a
client names the method. `runtime.rpc` serves both, and opens these where it finds the socket, which
lies in a directory of the server's own user. It looks at no message, and knows no peers.

Source: docs/decisions/0010-same-host-streams.md.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Awaitable, Callable

from minimesos.log import get_logger

FRAME_BYTES_MAX = 2**27  # streams have a lower limit for what they send
WRITE_HIGH_BYTES = 2**20  # unsent bytes at which writers wait
FRAMES_HIGH = 64  # unread frames at which no more are taken from the socket
BUFFER_BYTES = 2**16
_LENGTH = struct.Struct("<I")

Serve = Callable[["FrameConnection"], Awaitable[None]]
"""Serves one stream until it is over."""

_log = get_logger(__name__)


class FrameConnection(asyncio.BufferedProtocol):
    """Either end of a connection; a `StreamEnd` for `Stream.pump`."""

    def __init__(self, made: Callable[[FrameConnection], None] | None = None) -> None:
        self._made = made
        self._buffer = bytearray(BUFFER_BYTES)
        self._filled = 0
        self._frames: deque[bytes] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._is_paused = False
        self._over = ""
        self._transport: asyncio.Transport

    # -- for the stream ---------------------------------------------------------------------------

    async def read(self) -> bytes | None:
        """Return the next frame, None at the end."""
        while not self._frames:
            if self._over:
                return None
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        frame = self._frames.popleft()
        if self._is_paused and not self._frames:
            self._is_paused = False
            self._transport.resume_reading()
        return frame

    async def write(self, frame: bytes) -> None:
        """Send a frame; returns once there is room for another. Raises ConnectionError."""
        if self._transport.is_closing():
            raise ConnectionResetError(self._over or "the connection was closed")
        self._transport.writelines((_LENGTH.pack(len(frame)), frame))
        if self._room is not None:
            await self._room

    async def done_writing(self) -> None:
        """Say that nothing more will be sent."""
        if not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """Hang up once what was written has left."""
        self._transport.close()

    # -- for the loop -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        if self._made is not None:
            self._made(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        at, end = 0, _LENGTH.size  # of the frame that is looked at, as far as it is known
        with memoryview(self._buffer)[: self._filled] as filled:
            while end <= self._filled:
                (length,) = _LENGTH.unpack_from(filled, at)
                if length > FRAME_BYTES_MAX:
                    self._end(f"a frame of {length} bytes is above the limit {FRAME_BYTES_MAX}")
                    self._transport.abort()
                    return
                end = at + _LENGTH.size + length
                if end <= self._filled:
                    self._frames.append(bytes(filled[at + _LENGTH.size : end]))
                    at, end = end, end + _LENGTH.size
            rest = bytes(filled[at:])
        size = max(end - at, BUFFER_BYTES)
        if len(self._buffer) != size:
            self._buffer = bytearray(size)
        self._buffer[: len(rest)] = rest
        self._filled = len(rest)
        if len(self._frames) > FRAMES_HIGH and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        if self._frames:
            self._wake()

    def eof_received(self) -> bool:
        self._end("the peer closed the connection")
        return True  # it may still read

    def connection_lost(self, error: Exception | None) -> None:
        self._end(str(error) if error else "the connection was closed")
        self.resume_writing()

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def _end(self, why: str) -> None:
        self._over = self._over or why
        self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)


class FrameServer:
    """Serves methods at a unix socket. Fill `methods`, then `start`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.methods: dict[str, Serve] = {}
        self._server: asyncio.Server | None = None
        self._streams: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises OSError."""
        self._server = await asyncio.get_running_loop().create_unix_server(
            lambda: FrameConnection(self._made), self.path
        )

    async def stop(self, grace_s: float) -> None:
        """Stop listening; streams get `grace_s` to send what they hold."""
        if self._server is not None:
            self._server.close()
        if self._streams:
            await asyncio.wait(self._streams, timeout=grace_s)
        for stream in self._streams:
            stream.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)

    def _made(self, connection: FrameConnection) -> None:
        stream = asyncio.ensure_future(self._serve(connection))
        self._streams.add(stream)
        stream.add_done_callback(self._streams.discard)

    async def _serve(self, connection: FrameConnection) -> None:
        try:
            name = (await connection.read() or b"").decode(errors="replace")
            serve = self.methods.get(name)
            if serve is not None:
                await serve(connection)
            elif name:
                _log.warning("No such method on this host", method=name)
        finally:
            connection.close()


async def connect(path: str, method: str) -> FrameConnection:
    """Open the stream of a method. Raises OSError."""
    _, connection = await asyncio.get_running_loop().create_unix_connection(FrameConnection, path)
    await connection.write(method.encode())
    return connection
