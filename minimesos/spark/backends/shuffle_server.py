"""The external shuffle service of a host: keeps and serves map outputs, executors come and go.

Runs as `minimesos shuffle-service`, or on the loop of `minimesos agent --shuffle_service`. Gives
executors the directories that they write to, serves the files to whoever proves the application's
key, and deletes them when the driver says so, or has not been heard of for as long as it had said.
What is decided where: `spark.shuffle.service` decides, `shuffle_directories` touches files, and
this checks proofs and speaks gRPC.

Nobody reads another application's files, and nobody deletes them: every request but a greeting is
proven with the key that the application's name was made of (`proofs` says how that is known). A
request that is heard and sent again by somebody else does what it has done before, and no more: it
gives an executor the directory that it has, keeps files a little longer, deletes what was deleted.
A service with a shared secret takes in only applications whose drivers know it. Any other takes in
whoever reaches its port, and gives him room on its disks.

Source: the behaviour of Spark's external shuffle service on Mesos ("Running Spark on Mesos").
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

import minimesos
from minimesos.errors import MinimesosError
from minimesos.ids import id_problem
from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.clock import Clock
from minimesos.spark.backends.blocks import (
    FETCH_METHOD,
    read_request,
    refuse,
    send_ranges,
)
from minimesos.spark.backends.doorkeeper import WARY_OPTIONS
from minimesos.spark.backends.proofs import (
    CALL,
    FETCH,
    REPLY,
    encrypted_key,
    is_named_after,
    is_proven,
    prove,
)
from minimesos.spark.backends.shuffle_client import CALL_METHOD, GREET_METHOD
from minimesos.spark.backends.shuffle_directories import (
    CannotUseDirectory,
    Record,
    ShuffleDirectories,
)
from minimesos.spark.shuffle.service import (
    Application,
    NotRegistered,
    Refused,
    ShuffleRegistry,
)

CLEANER_INTERVAL_S = 30.0  # Spark's spark.shuffle.cleaner.interval
STOP_GRACE_S = 0.5

if TYPE_CHECKING:
    from minimesos.spark.backends.blocks import Context

_KEY_BYTES = 32
_CODE = grpc.StatusCode

_log = get_logger(__name__)


class PortTaken(MinimesosError):
    """Somebody else listens where the service should."""


class ShuffleServer:
    """One shuffle service. Belongs to the running loop; `start` it, and `stop` it in the end."""

    def __init__(
        self,
        ip: str,
        port: int,
        local_dirs: Sequence[Path],
        *,
        shared_secret: bytes | None = None,
        cleaner_interval_s: float = CLEANER_INTERVAL_S,
    ) -> None:
        self._ip = ip
        self._wanted_port = port
        self._local_dirs = local_dirs
        self._shared_secret = shared_secret
        self._cleaner_interval_s = cleaner_interval_s
        self._clock = Clock()
        self._registry = ShuffleRegistry(len(local_dirs))
        self._directories: ShuffleDirectories
        self._server: grpc.aio.Server
        self._cleaner: asyncio.Task[None]
        self._changing = asyncio.Lock()
        """Directories are made, recorded and taken away one after another."""
        self._removals: set[asyncio.Task[None]] = set()
        self.port = 0
        self._calls: dict[str, Callable[[str, bytes, Any], Awaitable[str]]] = {
            "register_executor": self._register_executor,
            "lease": self._lease,
            "end": self._end,
        }

    async def start(self) -> None:
        """Listen. Raises PortTaken, and CannotUseDirectory."""
        server = self._server = grpc.aio.server(options=WARY_OPTIONS)
        try:
            self.port = server.add_insecure_port(f"{self._ip}:{self._wanted_port}")
        except RuntimeError as error:
            raise PortTaken(
                f"cannot listen at {self._ip}:{self._wanted_port}; somebody else may do so already"
            ) from error
        try:
            self._directories = ShuffleDirectories(self._local_dirs)
        except CannotUseDirectory:
            await server.start()  # gRPC gives back the port only of a server that has run
            await server.stop(None)
            raise
        now = self._clock.now()
        for root, record, executors in await asyncio.to_thread(list, self._directories.found()):
            self._registry.restore(*record, dict.fromkeys(executors, root), now)
            _log.info("application restored", application=record.name, executors=len(executors))
        self._add_to(server)
        await server.start()
        self._cleaner = asyncio.ensure_future(self._clean())
        _log.info("shuffle service started", ip=self._ip, port=self.port)

    async def stop(self) -> None:
        """Stop serving. The files stay, for the next service in these directories."""
        self._cleaner.cancel()
        await self._server.stop(STOP_GRACE_S)
        await asyncio.gather(self._cleaner, *self._removals, return_exceptions=True)
        self._directories.close()

    def _add_to(self, server: grpc.aio.Server) -> None:
        handlers = {
            CALL_METHOD: grpc.unary_unary_rpc_method_handler(self._call),
            GREET_METHOD: grpc.unary_unary_rpc_method_handler(_greet),
            FETCH_METHOD: grpc.unary_stream_rpc_method_handler(self._fetch),
        }
        for path, handler in handlers.items():
            service, method = path.split("/")[1:]
            server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {method: handler}),)
            )

    # ------------------------------------------------------------------------------- who asks

    async def _fetch(self, data: bytes, context: Context) -> None:
        request = await read_request(data, context)
        name = request.application
        try:
            key = self._registry.application(name).key
            executor_id = spark_pb2.FetchWish.FromString(request.content).executor_id
        except NotRegistered as error:
            await refuse(context, _CODE.NOT_FOUND, str(error))
        except DecodeError as error:
            await refuse(context, _CODE.INVALID_ARGUMENT, f"malformed wish: {error}")
        if not is_proven(request.proof, key, FETCH, request.nonce, request.content):
            await self._unproven(context, name)
        try:
            root = self._registry.root_of(name, executor_id)
        except NotRegistered as error:
            await refuse(context, _CODE.NOT_FOUND, str(error))
        await send_ranges(
            context, request, key, partial(self._directories.open, root, name, executor_id)
        )

    async def _call(self, data: bytes, context: Context) -> bytes:
        request = await read_request(data, context)
        name = request.application
        try:
            call = spark_pb2.ShuffleCall.FromString(request.content)
        except DecodeError as error:
            await refuse(context, _CODE.INVALID_ARGUMENT, f"malformed call: {error}")
        kind = call.WhichOneof("call")
        if kind is None:
            await refuse(context, _CODE.INVALID_ARGUMENT, "a call of no known kind")
        try:
            if kind == "register_executor":
                key = self._key_of(name, call.register_executor.credential)
            else:
                key = self._registry.application(name).key
        except NotRegistered as error:
            await refuse(context, _CODE.NOT_FOUND, str(error))
        except Refused as error:
            _log.warning("application refused", peer=context.peer(), why=error)
            await refuse(context, _CODE.UNAUTHENTICATED, str(error))
        if not is_proven(request.proof, key, CALL, request.nonce, request.content):
            await self._unproven(context, name)
        try:
            directory = await self._calls[kind](name, key, getattr(call, kind))
        except NotRegistered as error:
            await refuse(context, _CODE.NOT_FOUND, str(error))
        except MinimesosError as error:
            await refuse(context, _CODE.PERMISSION_DENIED, str(error))
        except (OSError, ValueError) as error:  # ValueError: no such path can be
            _log.error("call failed", application=name, call=kind, why=error)
            await refuse(context, _CODE.INTERNAL, f"the shuffle service failed: {error}")
        proof = prove(key, REPLY, request.nonce, request.content)
        return spark_pb2.ShuffleReply(proof=proof, directory=directory).SerializeToString()

    def _key_of(self, name: str, credential: bytes) -> bytes:
        """Return the key that an executor brings along. Raises Refused if it is not the name's."""
        if problem := id_problem(name):
            raise Refused(problem)
        key = credential
        if self._shared_secret is not None and len(credential) == _KEY_BYTES:
            key = encrypted_key(credential, name, self._shared_secret)
        if len(key) != _KEY_BYTES or not is_named_after(name, key):
            see = (
                "which has none: see its --authenticate_secret_file"
                if self._shared_secret is None
                else "see spark.authenticate and spark.authenticate.secret"
            )
            raise Refused(
                f"the application does not share the secret of this shuffle service, {see} ({name})"
            )
        return key

    async def _unproven(self, context: Context, name: str) -> None:
        _log.warning("stranger refused", application=name, peer=context.peer())
        await refuse(context, _CODE.UNAUTHENTICATED, f"the key of application {name} is not proven")

    # ------------------------------------------------------------------------ what is asked for

    async def _register_executor(
        self, name: str, key: bytes, call: spark_pb2.RegisterShuffleExecutor
    ) -> str:
        preferred = await asyncio.to_thread(self._directories.preferred, call.local_dirs)
        async with self._changing:
            application = self._registry.register_executor(
                name, key, call.executor_id, preferred, self._clock.now()
            )
            root = application.roots[call.executor_id]
            directory = await asyncio.to_thread(
                self._directories.make, root, _record(application), call.executor_id, call.uid
            )
        _log.info("executor registered", application=name, executor=call.executor_id)
        return directory

    async def _lease(self, name: str, key: bytes, call: spark_pb2.ShuffleLease) -> str:
        async with self._changing:
            is_news = self._registry.lease(name, call.timeout_ms / 1000, self._clock.now())
            application = self._registry.application(name)
            if is_news:
                for root in set(application.roots.values()):
                    await asyncio.to_thread(self._directories.write, root, _record(application))
                _log.info("driver registered", application=name, lease_s=application.lease_s)
        if call.forgotten_shuffles:
            await asyncio.to_thread(self._remove_shuffles, application, call.forgotten_shuffles)
        return ""

    async def _end(self, name: str, key: bytes, call: spark_pb2.EndShuffles) -> str:
        async with self._changing:
            application = self._registry.end(name)
            _log.info("application ended", application=name)
            # Also if the driver does not wait for it.
            await asyncio.shield(self._take_away(application))
        return ""

    def _remove_shuffles(self, application: Application, shuffle_ids: Sequence[int]) -> None:
        for executor_id, root in list(application.roots.items()):
            try:
                self._directories.remove_shuffles(root, application.name, executor_id, shuffle_ids)
            except FileNotFoundError:
                continue  # the application's end is faster

    async def _clean(self) -> None:
        while True:
            await asyncio.sleep(self._cleaner_interval_s)
            async with self._changing:
                for application in self._registry.expire(self._clock.now()):
                    _log.warning(
                        "application not heard of any more; deleting its files",
                        application=application.name,
                        lease_s=application.lease_s,
                    )
                    await self._take_away(application)

    async def _take_away(self, application: Application) -> None:
        """Take an application's files away at once, and delete them in good time."""
        for root in set(application.roots.values()):
            try:
                aside = await asyncio.to_thread(self._directories.set_aside, root, application.name)
            except OSError as error:
                _log.warning("cannot delete files", application=application.name, why=error)
                continue
            removal = asyncio.to_thread(self._directories.remove, root, aside)
            task = asyncio.ensure_future(removal)
            self._removals.add(task)
            task.add_done_callback(self._removals.discard)


def _record(application: Application) -> Record:
    return Record(application.name, application.key, application.lease_s)


async def _greet(data: bytes, context: Context) -> bytes:
    return spark_pb2.ShuffleGreeting(version=minimesos.__version__).SerializeToString()
