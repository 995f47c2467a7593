"""The serving side of block transfer: ranges of files, in chunks, over gRPC.

`BlockService` serves the files below one directory: those of the driver (broadcasts) and of each
executor (map outputs). A shuffle service serves its own by the same `send_ranges`. The other side
is `block_client`; whoever is on the same host opens the files itself. What is in the files, and
what a failure means for a job, is not known here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from minimesos.errors import MinimesosError
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends.proofs import FETCH, SERVE, is_proven, prove

CHUNK_BYTES = 2**20
FETCH_METHOD = "/minimesos.spark.Blocks/Fetch"

_CODE = grpc.StatusCode
if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[bytes, bytes]

Open = Callable[[str], int]
"""Returns a descriptor of a file by its path in a request; raises OSError or MinimesosError."""


class Unreadable(MinimesosError):
    """A range cannot be read; the message is for the peer."""


class RangeReader:
    """Reads the ranges of a wish one after another. Its calls block.

    Holds no descriptor between them, so a reader whose peer is gone can just be dropped.
    """

    def __init__(self, wish: spark_pb2.FetchWish, open_file: Open) -> None:
        """Raises ValueError if the columns of the wish differ in length."""
        self._ranges = list(zip(wish.paths, wish.offsets, wish.lengths, strict=True))
        self._open = open_file
        self._next = 0
        self._read_of_it = 0

    @property
    def is_done(self) -> bool:
        return self._next == len(self._ranges)

    def read(self, size: int) -> bytes:
        """Return the next bytes, `size` of them unless the wish ends or its next range is at fault.

        Raises Unreadable if that fault is all there is left to tell.
        """
        pieces: list[bytes] = []
        while size > 0 and not self.is_done:
            try:
                piece = self._piece(size)
            except Unreadable:
                if pieces:
                    break  # it will be there the next time, too
                raise
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _piece(self, size: int) -> bytes:
        path, offset, length = self._ranges[self._next]
        wanted = min(size, length - self._read_of_it) if length else size
        try:
            descriptor = self._open(path)
            try:
                data = os.pread(descriptor, wanted, offset + self._read_of_it)
                is_over = len(data) < wanted
                if is_over and length:
                    file_size = os.fstat(descriptor).st_size
                    raise Unreadable(f"{path} ends after {file_size} bytes")
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror}") from error
        except (ValueError, OverflowError) as error:  # no path or offset can be so
            raise Unreadable(f"{path!r} from {offset}: {error}") from error
        except Unreadable:
            raise
        except MinimesosError as error:
            raise Unreadable(str(error)) from error
        self._read_of_it += len(data)
        if is_over or self._read_of_it == length:
            self._next += 1
            self._read_of_it = 0
        return data


async def send_ranges(
    context: Context, request: spark_pb2.ProvenRequest, key: bytes, open_file: Open
) -> None:
    """Answer a request whose proof was right: send the ranges, or say which cannot be had."""
    try:
        reader = RangeReader(spark_pb2.FetchWish.FromString(request.content), open_file)
    except (DecodeError, ValueError) as error:
        await refuse(context, _CODE.INVALID_ARGUMENT, f"malformed wish: {error}")
    proof = prove(key, SERVE, request.nonce, request.content)
    while True:
        try:
            data = await asyncio.to_thread(reader.read, CHUNK_BYTES)
        except Unreadable as error:
            await refuse(context, _CODE.NOT_FOUND, str(error))
        await context.write(spark_pb2.FetchChunk(proof=proof, data=data).SerializeToString())
        proof = b""  # in the first chunk only
        if reader.is_done:
            return


async def read_request(data: bytes, context: Context) -> spark_pb2.ProvenRequest:
    """Return what a peer has sent, which proves nothing yet."""
    try:
        return spark_pb2.ProvenRequest.FromString(data)
    except DecodeError as error:
        await refuse(context, _CODE.INVALID_ARGUMENT, f"malformed request: {error}")


async def refuse(context: Context, code: grpc.StatusCode, message: str) -> NoReturn:
    """End a call; the message is for the peer."""
    await context.abort(code, message)
    raise AssertionError("abort raises")


class BlockService:
    """Serves the files below one directory to those who know the application's secret."""

    def __init__(self, secret: bytes, root: str) -> None:
        self._secret = secret
        self._root = os.path.realpath(root)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve on a gRPC server that has not been started."""
        service, method = FETCH_METHOD.split("/")[1:]
        handler = grpc.unary_stream_rpc_method_handler(self._fetch)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )

    async def _fetch(self, data: bytes, context: Context) -> None:
        request = await read_request(data, context)
        if not is_proven(request.proof, self._secret, FETCH, request.nonce, request.content):
            await refuse(context, _CODE.UNAUTHENTICATED, "the application's secret is not proven")
        await send_ranges(context, request, self._secret, self._open)

    def _open(self, path: str) -> int:
        full = os.path.realpath(os.path.join(self._root, path))
        if not full.startswith(self._root + os.sep):
            raise Unreadable(f"{path} is not below the root")
        return os.open(full, os.O_RDONLY | os.O_CLOEXEC)
