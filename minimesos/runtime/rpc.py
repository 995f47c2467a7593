"""gRPC in the real world: serves and opens the streams of an actor, and its unary calls.

`RpcServer` listens on a private unix socket behind the shared port (`runtime.one_port`).
`RpcClient` performs an actor's `Connect`: it asks the shared port where the gRPC server itself
listens and goes there directly if that is on this host. This and its callers, the shells, are the
only place that imports grpc.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from minimesos.actor import Connect
from minimesos.errors import MinimesosError
from minimesos.proto.mesos.v1 import master_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.runtime import same_host
from minimesos.runtime.frames import AGENT, EXECUTOR, SCHEDULER, StreamKind
from minimesos.runtime.streams import (
    CLOSE_GRACE_S,
    MESSAGE_BYTES_MAX,
    Peers,
    Stream,
    describe_failure,
)

__all__ = ["AGENT", "EXECUTOR", "SCHEDULER", "OperatorError", "RpcClient", "RpcServer", "locate"]

CONNECT_TIMEOUT_S = 5.0
CALLS_MAX = 50_000  # concurrent streams and calls of one server
_MASTER = "minimesos.Master"
_OPERATOR = "/minimesos.Master/Operator"

# Dead peers are found by pings, also while nothing is sent; generous, because isolation may
# suspend an executor for a while. Each client has its own connection, so that a peer which was
# away is dialled anew at once and not after an older connection's back-off.
OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX + 1024),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)

_STATUS_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    501: grpc.StatusCode.UNIMPLEMENTED,
}

OperatorHandler = Callable[[master_pb2.Call], Awaitable[master_pb2.Response]]


class OperatorError(MinimesosError):
    """An operator call cannot be answered; `status` is the HTTP status that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RpcServer:
    """One gRPC server on a unix socket. Add what it serves, then `start`."""

    def __init__(self, socket_path: Path) -> None:
        self.address = f"unix:{socket_path}"
        self._server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=CALLS_MAX)
        # Next to it the same streams are served without gRPC, to whoever can see the directory.
        self._frames = same_host.FrameServer(str(socket_path.with_suffix(".frames")))

    def serve_streams(self, kind: StreamKind, peers: Peers) -> None:
        """Make every stream of this kind that a client opens a peer of the actor of `peers`."""

        async def handle(_: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
            stream = new_stream()
            await context.send_initial_metadata(())  # tells the client that it is connected
            await stream.pump(context)

        async def handle_frames(connection: same_host.FrameConnection) -> None:
            await new_stream().pump(connection)

        def new_stream() -> Stream:
            name = peers.new_name(kind.peer)
            stream = Stream(name, peers, kind.to_server, kind.to_client)
            peers.add(name, stream)
            return stream

        self._frames.methods[kind.path] = handle_frames
        self._add(kind.path, grpc.stream_stream_rpc_method_handler(handle))

    def serve_locate(self, service: str = _MASTER) -> None:
        """Tell a service's clients on this host how to reach it without the shared port."""
        answer = cluster_pb2.LocateResponse(
            grpc_address=self.address, frames_path=self._frames.path
        ).SerializeToString()

        async def handle(_: bytes, __: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            return answer

        self._add(f"/{service}/Locate", grpc.unary_unary_rpc_method_handler(handle))

    def serve_operator(self, answer: OperatorHandler) -> None:
        """Serve operator calls; `answer` raises OperatorError for those that it refuses."""

        async def handle(data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            try:
                response = await answer(master_pb2.Call.FromString(data))
            except DecodeError as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"malformed call: {error}")
            except OperatorError as error:
                await context.abort(_STATUS_CODES[error.status], str(error))
            return response.SerializeToString()

        self._add(_OPERATOR, grpc.unary_unary_rpc_method_handler(handle))

    async def start(self) -> None:
        self._server.add_insecure_port(self.address)
        await self._server.start()
        await self._frames.start()

    async def stop(self, grace_s: float = CLOSE_GRACE_S) -> None:
        """Stop serving; streams get `grace_s` to send what they hold."""
        await asyncio.gather(self._server.stop(grace_s), self._frames.stop(grace_s))

    def _add(self, path: str, handler: grpc.RpcMethodHandler[bytes, bytes]) -> None:
        _, service, method = path.split("/")
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )


class RpcClient:
    """Performs an actor's `Connect` by opening streams of one kind."""

    def __init__(self, kind: StreamKind, peers: Peers) -> None:
        self._kind = kind
        self._peers = peers
        self._sessions: set[asyncio.Task[None]] = set()
        peers.host.perform(Connect, self._connect)

    async def stop(self) -> None:
        """Wait until closed streams have sent what they held, then end those that are left."""
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=2 * CLOSE_GRACE_S)
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def _connect(self, effect: Connect) -> None:
        stream = Stream(effect.peer, self._peers, self._kind.to_client, self._kind.to_server)
        self._peers.add(effect.peer, stream)
        session = asyncio.ensure_future(self._session(stream, effect.address))
        self._sessions.add(session)
        session.add_done_callback(self._sessions.discard)

    async def _session(self, stream: Stream, address: str) -> None:
        reason = "the connection broke"
        try:
            found = await _find(address, self._kind.service)
            if found.frames_path:
                await self._talk_on_same_host(stream, found.frames_path)
                return
            target = found.grpc_address or address
            async with grpc.aio.insecure_channel(target, OPTIONS) as channel:
                call = channel.stream_stream(self._kind.path, None, None)(None)
                await asyncio.wait_for(call.wait_for_connection(), CONNECT_TIMEOUT_S)
                await stream.pump(call, call.done_writing)
        except (TimeoutError, grpc.RpcError, OSError) as error:
            reason = f"cannot connect to {address}: {describe_failure(error)}"
        finally:
            stream.disconnected(reason)  # unless it already is

    async def _talk_on_same_host(self, stream: Stream, path: str) -> None:
        connection = await same_host.connect(path, self._kind.path)
        try:
            await stream.pump(connection, connection.done_writing)
        finally:
            connection.close()


async def locate(address: str, service: str = _MASTER) -> str:
    """Return the best address for long-lived streams to the service at `address` (host:port).

    Raises grpc.RpcError if nothing there answers within CONNECT_TIMEOUT_S.
    """
    return (await _find(address, service)).grpc_address or address


async def _find(address: str, service: str) -> cluster_pb2.LocateResponse:
    """Ask a server for its addresses; what we cannot reach is left out."""
    async with grpc.aio.insecure_channel(address, OPTIONS) as channel:
        call = channel.unary_unary(
            f"/{service}/Locate", None, cluster_pb2.LocateResponse.FromString
        )
        found: cluster_pb2.LocateResponse = await call(b"", timeout=CONNECT_TIMEOUT_S)
    for field, path in (
        ("grpc_address", found.grpc_address.removeprefix("unix:")),
        ("frames_path", found.frames_path),
    ):
        # It is in a private directory with a random name: if we can see it, it is this host and
        # this user (or root).
        if not os.access(path, os.R_OK | os.W_OK):
            found.ClearField(field)
    return found
