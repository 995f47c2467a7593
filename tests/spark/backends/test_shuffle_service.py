"""A shuffle service with its clients on loopback: executors, drivers, readers and strangers."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import grpc.aio
import pytest

import minimesos
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends import shuffle_client
from minimesos.spark.backends.block_client import BlockClient
from minimesos.spark.backends.proofs import (
    CALL,
    encrypted_key,
    new_nonce,
    prove,
    service_key,
    service_name,
)
from minimesos.spark.backends.shuffle_client import (
    CALL_METHOD,
    ShuffleLeases,
    ShuffleServiceClient,
    ShuffleServiceError,
    greet,
    register_executor,
    shuffle_credential,
)
from minimesos.spark.backends.shuffle_directories import CannotUseDirectory
from minimesos.spark.backends.shuffle_server import PortTaken, ShuffleServer
from minimesos.testing.spark_executors import DEADLINE_S

pytestmark = pytest.mark.integration

SECRET = b"secret"
FILE = "shuffle_0_0_7.data"
SHARED = "shared secret"
QUICK = {"spark.shuffle.registration.timeout": "50ms", "spark.shuffle.registration.maxAttempts": 2}
HASTY = {"spark.executor.heartbeatInterval": "10ms"}


@pytest.fixture
async def start(tmp_path):
    """Start services; they keep their files below the test's directory."""
    servers = []

    async def start(port=0, local_dirs=None, **options):
        server = ShuffleServer("127.0.0.1", port, local_dirs or [tmp_path], **options)
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
async def service(start):
    return await start()


def address_of(service) -> str:
    return f"127.0.0.1:{service.port}"


class Application:
    """A driver, its executors and readers, as far as shuffle services are concerned."""

    def __init__(self, service, application_id="app", secret=SECRET, **conf) -> None:
        self.address = address_of(service)
        self.id = application_id
        self.secret = secret
        self.conf = {key: str(value) for key, value in (QUICK | HASTY | conf).items()}

    async def executor(self, executor_id="0", local_dirs=()) -> Path:
        """Register an executor that writes one map output; returns its directory."""
        credential = shuffle_credential(self.conf, self.id, self.secret)
        directory = await register_executor(
            self.address, self.conf, self.id, self.secret, executor_id, credential, local_dirs
        )
        (Path(directory) / FILE).write_bytes(b"0123456789")
        return Path(directory)

    async def read(self, directory, executor_id="0", path=FILE) -> str:
        """Fetch four bytes of a file; returns what came, or what went wrong."""
        copy = directory / "copy"
        client = BlockClient(self.secret, service_of=self.id, retries=0)
        reason, _ = await client.fetch(self.address, executor_id, [path], [3], [4], str(copy))
        await client.close()
        return reason or copy.read_text()

    def leases(self, **conf) -> ShuffleLeases:
        leases = ShuffleLeases(self.conf | conf, self.id, self.secret)
        leases.register(self.address)
        return leases

    async def call(self, call) -> spark_pb2.ShuffleReply:
        async with ShuffleServiceClient(self.address, self.id, self.secret) as client:
            return await client.call(call, DEADLINE_S)


async def until(condition) -> None:
    """Wait until something that another task or thread does has happened."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0)


def end() -> spark_pb2.ShuffleCall:
    return spark_pb2.ShuffleCall(end=spark_pb2.EndShuffles())


def lease(timeout_ms, *forgotten) -> spark_pb2.ShuffleCall:
    call = spark_pb2.ShuffleLease(timeout_ms=timeout_ms, forgotten_shuffles=forgotten)
    return spark_pb2.ShuffleCall(lease=call)


# -- files -----------------------------------------------------------------------------------------


async def test_files_of_an_executor_are_served_whether_it_lives_or_not(service, tmp_path):
    app = Application(service)
    directory = await app.executor()
    assert tmp_path in directory.parents
    assert await app.read(tmp_path) == "3456"
    assert await app.executor() == directory


async def test_an_application_gets_the_file_system_that_it_names(start, tmp_path):
    local_dirs = [tmp_path / name for name in "ab"]
    app = Application(await start(local_dirs=local_dirs))
    assert tmp_path / "b" in (await app.executor("0", [str(tmp_path / "b")])).parents
    assert await app.read(tmp_path) == "3456"


async def test_what_is_not_there_is_said_and_the_service_goes_on(service, tmp_path):
    app = Application(service)
    await app.executor()
    assert "shuffle_0_0_8.data: No such file" in await app.read(tmp_path, path="shuffle_0_0_8.data")
    assert "not the name of a map output" in await app.read(tmp_path, path="../../../etc/passwd")
    assert "executor 1 of application app-" in await app.read(tmp_path, executor_id="1")
    assert "application none-" in await Application(service, "none").read(tmp_path)
    assert await app.read(tmp_path) == "3456"


async def test_garbage_is_refused_and_the_service_goes_on(service, tmp_path):
    app = Application(service)
    await app.executor()
    key = service_key(SECRET)
    nonce = new_nonce()
    async with grpc.aio.insecure_channel(app.address) as channel:
        for content in (b"\xff\xff garbage", b""):
            request = spark_pb2.ProvenRequest(
                application=service_name("app", key),
                content=content,
                nonce=nonce,
                proof=prove(key, CALL, nonce, content),
            ).SerializeToString()
            for data in (request, b"\xff\xff garbage", b""):
                call = channel.unary_unary(CALL_METHOD, None, None)(data)
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await call
                assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert await app.read(tmp_path) == "3456"


# -- strangers -------------------------------------------------------------------------------------


async def test_nobody_reads_or_ends_another_application(service, tmp_path, caplog):
    app = Application(service)
    await app.executor()
    # Under the right name, but with another key.
    async with ShuffleServiceClient(app.address, "app", b"another") as client:
        client._name = service_name("app", service_key(SECRET))
        for call in (end(), lease(1)):
            with pytest.raises(ShuffleServiceError, match=r"key of application app-.* not proven"):
                await client.call(call, DEADLINE_S)
    reader = BlockClient(b"another", service_of="app", retries=0)
    reader._service_name = service_name("app", service_key(SECRET))
    copy = str(tmp_path / "copy")
    reason, _ = await reader.fetch(app.address, "0", [FILE], [0], [1], copy)
    assert "not proven" in reason
    await reader.close()
    assert caplog.text.count("stranger refused") == 3
    assert await app.read(tmp_path) == "3456"


async def test_the_same_framework_id_with_another_secret_is_another_application(service, tmp_path):
    app, successor = Application(service), Application(service, secret=b"of a later driver")
    directory = await app.executor()
    assert "is not registered" in await successor.read(tmp_path)
    assert await successor.executor() != directory
    await successor.call(end())
    assert await app.read(tmp_path) == "3456"


async def test_a_name_is_registered_with_its_own_key_only(service):
    app = Application(service)
    call = spark_pb2.ShuffleCall()
    call.register_executor.executor_id = "0"
    call.register_executor.credential = service_key(b"another")
    with pytest.raises(ShuffleServiceError, match="does not share the secret"):
        await app.call(call)
    call.register_executor.credential = b"short"
    with pytest.raises(ShuffleServiceError, match="does not share the secret"):
        await app.call(call)


async def test_to_know_an_applications_credential_is_not_to_be_it(start):
    app = Application(await start(shared_secret=SHARED.encode()))
    key = service_key(SECRET)
    name = service_name("app", key)
    call = spark_pb2.ShuffleCall()
    call.register_executor.executor_id = "0"
    call.register_executor.credential = encrypted_key(key, name, SHARED.encode())
    async with ShuffleServiceClient(app.address, "app", b"another") as client:
        client._name = name
        with pytest.raises(ShuffleServiceError, match="not proven"):
            await client.call(call, DEADLINE_S)


@pytest.mark.parametrize(
    "conf",
    [
        {},
        {"spark.authenticate.secret": SHARED},
        {"spark.authenticate": "true", "spark.authenticate.secret": "guessed"},
    ],
    ids=["no secret", "not told to show it", "another secret"],
)
async def test_a_service_with_a_secret_takes_in_only_who_knows_it(start, conf, tmp_path, caplog):
    service = await start(shared_secret=SHARED.encode())
    with pytest.raises(ShuffleServiceError, match=r"share the secret .* spark\.authenticate"):
        await Application(service, **conf).executor()
    assert "application refused" in caplog.text
    known = {"spark.authenticate": "true", "spark.authenticate.secret": SHARED}
    app = Application(service, **known)
    await app.executor()
    assert await app.read(tmp_path) == "3456"


async def test_a_service_without_a_secret_cannot_read_the_key_that_is_meant_for_others(service):
    conf = {"spark.authenticate": "true", "spark.authenticate.secret": SHARED}
    with pytest.raises(ShuffleServiceError, match="has none: see its --authenticate_secret_file"):
        await Application(service, **conf).executor()


async def test_a_name_that_cannot_be_is_refused_before_it_is_logged(service, caplog):
    call = spark_pb2.ShuffleCall()
    call.register_executor.credential = b"guessed"
    with pytest.raises(ShuffleServiceError, match="must not be longer"):
        await Application(service, "x" * 4_000).call(call)
    assert "xxx" not in caplog.text


# -- ends ------------------------------------------------------------------------------------------


async def test_the_end_of_the_application_deletes_its_files_at_once(service, tmp_path):
    app, other = Application(service), Application(service, "other")
    directory = await app.executor()
    await other.executor()
    leases = app.leases()
    await leases.close()
    assert not directory.exists()
    assert "is not registered" in await app.read(tmp_path)
    assert await other.read(tmp_path) == "3456"
    with pytest.raises(ShuffleServiceError, match="has ended"):
        await app.executor("1")


async def test_a_driver_that_is_not_heard_of_any_more_loses_its_files(start, caplog):
    service = await start(cleaner_interval_s=0.01)
    app = Application(service)
    directory = await app.executor()
    await app.call(lease(20))
    await until(lambda: not directory.exists())
    assert "not heard of any more" in caplog.text


async def test_a_driver_renews_its_lease_for_as_long_as_it_lives(service, monkeypatch):
    app = Application(service)
    await app.executor()
    told = []
    monkeypatch.setattr(service._registry, "lease", lambda *what: told.append(what[:2]))
    leases = app.leases(**{"spark.storage.blockManagerHeartbeatTimeoutMs": "7s"})
    leases.register(app.address)  # as for another executor of that host
    await until(lambda: len(told) >= 3)
    assert set(told) == {(service_name("app", service_key(SECRET)), 7.0)}
    assert len(leases._leases) == 1
    await leases.close()


async def test_files_of_forgotten_shuffles_go_with_the_next_heartbeat(service):
    app = Application(service)
    directory = await app.executor()
    for number in (1, 2):
        (directory / f"shuffle_{number}_0_0.data").touch()
    leases = app.leases()
    leases.forget_shuffles([1, 5])
    await until(lambda: not (directory / "shuffle_1_0_0.data").exists())
    assert sorted(os.listdir(directory)) == [FILE, "shuffle_2_0_0.data"]
    await leases.close()


async def test_or_not_if_they_are_to_be_kept(service):
    app = Application(service)
    leases = app.leases(**{"spark.shuffle.service.removeShuffle": "false"})
    leases.forget_shuffles([1])
    assert [lease._forgotten for lease in leases._leases.values()] == [set()]
    await leases.close()


# -- services that come and go ---------------------------------------------------------------------


async def test_a_restarted_service_knows_what_it_has(service, start, tmp_path):
    app = Application(service)
    directory = await app.executor()
    await app.call(lease(60_000))
    await service.stop()
    later = await start()
    app.address = address_of(later)
    assert await app.read(tmp_path) == "3456"
    assert later._registry.application(service_name("app", service_key(SECRET))).lease_s == 60
    assert await app.executor() == directory
    await app.call(end())
    assert not directory.exists()


async def test_a_driver_that_cannot_renew_says_so_once_and_when_it_can_again(
    service, start, monkeypatch, caplog
):
    caplog.set_level("INFO")
    app = Application(service)
    await app.executor()
    leases = app.leases()
    await until(lambda: "driver registered" in caplog.text)
    await service.stop()
    with monkeypatch.context() as patch:
        patch.setattr(shuffle_client, "CALL_TIMEOUT_S", 0.02)
        await until(lambda: "removed by hand" in caplog.text)
    await start(port=service.port)
    await until(lambda: "renewed again" in caplog.text)
    assert caplog.text.count("removed by hand") == 1
    await leases.close()


async def test_an_end_that_cannot_be_told_does_not_hold_the_driver_up(service, monkeypatch, caplog):
    app = Application(service)
    await app.executor()
    leases = app.leases()
    await service.stop()
    monkeypatch.setattr(shuffle_client, "END_TIMEOUT_S", 0.05)
    await leases.close()
    assert "deletes the files when the lease runs out" in caplog.text


async def test_a_service_that_is_not_there_is_waited_for(start, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    app = Application(await start(), **{"spark.shuffle.registration.timeout": "10s"})
    app.address = f"127.0.0.1:{port}"
    registering = asyncio.ensure_future(app.executor())
    await asyncio.sleep(0)
    await start(port=port, local_dirs=[tmp_path / "late"])
    assert tmp_path / "late" in (await registering).parents


async def test_and_then_given_up_with_its_address(start, caplog):
    app = Application(await start())
    app.address = "127.0.0.1:1"
    with pytest.raises(ShuffleServiceError, match=r"no shuffle service answers at 127\.0\.0\.1:1"):
        await app.executor()
    assert caplog.text.count("does not answer") == 1  # and the second time was the last


async def test_what_is_no_shuffle_service_is_said(start):
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    app = Application(await start())
    app.address = f"127.0.0.1:{port}"
    with pytest.raises(ShuffleServiceError, match="is no shuffle service"):
        await app.executor()
    assert await greet(app.address) is None
    await server.stop(None)


async def test_an_impostor_is_not_believed(start):
    async def answer(data, context):
        return spark_pb2.ShuffleReply(directory="/tmp/evil", proof=b"x" * 32).SerializeToString()

    server = grpc.aio.server()
    service, method = CALL_METHOD.split("/")[1:]
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    app = Application(await start())
    app.address = f"127.0.0.1:{port}"
    with pytest.raises(ShuffleServiceError, match="does not know the application's key"):
        await app.executor()
    await server.stop(None)


async def test_a_service_tells_whoever_asks_that_it_is_one(service):
    assert await greet(address_of(service)) == minimesos.__version__
    assert await greet("127.0.0.1:1") is None


async def test_a_port_or_a_directory_that_is_taken_is_said(service, start, tmp_path):
    with pytest.raises(PortTaken, match=str(service.port)):
        await start(port=service.port, local_dirs=[tmp_path / "other"])
    with pytest.raises(CannotUseDirectory, match="another shuffle service"):
        await start()


async def test_a_directory_that_cannot_be_is_said_and_the_service_goes_on(service):
    app = Application(service)
    with pytest.raises(ShuffleServiceError, match="null byte"):
        await app.executor("0", ["/tmp/\0"])
    await app.executor()


async def test_directories_that_cannot_be_made_are_said_and_the_service_goes_on(
    service, tmp_path, monkeypatch
):
    app = Application(service)
    await app.executor()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(service._directories, "make", full)
        with pytest.raises(ShuffleServiceError, match="No space left"):
            await app.executor("1")
    await app.executor("1")
    assert await app.read(tmp_path, executor_id="1") == "3456"
