"""The Spark executor backend as a real process, attached to a driver's server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from minimesos_executor import spark

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends import server as server_module
from minimesos.spark.backends.lane import Lanes
from minimesos.spark.backends.server import ExecutorServer
from minimesos.spark.conf import SparkConf
from minimesos.spark.env import DRIVER, Location
from minimesos.spark.files import ShippedFiles, SparkFiles
from minimesos.spark.scheduler.task import decode_failure
from minimesos.spark.shipment import Shipment
from minimesos.testing.spark_executors import DEADLINE_S, RecordingListener, job, stage, tasks

pytestmark = pytest.mark.integration

SECRET = os.urandom(32)
SECRET_HEX = SECRET.hex()


class Application:
    """A driver's server, and the executors that were started for it."""

    def __init__(self, directory: Path) -> None:
        self.listener = RecordingListener()
        self.blocks = directory / "driver"
        self.blocks.mkdir()
        conf = SparkConf(loadDefaults=False)
        self.server = ExecutorServer(SECRET, conf, self.listener, str(self.blocks))
        self.server.application_id = "app"
        self._sandbox = directory / "sandbox"
        self._sandbox.mkdir()
        self.processes: list[asyncio.subprocess.Process] = []

    async def executor(
        self, executor_id="0", *, secret=SECRET_HEX, app_id="app", cores=1, blocks_port=0
    ):
        """Start an executor; returns its process."""
        self.server.expect(executor_id)
        options = {
            "driver-url": self.address,
            "executor-id": executor_id,
            "cores": cores,
            "app-id": app_id,
            "hostname": f"host-{executor_id}",
            "block-manager-port": blocks_port,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "minimesos_executor", "spark"),
            *(f"--{name}={value}" for name, value in options.items()),
            env={
                **os.environ,
                spark.SECRET_VARIABLE: secret,
                "MESOS_SANDBOX": str(self._sandbox),
            },
            stderr=asyncio.subprocess.PIPE,
        )
        self.processes.append(process)
        return process

    async def registered(self, executor_id="0", **options):
        process = await self.executor(executor_id, **options)
        await self.listener.until(lambda: executor_id in self.listener.added)
        return process


@pytest.fixture
async def app(tmp_path):
    app = Application(tmp_path)
    app.address = await app.server.start()
    yield app
    await app.server.stop()
    for process in app.processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def finish(process):
    """Wait for the end of a process; returns its exit code and what it said."""
    _, errors = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    return process.returncode, errors.decode()


async def test_tasks_run_and_the_executor_ends_when_the_driver_is_done(app, tmp_path):
    process = await app.registered()
    app.server.send("0", job(1, lambda i, _: i + 1, range(100)))
    ends = await app.listener.ends(*range(100))
    assert [end.value for end in ends] == list(range(1, 101))
    app.server.shut_down_executors()
    code, errors = await finish(process)
    assert code == 0
    assert "Traceback" not in errors
    assert os.listdir(tmp_path / "sandbox") == []


async def test_its_location_is_where_its_blocks_are(app):
    await app.registered()
    app.server.send("0", job(1, lambda i, task: task.env.local_dir, [0]))
    (end,) = await app.listener.ends(0)
    location = app.listener.added["0"]
    assert (location.executor_id, location.host) == ("0", "host-0")
    assert location.root == end.value
    assert location.blocks_address.startswith("127.0.0.1:")


async def test_its_blocks_are_served_at_the_port_that_it_was_given_or_not_at_all(app):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, errors = await finish(await app.executor("0", blocks_port=port))
        assert code == 1
        assert f"port {port} for blocks is not free" in errors
    await app.executor("1", blocks_port=port)
    await app.listener.until(lambda: "1" in app.listener.added)
    assert app.listener.added["1"].blocks_address == f"127.0.0.1:{port}"


async def test_a_task_fetches_a_file_of_another_executor(app):
    await app.registered("0")
    await app.registered("1")
    location = app.listener.added["1"]
    Path(location.root, "shuffle_1_0_0.data").write_bytes(b"0123456789")

    def fetch(i, task):
        return Path(task.env.fetch(location, "shuffle_1_0_0.data", 2, 3)).read_bytes()

    app.server.send("0", job(1, fetch, [0]))
    (end,) = await app.listener.ends(0)
    assert end.value == b"234"


async def test_what_the_driver_shipped_is_fetched_on_another_host(app, tmp_path):
    files = ShippedFiles(str(app.blocks), {})
    try:
        (tmp_path / "large").write_bytes(bytes(3_000_000))
        (tmp_path / "empty").touch()
        files.add_all([], [str(tmp_path / "large"), str(tmp_path / "empty")], [])
    finally:
        files.close()
    driver = Location(DRIVER, "driver-host", app.address, str(app.blocks))
    await app.registered("0", cores=2)

    def look(i, task):
        names = ("large", "empty")
        return [os.path.getsize(SparkFiles.get(name)) for name in names], SparkFiles.get("empty")

    shipped = stage(1, look, Shipment(files.version, driver))
    ids = range(8)
    app.server.send("0", spark_pb2.DriverFrame(stages=[shipped], tasks=[tasks(1, ids)]))
    root = app.listener.added["0"].root
    ends = await app.listener.ends(*ids)
    assert [end.value for end in ends] == [([3_000_000, 0], f"{root}/files/empty")] * 8
    Path(files.root, "empty").unlink()
    await app.registered("1")
    app.server.send("1", spark_pb2.DriverFrame(stages=[shipped], tasks=[tasks(1, [100])]))
    (end,) = await app.listener.ends(100)
    assert end.outcome == spark_pb2.FAILED
    assert "files/empty from driver failed" in decode_failure(end.payload).message


async def test_user_code_finds_the_secret_nowhere_in_the_environment(app):
    await app.registered()
    needle = SECRET.hex()

    def search(i, _):
        pids = os.getpid(), os.getppid()
        environments = [Path(f"/proc/{pid}/environ").read_text() for pid in pids]
        return any(needle in text for text in [*environments, *os.environ.values()])

    app.server.send("0", job(1, search, [0]))
    (end,) = await app.listener.ends(0)
    assert end.value is False


async def test_workers_are_small_and_without_grpc_and_threads(app):
    await app.registered()

    def look(i, _):
        return [
            (Path(f"/proc/{pid}/status").read_text(), Path(f"/proc/{pid}/maps").read_text())
            for pid in (os.getpid(), os.getppid())
        ]

    app.server.send("0", job(1, look, [0]))
    (end,) = await app.listener.ends(0)
    for status, maps in end.value:
        assert "Threads:\t1\n" in status
        assert "cygrpc" not in maps


class LaneElsewhere(Lanes):
    """As executors of other hosts find it: not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "minimesos-of-another-host"


async def test_an_executor_of_another_host_works_by_the_stream(tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "Lanes", LaneElsewhere)
    app = Application(tmp_path)
    app.address = await app.server.start()
    process = await app.registered()
    app.server.send("0", job(1, lambda i, _: i * 2, range(50)))
    assert [end.value for end in await app.listener.ends(*range(50))] == [*range(0, 100, 2)]
    app.server.shut_down_executors()
    assert (await finish(process))[0] == 0
    await app.server.stop()


async def test_losing_the_driver_ends_everything_within_a_second(app, ends):
    process = await app.registered()
    app.server.send("0", job(1, lambda i, _: (os.getpid(), os.getppid()), [0]))
    (end,) = await app.listener.ends(0)
    async with asyncio.timeout(2):  # one second, and how long the server itself takes
        await app.server.stop()
        await process.wait()
    code, errors = await finish(process)
    assert code == 1
    assert "driver" in errors
    for pid in end.value:
        ends(pid)


async def test_being_terminated_is_told_to_the_driver(app, tmp_path):
    process = await app.registered()
    process.send_signal(signal.SIGTERM)
    assert (await finish(process))[0] == 1
    await app.listener.until(lambda: "0" in app.listener.lost)
    assert "terminated" in app.listener.lost["0"]
    assert os.listdir(tmp_path / "sandbox") == []


async def test_being_killed_is_a_loss(app):
    process = await app.registered()
    process.kill()
    await app.listener.until(lambda: "0" in app.listener.lost)


async def test_a_wrong_secret_is_refused_by_the_driver(app):
    process = await app.executor(secret=os.urandom(32).hex())
    code, errors = await finish(process)
    assert code == 1
    assert "secret is not proven" in errors
    assert app.listener.added == {}


@pytest.mark.parametrize("secret", ["", "not hex"])
async def test_it_does_not_start_without_a_secret(app, secret):
    process = await app.executor(secret=secret)
    code, errors = await finish(process)
    assert code == 2
    assert f"{spark.SECRET_VARIABLE} must hold" in errors


async def test_another_version_of_the_driver_is_named_on_both_sides(app, monkeypatch):
    monkeypatch.setattr("minimesos.__version__", "9.9.9")
    process = await app.executor()
    code, errors = await finish(process)
    assert code == 1
    assert "driver runs minimesos 9.9.9" in errors
    assert "driver runs minimesos 9.9.9" in app.listener.failures[0]


async def test_a_driver_of_another_application_is_not_served(app):
    process = await app.executor(app_id="another")
    code, errors = await finish(process)
    assert code == 1
    assert "of application app" in errors


async def test_a_driver_that_is_not_there_is_said(app):
    app.address = "127.0.0.1:1"
    process = await app.executor()
    code, errors = await finish(process)
    assert code == 1
    assert "127.0.0.1:1" in errors


async def test_what_is_no_frame_ends_the_executor(app):
    process = await app.registered()

    class Garbage:
        def SerializeToString(self):
            return b"\xff\xff\xff garbage"

    app.server.send("0", Garbage())
    code, errors = await finish(process)
    assert code == 1
    assert "no frame" in errors


def test_an_executor_with_a_network_of_its_own_goes_by_the_name_of_its_host_there() -> None:
    options = spark.parse(
        ["--driver-url", "h:1", "--executor-id", "0", "--cores", "1", "--app-id", "a"]
    )
    assert options.hostname == socket.gethostname()
