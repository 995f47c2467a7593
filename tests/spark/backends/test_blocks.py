"""Block transfer between real servers and clients on loopback."""

from __future__ import annotations

import os
from pathlib import Path

import grpc.aio
import pytest

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends.blocks import CHUNK_BYTES, BlockClient, BlockService
from minimesos.spark.backends.doorkeeper import OPTIONS, Doorkeeper, knock

pytestmark = pytest.mark.integration

SECRET = b"secret"
DATA = os.urandom(2 * CHUNK_BYTES + 12345)


@pytest.fixture
async def address(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "data").write_bytes(DATA)
    (root / "empty").write_bytes(b"")
    (tmp_path / "outside").write_bytes(b"private")
    (root / "link").symlink_to(tmp_path / "outside")
    server = grpc.aio.server(interceptors=(Doorkeeper(SECRET),), options=OPTIONS)
    BlockService(SECRET, str(root)).add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
async def client():
    client = BlockClient(SECRET)
    yield client
    await client.close()


@pytest.fixture
def copy(tmp_path) -> Path:
    return tmp_path / "copy"


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 0), (100, 0), (5, 10), (CHUNK_BYTES - 1, CHUNK_BYTES + 2), (len(DATA) - 1, 1)],
)
async def test_a_range_arrives_as_it_is(address, client, copy, offset, length):
    assert await client.fetch(address, "data", offset, length, str(copy)) == ""
    assert copy.read_bytes() == DATA[offset:][: length or None]


async def test_an_empty_file_arrives_empty(address, client, copy):
    assert await client.fetch(address, "empty", 0, 0, str(copy)) == ""
    assert copy.read_bytes() == b""


@pytest.mark.parametrize(
    ("path", "offset", "length", "reason"),
    [
        ("missing", 0, 0, "No such file"),
        ("data", 0, len(DATA) + 1, f"ends after {len(DATA)}"),
        ("data", len(DATA) + 5, 1, "ends after 0"),
        ("../outside", 0, 0, "not below the root"),
        ("/etc/passwd", 0, 0, "not below the root"),
        ("link", 0, 0, "not below the root"),
        (".", 0, 0, "not below the root"),
    ],
)
async def test_what_cannot_be_had_is_said(address, client, copy, path, offset, length, reason):
    assert reason in await client.fetch(address, path, offset, length, str(copy))


async def test_a_peer_that_is_gone_is_said_at_once(client, copy):
    assert "UNAVAILABLE" in await client.fetch("127.0.0.1:1", "data", 0, 0, str(copy))
    assert "serves no blocks" in await client.fetch("", "data", 0, 0, str(copy))


async def test_a_client_with_another_secret_is_refused(address, copy):
    client = BlockClient(b"another")
    assert "UNAUTHENTICATED" in await client.fetch(address, "data", 0, 0, str(copy))
    await client.close()


async def test_knocking_is_not_enough_to_fetch(address):
    _, metadata = knock(SECRET)
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_stream("/minimesos.spark.Blocks/Fetch", None, None)
        for request in (
            b"\xff\xff garbage",
            spark_pb2.FetchRequest(path="data").SerializeToString(),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(request, metadata=metadata).read()
            assert refused.value.code().name in ("INVALID_ARGUMENT", "UNAUTHENTICATED")


async def test_data_of_an_impostor_is_not_taken(client, copy):
    async def serve(request, context):
        await context.write(spark_pb2.FetchChunk(proof=b"x" * 32, data=b"evil").SerializeToString())

    handler = grpc.unary_stream_rpc_method_handler(serve)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("minimesos.spark.Blocks", {"Fetch": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    reason = await client.fetch(f"127.0.0.1:{port}", "data", 0, 0, str(copy))
    assert reason == "its owner does not know the application's secret"
    assert copy.read_bytes() == b""
    await server.stop(None)
