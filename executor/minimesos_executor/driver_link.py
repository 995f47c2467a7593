"""The way to the driver of a cluster: the Attach stream over gRPC, and block transfer.

One asyncio loop runs this, the pool and the Blocks service. Nothing that the driver sends is
unpickled before it has proven the application's secret. The executor lives as long as the stream.

Source: proto/minimesos/spark.proto.
"""

from __future__ import annotations

import asyncio
import os
import platform
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

import minimesos
from minimesos.errors import MinimesosError
from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.frame_socket import Frame, FrameSocket, Reactor
from minimesos.spark.backends.block_client import BlockClient
from minimesos.spark.backends.doorkeeper import ATTACH, OPTIONS, has_answered, knock
from minimesos.spark.backends.lane import take_lane
from minimesos.spark.backends.proofs import DRIVER, EXECUTOR, LANE, is_proven, new_nonce, prove
from minimesos.spark.settings.executors import HEARTBEAT_INTERVAL
from minimesos_executor.blocks import Place, Seeker
from minimesos_executor.control import Control, Identity, Link
from minimesos_executor.pool import Fetch
from minimesos_executor.workers import WorkerSource

CONNECT_TIMEOUT_S = 10.0
GOODBYE_TIMEOUT_S = 0.5
OUTBOX_BYTES_MAX = 2**26  # unsent results at which the workers have to wait

_log = get_logger(__name__)


MakeControl = Callable[[Reactor, WorkerSource, Identity, Link], Control]


class DriverLost(MinimesosError):
    """There is no driver, or none that we may work for."""


class DriverLink:
    """One executor's connection to its driver."""

    has_log = True

    def __init__(
        self,
        driver: str,
        secret: bytes,
        application_id: str,
        zygote: WorkerSource,
        identity: Identity,
        environment: Mapping[str, str],
        after_workers: AsyncExitStack,
        make_control: MakeControl = Control,
    ) -> None:
        """Whoever runs this closes `after_workers` then: it gives back what must outlive them."""
        self._driver = driver
        self._secret = secret
        self._application_id = application_id
        self._zygote = zygote
        self._identity = identity
        self._environment = environment
        self._after_workers = after_workers
        self._make_control = make_control
        self._blocks: BlockClient | None = None
        self._outbox: deque[bytes] = deque()
        self._outbox_bytes = 0
        self._paused = False
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._lane: FrameSocket | None = None
        self._held = ExitStack()
        self._leaving: asyncio.Task[None] | None = None
        self._failure = ""

    async def run(self) -> int:
        """Work for the driver until either side ends it; returns the exit code."""
        loop = asyncio.get_running_loop()
        # Workers are forked while we connect.
        self._control = self._make_control(loop, self._zygote, self._identity, self)
        self._work = asyncio.ensure_future(self._talk())
        try:
            await self._work
        except asyncio.CancelledError:
            if not self._failure:
                return 0
        except DriverLost as error:
            self._failure = str(error)
        finally:
            self._held.close()
            self._control.close()
            if self._blocks is not None:
                await self._blocks.close()
        _log.error("executor ends", executor=self._identity.executor_id, reason=self._failure)
        return 1

    # ---------------------------------------------------------------------------- for Control

    def send(self, frame: spark_pb2.ExecutorFrame) -> None:
        data = frame.SerializeToString()
        if self._lane is not None:
            self._send_by_lane(self._lane, data)
            return
        self._outbox.append(data)
        self._outbox_bytes += len(data)
        self._drained.clear()
        self._wake.set()
        if self._outbox_bytes > OUTBOX_BYTES_MAX and not self._paused:
            self._paused = True
            self._control.pool.pause()

    def _send_by_lane(self, lane: FrameSocket, data: bytes) -> None:
        lane.send(data)
        if lane.outbox_bytes > OUTBOX_BYTES_MAX and not self._paused:
            self._paused = True
            self._control.pool.pause()
            lane.when_sent(self._resume)

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._control.pool.resume()

    def fetch(self, wish: Fetch, answer: Callable[[str, int], None]) -> None:
        assert self._blocks is not None, "tasks come after the settings"
        self._blocks.start(self._blocks.fetch(*wish), answer)

    def give_up(self, reason: str) -> None:
        self._failure = reason
        self.send(spark_pb2.ExecutorFrame(goodbye=spark_pb2.Goodbye(reason=reason)))
        self._leave()

    def shut_down(self) -> None:
        self._leave()

    def _leave(self) -> None:
        """End once what waits has been sent, but soon."""

        async def leave() -> None:
            try:
                await asyncio.wait_for(self._drained.wait(), GOODBYE_TIMEOUT_S)
            except TimeoutError:
                pass
            self._work.cancel()

        if self._lane is not None:
            self._drained.clear()
            self._lane.when_sent(self._drained.set)
        self._leaving = asyncio.ensure_future(leave())

    # ------------------------------------------------------------------------------ the stream

    async def _talk(self) -> None:
        """Attach, find a place for blocks, and work. Raises DriverLost, whatever was in the way."""
        nonce, metadata = knock(self._secret)
        async with grpc.aio.insecure_channel(self._driver, OPTIONS) as channel:
            call = channel.stream_stream(ATTACH, None, None)(None, metadata=metadata)
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    answer = await call.initial_metadata()
                    if call.done():
                        raise DriverLost(f"{self._driver}: {await call.details()}")
                    if not has_answered(self._secret, nonce, answer):
                        raise DriverLost("the driver does not know the application's secret")
                    registered, lane = await self._handshake(call)
            except TimeoutError as error:
                raise DriverLost(f"no answer within {CONNECT_TIMEOUT_S:g} s") from error
            except grpc.aio.AioRpcError as error:
                raise DriverLost(f"{self._driver}: {error.details()}") from error
            _log.info("registered with driver", driver=self._driver, app=self._application_id)
            place = await self._settle(call, registered)
            self._control.configure(registered, place.root)
            if lane is not None:
                self._change_to(lane)
            interval_s = HEARTBEAT_INTERVAL.read(registered.conf)
            await _first_of(self._receive(call), self._write(call), self._beat(interval_s))

    async def _settle(self, call: Any, registered: spark_pb2.Registered) -> Place:
        """Find a place for blocks and tell the driver, or why there is none. Raises DriverLost."""
        me = self._identity
        self._blocks = BlockClient.of(registered.conf, self._secret, self._application_id)
        try:
            seeker = Seeker(
                self._application_id,
                me.executor_id,
                self._secret,
                facing(self._driver),
                me.block_manager_port,
                self._environment,
            )
            holding = seeker.place(registered.conf, registered.shuffle_credential)
            place = await self._after_workers.enter_async_context(holding)
        except (MinimesosError, OSError) as error:
            goodbye = spark_pb2.Goodbye(reason=f"it has no place for its blocks: {error}")
            await _send(call, spark_pb2.ExecutorFrame(goodbye=goodbye).SerializeToString())
            await call.done_writing()
            with suppress(TimeoutError, grpc.aio.AioRpcError):  # until the driver has heard it
                await asyncio.wait_for(call.read(), GOODBYE_TIMEOUT_S)
            raise DriverLost(goodbye.reason) from error
        located = spark_pb2.Located(address=place.address, root=place.root)
        await _send(call, spark_pb2.ExecutorFrame(located=located).SerializeToString())
        return place

    async def _handshake(self, call: Any) -> tuple[spark_pb2.Registered, socket.socket | None]:
        """Let both sides prove themselves; the socket is our lane. Raises DriverLost."""
        me = self._identity
        nonce = new_nonce()
        register = spark_pb2.Register(
            executor_id=me.executor_id,
            host=me.host,
            cores=me.cores,
            version=minimesos.__version__,
            python_version=".".join(platform.python_version_tuple()[:2]),
            nonce=nonce,
            pid=os.getpid(),
        )
        await call.write(spark_pb2.ExecutorFrame(register=register).SerializeToString())
        challenge = (await _read(call)).challenge
        nonces = (challenge.nonce, nonce)
        if not is_proven(challenge.proof, self._secret, DRIVER, *nonces):
            raise DriverLost("the driver does not know the application's secret")
        lane = await take_lane(challenge.lane, prove(self._secret, LANE, *nonces))
        if lane is not None:
            self._held.callback(lane.close)
        proof = spark_pb2.ExecutorFrame(
            proof=prove(self._secret, EXECUTOR, *nonces), takes_lane=lane is not None
        )
        await call.write(proof.SerializeToString())
        frame = await _read(call)
        if frame.HasField("refused"):
            raise DriverLost(f"the driver refuses this executor: {frame.refused.message}")
        if not frame.HasField("registered"):
            raise DriverLost("the driver does not keep to the protocol")
        if frame.registered.application_id != self._application_id:
            raise DriverLost(f"the driver is of application {frame.registered.application_id}")
        return frame.registered, lane

    def _change_to(self, lane: socket.socket) -> None:
        """Let all frames go by the lane, also those that wait."""
        loop = asyncio.get_running_loop()
        self._lane = FrameSocket(loop, lane, self._received, self._lane_closed)
        self._held.callback(self._lane.close)
        while self._outbox:
            self._lane.send(self._outbox.popleft())
        self._outbox_bytes = 0
        self._lane.when_sent(self._drained.set)

    def _received(self, data: Frame) -> None:
        """Handle a frame that came by the lane."""
        try:
            frame = spark_pb2.DriverFrame.FromString(data)  # type: ignore[arg-type] # any buffer
        except DecodeError as error:
            self._lose(f"the driver sent what is no frame: {error}")
        else:
            self._control.handle(frame)

    def _lane_closed(self) -> None:
        if self._leaving is None:
            self._lose("the driver closed the connection")

    def _lose(self, why: str) -> None:
        self._failure = self._failure or why
        self._work.cancel()

    async def _receive(self, call: Any) -> None:
        while True:
            try:
                frame = await _read(call)
            except DriverLost:
                if self._lane is not None:
                    self._lane.read_rest()  # it may have told us to end
                if self._leaving is None:
                    raise
                await self._leaving
            else:
                self._control.handle(frame)

    async def _write(self, call: Any) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._outbox:
                data = self._outbox[0]
                await _send(call, data)
                self._outbox.popleft()
                self._outbox_bytes -= len(data)
            self._drained.set()
            self._resume()

    async def _beat(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            pool = self._control.pool
            memory = await asyncio.to_thread(pss_bytes, [os.getpid(), self._zygote.pid, *pool.pids])
            heartbeat = spark_pb2.Heartbeat(memory_bytes=memory, running=pool.running)
            self.send(spark_pb2.ExecutorFrame(heartbeat=heartbeat))


async def _first_of(*activities: Coroutine[Any, Any, None]) -> None:
    """Run all until one of them ends, which is an error; raises that."""
    tasks = [asyncio.ensure_future(activity) for activity in activities]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


async def _send(call: Any, data: bytes) -> None:
    try:
        await call.write(data)
    except Exception as error:  # gRPC raises many kinds
        raise DriverLost("the connection to the driver was lost") from error


async def _read(call: Any) -> spark_pb2.DriverFrame:
    try:
        data = await call.read()
        if not isinstance(data, bytes):  # gRPC's end-of-stream mark
            raise DriverLost("the driver closed the connection")
        return spark_pb2.DriverFrame.FromString(data)
    except grpc.aio.AioRpcError as error:
        raise DriverLost(f"the connection to the driver was lost: {error.details()}") from error
    except DecodeError as error:
        raise DriverLost(f"the driver sent what is no frame: {error}") from error


def facing(driver: str) -> str:
    """Return our address as the driver's host sees it: loopback for a driver on this host."""
    host, _, port = driver.rpartition(":")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)  # sends nothing
            return str(probe.getsockname()[0])
    except OSError as error:
        raise DriverLost(f"cannot find the driver at {driver}: {error.strerror}") from error


def pss_bytes(pids: list[int]) -> int:
    """Return the memory of some processes, shared pages counted once."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue  # it has just ended
    return total * 1024
