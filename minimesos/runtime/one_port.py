"""One public TCP port for gRPC and HTTP, told apart by the first bytes of a connection.

A connection that opens with the HTTP/2 preface is piped to the gRPC server's private unix socket.
Anything else becomes aiohttp's, which answers garbage with 400, once the first request's head has
come, so that no connection is open for long that asks for nothing. Used by the master's and the
agent's server. It does not look at anything after that.

Source: RFC 9113, section 3.4 (connection preface).
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from pathlib import Path

from minimesos.errors import MinimesosError
from minimesos.runtime.scratch import Scratch

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FIRST_BYTES_TIMEOUT_S = 10.0  # a client whose first head takes longer is disconnected
HEAD_BYTES_MAX = 16 * 1024  # a longer head is not waited for: aiohttp refuses it
PIPE_HIGH_BYTES = 256 * 1024  # unsent bytes of a pipe at which its other end is no longer read
_SCRATCH = "minimesos"
_SOCKET_PATH_MAX = 100  # sun_path holds 107 bytes
_METHOD = re.compile(rb"[A-Z]+( |$)")
_END_OF_HEAD = re.compile(rb"\n\r?\n")

ProtocolFactory = Callable[[], asyncio.BaseProtocol]
HttpServer = Callable[[], Awaitable[ProtocolFactory]]
"""Returns who makes the protocols of HTTP connections; asked once, by the first such connection.

So a cluster that nobody looks at by HTTP does not pay for importing and starting its server.
"""


class CannotListen(MinimesosError):
    """The public port cannot be had; says why and what to do."""


class OnePort:
    """A listener on `ip:port` (0: any free one) that hands connections to gRPC or HTTP.

    It is bound before it serves, because a program must know its address to tell others of it.
    """

    def __init__(self, http: HttpServer) -> None:
        self._start_http = http
        self._http: asyncio.Task[ProtocolFactory] | None = None
        self._scratch: Scratch | None = _private_scratch()
        self.grpc_socket = Path(self._scratch.path, "grpc.sock")
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Transport] = set()
        self._routes: dict[bytes, ProtocolFactory] = {}

    def route(self, prefixes: Iterable[bytes], protocol: ProtocolFactory) -> None:
        """Give connections that begin with one of `prefixes` to `protocol` instead of HTTP.

        Whoever routes them ends them, too.
        """
        self._routes.update(dict.fromkeys(prefixes, protocol))

    async def bind(self, ip: str, port: int) -> tuple[str, int]:
        """Take the port, without accepting yet; returns the address. Raises CannotListen."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _FirstBytes(self), ip, port, start_serving=False
            )
        except (OSError, OverflowError) as error:
            self._remove_directory()
            raise CannotListen(_why_not(ip, port, error)) from error
        bound = self._server.sockets[0].getsockname()
        self._address = (bound[0], bound[1])
        return self._address

    async def serve(self) -> None:
        """Accept connections. Raises CannotListen if another program was quicker to."""
        assert self._server is not None, "bind first"
        try:
            await self._server.start_serving()
        except OSError as error:
            self._remove_directory()
            raise CannotListen(_why_not(*self._address, error)) from error

    async def stop(self) -> None:
        """Stop listening and drop the connections; HTTP's own are for aiohttp to end."""
        if self._server is not None:
            self._server.close()
        for transport in list(self._connections):
            transport.abort()
        self._remove_directory()

    async def _http_factory(self) -> ProtocolFactory:
        if self._http is None:
            self._http = asyncio.ensure_future(self._start_http())
        return await self._http

    def _remove_directory(self) -> None:
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None


def _private_scratch() -> Scratch:
    scratch = Scratch(tempfile.gettempdir(), _SCRATCH)
    if len(os.fsencode(scratch.path)) > _SOCKET_PATH_MAX - len("/grpc.sock"):
        scratch.remove()
        scratch = Scratch("/tmp", _SCRATCH)
    return scratch


def _why_not(ip: str, port: int, error: OSError | OverflowError) -> str:
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return (
                f"port {port} on {ip} is in use by another program;"
                " stop that one, or choose another port with --port (0 takes any free one)"
            )
        case errno.EACCES:
            return f"no permission to listen on port {port} of {ip}; choose one above 1023"
        case errno.EADDRNOTAVAIL:
            return f"this host has no address {ip}; choose one of its own with --ip"
    if isinstance(error, socket.gaierror):
        return f"'{ip}' is not an address of this host: {error.strerror}; see --ip"
    return f"cannot listen on {ip}:{port}: {error}"


def _is_unfinished_head(seen: bytes) -> bool:
    if len(seen) > HEAD_BYTES_MAX or _METHOD.match(seen) is None:
        return False
    return _END_OF_HEAD.search(seen) is None


class _FirstBytes(asyncio.Protocol):
    """Reads just enough of a new connection to know whose it is."""

    def __init__(self, port: OnePort) -> None:
        self._port = port
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._port._connections.add(transport)
        self._timeout = asyncio.get_running_loop().call_later(
            FIRST_BYTES_TIMEOUT_S, transport.abort
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._port._connections.discard(self._transport)
        self._timeout.cancel()

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if self._seen.startswith(PREFACE):
            self._hand_over(_pipe_to_grpc(self._transport, self._port, self._seen))
            return
        for prefix, protocol in self._port._routes.items():
            if self._seen.startswith(prefix):
                self._timeout.cancel()
                self._become(protocol())
                return
        if any(known.startswith(self._seen) for known in (PREFACE, *self._port._routes)):
            return
        if not _is_unfinished_head(self._seen):
            self._hand_over(self._to_http())

    def _hand_over(self, how: Coroutine[None, None, None]) -> None:
        self._timeout.cancel()
        self._transport.pause_reading()
        task = asyncio.ensure_future(how)
        _handing_over.add(task)
        task.add_done_callback(_handing_over.discard)

    async def _to_http(self) -> None:
        protocol = (await self._port._http_factory())()
        if not self._transport.is_closing():
            self._become(protocol)
            self._transport.resume_reading()

    def _become(self, protocol: asyncio.BaseProtocol) -> None:
        """Let `protocol` have the connection, with what was already read."""
        assert isinstance(protocol, asyncio.Protocol)
        self._port._connections.discard(self._transport)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._seen)


class _Pipe(asyncio.Protocol):
    """One end of a two-way pipe: what it receives goes to the other end's transport."""

    def __init__(self, other: asyncio.Transport, connections: set[asyncio.Transport]) -> None:
        self._other = other
        self._connections = connections
        self._has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=PIPE_HIGH_BYTES)
        self._connections.add(transport)

    def data_received(self, data: bytes) -> None:
        self._other.write(data)

    def eof_received(self) -> bool:
        """Pass the end on, and keep the way back open until it has ended, too."""
        self._has_ended = True
        way_back = self._other.get_protocol()
        if isinstance(way_back, _Pipe) and way_back._has_ended:
            return False  # closes this end, and then the other one
        if self._other.can_write_eof() and not self._other.is_closing():
            self._other.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._transport)
        self._other.close()

    # Called when *this* transport's buffer fills or drains: whoever fills it is the other end.
    def pause_writing(self) -> None:
        if not self._other.is_closing():
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if not self._other.is_closing():
            self._other.resume_reading()


async def _pipe_to_grpc(client: asyncio.Transport, port: OnePort, seen: bytes) -> None:
    """Pipe `client` to the gRPC socket, passing on first what was already seen of it."""
    try:
        server, _ = await asyncio.get_running_loop().create_unix_connection(
            lambda: _Pipe(client, port._connections), str(port.grpc_socket)
        )
    except OSError:
        client.abort()
        return
    server.write(seen)
    if client.is_closing():
        server.close()
        return
    pipe = _Pipe(server, port._connections)
    pipe.connection_made(client)
    client.set_protocol(pipe)
    client.resume_reading()


_handing_over: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references
