"""Block transfer between real servers and clients on loopback."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends import block_client
from minimesos.spark.backends.block_client import BlockClient
from minimesos.spark.backends.blocks import CHUNK_BYTES, FETCH_METHOD, BlockService
from minimesos.spark.backends.doorkeeper import OPTIONS, Doorkeeper, knock
from minimesos.spark.backends.proofs import SERVE, prove

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
    client = BlockClient(SECRET, retries=0)
    yield client
    await client.close()


@pytest.fixture
def copy(tmp_path) -> Path:
    return tmp_path / "copy"


async def fetched(client, address, ranges, copy):
    """Fetch (path, offset, length)s; returns what is wrong, and how many are there."""
    return tuple(await client.fetch(address, "7", *zip(*ranges, strict=True), str(copy)))


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 0), (100, 0), (5, 10), (CHUNK_BYTES - 1, CHUNK_BYTES + 2), (len(DATA) - 1, 1)],
)
async def test_a_range_arrives_as_it_is(address, client, copy, offset, length):
    assert await fetched(client, address, [("data", offset, length)], copy) == ("", 1)
    assert copy.read_bytes() == DATA[offset:][: length or None]


async def test_an_empty_file_arrives_empty(address, client, copy):
    assert await fetched(client, address, [("empty", 0, 0)], copy) == ("", 1)
    assert copy.read_bytes() == b""


async def test_many_ranges_arrive_one_after_another(address, client, copy, tmp_path):
    (tmp_path / "root" / "other").write_bytes(b"0123456789")
    large = [("data", 7, CHUNK_BYTES), ("other", 3, 4), ("data", 0, CHUNK_BYTES + 1)]
    ranges = [*large, *(("other", number % 10, 1) for number in range(500))]
    assert await fetched(client, address, ranges, copy) == ("", len(ranges))
    files = {"data": DATA, "other": b"0123456789"}
    assert copy.read_bytes() == b"".join(files[path][at : at + n] for path, at, n in ranges)


@pytest.mark.parametrize(
    ("path", "offset", "length", "reason"),
    [
        ("missing", 0, 0, "missing: No such file"),
        ("data", 0, len(DATA) + 1, f"data ends after {len(DATA)}"),
        ("data", len(DATA) + 5, 1, f"data ends after {len(DATA)}"),
        ("data", 2**63, 1, "too large"),
        ("data\0", 0, 0, "null byte"),
        ("../outside", 0, 0, "not below the root"),
        ("/etc/passwd", 0, 0, "not below the root"),
        ("link", 0, 0, "not below the root"),
        (".", 0, 0, "not below the root"),
    ],
)
async def test_what_cannot_be_had_is_said(address, client, copy, path, offset, length, reason):
    wish = [("data", 0, 10), ("data", 10, 10), (path, offset, length), ("data", 0, 10)]
    why, complete = await fetched(client, address, wish, copy)
    assert reason in why
    assert complete == 2
    assert copy.read_bytes()[:20] == DATA[:20]


async def test_a_peer_that_is_gone_is_said(client, copy):
    why, complete = await fetched(client, "127.0.0.1:1", [("data", 0, 0)], copy)
    assert "UNAVAILABLE" in why
    assert complete == 0
    assert await fetched(client, "", [("data", 0, 0)], copy) == ("its owner serves no blocks", 0)


async def test_what_cannot_be_written_is_said(address, client, tmp_path):
    why, _ = await fetched(client, address, [("data", 0, 0)], tmp_path / "no" / "such")
    assert "cannot write" in why


async def test_a_client_with_another_secret_is_refused(address, copy):
    client = BlockClient(b"another")
    assert "UNAUTHENTICATED" in (await fetched(client, address, [("data", 0, 0)], copy))[0]
    await client.close()


async def test_knocking_is_not_enough_to_fetch(address):
    _, metadata = knock(SECRET)
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_stream(FETCH_METHOD, None, None)
        for request in (
            b"\xff\xff garbage",
            spark_pb2.ProvenRequest(content=b"").SerializeToString(),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(request, metadata=metadata).read()
            assert refused.value.code().name in ("INVALID_ARGUMENT", "UNAUTHENTICATED")


@asynccontextmanager
async def peer(serve):
    """A peer that answers requests for blocks in its own way; yields its address."""
    handler = grpc.unary_stream_rpc_method_handler(serve)
    server = grpc.aio.server()
    service, method = FETCH_METHOD.split("/")[1:]
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


def first_chunk(request, data):
    """Answer a request as who knows the secret."""
    proof = prove(SECRET, SERVE, request.nonce, request.content)
    return spark_pb2.FetchChunk(proof=proof, data=data).SerializeToString()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            lambda request: spark_pb2.FetchChunk(proof=b"x" * 32, data=b"evil").SerializeToString(),
            "does not know the application's secret",
        ),
        (lambda request: b"\xff\xff garbage", "sends what is no block"),
        (lambda request: first_chunk(request, b"0123456789"), "sends more than it was asked for"),
        (lambda request: first_chunk(request, b"01"), "ends after 2 of 5 bytes"),
    ],
    ids=["no proof", "garbage", "too much", "too little"],
)
async def test_a_peer_that_does_not_do_as_it_should_is_not_asked_again(copy, answer, reason):
    asked = []

    async def serve(data, context):
        asked.append(data)
        await context.write(answer(spark_pb2.ProvenRequest.FromString(data)))

    client = BlockClient(SECRET, retries=3, retry_wait_s=0)
    async with peer(serve) as address:
        assert reason in (await fetched(client, address, [("data", 0, 5)], copy))[0]
    assert len(asked) == 1
    await client.close()


async def test_a_peer_that_breaks_off_is_asked_again_for_what_is_missing(copy):
    wishes = []

    async def serve(data, context):
        request = spark_pb2.ProvenRequest.FromString(data)
        wish = spark_pb2.FetchWish.FromString(request.content)
        wishes.append(list(zip(wish.paths, wish.offsets, wish.lengths, strict=True)))
        content = b"".join(
            b"0123456789"[offset : offset + length]
            for offset, length in zip(wish.offsets, wish.lengths, strict=True)
        )
        await context.write(first_chunk(request, content[:4]))
        if len(content) > 4:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "going down")

    client = BlockClient(SECRET, retries=2, retry_wait_s=0)
    async with peer(serve) as address:
        wish = [("a", 2, 3), ("b", 1, 4), ("c", 0, 5)]
        assert await fetched(client, address, wish, copy) == ("", 3)
    assert copy.read_bytes() == b"234" + b"1234" + b"01234"
    assert wishes == [wish, [("b", 2, 3), ("c", 0, 5)], [("c", 1, 4)]]
    await client.close()


async def test_there_is_an_end_to_asking_again(copy, caplog):
    caplog.set_level("INFO")
    asked = []

    async def serve(data, context):
        asked.append(data)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "going down")

    client = BlockClient(SECRET, retries=2, retry_wait_s=0)
    async with peer(serve) as address:
        why, complete = await fetched(client, address, [("a", 0, 1)], copy)
    assert (len(asked), complete) == (3, 0)
    assert "going down" in why
    assert caplog.text.count("fetching again") == 2
    await client.close()


async def test_a_silent_peer_is_given_up(copy, monkeypatch):
    monkeypatch.setattr(block_client, "SILENCE_MAX_S", 0.01)

    async def serve(data, context):
        await asyncio.Event().wait()

    client = BlockClient(SECRET, retries=0)
    async with peer(serve) as address:
        assert "silent for 0.01 s" in (await fetched(client, address, [("a", 0, 1)], copy))[0]
    await client.close()


async def test_fetches_that_are_given_up_are_not_answered(copy):
    async def serve(data, context):
        asked.set()
        await asyncio.Event().wait()

    asked = asyncio.Event()
    answers = []
    client = BlockClient(SECRET)
    async with peer(serve) as address:
        client.start(client.fetch(address, "7", ["a"], [0], [1], str(copy)), answers.append)
        await asked.wait()
        await client.close()
    assert answers == []
