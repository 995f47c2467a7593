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
from typing import Any, Protocol

HEADER = struct.Struct("<I")
FRAME_BYTES_MAX = 2**32 - 1
READ_BYTES = 2**18  # one read: many small frames, or a piece of a large one
READ_BYTES_MAX = 2**20
READS_MAX = 16  # in a row for one socket, before others get their turn


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None: ...


class Reactor(Protocol):
    """The part of an event loop that small programs need; asyncio's loops have it."""

    def add_reader(self, fd: int, callback: Callable[[], Any], /) -> Any: ...

    def remove_reader(self, fd: int, /) -> Any: ...

    def add_writer(self, fd: int, callback: Callable[[], Any], /) -> Any: ...

    def remove_writer(self, fd: int, /) -> Any: ...

    def call_later(self, delay: float, callback: Callable[[], Any], /) -> Timer: ...

    def time(self) -> float: ...


class FrameSocket:
    """One end of a connection. Owns the socket.

    `on_frame` gets each frame, `on_turn` runs once after the frames of one read, `on_close` is
    called once when the peer is gone or the socket broke, never because of `close`.
    """

    def __init__(
        self,
        reactor: Reactor,
        sock: socket.socket,
        on_frame: Callable[[bytes], None],
        on_close: Callable[[], None],
        on_turn: Callable[[], None] = lambda: None,
    ) -> None:
        sock.setblocking(False)
        self._reactor = reactor
        self._socket = sock
        self._on_frame = on_frame
        self._on_close = on_close
        self._on_turn = on_turn
        self._in = bytearray()
        self._wanted = HEADER.size  # bytes in `_in` that would complete a frame
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
        more: bool | None = True
        for _ in range(READS_MAX):
            more = self._read_once()
            if not more:
                break
        self._on_turn()
        if more is None and not self.closed:
            self.close()
            self._on_close()

    def read_rest(self) -> None:
        """Deliver all that has arrived; for a peer that is known to be dead. No `on_close`."""
        while not self.closed and self._read_once():
            pass
        self._on_turn()

    def _read_once(self) -> bool | None:
        """Say whether more may be waiting; None at the end of the stream."""
        room = min(max(self._wanted - len(self._in), READ_BYTES), READ_BYTES_MAX)
        try:
            data = self._socket.recv(room)
        except BlockingIOError:
            return False
        except OSError:
            return None
        if not data:
            return None
        self._split(data)
        return len(data) == room and not self.closed

    def _split(self, data: bytes) -> None:
        """Deliver the frames that `data` completes."""
        if self._in:
            self._in += data
            if len(self._in) < self._wanted:
                return
            data = bytes(self._in)
            self._in.clear()
        at, end = 0, len(data)
        while not self.closed:
            if end - at < HEADER.size:
                self._wanted = HEADER.size
                break
            (length,) = HEADER.unpack_from(data, at)
            stop = at + HEADER.size + length
            if stop > end:
                self._wanted = HEADER.size + length
                break
            self._on_frame(data[at + HEADER.size : stop])
            at = stop
        self._in += memoryview(data)[at:]

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
