"""gRPC, HTTP and garbage on one real port."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import grpc
import grpc.aio
import pytest
from aiohttp import web

from minimesos.runtime import one_port
from minimesos.runtime.one_port import CannotListen, OnePort, ProtocolFactory
from minimesos.runtime.rpc import OPTIONS, RpcServer, locate

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0


@dataclass
class Served:
    port: int
    one_port: OnePort

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.method} {await request.text()}")

    app = web.Application()
    app.router.add_route("*", "/", hello)
    runner = web.AppRunner(app)

    async def start_http() -> ProtocolFactory:
        await runner.setup()
        assert runner.server is not None
        return runner.server

    port = OnePort(start_http)
    server = RpcServer(port.grpc_socket)
    server.serve_locate()
    await server.start()
    _, number = await port.bind("127.0.0.1", 0)
    await port.serve()
    yield Served(number, port)
    await server.stop(grace_s=0)
    await port.stop()
    await runner.cleanup()


async def no_http() -> ProtocolFactory:
    raise AssertionError("nobody asked for HTTP")


async def say(served: Served, *pieces: bytes) -> bytes:
    """What the port answers until it closes; the pieces are sent as packets of their own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    return answer


async def test_http_and_grpc_are_both_answered_on_the_same_port() -> None:
    async with served() as here, aiohttp.ClientSession() as session:
        async with session.post(f"http://{here.address}/", data="x" * 1_000_000) as response:
            assert await response.text() == "POST " + "x" * 1_000_000
        assert await locate(here.address) == f"unix:{here.one_port.grpc_socket}"


async def test_a_caller_that_cannot_see_the_private_socket_stays_on_the_shared_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    async with served() as here:
        assert await locate(here.address) == here.address


async def test_the_private_socket_is_for_this_user_alone_and_goes_with_the_port() -> None:
    async with served() as here:
        directory = here.one_port.grpc_socket.parent
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert not directory.exists()


PROGRAM = """
import signal, threading
from minimesos.runtime import one_port
one_port._SOCKET_PATH_MAX = 1000  # the directories of tests have long names
port = one_port.OnePort(None)
for thread in threading.enumerate():
    if thread.name == "scratch":
        thread.join()
print(port.grpc_socket.parent, flush=True)
signal.pause()
"""


def test_the_next_program_removes_the_directory_of_one_that_was_killed(tmp_path: Path) -> None:
    left = []
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        ) as program:
            assert program.stdout is not None
            left.append(program.stdout.readline().strip())
            program.kill()
    assert os.listdir(tmp_path) == [os.path.basename(left[1])]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
        b"PRI * HTTP/1.9\r\n\r\n",
        b"GET / HTTP/9.9.9\r\n\r\n",
        b"G\xffT \xfe\r\n\r\n",
    ],
)
async def test_garbage_is_refused_and_the_port_goes_on_serving(garbage: bytes) -> None:
    async with served() as here:
        answer = await say(here, garbage)
        assert answer == b"" or (answer.startswith(b"HTTP/1.") and b" 400 " in answer[:20])
        assert await locate(here.address)


async def test_garbage_after_the_http2_preface_is_refused_by_grpc_alone() -> None:
    async with served() as here:
        await say(here, one_port.PREFACE, b"\xff" * 1000)
        assert await locate(here.address)


async def test_a_connection_to_grpc_is_closed_once_both_sides_have_ended_it() -> None:
    async with served() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(one_port.PREFACE + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))  # no settings
        writer.write_eof()
        async with asyncio.timeout(PATIENCE_S):
            await reader.read()
            while here.one_port._connections:  # noqa: ASYNC110 # nobody tells of it
                await asyncio.sleep(0)
        writer.close()


async def test_a_request_that_comes_byte_by_byte_is_understood() -> None:
    request = b"GET / HTTP/1.0\r\n\r\n"
    async with served() as here:
        answer = await say(here, *(request[i : i + 1] for i in range(len(request))))
        assert answer.startswith(b"HTTP/1.0 200")


async def test_a_client_that_never_says_anything_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(one_port, "FIRST_BYTES_TIMEOUT_S", 0.0)
    async with served() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), PATIENCE_S)
        writer.close()


async def test_a_client_that_never_ends_its_head_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(one_port, "FIRST_BYTES_TIMEOUT_S", 0.05)
    async with served() as here:
        assert await say(here, b"GET / HTTP/1.1\r\n", b"Host: slow\r\n") == b""
        assert await locate(here.address)


async def test_a_head_that_is_too_long_is_refused_without_waiting_for_its_end() -> None:
    async with served() as here:
        answer = await say(here, b"GET /" + b"x" * one_port.HEAD_BYTES_MAX)
        assert b" 400 " in answer[:20]


async def test_a_port_in_use_is_named_together_with_what_to_do() -> None:
    async with served() as here:
        second = OnePort(no_http)
        with pytest.raises(CannotListen, match=rf"port {here.port} .*in use.*--port"):
            await second.bind("127.0.0.1", here.port)
        assert not second.grpc_socket.parent.exists()


@pytest.mark.parametrize(("ip", "port"), [("192.0.2.1", 0), ("not an address", 0), ("::1", 70000)])
async def test_an_address_that_cannot_be_had_is_a_clear_error(ip: str, port: int) -> None:
    with pytest.raises(CannotListen):
        await OnePort(no_http).bind(ip, port)


async def test_large_answers_pass_through_the_pipe_with_back_pressure() -> None:
    megabyte = b"x" * 2**20

    async with served() as here:
        server = grpc.aio.server(options=OPTIONS)

        async def stream(_: bytes, context: object) -> AsyncIterator[bytes]:
            for _ in range(8):
                yield megabyte

        handler = grpc.unary_stream_rpc_method_handler(stream)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Big", {"Get": handler}),)
        )
        path = here.one_port.grpc_socket.with_name("big.sock")
        server.add_insecure_port(f"unix:{path}")
        await server.start()
        here.one_port.grpc_socket = path
        async with grpc.aio.insecure_channel(here.address, OPTIONS) as channel:
            frames = [len(frame) async for frame in channel.unary_stream("/test.Big/Get")(b"")]
        assert frames == [2**20] * 8
        await server.stop(grace=0)


async def test_connections_that_begin_with_a_routed_prefix_are_not_http():
    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(b"routed " + data)
            self.transport.close()

    async with served() as here:
        here.one_port.route([b"POST /special"], Echo)
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        for piece in (b"POST", b" /spec", b"ial\n"):
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b"routed POST /special\n"
        writer.close()
        async with aiohttp.ClientSession() as session:
            response = await session.post(f"http://{here.address}/", data="special")
            assert await response.text() == "POST special"
