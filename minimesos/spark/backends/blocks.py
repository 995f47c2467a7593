"""Block transfer: ranges of the files of a peer's block directory, over gRPC.

Served by every executor (map outputs, cached blocks) and by the driver (broadcasts); asked by the
control processes of executors for their workers, and by the driver. Whoever is on the same host
opens the files itself. Both sides prove the application's secret. What is in the files, and what a
failure means for a job, is not known here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends.doorkeeper import OPTIONS, knock
from minimesos.spark.backends.proofs import FETCH, SERVE, is_proven, new_nonce, prove

CHUNK_BYTES = 2**20
FETCHES_MAX = 8  # at once from one peer; others wait
PEERS_MAX = 64  # connections kept for the next fetch
SILENCE_MAX_S = 120.0  # from one chunk to the next, Spark's network timeout

_FETCH = "/minimesos.spark.Blocks/Fetch"
_CODE = grpc.StatusCode
if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[bytes, bytes]


class BlockService:
    """Serves the files below one directory."""

    def __init__(self, secret: bytes, root: str) -> None:
        self._secret = secret
        self._root = os.path.realpath(root)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve on a gRPC server that has not been started."""
        service, method = _FETCH.split("/")[1:]
        handler = grpc.unary_stream_rpc_method_handler(self._fetch)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )

    async def _fetch(self, data: bytes, context: _Context) -> None:
        try:
            request = spark_pb2.FetchRequest.FromString(data)
        except DecodeError as error:
            await context.abort(_CODE.INVALID_ARGUMENT, f"malformed request: {error}")
        path = request.path.encode()
        if not is_proven(request.proof, self._secret, FETCH, request.nonce, path):
            await context.abort(_CODE.UNAUTHENTICATED, "the application's secret is not proven")
        full = os.path.realpath(os.path.join(self._root, request.path))
        if not full.startswith(self._root + os.sep):
            await context.abort(_CODE.PERMISSION_DENIED, f"{request.path} is not below the root")
        try:
            descriptor = await asyncio.to_thread(os.open, full, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            await context.abort(_CODE.NOT_FOUND, f"{request.path}: {error.strerror}")
        try:
            proof = prove(self._secret, SERVE, request.nonce, path)
            await _send_range(context, descriptor, request.offset, request.length, proof)
        finally:
            os.close(descriptor)


async def _send_range(
    context: _Context, descriptor: int, offset: int, length: int, proof: bytes
) -> None:
    """Send chunks of an open file until `length` bytes are sent, or its end if that is 0."""
    left = length or os.fstat(descriptor).st_size - offset
    while True:
        wanted = max(min(left, CHUNK_BYTES), 0)
        data = await asyncio.to_thread(os.pread, descriptor, wanted, offset)
        await context.write(spark_pb2.FetchChunk(proof=proof, data=data).SerializeToString())
        proof = b""  # in the first chunk only
        offset += len(data)
        left -= len(data)
        if not data or left <= 0:
            return


class BlockClient:
    """Fetches files of peers. Belongs to the running loop."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._peers: dict[str, _Peer] = {}  # the least recently used first
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, fetch: Coroutine[Any, Any, str], answer: Callable[[str], None]) -> None:
        """Run `fetch`, and answer what it returns."""

        async def run() -> None:
            answer(await fetch)

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def fetch(
        self, address: str, path: str, offset: int, length: int, destination: str
    ) -> str:
        """Copy a range of a file (length 0: to its end) to a local file.

        Returns "" or, for people, what went wrong.
        """
        if not address:
            return "its owner serves no blocks"
        peer = await self._peer(address)
        peer.users += 1
        try:
            async with peer.turns:
                # The worker has made that file, on a local disk.
                with open(destination, "wb", buffering=0) as file:  # noqa: ASYNC230
                    return await self._copy(peer.channel, path, offset, length, file)
        except grpc.aio.AioRpcError as error:
            return f"{address} says {error.code().name}: {error.details()}"
        except TimeoutError:
            return f"{address} was silent for {SILENCE_MAX_S:g} s"
        except OSError as error:
            return f"cannot write {destination}: {error.strerror}"
        finally:
            peer.users -= 1

    async def close(self) -> None:
        """Give up what is being fetched, without its answers, and close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self._peers.values():
            await peer.channel.close(None)
        self._peers.clear()

    async def _copy(
        self, channel: grpc.aio.Channel, path: str, offset: int, length: int, file: BinaryIO
    ) -> str:
        nonce = new_nonce()
        proof = prove(self._secret, FETCH, nonce, path.encode())
        request = spark_pb2.FetchRequest(
            path=path, offset=offset, length=length, nonce=nonce, proof=proof
        )
        _, metadata = knock(self._secret)
        call = channel.unary_stream(_FETCH, None, None)(
            request.SerializeToString(), metadata=metadata
        )
        size = 0
        proven = False
        while True:
            data: Any = await asyncio.wait_for(call.read(), SILENCE_MAX_S)
            if not isinstance(data, bytes):  # gRPC's end-of-stream mark
                break
            chunk = spark_pb2.FetchChunk.FromString(data)
            if not proven:
                proven = is_proven(chunk.proof, self._secret, SERVE, nonce, path.encode())
                if not proven:
                    call.cancel()
                    return "its owner does not know the application's secret"
            await asyncio.to_thread(_write_all, file, chunk.data)
            size += len(chunk.data)
        if length and size != length:
            return f"it ends after {size} of {length} bytes at {offset}"
        return ""

    async def _peer(self, address: str) -> _Peer:
        peer = self._peers.pop(address, None)
        if peer is None:
            # Chunks are small, so a stranger at that address cannot send more than gRPC's default.
            options = [(name, value) for name, value in OPTIONS if "receive" not in name]
            peer = _Peer(grpc.aio.insecure_channel(address, options))
            for idle in [key for key, other in self._peers.items() if not other.users]:
                if len(self._peers) < PEERS_MAX:
                    break
                await self._peers.pop(idle).channel.close(None)
        self._peers[address] = peer
        return peer


@dataclass(slots=True)
class _Peer:
    channel: grpc.aio.Channel
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FETCHES_MAX))
    users: int = 0


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
