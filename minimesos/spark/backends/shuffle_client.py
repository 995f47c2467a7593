"""What executors and the driver say to shuffle services.

An executor registers at the service of its host and is given a directory. The driver then renews
the application's lease at every service that an executor has named, as long as it lives, and ends
it when the application does. Reading the files is `block_client`'s.

The lease stands for Spark's RegisterDriver and heartbeat in one, so a service that has forgotten
the application, or was started again, needs no other message to be right again.

Source: proto/minimesos/spark.proto; Spark's `MesosExternalBlockStoreClient` for what is said when.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from minimesos.errors import MinimesosError
from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends.doorkeeper import WARY_OPTIONS
from minimesos.spark.backends.proofs import (
    CALL,
    REPLY,
    encrypted_key,
    is_proven,
    new_nonce,
    prove,
    service_key,
    service_name,
)
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.executors import BLOCK_MANAGER_HEARTBEAT_TIMEOUT, HEARTBEAT_INTERVAL
from minimesos.spark.settings.shuffle import (
    AUTHENTICATE,
    AUTHENTICATE_SECRET,
    SHUFFLE_REGISTRATION_MAX_ATTEMPTS,
    SHUFFLE_REGISTRATION_TIMEOUT,
    SHUFFLE_SERVICE_REMOVE_SHUFFLE,
)

CALL_METHOD = "/minimesos.spark.ShuffleService/Call"
GREET_METHOD = "/minimesos.spark.ShuffleService/Greet"

CALL_TIMEOUT_S = 10.0
END_TIMEOUT_S = 2.0  # all services together, when the driver stops
GREET_TIMEOUT_S = 1.0
FORGOTTEN_MAX = 10_000
"""Shuffles to tell a service that does not answer; of others the files stay until the end."""

_CODE = grpc.StatusCode

_log = get_logger(__name__)


class ShuffleServiceError(MinimesosError):
    """A shuffle service cannot be reached, or does not do what it is asked for; says why."""

    def __init__(self, message: str, code: grpc.StatusCode) -> None:
        super().__init__(message)
        self.is_answer = code not in (_CODE.UNAVAILABLE, _CODE.DEADLINE_EXCEEDED)
        """Whether the service itself has said so, and would say it again."""


def shuffle_credential(conf: Texts, application_id: str, secret: bytes) -> bytes:
    """Return what executors show to shuffle services that share a secret with the driver.

    Empty without `spark.authenticate`. It is no secret itself, and of use to this application only.
    """
    shared = AUTHENTICATE_SECRET.read(conf)
    if not AUTHENTICATE.read(conf) or not shared:
        return b""
    key = service_key(secret)
    return encrypted_key(key, service_name(application_id, key), shared.strip().encode())


async def register_executor(
    address: str,
    conf: Texts,
    application_id: str,
    secret: bytes,
    executor_id: str,
    credential: bytes,
    local_dirs: Sequence[str],
) -> str:
    """Register an executor at the service of its host; returns its directory.

    `local_dirs` is where the application would like to be. Raises ShuffleServiceError.
    """
    timeout_s = SHUFFLE_REGISTRATION_TIMEOUT.read(conf)
    attempts = SHUFFLE_REGISTRATION_MAX_ATTEMPTS.read(conf)
    call = spark_pb2.ShuffleCall()
    call.register_executor.executor_id = executor_id
    call.register_executor.credential = credential or service_key(secret)
    call.register_executor.local_dirs.extend(local_dirs)
    call.register_executor.uid = os.geteuid()
    async with ShuffleServiceClient(address, application_id, secret) as service:
        while True:
            attempts -= 1
            try:
                return (await service.call(call, timeout_s)).directory
            except ShuffleServiceError as error:
                if error.is_answer or not attempts:
                    raise
                _log.warning("shuffle service does not answer", address=address, why=error)


async def greet(address: str) -> str | None:
    """Return the version of the shuffle service that listens there, None if there is none."""
    async with grpc.aio.insecure_channel(address, WARY_OPTIONS) as channel:
        method = channel.unary_unary(GREET_METHOD, None, None)
        try:
            data: Any = await method(b"", timeout=GREET_TIMEOUT_S)
            return spark_pb2.ShuffleGreeting.FromString(data).version
        except (grpc.aio.AioRpcError, DecodeError):
            return None


class ShuffleServiceClient:
    """One application's connection to one service."""

    def __init__(self, address: str, application_id: str, secret: bytes) -> None:
        self.address = address
        self._key = service_key(secret)
        self._name = service_name(application_id, self._key)
        self._channel = grpc.aio.insecure_channel(address, WARY_OPTIONS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close(None)

    async def call(self, call: spark_pb2.ShuffleCall, timeout_s: float) -> spark_pb2.ShuffleReply:
        """Make a call, for which the service is waited for. Raises ShuffleServiceError."""
        content = call.SerializeToString()
        nonce = new_nonce()
        request = spark_pb2.ProvenRequest(
            application=self._name,
            content=content,
            nonce=nonce,
            proof=prove(self._key, CALL, nonce, content),
        )
        method = self._channel.unary_unary(CALL_METHOD, None, None)
        try:
            data: Any = await method(
                request.SerializeToString(), timeout=timeout_s, wait_for_ready=True
            )
            reply = spark_pb2.ShuffleReply.FromString(data)
        except grpc.aio.AioRpcError as error:
            raise self._error(error, timeout_s) from error
        except DecodeError as error:
            raise self._impostor() from error
        if not is_proven(reply.proof, self._key, REPLY, nonce, content):
            raise self._impostor()
        return reply

    def _error(self, error: grpc.aio.AioRpcError, timeout_s: float) -> ShuffleServiceError:
        code = error.code()
        if code == _CODE.DEADLINE_EXCEEDED:
            message = (
                f"no shuffle service answers at {self.address} within {timeout_s:g} s; see "
                "`minimesos shuffle-service` and `minimesos agent --shuffle_service`"
            )
        elif code == _CODE.UNIMPLEMENTED:
            message = f"what listens at {self.address} is no shuffle service"
        else:
            message = f"the shuffle service at {self.address} says: {error.details()}"
        return ShuffleServiceError(message, code)

    def _impostor(self) -> ShuffleServiceError:
        return ShuffleServiceError(
            f"what answers at {self.address} does not know the application's key",
            _CODE.UNAUTHENTICATED,
        )


class ShuffleLeases:
    """Keeps an application's files at shuffle services while its driver lives.

    Belongs to the running loop; used by backends.
    """

    def __init__(self, conf: Texts, application_id: str, secret: bytes) -> None:
        self._application_id = application_id
        self._secret = secret
        self._timeout_s = BLOCK_MANAGER_HEARTBEAT_TIMEOUT.read(conf)
        self._interval_s = HEARTBEAT_INTERVAL.read(conf)
        self._removes = SHUFFLE_SERVICE_REMOVE_SHUFFLE.read(conf)
        self._leases: dict[str, _Lease] = {}

    def register(self, address: str) -> None:
        """An executor's files are at this service (host:port). Once or more often for each."""
        if address not in self._leases:
            service = ShuffleServiceClient(address, self._application_id, self._secret)
            self._leases[address] = _Lease(service, self._timeout_s, self._interval_s)

    def forget_shuffles(self, shuffle_ids: Iterable[int]) -> None:
        """No job can ask for these any more: services are told with the next heartbeat."""
        if self._removes:
            for lease in self._leases.values():
                lease.forget(shuffle_ids)

    async def close(self) -> None:
        """The application is over: have its files deleted, as far as services answer in time."""
        leases = list(self._leases.values())
        self._leases.clear()
        await asyncio.gather(*(lease.end() for lease in leases))


class _Lease:
    """The lease at one service, and the task that renews it."""

    def __init__(self, service: ShuffleServiceClient, timeout_s: float, interval_s: float) -> None:
        self._service = service
        self._timeout_s = timeout_s
        self._interval_s = interval_s
        self._forgotten: set[int] = set()
        self._is_held = True
        self._keeping = asyncio.ensure_future(self._keep())

    def forget(self, shuffle_ids: Iterable[int]) -> None:
        """Have the files of these shuffles deleted."""
        if len(self._forgotten) < FORGOTTEN_MAX:
            self._forgotten.update(shuffle_ids)

    async def end(self) -> None:
        """Stop renewing, and have all files deleted."""
        self._keeping.cancel()
        call = spark_pb2.ShuffleCall(end=spark_pb2.EndShuffles())
        async with self._service:
            try:
                await self._service.call(call, END_TIMEOUT_S)
            except ShuffleServiceError as error:
                _log.warning(
                    "cannot tell the shuffle service that the application is over; it deletes the "
                    "files when the lease runs out",
                    why=error,
                )

    async def _keep(self) -> None:
        while True:
            await self._renew()
            await asyncio.sleep(self._interval_s)

    async def _renew(self) -> None:
        call = spark_pb2.ShuffleCall()
        call.lease.timeout_ms = round(self._timeout_s * 1000)
        forgotten = sorted(self._forgotten)
        call.lease.forgotten_shuffles.extend(forgotten)
        try:
            await self._service.call(call, CALL_TIMEOUT_S)
        except ShuffleServiceError as error:
            if self._is_held:
                self._is_held = False
                _log.warning(
                    "the lease at a shuffle service cannot be renewed; unless it can be before "
                    f"{self._timeout_s:g} s are over, map outputs there are lost, or must be "
                    "removed by hand",
                    why=error,
                )
            return
        self._forgotten.difference_update(forgotten)
        if not self._is_held:
            self._is_held = True
            _log.info(
                "the lease at a shuffle service is renewed again", address=self._service.address
            )
