"""Streams between two real actors, by gRPC over loopback and by frames on the same host."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest

from minimesos.actor import (
    Close,
    Connect,
    Connected,
    Disconnected,
    Effect,
    Received,
    Send,
    Stimulus,
)
from minimesos.proto.mesos.v1 import master_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.runtime import rpc, same_host, streams
from minimesos.runtime.loop import ActorLoop
from minimesos.runtime.rpc import AGENT, OperatorError, RpcClient, RpcServer
from minimesos.runtime.streams import Peers

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0  # a test that waits for so long has failed
PONG = cluster_pb2.Pong()
PING = cluster_pb2.Ping(connected=True)


@pytest.fixture(params=["gRPC", "same host"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let each test have its streams both ways: `Stream` promises the same over either."""
    if request.param == "gRPC":
        reachable = os.access

        def access(path: str, mode: int) -> bool:
            return not path.endswith(".frames") and reachable(path, mode)

        monkeypatch.setattr(os, "access", access)
    return str(request.param)


React = Callable[[Stimulus], Sequence[Effect]]


class Recorder:
    """An actor that keeps what it hears, and reacts as its test says."""

    def __init__(self, react: React = lambda _: ()) -> None:
        self._react = react
        self._heard: asyncio.Queue[Stimulus] = asyncio.Queue()

    def start(self, now: float) -> Sequence[Effect]:
        return ()

    def handle(self, stimulus: Stimulus, now: float) -> Sequence[Effect]:
        self._heard.put_nowait(stimulus)
        return self._react(stimulus)

    async def next(self) -> Stimulus:
        return await asyncio.wait_for(self._heard.get(), PATIENCE_S)

    def idle(self) -> bool:
        return self._heard.empty()


@asynccontextmanager
async def master(socket: Path, react: React = lambda _: ()) -> AsyncIterator[Recorder]:
    actor = Recorder(react)
    host = ActorLoop(actor)
    server = RpcServer(socket)
    server.serve_streams(AGENT, Peers(host))
    server.serve_locate()
    await server.start()
    running = asyncio.create_task(host.run())
    yield actor
    host.stop()
    await running
    await server.stop(grace_s=0)


@asynccontextmanager
async def agent(react: React = lambda _: ()) -> AsyncIterator[tuple[Recorder, ActorLoop]]:
    actor = Recorder(react)
    host = ActorLoop(actor)
    peers = Peers(host)
    client = RpcClient(AGENT, peers)
    running = asyncio.create_task(host.run())
    yield actor, host
    peers.close_all()
    await client.stop()
    host.stop()
    assert await running == 0


def connect_to(socket: Path) -> Callable[[float], list[Effect]]:
    return lambda now: [Connect("master", f"unix:{socket}")]


async def test_messages_travel_both_ways_in_order_and_without_their_envelopes(
    tmp_path: Path,
) -> None:
    def answer(stimulus: Stimulus) -> Sequence[Effect]:
        match stimulus:
            case Received(peer, cluster_pb2.Pong()):
                return [Send(peer, PING), Send(peer, cluster_pb2.ShutdownAgent(message="bye"))]
        return ()

    async with master(tmp_path / "s", answer) as server, agent() as (client, host):
        host.post(connect_to(tmp_path / "s"))
        assert await client.next() == Connected("master")
        host.post(lambda now: [Send("master", PONG)])
        assert await server.next() == Connected("agent/1")
        assert await server.next() == Received("agent/1", PONG)
        assert await client.next() == Received("master", PING)
        shutdown = cluster_pb2.ShutdownAgent(message="bye")
        assert await client.next() == Received("master", shutdown)


async def test_a_client_that_sees_the_servers_socket_does_without_grpc(
    tmp_path: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    async def open_frames(path: str, method: str) -> same_host.FrameConnection:
        opened.append(method)
        return await connect_frames(path, method)

    connect_frames = same_host.connect
    monkeypatch.setattr(same_host, "connect", open_frames)
    async with master(tmp_path / "s"), agent() as (client, host):
        host.post(connect_to(tmp_path / "s"))
        assert await client.next() == Connected("master")
    assert opened == ([AGENT.path] if transport == "same host" else [])


async def test_an_acknowledgement_goes_with_the_next_message_or_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[bytes] = []
    next_frame = streams.Stream._next_frame
    monkeypatch.setattr(
        streams.Stream,
        "_next_frame",
        lambda stream: frames.append(next_frame(stream)) or frames[-1],
    )
    acknowledgement = cluster_pb2.StatusUpdateAcknowledgement(
        framework_id={"value": "f"}, task_id={"value": "t"}, uuid=b"u"
    )

    def acknowledge(stimulus: Stimulus) -> Sequence[Effect]:
        if isinstance(stimulus, Connected):
            return [Send(stimulus.peer, acknowledgement), Send(stimulus.peer, PING)]
        if isinstance(stimulus, Received):
            return [Send(stimulus.peer, acknowledgement)]
        return ()

    async with master(tmp_path / "s", acknowledge), agent() as (client, host):
        host.post(connect_to(tmp_path / "s"))
        assert await client.next() == Connected("master")
        assert await client.next() == Received("master", acknowledgement)
        assert await client.next() == Received("master", PING)
        assert len(frames) == 1
        host.post(lambda now: [Send("master", PONG)])
        assert await client.next() == Received("master", acknowledgement)


async def test_many_messages_arrive_complete_and_in_order(tmp_path: Path) -> None:
    def flood(stimulus: Stimulus) -> Sequence[Effect]:
        if not isinstance(stimulus, Connected):
            return ()
        return [Send(stimulus.peer, cluster_pb2.ShutdownAgent(message=str(n))) for n in range(5000)]

    async with master(tmp_path / "s", flood), agent() as (client, host):
        host.post(connect_to(tmp_path / "s"))
        assert await client.next() == Connected("master")
        for n in range(5000):
            expected = Received("master", cluster_pb2.ShutdownAgent(message=str(n)))
            assert await client.next() == expected


async def test_what_was_sent_before_a_close_arrives_and_the_closer_hears_nothing_more(
    tmp_path: Path,
) -> None:
    async with master(tmp_path / "s") as server, agent() as (client, host):
        host.post(connect_to(tmp_path / "s"))
        assert await client.next() == Connected("master")
        host.post(lambda now: [Send("master", PONG), Close("master")])
        assert await server.next() == Connected("agent/1")
        assert await server.next() == Received("agent/1", PONG)
        gone = await server.next()
        assert isinstance(gone, Disconnected)
        assert client.idle()


async def test_a_server_that_closes_delivers_first_and_the_client_hears_the_end(
    tmp_path: Path,
) -> None:
    def refuse(stimulus: Stimulus) -> Sequence[Effect]:
        if isinstance(stimulus, Connected):
            return [Send(stimulus.peer, PING), Close(stimulus.peer)]
        return ()

    async with master(tmp_path / "s", refuse) as server, agent() as (client, host):
        host.post(connect_to(tmp_path / "s"))
        assert await client.next() == Connected("master")
        assert await client.next() == Received("master", PING)
        assert isinstance(await client.next(), Disconnected)
        assert await server.next() == Connected("agent/1")
        assert server.idle()


async def test_a_connection_that_fails_is_a_disconnection_that_names_the_address(
    tmp_path: Path,
) -> None:
    async with agent() as (client, host):
        host.post(connect_to(tmp_path / "nobody"))
        gone = await client.next()
        assert isinstance(gone, Disconnected)
        assert gone.peer == "master"
        assert str(tmp_path / "nobody") in gone.reason


async def test_connecting_again_under_a_name_closes_the_older_stream(tmp_path: Path) -> None:
    async with master(tmp_path / "s") as server, agent() as (client, host):
        host.post(connect_to(tmp_path / "s"))
        assert await client.next() == Connected("master")
        host.post(connect_to(tmp_path / "s"))
        assert await client.next() == Connected("master")
        heard = [await server.next() for _ in range(3)]
        assert Connected("agent/1") in heard
        assert Connected("agent/2") in heard
        assert [s.peer for s in heard if isinstance(s, Disconnected)] == ["agent/1"]


async def test_a_peer_that_does_not_read_is_given_up_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "OUTBOX_BYTES_MAX", 100_000)
    large = cluster_pb2.ShutdownAgent(message="x" * 60_000)

    def flood(stimulus: Stimulus) -> Sequence[Effect]:
        return [Send("agent/1", large)] * 3 if isinstance(stimulus, Connected) else ()

    async with (
        master(tmp_path / "s", flood) as server,
        grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}", rpc.OPTIONS) as channel,
    ):
        call = channel.stream_stream(AGENT.path, None, None)(None)
        await call.wait_for_connection()
        assert await server.next() == Connected("agent/1")
        gone = await server.next()
        assert isinstance(gone, Disconnected)
        assert "does not read" in gone.reason


async def test_a_malformed_frame_ends_only_the_stream_that_it_came_by(tmp_path: Path) -> None:
    async with (
        master(tmp_path / "s") as server,
        grpc.aio.insecure_channel(f"unix:{tmp_path / 's'}", rpc.OPTIONS) as channel,
    ):
        call = channel.stream_stream(AGENT.path, None, None)(None)
        await call.write(b"\x0a\xff")
        assert await server.next() == Connected("agent/1")
        gone = await server.next()
        assert isinstance(gone, Disconnected)
        assert "malformed frame" in gone.reason
        assert await rpc.locate(f"unix:{tmp_path / 's'}") == f"unix:{tmp_path / 's'}"


async def test_operator_calls_are_answered_or_refused_with_a_status(tmp_path: Path) -> None:
    async def answer(call: master_pb2.Call) -> master_pb2.Response:
        if call.type == master_pb2.Call.GET_HEALTH:
            return master_pb2.Response(type=master_pb2.Response.GET_HEALTH)
        raise OperatorError(501, "not yet")

    server = RpcServer(tmp_path / "s")
    server.serve_operator(answer)
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        ask = channel.unary_unary(
            "/minimesos.Master/Operator", None, master_pb2.Response.FromString
        )
        health = await ask(master_pb2.Call(type=master_pb2.Call.GET_HEALTH).SerializeToString())
        assert health.type == master_pb2.Response.GET_HEALTH
        for call, code in (
            (b"\xff", grpc.StatusCode.INVALID_ARGUMENT),
            (
                master_pb2.Call(type=master_pb2.Call.GET_ROLES).SerializeToString(),
                grpc.StatusCode.UNIMPLEMENTED,
            ),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await ask(call)
            assert refusal.value.code() == code
    await server.stop(grace_s=0)
