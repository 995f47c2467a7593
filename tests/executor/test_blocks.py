"""Where an executor's blocks lie, with a shuffle service and without."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from minimesos_executor.blocks import Seeker

from minimesos.errors import MinimesosError
from minimesos.spark.backends.block_client import BlockClient
from minimesos.spark.backends.shuffle_client import ShuffleServiceError
from minimesos.spark.backends.shuffle_server import ShuffleServer

pytestmark = pytest.mark.integration

SECRET = b"secret"
FILE = "shuffle_0_0_7.data"
QUICK = {
    "spark.shuffle.registration.timeout": "50ms",
    "spark.shuffle.registration.maxAttempts": "1",
}
SERVED = {"spark.shuffle.service.enabled": "true", **QUICK}


def seeker(port: int = 0, **environment: str) -> Seeker:
    return Seeker("app", "7", SECRET, "127.0.0.1", port, environment)


@pytest.fixture
async def service(tmp_path):
    local_dirs = [tmp_path / name for name in ("a", "b")]
    service = ShuffleServer("127.0.0.1", 0, local_dirs)
    await service.start()
    yield service
    await service.stop()


async def read(address: str, service_of: str | None, tmp_path: Path) -> str:
    client = BlockClient(SECRET, service_of=service_of, retries=0)
    copy = tmp_path / "copy"
    reason, _ = await client.fetch(address, "7", [FILE], [0], [0], str(copy))
    await client.close()
    return reason or copy.read_text()


@pytest.mark.parametrize("variable", ["SPARK_LOCAL_DIRS", "MESOS_SANDBOX"])
async def test_without_a_service_they_go_with_the_executor_who_serves_them(tmp_path, variable):
    async with seeker(**{variable: str(tmp_path)}).place({}, b"") as place:
        assert Path(place.root).parent == tmp_path
        Path(place.root, FILE).write_text("data")
        assert await read(place.address, None, tmp_path) == "data"
        os.unlink(tmp_path / "copy")
    assert os.listdir(tmp_path) == []


async def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MinimesosError, match=f"port {port} for blocks is not free"):
            async with seeker(port).place({}, b""):
                pass


async def test_at_a_service_map_outputs_stay_and_nothing_else(service, tmp_path):
    told = {"MINIMESOS_SHUFFLE_SERVICE_PORT": str(service.port)}
    conf = SERVED | {"spark.shuffle.service.port": "1"}  # the agent knows better
    async with seeker(**told).place(conf, b"") as place:
        root = Path(place.root)
        root.joinpath(FILE).write_text("data")
        root.joinpath("broadcast_0").touch()
        root.joinpath("files").mkdir()
        root.joinpath("files", "shipped").touch()
    assert os.listdir(root) == [FILE]
    assert place.address == f"127.0.0.1:{service.port}"
    assert await read(place.address, "app", tmp_path) == "data"


@pytest.mark.parametrize(
    ("environment", "conf"),
    [
        ({"SPARK_LOCAL_DIRS": "{b},/elsewhere"}, {"spark.local.dir": "{a}"}),
        ({}, {"spark.local.dir": "{b}"}),
    ],
    ids=["the variable wins", "the setting"],
)
async def test_it_says_where_it_would_like_to_be(service, tmp_path, environment, conf):
    places = {name: str(tmp_path / name) for name in ("a", "b")}
    environment = {key: text.format(**places) for key, text in environment.items()}
    conf = {key: text.format(**places) for key, text in conf.items()}
    told = {"MINIMESOS_SHUFFLE_SERVICE_PORT": str(service.port)}
    async with seeker(**told, **environment).place(SERVED | conf, b"") as place:
        assert tmp_path / "b" in Path(place.root).parents


async def test_it_ends_in_peace_when_the_application_is_over_first(service):
    told = {"MINIMESOS_SHUFFLE_SERVICE_PORT": str(service.port)}
    async with seeker(**told).place(SERVED, b"") as place:
        os.rmdir(place.root)
    assert not os.path.exists(place.root)


async def test_a_service_that_is_not_there_is_named():
    with pytest.raises(ShuffleServiceError, match=r"127\.0\.0\.1:1 within 0\.05 s"):
        async with seeker().place(SERVED | {"spark.shuffle.service.port": "1"}, b""):
            pass
