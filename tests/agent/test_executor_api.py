"""The executor HTTP API: statuses in Mesos's order, both encodings, and streams of records."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from minimesos.agent import executor_api
from minimesos.http import json_codec
from minimesos.http.recordio import Decoder
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.testing.fake_agent import DEADLINE_S, Event, FakeAgent

pytestmark = pytest.mark.integration

Call = executor_pb2.Call
JSON, PROTOBUF = executor_api.JSON, executor_api.PROTOBUF
PATH = "/api/v1/executor"


@pytest.fixture
async def agent() -> AsyncIterator[FakeAgent]:
    async with FakeAgent() as agent:
        yield agent


@pytest.fixture(autouse=True)
async def hang_up() -> AsyncIterator[None]:
    """Close the test's connections after it."""
    yield
    while Client.opened:
        Client.opened.pop().writer.close()


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str


class Client:
    """One connection, and requests as bytes."""

    opened: ClassVar[list[Client]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._records = Decoder()
        self._unread: list[bytes] = []

    @classmethod
    async def connect(cls, agent: FakeAgent) -> Client:
        host, port = agent.address.split(":")
        cls.opened.append(cls(*await asyncio.open_connection(host, int(port))))
        return cls.opened[-1]

    async def ask(self, request: bytes) -> Answer:
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> Answer:
        async with asyncio.timeout(DEADLINE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status_line, *lines = head.rstrip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(status_line.split()[1]), headers, body.decode())

    async def record(self) -> bytes:
        """Return the next record; reads chunks as needed."""
        while not self._unread:
            async with asyncio.timeout(DEADLINE_S):
                size = int(await self.reader.readuntil(b"\r\n"), 16)
                chunk = await self.reader.readexactly(size + 2)
            self._unread += self._records.feed(chunk[:-2])
        return self._unread.pop(0)


def request(
    body: bytes | dict[str, object], *, method: str = "POST", path: str = PATH, **headers: str
) -> bytes:
    if isinstance(body, dict):
        body = json.dumps(body).encode()
        headers = {"content_type": JSON, **headers}
    named = {"host": "agent", "content_length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items() if value]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body


def call(type: str, **fields: object) -> dict[str, object]:
    return {"type": type, "framework_id": {"value": "f1"}, "executor_id": {"value": "e1"}, **fields}


def update(**changes: object) -> dict[str, object]:
    status = {
        "task_id": {"value": "t1"},
        "state": "TASK_RUNNING",
        "source": "SOURCE_EXECUTOR",
        "uuid": base64.b64encode(b"u" * 16).decode(),
        **changes,
    }
    return call("UPDATE", update={"status": status})


async def subscribed(agent: FakeAgent, **headers: str) -> Client:
    client = await Client.connect(agent)
    answer = await client.ask(request(call("SUBSCRIBE", subscribe={}), **headers))
    assert answer.status == 200
    return client


# -- subscriptions --------------------------------------------------------------------------------


async def test_a_subscription_is_a_chunked_stream_of_json_records(agent):
    client = await Client.connect(agent)
    answer = await client.ask(request(call("SUBSCRIBE", subscribe={})))
    assert answer.headers["content-type"] == JSON
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "mesos-stream-id" not in answer.headers
    event = json.loads(await client.record())
    assert event["type"] == "SUBSCRIBED"
    assert event["subscribed"]["agent_info"]["hostname"] == "agent.example"
    assert event["subscribed"]["framework_info"]["id"] == {"value": "f1"}
    assert event["subscribed"]["executor_info"]["executor_id"] == {"value": "e1"}


async def test_a_subscription_in_protobuf_gets_protobuf(agent):
    subscribe = Call(type=Call.SUBSCRIBE)
    subscribe.framework_id.value, subscribe.executor_id.value = "f1", "e1"
    subscribe.subscribe.SetInParent()
    client = await Client.connect(agent)
    body = subscribe.SerializeToString()
    answer = await client.ask(request(body, content_type=PROTOBUF, accept=PROTOBUF))
    assert answer.headers["content-type"] == PROTOBUF
    event = Event.FromString(await client.record())
    assert event.subscribed.framework_info.id.value == "f1"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON),
        ("*/*", JSON),
        (f"{PROTOBUF}, {JSON}", JSON),
        (f"{JSON};q=0, {PROTOBUF}", PROTOBUF),
        ("application/*", JSON),
    ],
)
async def test_json_wins_unless_it_is_not_wanted(agent, accept, expected):
    client = await Client.connect(agent)
    answer = await client.ask(request(call("SUBSCRIBE", subscribe={}), accept=accept))
    assert (answer.status, answer.headers["content-type"]) == (200, expected)


async def test_the_core_hears_when_the_client_hangs_up(agent):
    client = await subscribed(agent)
    await client.record()
    client.writer.close()
    async with asyncio.timeout(DEADLINE_S):
        assert await agent.disconnections.get() == "executor/1"


async def test_a_stream_that_the_core_closes_ends_properly(agent):
    client = await subscribed(agent)
    await client.record()
    agent.send(Event(type=Event.SHUTDOWN))
    agent.hang_up()
    assert json.loads(await client.record()) == {"type": "SHUTDOWN"}
    async with asyncio.timeout(DEADLINE_S):
        assert await client.reader.read() == b"0\r\n\r\n"


async def test_a_quiet_stream_has_heartbeats(monkeypatch):
    monkeypatch.setattr(executor_api, "HEARTBEAT_INTERVAL_S", 0.0)
    async with FakeAgent() as agent:
        client = await subscribed(agent)
        kinds = {json.loads(await client.record())["type"]}
        while kinds != {"SUBSCRIBED", "HEARTBEAT"}:
            kinds.add(json.loads(await client.record())["type"])


# -- calls ----------------------------------------------------------------------------------------


async def test_a_call_reaches_the_core_as_the_subscribers(agent):
    stream = await subscribed(agent)
    await stream.record()
    client = await Client.connect(agent)
    answer = await client.ask(request(update()))
    assert (answer.status, answer.body) == (202, "")
    status = await agent.next_update()
    assert (status.state, status.uuid) == (mesos_pb2.TASK_RUNNING, b"u" * 16)
    event = json.loads(await stream.record())
    assert event["acknowledged"] == {
        "task_id": {"value": "t1"},
        "uuid": base64.b64encode(b"u" * 16).decode(),
    }


async def test_one_connection_takes_many_calls_also_without_waiting_for_answers(agent):
    stream = await subscribed(agent)
    await stream.record()
    client = await Client.connect(agent)
    client.writer.write(request(update()) + request(call("HEARTBEAT")) + request(update(state="X")))
    assert [(await client.answer()).status for _ in range(3)] == [202, 202, 400]
    assert (await client.ask(request(update(), connection="close"))).status == 202
    assert await client.reader.read() == b""


async def test_the_path_may_name_the_agents_process(agent):
    client = await Client.connect(agent)
    path = "/slave(1)/api/v1/executor"
    assert (await client.ask(request(call("HEARTBEAT"), path=path))).status == 202


BODY = json.dumps(call("HEARTBEAT")).encode()


@pytest.mark.parametrize(
    ("sent", "status", "text"),
    [
        (request(b"", method="GET"), 405, "but received 'GET'"),
        (request(b"", path=PATH + "s"), 404, ""),
        (request(b""), 400, "Expecting a body"),
        (request(BODY), 400, "Content-Type"),
        (request(BODY, content_type="text/plain"), 415, JSON),
        (request(b"{", content_type=JSON), 400, "not JSON"),
        (request(b"\xff", content_type=PROTOBUF), 400, "Failed to parse body"),
        (request(BODY, content_type=JSON, content_encoding="gzip"), 415, "Compressed"),
        (request({"type": "HEARTBEAT"}), 400, "framework_id"),
        (request({**call("NEWER")}), 400, "'type'"),
        (request(call("UNKNOWN")), 501, "UNKNOWN"),
        (request(call("SUBSCRIBE")), 400, "'subscribe'"),
        (request(call("SUBSCRIBE", subscribe={}), accept="text/html"), 406, JSON),
        (request(update(uuid=None)), 400, "'uuid'"),
        (request(update(uuid="AAAA")), 400, "'uuid'"),
        (request(update(source="SOURCE_AGENT")), 400, "SOURCE_EXECUTOR"),
        (request(update(state="TASK_STAGING")), 400, "TASK_STAGING"),
        (request(update(executor_id={"value": "e2"})), 400, "does not match"),
        (request({**update(), "framework_id": {"value": "f2"}}), 400, "Framework cannot be found"),
        (
            request({**call("MESSAGE", message={"data": ""}), "executor_id": {"value": "e2"}}),
            400,
            "Executor cannot be found",
        ),
        (request(update()), 403, "Executor is not subscribed"),
    ],
)
async def test_what_cannot_be_served_gets_mesos_status_and_says_why(agent, sent, status, text):
    client = await Client.connect(agent)
    answer = await client.ask(sent)
    assert answer.status == status
    assert text in answer.body
    assert agent.updates.empty()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /api/v1/executor\r\n\r\n", 400),
        (b"POST /api/v1/executor HTTP/1.1\r\nbroken\r\n\r\n", 400),
        (b"POST /api/v1/executor HTTP/1.1\r\nA : 1\r\n\r\n", 400),
        (request(BODY, content_length="ten"), 400),
        (request(BODY, content_length="-1"), 400),
        (request(b"").replace(b"host: agent", b"content-length: 5"), 400),
        (request(BODY, transfer_encoding="chunked"), 411),
        (request(b"", content_length=str(2**40)), 413),
        (request(b"", filler="x" * 20_000), 431),
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_closed(agent, sent, status):
    client = await Client.connect(agent)
    assert (await client.ask(sent)).status == status
    async with asyncio.timeout(DEADLINE_S):
        try:
            assert await client.reader.read() == b""
        except ConnectionResetError:
            pass  # it had not read all that we sent


async def test_every_event_can_be_read_back_from_json(agent):
    stream = await subscribed(agent)
    await stream.record()
    events = [Event(type=Event.SHUTDOWN), Event(type=Event.HEARTBEAT)]
    events.append(Event(type=Event.MESSAGE, message=Event.Message(data=bytes(range(256)))))
    for event in events:
        agent.send(event)
        assert json_codec.loads(await stream.record(), Event) == event
