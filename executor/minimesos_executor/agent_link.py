"""A connection to the agent over Mesos's executor HTTP API, with the standard library only.

Used by executors that must start quickly: until its command runs, such a process has used 35 ms of
CPU time and 10 MB; with gRPC, messages and a session it was 100 ms and 29 MB (measured), and there
is one for every command task. Events come in on one connection, calls go out on another; both are
plain blocking sockets whose replies a `Reactor` announces. Calls and events are JSON values.

There is no second try: this agent does not recover executors, so a broken connection is final.

Source: Mesos documentation "Executor HTTP API".
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from minimesos.http.recordio import Decoder, MalformedStream
from minimesos.runtime.frame_socket import Reactor

CONNECT_TIMEOUT_S = 10.0
SEND_TIMEOUT_S = 10.0
_READ_BYTES = 65536
_HEAD_BYTES_MAX = 16384
_PATH = "/api/v1/executor"

Json = dict[str, Any]


class AgentLost(Exception):
    """The agent cannot be reached, refuses us or speaks something else; says what it did."""


class AgentLink:
    """Subscribes an executor; afterwards events arrive, and calls can be sent.

    `on_event` is called with each event, `on_lost` once with the reason when it is over.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        reactor: Reactor,
        on_event: Callable[[Json], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._address = environment["MESOS_AGENT_ENDPOINT"]
        self._ids = {
            "framework_id": {"value": environment["MESOS_FRAMEWORK_ID"]},
            "executor_id": {"value": environment["MESOS_EXECUTOR_ID"]},
        }
        self._reactor = reactor
        self._on_event = on_event
        self._on_lost = on_lost
        self._records = Decoder()
        self._chunks = ChunkDecoder()
        self._answers = _AnswerDecoder()
        self._sockets: list[socket.socket] = []
        self._calls: socket.socket | None = None

    def subscribe(self) -> None:
        """Connect, ask for events and return at once. Raises AgentLost."""
        events = self._connect(self._read_events)
        self._post(events, {"type": "SUBSCRIBE", "subscribe": {}})

    def send(self, call: Json) -> None:
        """Send a call other than SUBSCRIBE; nothing after the end. `on_lost` tells of failures."""
        if not self._sockets:
            return
        try:
            if self._calls is None:
                self._calls = self._connect(self._read_answers)
            self._post(self._calls, call)
        except AgentLost as error:
            self._lost(str(error))

    def close(self) -> None:
        """Hang up; nothing is called any more."""
        for each in self._sockets:
            self._reactor.remove_reader(each.fileno())
            each.close()
        self._sockets.clear()

    def _connect(self, reader: Callable[[socket.socket], None]) -> socket.socket:
        host, _, port = self._address.rpartition(":")
        try:
            connection = socket.create_connection(
                (host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT_S
            )
        except (OSError, ValueError) as error:
            raise AgentLost(f"cannot connect to the agent at {self._address}: {error}") from error
        connection.settimeout(SEND_TIMEOUT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.append(connection)
        self._reactor.add_reader(connection.fileno(), lambda: self._readable(connection, reader))
        return connection

    def _post(self, connection: socket.socket, call: Json) -> None:
        body = json.dumps({**self._ids, **call}).encode()
        head = (
            f"POST {_PATH} HTTP/1.1\r\nHost: {self._address}\r\nAccept: application/json\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            connection.sendall(head.encode() + body)
        except OSError as error:
            raise AgentLost(f"cannot send to the agent at {self._address}: {error}") from error

    def _readable(self, connection: socket.socket, reader: Callable[[socket.socket], None]) -> None:
        try:
            reader(connection)
        except (AgentLost, MalformedStream, OSError) as error:
            self._lost(str(error))

    def _read_events(self, connection: socket.socket) -> None:
        data = connection.recv(_READ_BYTES)
        if not data:
            raise AgentLost("the agent closed the connection")
        for record in self._records.feed(self._chunks.feed(data)):
            if self._sockets:  # an event may have made us hang up
                self._on_event(json.loads(record))

    def _read_answers(self, connection: socket.socket) -> None:
        data = connection.recv(_READ_BYTES)
        if not data:
            raise AgentLost("the agent closed the connection for calls")
        for status, text in self._answers.feed(data):
            if status // 100 != 2:
                raise AgentLost(f"the agent answered a call with {status} {text}")

    def _lost(self, reason: str) -> None:
        if self._sockets:
            self.close()
            self._on_lost(reason)


class ChunkDecoder:
    """Takes the chunks of one HTTP answer apart. Raises AgentLost for any status but 200."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._in_body = False

    def feed(self, data: bytes) -> bytes:
        """Return what of the body is complete now."""
        self._buffer += data
        if not self._in_body:
            head = _take_head(self._buffer)
            if head is None:
                return b""
            status, _ = _status_of(head)
            if status != 200:
                text = self._buffer.decode(errors="replace")
                raise AgentLost(f"the agent refused the subscription with {status} {text}")
            self._in_body = True
        body = bytearray()
        while (end := self._buffer.find(b"\r\n")) > 0:
            try:
                size = int(self._buffer[:end].partition(b";")[0], 16)
            except ValueError:
                raise AgentLost("the agent's answer is malformed") from None
            if size == 0:
                raise AgentLost("the agent ended the subscription")
            if len(self._buffer) < end + 2 + size + 2:
                break
            body += self._buffer[end + 2 : end + 2 + size]
            del self._buffer[: end + 2 + size + 2]
        return bytes(body)


class _AnswerDecoder:
    """Cuts a connection's answers apart; each is (status, text)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: tuple[int, int] | None = None

    def feed(self, data: bytes) -> list[tuple[int, str]]:
        self._buffer += data
        answers: list[tuple[int, str]] = []
        while True:
            if self._head is None:
                head = _take_head(self._buffer)
                if head is None:
                    return answers
                self._head = _status_of(head)
            status, length = self._head
            if len(self._buffer) < length:
                return answers
            answers.append((status, self._buffer[:length].decode(errors="replace")))
            del self._buffer[:length]
            self._head = None


def _take_head(buffer: bytearray) -> bytes | None:
    """Remove and return an answer's head; None if it is not complete."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if len(buffer) > _HEAD_BYTES_MAX:
            raise AgentLost("the agent's answer is malformed")
        return None
    head = bytes(buffer[:end])
    del buffer[: end + 4]
    return head


def _status_of(head: bytes) -> tuple[int, int]:
    """Return the status and the Content-Length of an answer's head, 0 if it has none."""
    status_line, *headers = head.decode("latin-1").split("\r\n")
    words = status_line.split(" ", 2)
    length = 0
    for header in headers:
        name, _, value = header.partition(":")
        if name.lower() == "content-length":
            length = int(value)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise AgentLost("the agent does not speak HTTP")
    return int(words[1]), length
