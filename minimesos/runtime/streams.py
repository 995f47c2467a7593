"""One open stream to a peer, and the table of all peers of an actor.

`Peers` performs an actor's `Send` and `Close`; whoever opens streams (`runtime.rpc`) adds
peers to it. A `Stream` moves messages between the actor and a gRPC call of either side: what waits
to be sent is coalesced into one frame, and is bounded, so a peer that does not read cannot make
this process grow. It does not open connections.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from google.protobuf.message import DecodeError, Message

from minimesos.actor import Close, Connected, Disconnected, Received, Send
from minimesos.log import get_logger
from minimesos.runtime.frames import Direction, can_wait
from minimesos.runtime.loop import ActorLoop

MESSAGE_BYTES_MAX = 64 * 2**20  # what either side accepts as one frame
FRAME_BYTES_MAX = 2**20  # a frame takes no further message once it is this long
OUTBOX_BYTES_MAX = 2 * MESSAGE_BYTES_MAX  # unsent bytes at which a peer is given up as stalled
OUTBOX_MESSAGES_MAX = 200_000  # the same, for many small ones
PATIENCE_S = 0.005  # how long a message that can wait does so for others to go with
CLOSE_GRACE_S = 2.0  # how long what was sent before a close may take to leave

HalfClose = Callable[[], Awaitable[None]]

_log = get_logger(__name__)


class Peer(Protocol):
    """Where messages for one peer go."""

    def send(self, message: Message) -> None:
        """Queue a message; it is dropped if the peer is gone."""
        ...

    def close(self) -> None:
        """Send what waits, then end the connection; the actor is not told."""
        ...


class Peers:
    """All peers of one actor, by name."""

    def __init__(self, host: ActorLoop) -> None:
        self.host = host
        self._peers: dict[str, Peer] = {}
        self._names = 0
        host.perform(Send, self._send)
        host.perform(Close, self._close)

    def new_name(self, kind: str) -> str:
        """Return a name that no peer of this process has had: `kind/1`, `kind/2`, ..."""
        self._names += 1
        return f"{kind}/{self._names}"

    def add(self, name: str, peer: Peer) -> None:
        """Make `peer` reachable as `name`, closing an older one of that name."""
        self._close(Close(name))
        self._peers[name] = peer

    def remove(self, name: str, peer: Peer) -> None:
        """Forget `peer`, unless its name has been taken over meanwhile."""
        if self._peers.get(name) is peer:
            del self._peers[name]

    def close_all(self) -> None:
        """Close and forget every peer; their actor is not told."""
        for name in list(self._peers):
            self._close(Close(name))

    def _send(self, effect: Send) -> None:
        peer = self._peers.get(effect.peer)
        if peer is not None:
            peer.send(effect.message)

    def _close(self, effect: Close) -> None:
        peer = self._peers.pop(effect.peer, None)
        if peer is not None:
            peer.close()


class StreamEnd(Protocol):
    """What gRPC's server context and client call have in common."""

    async def read(self) -> Any:
        """Return the next frame's bytes, or gRPC's mark (no bytes) at the end of the stream."""
        ...

    async def write(self, frame: bytes) -> None:
        """Send a frame; returns once gRPC has room for another, raises if the stream broke."""
        ...


class Stream:
    """A peer behind a gRPC stream. `pump` moves its messages until either side has had enough.

    The actor hears `Connected` once and then `Disconnected` once, unless it closed the stream.
    """

    def __init__(self, name: str, peers: Peers, incoming: Direction, outgoing: Direction) -> None:
        self.name = name
        self._peers = peers
        self._host = peers.host
        self._incoming = incoming
        self._outgoing = outgoing
        self._outbox: deque[bytes] = deque()
        self._outbox_bytes = 0
        self._wake = asyncio.Event()
        self._closed_by_us = False
        self._loop = asyncio.get_running_loop()
        self._given_up: asyncio.Future[str] = self._loop.create_future()
        self._patience: asyncio.TimerHandle | None = None

    def send(self, message: Message) -> None:
        if self._given_up.done():
            return
        piece = self._outgoing.encode(message)
        self._outbox.append(piece)
        self._outbox_bytes += len(piece)
        if len(piece) > MESSAGE_BYTES_MAX:
            self._fail(f"a message of {len(piece)} bytes is above the limit {MESSAGE_BYTES_MAX}")
        elif self._outbox_bytes > OUTBOX_BYTES_MAX or len(self._outbox) > OUTBOX_MESSAGES_MAX:
            self._fail(
                f"does not read: {len(self._outbox)} messages, {self._outbox_bytes} bytes wait"
            )
        if can_wait(message) and not self._wake.is_set():
            if self._patience is None:
                self._patience = self._loop.call_later(PATIENCE_S, self._impatient)
        else:
            self._wake.set()

    def _impatient(self) -> None:
        self._patience = None
        self._wake.set()

    def close(self) -> None:
        self._closed_by_us = True
        self._wake.set()
        self._loop.call_later(CLOSE_GRACE_S, self._give_up, "closed")

    async def pump(self, end: StreamEnd, half_close: HalfClose | None = None) -> None:
        """Move messages until we close, the peer ends or the transport fails; never raises for
        the latter two, nor leaves a task behind.

        A client passes how it says that it has sent everything: the server then ends the stream.
        If the client ended it at once, what is still under way could be thrown away.
        """
        self._host.post(Connected(self.name))
        reader = asyncio.ensure_future(self._read(end))
        writer = asyncio.ensure_future(self._write(end, half_close))
        try:
            await asyncio.wait(
                {reader, writer, self._given_up}, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for ended in (self._given_up, reader, writer):
                if ended.done() and not ended.cancelled():
                    reason = ended.result()
                    break
            else:
                reason = "the connection broke"
            self.disconnected(reason)  # at once: gRPC may cancel us while we wait below
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    def disconnected(self, reason: str) -> None:
        """Tell the actor that the stream is over, or that it could not be opened."""
        self._peers.remove(self.name, self)
        if not self._closed_by_us:
            self._closed_by_us = True
            self._host.post(Disconnected(self.name, reason))

    def _fail(self, reason: str) -> None:
        _log.warning("Giving up the stream of a peer", peer=self.name, reason=reason)
        self._outbox.clear()
        self._outbox_bytes = 0
        self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        if not self._given_up.done():
            self._given_up.set_result(reason)

    async def _read(self, end: StreamEnd) -> str:
        """Pass on what arrives; returns why it ended."""
        while True:
            await self._host.room()
            try:
                frame = await end.read()
                if not isinstance(frame, bytes):  # gRPC's end-of-stream mark
                    return "the peer closed the stream"
                messages = self._incoming.decode(frame)
            except DecodeError as error:
                reason = f"malformed frame: {error}"
                self._fail(reason)
                return reason
            except Exception as error:  # noqa: BLE001 (gRPC raises many kinds for a broken stream)
                return describe_failure(error)
            if not self._closed_by_us:
                for message in messages:
                    self._host.post(Received(self.name, message))

    async def _write(self, end: StreamEnd, half_close: HalfClose | None) -> str:
        """Send what the outbox holds; returns why it ended."""
        try:
            while await self._something_to_send():
                await end.write(self._next_frame())
            if half_close is not None:
                await half_close()
                await self._given_up  # or until the reader sees the server's end
            return "closed"
        except Exception as error:  # noqa: BLE001 (gRPC raises many kinds for a broken stream)
            return describe_failure(error)

    async def _something_to_send(self) -> bool:
        """Wait until the outbox holds something; False once it is empty and closed."""
        while not self._outbox:
            if self._closed_by_us:
                return False
            self._wake.clear()
            await self._wake.wait()
        return True

    def _next_frame(self) -> bytes:
        pieces = [self._outbox.popleft()]
        size = len(pieces[0])
        while self._outbox and size + len(self._outbox[0]) <= FRAME_BYTES_MAX:
            pieces.append(self._outbox.popleft())
            size += len(pieces[-1])
        self._outbox_bytes -= size
        return b"".join(pieces)


def describe_failure(error: BaseException) -> str:
    """Say for people why a call failed; gRPC keeps that in `details`."""
    details = getattr(error, "details", None)
    text = details() if callable(details) else str(error)
    return text or type(error).__name__
