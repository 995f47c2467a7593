"""Length-prefixed frames over a non-blocking stream socket, for processes of one machine.

Between a `local[N]` driver and its executor, and between an executor's control process and its
workers: many small frames or few large ones, at several times the rate of gRPC. A `Reactor` is what
it needs of an event loop: asyncio's, or a smaller one where importing asyncio costs too much.
Frames are opaque. Both ends trust each other: there is no limit but the length field's.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol

HEADER = struct.Struct("<I")
FRAME_BYTES_MAX = 2**32 - 1
READ_BYTES = 2**18  # one read: many small frames, or the beginning of a large one
READS_MAX = 16  # in a row for one socket, before others get their turn


Frame = bytes | bytearray
"""What a frame holds; a large one is a bytearray."""


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Drop the call; nothing happens if it was made."""
        ...


class Reactor(Protocol):
    """The part of an event loop that small programs need; asyncio's loops have it."""

    def add_reader(self, fd: int, callback: Callable[[], Any], /) -> Any:
        """Call back whenever the descriptor can be read; replaces its earlier reader."""
        ...

    def remove_reader(self, fd: int, /) -> Any:
        """Stop calling back for reading; to be done before the descriptor is closed."""
        ...

    def add_writer(self, fd: int, callback: Callable[[], Any], /) -> Any:
        """Call back whenever the descriptor can be written; replaces its earlier writer."""
        ...

    def remove_writer(self, fd: int, /) -> Any:
        """Stop calling back for writing; to be done before the descriptor is closed."""
        ...

    def call_later(self, delay: float, callback: Callable[[], Any], /) -> Timer:
        """Call back once, `delay` seconds from now."""
        ...

    def time(self) -> float:
        """Return seconds of a clock that never goes back; its zero means nothing."""
        ...


class FrameReader:
    """Cuts what a socket receives into frames. Does not own the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._rest = b""  # the beginning of a header, or of a frame that is not large
        self._large: bytearray | None = None  # a large frame, and how much of it is there
        self._large_bytes = 0

    def read(self, flags: int = 0) -> list[Frame]:
        """Receive once; returns the frames that this completes.

        Raises EOFError at the end of the stream, and what the socket raises.
        """
        if self._large is not None:
            return self._read_large(self._large, flags)
        data = self._socket.recv(READ_BYTES, flags)
        if not data:
            raise EOFError
        return self._split(self._rest + data if self._rest else data)

    def _read_large(self, frame: bytearray, flags: int) -> list[Frame]:
        """Receive to where it belongs."""
        size = self._socket.recv_into(memoryview(frame)[self._large_bytes :], 0, flags)
        if not size:
            raise EOFError
        self._large_bytes += size
        if self._large_bytes < len(frame):
            return []
        self._large = None
        return [frame]

    def _split(self, data: bytes) -> list[Frame]:
        frames: list[Frame] = []
        at, end = 0, len(data)
        while end - at >= HEADER.size:
            (length,) = HEADER.unpack_from(data, at)
            start = at + HEADER.size
            if start + length > end:
                if length > READ_BYTES:
                    self._large = bytearray(length)
                    self._large[: end - start] = memoryview(data)[start:]
                    self._large_bytes = end - start
                    at = end
                break
            at = start + length
            frames.append(data[start:at])
        self._rest = data[at:]
        return frames


class FrameSocket:
    """One end of a connection. Owns the socket.

    `on_frame` gets each frame, and may keep it; `on_turn` runs after the frames that came at once;
    `on_close` runs once when the peer is gone or the socket broke, never because of `close`.
    """

    def __init__(
        self,
        reactor: Reactor,
        sock: socket.socket,
        on_frame: Callable[[Frame], None],
        on_close: Callable[[], None],
        on_turn: Callable[[], None] = lambda: None,
    ) -> None:
        sock.setblocking(False)
        self._reactor = reactor
        self._socket = sock
        self._on_frame = on_frame
        self._on_close = on_close
        self._on_turn = on_turn
        self._reader = FrameReader(sock)
        self._out: deque[memoryview] = deque()
        self._on_drained: list[Callable[[], None]] = []
        self._reading = False
        self.outbox_bytes = 0
        self.closed = False
        self.resume()

    def send(self, frame: bytes) -> None:
        """Send a frame, or keep it until there is room; dropped if the connection is gone.

        Raises ValueError for a frame whose length does not fit its field.
        """
        if self.closed:
            return
        if len(frame) > FRAME_BYTES_MAX:
            raise ValueError(f"a frame of {len(frame)} bytes is above {FRAME_BYTES_MAX}")
        header = HEADER.pack(len(frame))
        if self._out:
            self._queue(header)
            self._queue(frame)
            return
        try:
            sent = self._socket.sendmsg((header, frame))
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the reader is told
        if sent < len(header) + len(frame):
            if sent < len(header):
                self._queue(memoryview(header)[sent:])
            self._queue(memoryview(frame)[max(sent - len(header), 0) :])
            self._reactor.add_writer(self._socket.fileno(), self._drain)

    def when_sent(self, callback: Callable[[], None]) -> None:
        """Call back once all that was sent so far has left this process."""
        if self._out:
            self._on_drained.append(callback)
        else:
            callback()

    def pause(self) -> None:
        """Stop reading, so that the peer feels that we cannot keep up."""
        if self._reading:
            self._reading = False
            self._reactor.remove_reader(self._socket.fileno())

    def resume(self) -> None:
        """Read again after `pause`; what has come meanwhile is delivered in later turns."""
        if not self._reading and not self.closed:
            self._reading = True
            self._reactor.add_reader(self._socket.fileno(), self.read)

    def close(self) -> None:
        """Close without a callback; what has not left yet is dropped."""
        if self.closed:
            return
        self.pause()
        if self._out:
            self._reactor.remove_writer(self._socket.fileno())
            self._out.clear()
            self.outbox_bytes = 0
        self.closed = True
        self._on_drained.clear()
        self._socket.close()

    def read(self) -> None:
        """Deliver some of what has arrived."""
        ended = self._deliver(READS_MAX)
        self._on_turn()
        if ended and not self.closed:
            self.close()
            self._on_close()

    def read_rest(self) -> None:
        """Deliver all that has arrived; for a peer that is known to be dead. No `on_close`."""
        self._deliver(None)
        self._on_turn()

    def _deliver(self, reads: int | None) -> bool:
        """Read until nothing is left, but not more often than `reads`; says if the peer ended."""
        for _ in count() if reads is None else range(reads):
            try:
                frames = self._reader.read()
            except BlockingIOError:
                break
            except (EOFError, OSError):
                return True
            for frame in frames:
                self._on_frame(frame)
                if self.closed:
                    return False
        return False

    def _queue(self, data: bytes | memoryview) -> None:
        if data:
            self._out.append(memoryview(data))
            self.outbox_bytes += len(data)

    def _drain(self) -> None:
        while self._out:
            try:
                sent = self._socket.send(self._out[0])
            except BlockingIOError:
                return
            except OSError:
                self._out.clear()
                self.outbox_bytes = 0
                break
            self.outbox_bytes -= sent
            if sent < len(self._out[0]):
                self._out[0] = self._out[0][sent:]
            else:
                self._out.popleft()
        self._reactor.remove_writer(self._socket.fileno())
        callbacks, self._on_drained = self._on_drained, []
        for callback in callbacks:
            callback()
