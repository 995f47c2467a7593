"""The driver's gRPC server: executors attach to it, and fetch broadcasts from it.

Used by backends of clusters, which say which executors they `expect`; anybody else is refused.
Knows how executors prove themselves and when they are lost, and nothing of how they come to be.

Source: proto/minimesos/spark.proto; the settings are Spark's.
"""

from __future__ import annotations

import asyncio
import platform
import socket
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

import minimesos
from minimesos.errors import MinimesosError
from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.frame_socket import Frame, FrameSocket
from minimesos.spark.backends.backend import BackendListener
from minimesos.spark.backends.blocks import BlockService
from minimesos.spark.backends.doorkeeper import ATTACH, OPTIONS, Doorkeeper, answer
from minimesos.spark.backends.lane import Lanes
from minimesos.spark.backends.proofs import DRIVER, EXECUTOR, LANE, is_proven, new_nonce, prove
from minimesos.spark.backends.shuffle_client import shuffle_credential
from minimesos.spark.conf import SparkConf
from minimesos.spark.env import Location
from minimesos.spark.setting_kinds import Setting
from minimesos.spark.settings import for_executors
from minimesos.spark.settings.application import (
    DRIVER_BIND_ADDRESS,
    DRIVER_HOST,
    DRIVER_PORT,
    PORT_MAX_RETRIES,
)
from minimesos.spark.settings.executors import (
    BLOCK_MANAGER_HEARTBEAT_TIMEOUT,
    DRIVER_BLOCK_MANAGER_PORT,
)

HANDSHAKE_TIMEOUT_S = 10.0
REASON_TIMEOUT_S = 0.5  # how long a lost connection waits for somebody who knows why
STOP_GRACE_S = 0.5
FRAME_BYTES = 2**20  # frames are merged while they are below this

if TYPE_CHECKING:
    _Context = grpc.aio.ServicerContext[bytes, bytes]

_log = get_logger(__name__)


class Refusal(MinimesosError):
    """An executor cannot be accepted; the message is for it and for the driver's user."""


class ExecutorServer:
    """All executors of one application. Belongs to the driver's loop.

    `application_id` is to be set before executors come. `blocks_root` is the driver's own block
    directory; without one it serves no blocks.
    """

    def __init__(
        self,
        secret: bytes,
        conf: SparkConf,
        listener: BackendListener,
        blocks_root: str | None = None,
    ) -> None:
        self.application_id = ""
        self.blocks_address = ""
        """Where executors fetch the driver's blocks (host:port), once started."""
        self._secret = secret
        self._conf = conf
        self._listener = listener
        self._blocks_root = blocks_root
        self._expected: dict[str, list[spark_pb2.DriverFrame]] = {}  # with what waits for them
        self._executors: dict[str, _Executor] = {}
        self._server: grpc.aio.Server | None = None
        self._stopping = False

    async def start(self) -> str:
        """Listen; returns the host:port at which executors reach the driver.

        Raises MinimesosError if no port can be had.
        """
        host = DRIVER_HOST.read(self._conf)
        server = self._new_server()
        port = blocks_port = self._bind(server, DRIVER_PORT)
        if DRIVER_BLOCK_MANAGER_PORT.read(self._conf):
            blocks_port = self._bind(server, DRIVER_BLOCK_MANAGER_PORT)
        self._lanes = Lanes()
        await server.start()
        self._server = server
        self.blocks_address = f"{host}:{blocks_port}"
        return f"{host}:{port}"

    def _bind(self, server: grpc.aio.Server, setting: Setting[int]) -> int:
        """Take the port that is set, or one of those that follow it. Raises MinimesosError."""
        address = DRIVER_BIND_ADDRESS.read(self._conf)
        first = setting.read(self._conf)
        retries = PORT_MAX_RETRIES.read(self._conf) if first else 0
        for candidate in range(first, first + retries + 1):
            try:
                return server.add_insecure_port(f"{address}:{candidate}")
            except RuntimeError:
                _log.warning("Port is taken", setting=setting.name, port=candidate)
        raise MinimesosError(
            f"{setting.name}: no port from {first} to {first + retries} is free at {address}"
        )

    def expect(self, executor_id: str) -> None:
        """An executor of this id may attach, once. What it is sent meanwhile waits for it."""
        self._expected[executor_id] = []

    def forget(self, executor_id: str, reason: str, caused_by_tasks: bool = True) -> None:
        """An executor is known to be gone; `reason` is better than what we would say."""
        self._expected.pop(executor_id, None)
        executor = self._executors.get(executor_id)
        if executor is not None:
            self._lose(executor, reason, caused_by_tasks)

    def retire(self, executor_id: str, reason: str) -> None:
        """An executor has been asked to end: it counts as lost now, and may end in its own time."""
        self._expected.pop(executor_id, None)
        executor = self._executors.pop(executor_id, None)
        if executor is not None and executor.is_located and not self._stopping:
            self._listener.executor_lost(executor_id, reason, caused_by_tasks=False)

    def send(self, executor_id: str, frame: spark_pb2.DriverFrame) -> None:
        """Send a frame; dropped if the executor is gone."""
        executor = self._executors.get(executor_id)
        if executor is not None:
            executor.send(frame)
        elif executor_id in self._expected:
            self._expected[executor_id].append(frame)

    def shut_down_executors(self) -> None:
        """Ask all executors to end, also those to come. Their end is no loss any more."""
        self._stopping = True
        for executor in self._executors.values():
            executor.send(spark_pb2.DriverFrame(shutdown=True))

    async def stop(self) -> None:
        """Close all connections and stop listening."""
        self._stopping = True
        if self._server is not None:
            self._lanes.close()
            await self._server.stop(STOP_GRACE_S)

    # ------------------------------------------------------------------------------ the stream

    def _new_server(self) -> grpc.aio.Server:
        server = grpc.aio.server(interceptors=(Doorkeeper(self._secret),), options=OPTIONS)
        service, method = ATTACH.split("/")[1:]
        handler = grpc.stream_stream_rpc_method_handler(self._attach)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
        if self._blocks_root is not None:
            BlockService(self._secret, self._blocks_root).add_to(server)
        return server

    async def _attach(self, _: object, context: _Context) -> None:
        """Serve one executor until it goes."""
        metadata = dict(context.invocation_metadata() or ())
        await context.send_initial_metadata(answer(self._secret, metadata))
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                register, lane = await self._handshake(context)
        except (Refusal, DecodeError, TimeoutError) as error:
            reason = str(error) or f"no handshake within {HANDSHAKE_TIMEOUT_S:g} s"
            _log.warning("executor refused", peer=context.peer(), reason=reason)
            refused = spark_pb2.Refused(message=reason)
            await context.write(spark_pb2.DriverFrame(refused=refused).SerializeToString())
            return
        executor = _Executor(register, context)
        if lane is not None:
            executor.take_lane(lane, lambda data: self._received(executor, data))
        self._executors[executor.executor_id] = executor
        for frame in self._expected.pop(executor.executor_id):
            executor.send(frame)
        if self._stopping:
            executor.send(spark_pb2.DriverFrame(shutdown=True))  # the others have been asked
        executor.start_watch(BLOCK_MANAGER_HEARTBEAT_TIMEOUT.read(self._conf))
        try:
            await self._receive(executor, context)
        finally:  # cancelled if the connection broke
            executor.close()
            self._disconnected(executor)

    async def _handshake(
        self, context: _Context
    ) -> tuple[spark_pb2.Register, socket.socket | None]:
        """Make both sides prove the secret; the socket is the executor's lane. Raises Refusal."""
        register = (await _read(context)).register
        nonce = new_nonce()
        nonces = (nonce, register.nonce)
        challenge = spark_pb2.Challenge(
            nonce=nonce, proof=prove(self._secret, DRIVER, *nonces), lane=self._lanes.name
        )
        with self._lanes.expected(prove(self._secret, LANE, *nonces)) as arrival:
            await context.write(spark_pb2.DriverFrame(challenge=challenge).SerializeToString())
            answer = await _read(context)
            if not is_proven(answer.proof, self._secret, EXECUTOR, *nonces):
                raise Refusal("the executor does not know the application's secret")
            self._check_version(register)
            if register.executor_id not in self._expected:
                raise Refusal(f"executor {register.executor_id!r} is not expected, or came twice")
            credential = shuffle_credential(self._conf, self.application_id, self._secret)
            registered = spark_pb2.Registered(
                conf=for_executors(self._conf.as_mapping()),
                application_id=self.application_id,
                shuffle_credential=credential,
                results_root=self._blocks_root,
            )
            await context.write(spark_pb2.DriverFrame(registered=registered).SerializeToString())
            return register, await arrival.take() if answer.takes_lane else None

    def _check_version(self, register: spark_pb2.Register) -> None:
        """Closures are bytecode, and the protocol is not promised to stay: both must be ours."""
        ours = minimesos.__version__, ".".join(platform.python_version_tuple()[:2])
        theirs = register.version, register.python_version
        if theirs != ours:
            message = (
                f"executor {register.executor_id} on {register.host} runs minimesos {theirs[0]} on "
                f"Python {theirs[1]}, but the driver runs minimesos {ours[0]} on Python {ours[1]}; "
                "install the driver's version there, or name it by spark.executor.uri, "
                "spark.mesos.executor.home or PYSPARK_PYTHON"
            )
            self._listener.backend_failed(message)
            raise Refusal(message)

    def _located(self, executor: _Executor, located: spark_pb2.Located) -> None:
        """An executor knows where its blocks are, so it can work."""
        executor.is_located = True
        name, host, cores = executor.executor_id, executor.host, executor.cores
        _log.info("executor registered", executor=name, host=host, cores=cores)
        location = Location(name, host, located.address, located.root)
        self._listener.executor_added(name, host, cores, location)

    async def _receive(self, executor: _Executor, context: _Context) -> None:
        """Take the executor's frames until the stream ends, though they may come by its lane."""
        try:
            while not executor.is_closed:
                data: Any = await context.read()
                if not isinstance(data, bytes):  # gRPC's end-of-stream mark
                    return
                self._received(executor, data)
        finally:
            executor.read_rest()

    def _received(self, executor: _Executor, data: Frame) -> None:
        executor.heard()
        if self._executors.get(executor.executor_id) is not executor:
            executor.close()  # it was given up
            return
        try:
            frame = spark_pb2.ExecutorFrame.FromString(data)  # type: ignore[arg-type] # any buffer
        except DecodeError as error:
            executor.reason = f"it sent what is no frame: {error}"
            executor.close()
            return
        if frame.HasField("located"):
            self._located(executor, frame.located)
        elif frame.HasField("results"):
            self._listener.results(executor.executor_id, frame.results)
        elif frame.printed:
            self._listener.printed(executor.executor_id, frame.printed)
        elif frame.barrier_calls:
            self._listener.barrier_calls(executor.executor_id, frame.barrier_calls)
        elif frame.copied_blocks:
            self._listener.blocks_copied(executor.executor_id, frame.copied_blocks)
        elif frame.HasField("goodbye"):
            executor.reason = frame.goodbye.reason

    def _disconnected(self, executor: _Executor) -> None:
        if executor.reason:
            self._lose(executor, executor.reason)
            return
        # The cluster manager may be about to tell why it died.
        executor.loop.call_later(
            REASON_TIMEOUT_S, self._lose, executor, "its connection to the driver was lost"
        )

    def _lose(self, executor: _Executor, reason: str, caused_by_tasks: bool = True) -> None:
        if self._executors.get(executor.executor_id) is not executor:
            return
        del self._executors[executor.executor_id]
        executor.close()
        if self._stopping:
            return
        if executor.is_located:
            self._listener.executor_lost(executor.executor_id, reason, caused_by_tasks)
        else:
            # Whoever has launched it hears of its end, and judges.
            _log.info("executor cannot work", executor=executor.executor_id, reason=reason)


class _Executor:
    """One executor's connection: what waits to be sent, and when it was last heard of."""

    def __init__(self, register: spark_pb2.Register, context: _Context) -> None:
        self.executor_id = register.executor_id
        self.host = register.host
        self.cores = register.cores
        self.is_located = False
        self.reason = ""
        self.is_closed = False
        self.loop = asyncio.get_running_loop()
        self._context = context
        self._handler = asyncio.current_task()
        # Not bounded here: the task scheduler has a window per executor.
        self._outbox: deque[spark_pb2.DriverFrame] = deque()
        self._wake = asyncio.Event()
        self._writer = asyncio.ensure_future(self._write())
        self._heard_at = self.loop.time()
        self._silence_max_s = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._lane: FrameSocket | None = None

    def take_lane(self, lane: socket.socket, received: Callable[[Frame], None]) -> None:
        """Send by the lane from now on; what comes by it is `received` from the next turn on."""
        self._lane = FrameSocket(self.loop, lane, received, self.close)

    def send(self, frame: spark_pb2.DriverFrame) -> None:
        if self._lane is not None:
            self._lane.send(frame.SerializeToString())
        else:
            self._outbox.append(frame)
            self._wake.set()

    def read_rest(self) -> None:
        """Receive what has come by the lane before the executor's end."""
        if self._lane is not None:
            self._lane.read_rest()

    def heard(self) -> None:
        self._heard_at = self.loop.time()

    def start_watch(self, silence_max_s: float) -> None:
        """End the connection once nothing was heard for that long."""
        self._silence_max_s = silence_max_s
        self._look()

    def close(self) -> None:
        self.is_closed = True
        if self._watch is not None:
            self._watch.cancel()
        if self._lane is not None:
            self._lane.close()
        self._writer.cancel()
        if self._handler is not None and self._handler is not asyncio.current_task():
            self._handler.cancel()

    def _look(self) -> None:
        due = self._heard_at + self._silence_max_s
        if due > self.loop.time():
            self._watch = self.loop.call_at(due, self._look)
        else:
            self.reason = f"it was silent for {self._silence_max_s:g} s"
            self.close()

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._outbox:
                try:
                    await self._context.write(self._next_frame())
                except Exception:  # noqa: BLE001 (gRPC raises many kinds for a broken stream)
                    return  # the reader is told

    def _next_frame(self) -> bytes:
        """Merge small frames that have come to wait, unless their order matters."""
        data = self._outbox.popleft().SerializeToString()
        while self._outbox and len(data) < FRAME_BYTES:
            frame = self._outbox[0]
            if frame.HasField("cancel") or frame.HasField("cleanup") or frame.shutdown:
                break
            data += frame.SerializeToString()  # how protobuf defines a merge
            self._outbox.popleft()
        return data


async def _read(context: _Context) -> spark_pb2.ExecutorFrame:
    """Read a frame. Raises Refusal at the end of the stream, DecodeError for what is none."""
    data: Any = await context.read()
    if not isinstance(data, bytes):  # gRPC's end-of-stream mark
        raise Refusal("the executor closed the connection")
    return spark_pb2.ExecutorFrame.FromString(data)
