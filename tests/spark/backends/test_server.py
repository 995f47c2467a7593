"""The driver's server, and executors of all sorts that attach to it over loopback."""

from __future__ import annotations

import asyncio
import socket

import grpc.aio
import pytest

import minimesos
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.frame_socket import HEADER
from minimesos.spark.backends import server as server_module
from minimesos.spark.backends.doorkeeper import ATTACH, OPTIONS, has_answered, knock
from minimesos.spark.backends.lane import take_lane
from minimesos.spark.backends.proofs import (
    DRIVER,
    EXECUTOR,
    LANE,
    encrypted_key,
    is_proven,
    new_nonce,
    prove,
    service_key,
    service_name,
)
from minimesos.spark.backends.server import ExecutorServer
from minimesos.spark.conf import SparkConf
from minimesos.spark.env import Location
from minimesos.testing.spark_executors import DEADLINE_S, RecordingListener

pytestmark = pytest.mark.integration

SECRET = b"secret"
PYTHON = ".".join(map(str, __import__("sys").version_info[:2]))


class Driver:
    """A server, its listener, and channels to it."""

    def __init__(self, **settings: str) -> None:
        conf = SparkConf(loadDefaults=False).setAll(settings.items())
        self.listener = RecordingListener()
        self.server = ExecutorServer(SECRET, conf, self.listener)
        self.server.application_id = "app"
        self.channels: list[grpc.aio.Channel] = []

    async def start(self) -> None:
        self.address = await self.server.start()

    def call(self, metadata):
        channel = grpc.aio.insecure_channel(self.address, OPTIONS)
        self.channels.append(channel)
        return channel.stream_stream(ATTACH, None, None)(None, metadata=metadata)

    async def stop(self) -> None:
        for channel in self.channels:
            await channel.close()
        await self.server.stop()


@pytest.fixture
async def driver():
    driver = Driver()
    await driver.start()
    driver.server.expect("7")
    yield driver
    await driver.stop()


class FakeExecutor:
    """Does the handshake as an executor does, with what a test changes."""

    def __init__(self, driver, *, secret=SECRET, takes_lane=False, **register):
        self.secret = secret
        self.takes_lane = takes_lane
        self.lane = None
        self.register = spark_pb2.Register(
            **{
                "executor_id": "7",
                "host": "there",
                "cores": 2,
                "version": minimesos.__version__,
                "python_version": PYTHON,
                "nonce": new_nonce(),
                **register,
            }
        )
        self.nonce, metadata = knock(SECRET)
        self.call = driver.call(metadata)

    async def attach(self) -> spark_pb2.DriverFrame:
        """Return the driver's last word of the handshake."""
        assert has_answered(SECRET, self.nonce, await self.call.initial_metadata())
        await self.send(spark_pb2.ExecutorFrame(register=self.register))
        challenge = (await self.read()).challenge
        nonces = challenge.nonce, self.register.nonce
        assert is_proven(challenge.proof, SECRET, DRIVER, *nonces)
        if self.takes_lane:
            self.lane = await take_lane(challenge.lane, prove(SECRET, LANE, *nonces))
        proof = prove(self.secret, EXECUTOR, *nonces)
        await self.send(spark_pb2.ExecutorFrame(proof=proof, takes_lane=self.takes_lane))
        return await self.read()

    async def settle(self) -> None:
        """Say where the blocks are."""
        located = spark_pb2.Located(address="there:1", root="/blocks")
        await self.send(spark_pb2.ExecutorFrame(located=located))

    async def send(self, frame) -> None:
        await self.call.write(frame if isinstance(frame, bytes) else frame.SerializeToString())

    async def read(self) -> spark_pb2.DriverFrame:
        async with asyncio.timeout(DEADLINE_S):
            return spark_pb2.DriverFrame.FromString(await self.call.read())


class Lane:
    """The executor's end of a lane."""

    def __init__(self, executor) -> None:
        self.socket = executor.lane

    async def send(self, data) -> None:
        data = HEADER.pack(len(data)) + data
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def read(self) -> spark_pb2.DriverFrame:
        async with asyncio.timeout(DEADLINE_S):
            data = await asyncio.get_running_loop().sock_recv(self.socket, 2**16)
        (length,) = HEADER.unpack_from(data)
        assert len(data) == HEADER.size + length
        return spark_pb2.DriverFrame.FromString(data[HEADER.size :])


async def attached(driver, **options) -> FakeExecutor:
    executor = FakeExecutor(driver, **options)
    answer = await executor.attach()
    assert answer.HasField("registered")
    await executor.settle()
    await driver.listener.until(lambda: "7" in driver.listener.added)
    return executor


async def test_an_expected_executor_is_registered_with_the_settings():
    driver = Driver(**{"spark.app.name": "test"})
    await driver.start()
    driver.server.expect("7")
    executor = FakeExecutor(driver)
    answer = await executor.attach()
    assert answer.registered.application_id == "app"
    assert answer.registered.conf == {"spark.app.name": "test"}
    assert driver.listener.added == {}
    await executor.settle()
    await driver.listener.until(lambda: driver.listener.added)
    assert driver.listener.added == {"7": Location("7", "there", "there:1", "/blocks")}
    await driver.stop()


async def test_frames_go_both_ways(driver):
    executor = await attached(driver)
    driver.server.send("7", spark_pb2.DriverFrame(stages=[spark_pb2.Stage(stage_key=5)]))
    assert (await executor.read()).stages[0].stage_key == 5
    results = spark_pb2.TaskResults(task_ids=[3], payloads=[b"x" * 5_000_000], workers=[1])
    await executor.send(spark_pb2.ExecutorFrame(results=results))
    (end,) = await driver.listener.ends(3)
    assert len(end.payload) == 5_000_000


@pytest.fixture
async def on_lane(driver):
    """An executor's end of a lane that it has taken."""
    executor = await attached(driver, takes_lane=True)
    with executor.lane:
        yield Lane(executor)


def results_of(task_id: int) -> bytes:
    results = spark_pb2.TaskResults(task_ids=[task_id], payloads=[b"x"], workers=[0])
    return spark_pb2.ExecutorFrame(results=results).SerializeToString()


async def test_frames_go_by_the_lane_once_it_is_taken(driver, on_lane):
    driver.server.send("7", spark_pb2.DriverFrame(stages=[spark_pb2.Stage(stage_key=5)]))
    assert (await on_lane.read()).stages[0].stage_key == 5
    await on_lane.send(results_of(3))
    await driver.listener.ends(3)


async def test_what_came_by_the_lane_is_heard_though_the_stream_has_ended(driver):
    executor = await attached(driver, takes_lane=True)
    with executor.lane:
        await Lane(executor).send(results_of(3))
        await executor.call.done_writing()
        await driver.listener.until(lambda: "7" in driver.listener.lost)
    assert 3 in driver.listener.ended


async def test_a_broken_lane_loses_the_executor(driver, on_lane):
    on_lane.socket.close()
    await driver.listener.until(lambda: "7" in driver.listener.lost)


async def test_garbage_on_the_lane_loses_the_executor(driver, on_lane):
    await on_lane.send(b"\xff\xff\xff garbage")
    await driver.listener.until(lambda: "7" in driver.listener.lost)
    assert "no frame" in driver.listener.lost["7"]
    assert driver.listener.failures == []


async def test_an_executor_that_is_refused_has_no_lane(driver):
    executor = FakeExecutor(driver, executor_id="8", takes_lane=True)
    assert (await executor.attach()).HasField("refused")
    with executor.lane:
        assert await asyncio.get_running_loop().sock_recv(executor.lane, 1) == b""


async def test_a_cancel_is_not_merged_with_what_comes_before_or_after(driver):
    executor = await attached(driver)
    for task_id, interrupt in ((1, True), (2, False)):
        cancel = spark_pb2.CancelTasks(task_ids=[task_id], interrupt=interrupt)
        driver.server.send("7", spark_pb2.DriverFrame(cancel=cancel))
    cancels = [(await executor.read()).cancel for _ in range(2)]
    assert [(list(c.task_ids), c.interrupt) for c in cancels] == [([1], True), ([2], False)]


async def test_an_executor_that_is_not_expected_is_refused(driver):
    answer = await FakeExecutor(driver, executor_id="8").attach()
    assert "'8' is not expected" in answer.refused.message
    assert driver.listener.added == {}


async def test_an_executor_id_attaches_only_once(driver):
    await attached(driver)
    answer = await FakeExecutor(driver).attach()
    assert answer.HasField("refused")
    assert driver.listener.lost == {}


async def test_a_wrong_proof_is_refused(driver):
    answer = await FakeExecutor(driver, secret=b"another").attach()
    assert "does not know the application's secret" in answer.refused.message
    assert driver.listener.added == {}
    assert driver.listener.failures == []


@pytest.mark.parametrize("metadata", [(), (("minimesos-knock-bin", b"x" * 64),)])
async def test_a_stranger_is_refused_before_anything_is_read(driver, metadata):
    call = driver.call(metadata)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("field", [{"version": "0.0.1"}, {"python_version": "3.99"}])
async def test_another_version_is_refused_and_fails_the_application(driver, field):
    answer = await FakeExecutor(driver, **field).attach()
    assert next(iter(field.values())) in answer.refused.message
    assert "install the driver's version" in answer.refused.message
    assert driver.listener.failures == [answer.refused.message]


async def test_another_version_without_the_secret_fails_nothing(driver):
    await FakeExecutor(driver, version="0.0.1", secret=b"another").attach()
    assert driver.listener.failures == []


async def test_an_executor_that_says_nothing_is_refused_in_time(driver, monkeypatch):
    monkeypatch.setattr(server_module, "HANDSHAKE_TIMEOUT_S", 0.05)
    executor = FakeExecutor(driver)
    assert "no handshake" in (await executor.read()).refused.message


async def test_garbage_in_the_handshake_is_refused(driver):
    executor = FakeExecutor(driver)
    await executor.send(b"\xff\xff\xff garbage")
    assert (await executor.read()).HasField("refused")


async def test_garbage_after_it_loses_the_executor(driver):
    executor = await attached(driver)
    await executor.send(b"\xff\xff\xff garbage")
    await driver.listener.until(lambda: "7" in driver.listener.lost)
    assert driver.listener.failures == []


async def test_a_lost_connection_loses_the_executor(driver):
    executor = await attached(driver)
    executor.call.cancel()
    await driver.listener.until(lambda: "7" in driver.listener.lost)
    assert "connection" in driver.listener.lost["7"]


async def test_who_knows_why_an_executor_died_is_waited_for(driver, monkeypatch):
    monkeypatch.setattr(server_module, "REASON_TIMEOUT_S", DEADLINE_S)
    executor = await attached(driver)
    executor.call.cancel()
    driver.server.forget("7", "memory limit exceeded")
    await driver.listener.until(lambda: "7" in driver.listener.lost)
    assert driver.listener.lost["7"] == "memory limit exceeded"


async def test_a_stream_that_ends_without_a_goodbye_is_a_lost_connection_too(driver, monkeypatch):
    monkeypatch.setattr(server_module, "REASON_TIMEOUT_S", DEADLINE_S)
    executor = await attached(driver)
    await executor.call.done_writing()
    driver.server.forget("7", "killed by signal 9")
    await driver.listener.until(lambda: "7" in driver.listener.lost)
    assert driver.listener.lost["7"] == "killed by signal 9"


async def test_an_executor_that_was_asked_to_end_is_lost_at_once_and_may_take_its_time(driver):
    executor = await attached(driver)
    driver.server.retire("7", "killed by the driver")
    assert driver.listener.lost == {"7": "killed by the driver"}
    driver.server.retire("7", "killed by the driver")
    driver.server.send("7", spark_pb2.DriverFrame(shutdown=True))  # it gets nothing more
    await executor.send(spark_pb2.ExecutorFrame(heartbeat=spark_pb2.Heartbeat()))
    assert await executor.call.read() is grpc.aio.EOF
    assert driver.listener.lost == {"7": "killed by the driver"}


async def test_an_executor_that_says_goodbye_tells_why(driver):
    executor = await attached(driver)
    goodbye = spark_pb2.Goodbye(reason="disk full")
    await executor.send(spark_pb2.ExecutorFrame(goodbye=goodbye))
    await executor.call.done_writing()
    await driver.listener.until(lambda: "7" in driver.listener.lost)
    assert driver.listener.lost["7"] == "disk full"


async def test_an_executor_without_a_place_for_its_blocks_is_none_but_says_why(driver, caplog):
    caplog.set_level("INFO")
    executor = FakeExecutor(driver)
    assert (await executor.attach()).HasField("registered")
    goodbye = spark_pb2.Goodbye(reason="no shuffle service")
    await executor.send(spark_pb2.ExecutorFrame(goodbye=goodbye))
    await executor.call.done_writing()
    await executor.call.read()  # until the driver has closed the stream
    assert (driver.listener.added, driver.listener.lost) == ({}, {})
    assert "executor cannot work" in caplog.text
    assert "no shuffle service" in caplog.text


async def test_executors_get_what_shuffle_services_want_to_see_but_no_secret():
    conf = {"spark.authenticate": "true", "spark.authenticate.secret": "shared"}
    driver = Driver(**conf)
    await driver.start()
    driver.server.expect("7")
    registered = (await FakeExecutor(driver).attach()).registered
    assert registered.conf == {"spark.authenticate": "true"}
    key = service_key(SECRET)
    name = service_name("app", key)
    assert encrypted_key(registered.shuffle_credential, name, b"shared") == key
    await driver.stop()


@pytest.mark.parametrize(
    "setting", ["spark.network.timeout", "spark.storage.blockManagerHeartbeatTimeoutMs"]
)
async def test_a_silent_executor_is_lost(setting):
    driver = Driver(**{setting: "50ms"})
    await driver.start()
    driver.server.expect("7")
    await attached(driver)
    await driver.listener.until(lambda: "7" in driver.listener.lost)
    assert "silent for 0.05 s" in driver.listener.lost["7"]
    await driver.stop()


async def test_ends_that_we_asked_for_are_no_losses(driver):
    executor = await attached(driver)
    driver.server.shut_down_executors()
    assert (await executor.read()).shutdown
    await executor.call.done_writing()
    await driver.server.stop()
    assert driver.listener.lost == {}


async def test_an_executor_that_comes_while_the_driver_stops_is_sent_home(driver, caplog):
    driver.server.shut_down_executors()
    executor = FakeExecutor(driver)
    assert (await executor.attach()).HasField("registered")
    assert (await executor.read()).shutdown
    assert "refused" not in caplog.text


async def test_blocks_have_a_port_of_their_own_if_one_is_set():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = Driver(**{"spark.driver.blockManager.port": str(port)})
    await driver.start()
    blocks_port = int(driver.server.blocks_address.rpartition(":")[2])
    assert port <= blocks_port <= port + 16
    assert driver.server.blocks_address != driver.address
    driver.server.expect("7")
    driver.address = driver.server.blocks_address
    await attached(driver)  # whatever is served, is served at both
    await driver.stop()

    driver = Driver()
    await driver.start()
    assert driver.server.blocks_address == driver.address
    await driver.stop()


async def test_a_taken_port_gives_way_to_the_next():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        driver = Driver(**{"spark.driver.port": str(port)})
        await driver.start()
        assert driver.address != f"127.0.0.1:{port}"
        await driver.stop()
        driver = Driver(**{"spark.driver.port": str(port), "spark.port.maxRetries": "0"})
        with pytest.raises(minimesos.errors.MinimesosError, match=f"no port from {port}"):
            await driver.start()
