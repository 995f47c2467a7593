"""The executor HTTP API of an agent, `POST /api/v1/executor`, JSON and protobuf.

Every subscription is a peer of the agent's core, as a gRPC stream is; other calls become messages
of the caller's subscription. So pymesos's executors and our own command executor are served by the
same core methods as those that speak gRPC. Used by the agent's server.

It reads its few kinds of requests itself instead of with aiohttp. An agent whose `/state` nobody
looks at would otherwise pay 125 ms and 15 MB for aiohttp on the way to its first task (measured),
more than for everything else on that way together.

Source: Mesos documentation "Executor HTTP API"; statuses as in Mesos 1.11.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from google.protobuf.message import DecodeError, Message

from minimesos.actor import Received
from minimesos.agent.state import AgentState, Executor
from minimesos.errors import InvalidValue, MinimesosError
from minimesos.http import json_codec, recordio
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.runtime.frames import Direction
from minimesos.runtime.streams import Peers, Stream

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
HEARTBEAT_INTERVAL_S = 30 * 60.0
HEAD_BYTES_MAX = 16 * 2**10
BODY_BYTES_MAX = 16 * 2**20
IDLE_TIMEOUT_S = 15 * 60.0  # of a connection on which no request arrives
REQUEST_TIMEOUT_S = 60.0  # for a request to arrive once it has begun

_PATHS = ("/api/v1/executor", "/slave(1)/api/v1/executor")
_METHODS = ("POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")
PREFIXES = tuple(f"{method} {path}".encode() for method in _METHODS for path in _PATHS)
"""What connections begin with that belong here."""

_UUID_BYTES = 16
_ENCODE: dict[str, Callable[[Message], bytes]] = {
    JSON: json_codec.dumps,
    PROTOBUF: lambda message: message.SerializeToString(),
}

_Call = executor_pb2.Call


class Refused(MinimesosError):
    """The answer to a request that cannot be served."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: dict[str, str]  # by lower-case name
    body: bytes

    @property
    def keeps_connection(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


class ExecutorApi:
    """Serves executors of the agent whose streams are `peers`; reads `state`, changes nothing."""

    def __init__(self, peers: Peers, state: AgentState) -> None:
        self._peers = peers
        self._state = state
        self._connections: set[asyncio.Task[None]] = set()

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol for a new connection."""
        reader = asyncio.StreamReader(limit=HEAD_BYTES_MAX)
        return asyncio.StreamReaderProtocol(reader, self._connected)

    async def stop(self) -> None:
        """Drop the connections."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the connection is to end."""
        try:
            more = True
            while more:
                more = await self._answer_next(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass  # the client is gone, or might as well be
        finally:
            writer.close()

    async def _answer_next(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; returns whether the connection takes another."""
        try:
            request = await _read_request(reader)
        except Refused as error:  # where the next request would begin is anybody's guess
            await _answer(writer, error.status, str(error), keep=False)
            return False
        if request is None:
            return False
        try:
            call = self._check(request)
            if call.type == _Call.SUBSCRIBE:
                accepted = _accepted(request.headers.get("accept", ""))
                await self._subscribe(call, accepted, reader, writer)
                return False
            self._pass_on(call)
        except Refused as error:
            await _answer(writer, error.status, str(error), keep=request.keeps_connection)
        else:
            await _answer(writer, HTTPStatus.ACCEPTED, "", keep=request.keeps_connection)
        return request.keeps_connection

    def _check(self, request: _Request) -> executor_pb2.Call:
        """Return the call of a request. Raises Refused, in Mesos's order of checks."""
        path = request.path.partition("?")[0].rstrip("/")
        if path not in _PATHS:
            raise Refused(HTTPStatus.NOT_FOUND, "404 Not Found.")
        if request.method != "POST":
            raise Refused(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"Expecting one of {{ 'POST' }}, but received '{request.method}'",
            )
        call = _decode(request)
        problem = _call_problem(call)
        if problem is not None:
            raise Refused(HTTPStatus.BAD_REQUEST, f"Failed to validate executor::Call: {problem}")
        if call.type == _Call.UNKNOWN:
            raise Refused(HTTPStatus.NOT_IMPLEMENTED, "Received 'UNKNOWN' call")
        return call

    def _pass_on(self, call: executor_pb2.Call) -> None:
        if call.type == _Call.HEARTBEAT:
            return
        executor = self._executor_of(call)
        if executor.peer is None:
            raise Refused(HTTPStatus.FORBIDDEN, "Executor is not subscribed")
        self._peers.host.post(Received(executor.peer, call))

    def _executor_of(self, call: executor_pb2.Call) -> Executor:
        framework = self._state.frameworks.get(call.framework_id.value)
        if framework is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "Framework cannot be found")
        executor = framework.executors.get(call.executor_id.value)
        if executor is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "Executor cannot be found")
        return executor

    async def _subscribe(
        self,
        call: executor_pb2.Call,
        accepted: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Stream events until either side has had enough."""
        self._executor_of(call)
        encode = _ENCODE[accepted]
        outgoing = Direction(lambda event: recordio.encode(encode(event)), _no_messages)
        incoming = Direction(_no_bytes, lambda data: [_Call.FromString(data)])
        name = self._peers.new_name("executor")
        stream = Stream(name, self._peers, incoming, outgoing)
        self._peers.add(name, stream)
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Type: {accepted}\r\nTransfer-Encoding: chunked\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        heartbeats = asyncio.ensure_future(_send_heartbeats(stream))
        try:
            await stream.pump(_EventStream(call.SerializeToString(), reader, writer))
            writer.write(b"0\r\n\r\n")
        finally:
            heartbeats.cancel()


class _EventStream:
    """A subscription's connection, as `Stream` sees one: it brings one call, then only its end."""

    def __init__(
        self, subscribe: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._subscribe: bytes | None = subscribe
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes | None:
        if self._subscribe is not None:
            subscribe, self._subscribe = self._subscribe, None
            return subscribe
        while await self._reader.read(HEAD_BYTES_MAX):
            pass  # a subscription carries no further calls
        return None

    async def write(self, frame: bytes) -> None:
        self._writer.write(b"%x\r\n%s\r\n" % (len(frame), frame))
        await self._writer.drain()


async def _send_heartbeats(stream: Stream) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_INTERVAL_S)
        stream.send(executor_pb2.Event(type=executor_pb2.Event.HEARTBEAT))


def _no_messages(data: bytes) -> list[Message]:
    raise AssertionError("events are only sent")


def _no_bytes(message: Message) -> bytes:
    raise AssertionError("calls are only received")


# -- calls ----------------------------------------------------------------------------------------


def _decode(request: _Request) -> executor_pb2.Call:
    if not request.body:
        raise Refused(HTTPStatus.BAD_REQUEST, "Expecting a body")
    given = request.headers.get("content-type")
    if given is None:
        raise Refused(HTTPStatus.BAD_REQUEST, "Expecting 'Content-Type' to be present")
    kind = given.partition(";")[0].strip().lower()
    try:
        if kind == JSON:
            return json_codec.loads(request.body, _Call)
        if kind == PROTOBUF:
            return _Call.FromString(request.body)
    except (InvalidValue, DecodeError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"Failed to parse body: {error}") from error
    raise Refused(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Expecting 'Content-Type' of {JSON} or {PROTOBUF}"
    )


def _call_problem(call: executor_pb2.Call) -> str | None:
    """Say why Mesos would not take a call, None if it would."""
    missing = json_codec.missing_problem(call)
    if missing is not None:
        return missing
    if not call.HasField("type"):
        return "Expecting 'type' to be present"
    name = _Call.Type.Name(call.type).lower()
    if name in ("subscribe", "update", "message") and not call.HasField(name):
        return f"Expecting '{name}' to be present"
    return _status_problem(call) if call.type == _Call.UPDATE else None


def _status_problem(call: executor_pb2.Call) -> str | None:
    status = call.update.status
    if len(status.uuid) != _UUID_BYTES:
        return "Expecting 'uuid' to be a UUID of 16 bytes"
    if status.HasField("executor_id") and status.executor_id != call.executor_id:
        return "ExecutorID in Call does not match ExecutorID in TaskStatus"
    if status.source != mesos_pb2.TaskStatus.SOURCE_EXECUTOR:
        return "Received Call from an executor with a 'source' other than SOURCE_EXECUTOR"
    if status.state == mesos_pb2.TASK_STAGING:
        return "Received TASK_STAGING from an executor, which is not allowed"
    return None


def _accepted(accept: str) -> str:
    """Return the type of the answer; JSON wins a draw. Raises Refused if neither is wanted."""
    wanted = [part.partition(";") for part in accept.lower().split(",") if part.strip()]
    kinds = {
        kind.strip() for kind, _, rest in wanted if rest.replace(" ", "") not in ("q=0", "q=0.0")
    }
    if not wanted or kinds & {JSON, "*/*", "application/*"}:
        return JSON
    if PROTOBUF in kinds:
        return PROTOBUF
    raise Refused(HTTPStatus.NOT_ACCEPTABLE, f"Expecting 'Accept' to allow {JSON} or {PROTOBUF}")


# -- HTTP -----------------------------------------------------------------------------------------


async def _read_request(reader: asyncio.StreamReader) -> _Request | None:
    """Read the next request, None at the end. Raises Refused for what is none, or is not ours."""
    async with asyncio.timeout(IDLE_TIMEOUT_S):
        first = await reader.read(1)
    if not first:
        return None
    async with asyncio.timeout(REQUEST_TIMEOUT_S):
        try:
            head = first + await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise Refused(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's head is too long"
            ) from None
        method, path, headers = _parse_head(head)
        return _Request(method, path, headers, await _read_body(reader, headers))


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    words = request_line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Refused(HTTPStatus.BAD_REQUEST, "Malformed request line")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Refused(HTTPStatus.BAD_REQUEST, "Malformed header")
        if headers.setdefault(name.lower(), value.strip()) != value.strip():
            raise Refused(HTTPStatus.BAD_REQUEST, f"Header '{name}' is there twice")
    return words[0], words[1], headers


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "Expecting 'Content-Length'")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Compressed bodies are not supported")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise Refused(HTTPStatus.BAD_REQUEST, "Malformed 'Content-Length'")
    if int(length) > BODY_BYTES_MAX:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Body above {BODY_BYTES_MAX} bytes")
    return await reader.readexactly(int(length))


async def _answer(
    writer: asyncio.StreamWriter, status: HTTPStatus, text: str, *, keep: bool
) -> None:
    body = text.encode()
    kind = "Content-Type: text/plain; charset=utf-8\r\n" if body else ""
    close = "" if keep else "Connection: close\r\n"
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\n{kind}{close}Content-Length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    await writer.drain()
