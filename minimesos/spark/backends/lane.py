"""The short way between a driver and an executor of the same host: frames over a Unix socket.

A round trip of gRPC's costs half a millisecond, as much as everything else that a small job does.
So during the handshake on the Attach stream the driver names a lane; an executor that can take it
does so with a proof and says so, and from then on all frames go that way. An executor of another
host, or of another network namespace, finds nobody of that name and stays with the stream. That
stays open in either case: its end is the end of the connection.

A lane's name is abstract (no file is left behind) and drawn at random. Used by `server` and by the
executor's `driver_link`.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from minimesos.log import get_logger

PROOF_BYTES = 32
GREETING_TIMEOUT_S = 2.0
_ABSTRACT = "\0"

_log = get_logger(__name__)


class Arrival:
    """The socket of one who is expected; to be had once."""

    def __init__(self) -> None:
        self._socket: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        self._is_taken = False

    async def take(self) -> socket.socket:
        """Wait for it; it is the caller's from then on."""
        found = await self._socket
        self._is_taken = True
        return found

    def came(self, connection: socket.socket) -> None:
        """Hand it over."""
        self._socket.set_result(connection)

    def forget(self) -> None:
        """Close it if nobody has it."""
        if not self._socket.done():
            self._socket.cancel()
        elif not self._is_taken and not self._socket.cancelled():
            self._socket.result().close()


class Lanes:
    """The driver's end: takes in those who greet with a proof that is expected, once each."""

    def __init__(self) -> None:
        self.name = f"minimesos-{secrets.token_hex(16)}"
        self._arrivals: dict[bytes, Arrival] = {}
        self._greetings: set[asyncio.Task[None]] = set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.bind(_ABSTRACT + self.name)
        self._socket.listen()
        self._accepting = asyncio.ensure_future(self._accept())

    @contextmanager
    def expected(self, proof: bytes) -> Iterator[Arrival]:
        """Take in whoever greets with this proof."""
        arrival = self._arrivals[proof] = Arrival()
        try:
            yield arrival
        finally:
            self._arrivals.pop(proof, None)
            arrival.forget()

    def close(self) -> None:
        """Take in nobody any more; sockets that were given away stay."""
        for task in (self._accepting, *self._greetings):
            task.cancel()
        self._socket.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._socket)
            connection.setblocking(False)
            greeting = asyncio.ensure_future(self._greet(connection))
            self._greetings.add(greeting)
            greeting.add_done_callback(self._greetings.discard)

    async def _greet(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        proof = b""
        try:
            async with asyncio.timeout(GREETING_TIMEOUT_S):
                while len(proof) < PROOF_BYTES:
                    received = await loop.sock_recv(connection, PROOF_BYTES - len(proof))
                    if not received:
                        break
                    proof += received
        except (OSError, TimeoutError):
            pass
        except asyncio.CancelledError:
            connection.close()
            raise
        arrival = self._arrivals.pop(proof, None)
        if arrival is None:
            _log.warning("stranger refused", lane=self.name)
            connection.close()
        else:
            arrival.came(connection)


async def take_lane(name: str, proof: bytes) -> socket.socket | None:
    """Connect to a driver's lane and greet it; None if there is no such lane on this host."""
    if not name:
        return None
    loop = asyncio.get_running_loop()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        await loop.sock_connect(connection, _ABSTRACT + name)
        await loop.sock_sendall(connection, proof)
    except OSError:
        connection.close()
        return None
    except asyncio.CancelledError:
        connection.close()
        raise
    return connection
