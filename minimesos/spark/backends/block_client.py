"""The asking side of block transfer: ranges of a peer's files, copied into a local file.

Used by the control processes of executors, for their workers. A reduce task that needs parts of
many files of one peer asks for all of them at once. A peer that does not answer is asked again,
only for what has not come yet.

Source: `spark.shuffle.io.*` of Spark's "Configuration" page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from minimesos.errors import MinimesosError
from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends.blocks import FETCH_METHOD
from minimesos.spark.backends.doorkeeper import WARY_OPTIONS, knock
from minimesos.spark.backends.proofs import (
    FETCH,
    SERVE,
    is_proven,
    new_nonce,
    prove,
    service_key,
    service_name,
)
from minimesos.spark.env import DRIVER
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.shuffle import (
    SHUFFLE_IO_MAX_RETRIES,
    SHUFFLE_IO_RETRY_WAIT,
    SHUFFLE_SERVICE_ENABLED,
)

FETCHES_MAX = 8  # at once from one peer; others wait
PEERS_MAX = 64  # connections kept for the next fetch
SILENCE_MAX_S = 120.0  # from one chunk to the next, Spark's network timeout

_CODE = grpc.StatusCode
_FINAL = {
    _CODE.INVALID_ARGUMENT,
    _CODE.NOT_FOUND,
    _CODE.PERMISSION_DENIED,
    _CODE.UNAUTHENTICATED,
    _CODE.UNIMPLEMENTED,
}
"""What a peer says that will say the same again."""

_log = get_logger(__name__)


class Copied(NamedTuple):
    """How a fetch has ended."""

    reason: str
    """Why not all is there, for people; empty if it is."""
    complete: int
    """How many of the ranges are there whole, from the first on."""


class _Failure(MinimesosError):
    """An attempt has failed."""

    def __init__(self, reason: str, is_final: bool) -> None:
        super().__init__(reason)
        self.is_final = is_final


class BlockClient:
    """Fetches files of peers. Belongs to the running loop.

    `service_of` is the application's id if its executors' files are at shuffle services, which know
    it by another name and key than its own driver does.
    """

    def __init__(
        self,
        secret: bytes,
        *,
        service_of: str | None = None,
        retries: int = SHUFFLE_IO_MAX_RETRIES.default,
        retry_wait_s: float = SHUFFLE_IO_RETRY_WAIT.default,
    ) -> None:
        self._secret = secret
        self._service_key = service_key(secret)
        self._service_name = (
            None if service_of is None else service_name(service_of, self._service_key)
        )
        self._retries = retries
        self._retry_wait_s = retry_wait_s
        self._peers: dict[str, _Peer] = {}  # the least recently used first
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    def of(cls, conf: Texts, secret: bytes, application_id: str) -> BlockClient:
        """Return a client for an application's executors. Raises InvalidValue."""
        return cls(
            secret,
            service_of=application_id if SHUFFLE_SERVICE_ENABLED.read(conf) else None,
            retries=SHUFFLE_IO_MAX_RETRIES.read(conf),
            retry_wait_s=SHUFFLE_IO_RETRY_WAIT.read(conf),
        )

    def start(self, fetch: Coroutine[Any, Any, Copied], answer: Callable[[str, int], None]) -> None:
        """Run `fetch`, and answer what it returns."""

        async def run() -> None:
            answer(*await fetch)

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def fetch(
        self,
        address: str,
        executor_id: str,
        paths: Sequence[str],
        offsets: Sequence[int],
        lengths: Sequence[int],
        destination: str,
    ) -> Copied:
        """Copy ranges of files of an executor (or the driver) to a local file, one after another.

        The columns are of one length; a range of length 0 goes to its file's end, and is the only
        one.
        """
        if not address:
            return Copied("its owner serves no blocks", 0)
        copy = _Copy(executor_id, paths, offsets, lengths)
        peer = await self._peer(address)
        peer.users += 1
        try:
            async with peer.turns:
                # The worker has made that file, on a local disk.
                with open(destination, "wb", buffering=0) as copy.file:  # noqa: ASYNC230
                    await self._persist(address, peer.channel, copy)
        except _Failure as failure:
            return Copied(str(failure), copy.complete)
        except OSError as error:
            return Copied(f"cannot write {destination}: {error.strerror}", copy.complete)
        finally:
            peer.users -= 1
        return Copied("", len(paths))

    async def close(self) -> None:
        """Give up what is being fetched, without its answers, and close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self._peers.values():
            await peer.channel.close(None)
        self._peers.clear()

    async def _persist(self, address: str, channel: grpc.aio.Channel, copy: _Copy) -> None:
        """Copy, again and again if need be. Raises _Failure."""
        for left in range(self._retries, -1, -1):
            try:
                await self._attempt(address, channel, copy)
                return
            except _Failure as failure:
                if failure.is_final or not left:
                    raise
                _log.info("fetching again", peer=address, why=failure, seconds=self._retry_wait_s)
            await asyncio.sleep(self._retry_wait_s)

    async def _attempt(self, address: str, channel: grpc.aio.Channel, copy: _Copy) -> None:
        at_service = self._service_name is not None and copy.executor_id != DRIVER
        key = self._service_key if at_service else self._secret
        content = copy.rest().SerializeToString()
        nonce = new_nonce()
        request = spark_pb2.ProvenRequest(
            application=self._service_name if at_service else "",
            content=content,
            nonce=nonce,
            proof=prove(key, FETCH, nonce, content),
        )
        metadata = () if at_service else knock(self._secret)[1]
        call = channel.unary_stream(FETCH_METHOD, None, None)(
            request.SerializeToString(), metadata=metadata
        )
        proven = False
        try:
            while True:
                data: Any = await asyncio.wait_for(call.read(), SILENCE_MAX_S)
                if not isinstance(data, bytes):  # gRPC's end-of-stream mark
                    break
                try:
                    chunk = spark_pb2.FetchChunk.FromString(data)
                except DecodeError as error:
                    raise _Failure(f"{address} sends what is no block: {error}", True) from error
                if not proven:
                    proven = is_proven(chunk.proof, key, SERVE, nonce, content)
                    if not proven:
                        raise _Failure("its owner does not know the application's secret", True)
                await copy.add(chunk.data)
        except grpc.aio.AioRpcError as error:
            reason = f"{address} says {error.code().name}: {error.details()}"
            raise _Failure(reason, error.code() in _FINAL) from error
        except TimeoutError as error:
            reason = f"{address} was silent for {SILENCE_MAX_S:g} s"
            raise _Failure(reason, False) from error
        finally:
            call.cancel()
        copy.check()

    async def _peer(self, address: str) -> _Peer:
        peer = self._peers.pop(address, None)
        if peer is None:
            peer = _Peer(grpc.aio.insecure_channel(address, WARY_OPTIONS))
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


class _Copy:
    """Ranges on their way into one file."""

    file: BinaryIO

    def __init__(
        self,
        executor_id: str,
        paths: Sequence[str],
        offsets: Sequence[int],
        lengths: Sequence[int],
    ) -> None:
        self.executor_id = executor_id
        self.complete = 0
        self._ranges = list(zip(paths, offsets, lengths, strict=True))
        self._has_of_next = 0

    def rest(self) -> spark_pb2.FetchWish:
        """Return what has not come yet, as a wish."""
        wish = spark_pb2.FetchWish(executor_id=self.executor_id)
        has = self._has_of_next
        for path, offset, length in self._ranges[self.complete :]:
            wish.paths.append(path)
            wish.offsets.append(offset + has)
            wish.lengths.append(length - has if length else 0)
            has = 0
        return wish

    async def add(self, data: bytes) -> None:
        """Take in what comes next. Raises _Failure if it is too much, and OSError."""
        await asyncio.to_thread(_write_all, self.file, data)
        self._has_of_next += len(data)
        while self.complete < len(self._ranges):
            length = self._ranges[self.complete][2]
            if not length or self._has_of_next < length:
                return
            self._has_of_next -= length
            self.complete += 1
        if self._has_of_next:
            raise _Failure("its owner sends more than it was asked for", True)

    def check(self) -> None:
        """Raise _Failure if the peer has come to its end, but we have not."""
        missing = self._ranges[self.complete :]
        if missing and missing[0][2]:
            path, offset, length = missing[0]
            has = self._has_of_next
            raise _Failure(f"{path} ends after {has} of {length} bytes at {offset}", True)


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
