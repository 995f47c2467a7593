"""How messages travel in the frames of our gRPC streams, for each kind of stream and direction.

Every frame is a protobuf message whose field 1 repeats what was ready when it was written. Senders
encode each message once, when it is sent, and concatenate the pieces: that is what protobuf's
encoding of a repeated field is. So an outbox knows its exact size, and cores never see an envelope.
Required fields are not checked on either side: what a message must hold is for cores to say.

Source: proto/minimesos/cluster.proto; the protobuf encoding guide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import Message

from minimesos.proto.mesos.v1 import executor_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2

_LENGTH_DELIMITED = 2


@dataclass(frozen=True, slots=True)
class Direction:
    """One direction of a stream: `encode` makes a piece of a frame, `decode` opens a frame.

    `decode` raises google.protobuf.message.DecodeError for bytes that are no such frame.
    """

    encode: Callable[[Message], bytes]
    decode: Callable[[bytes], list[Message]]


@dataclass(frozen=True, slots=True)
class StreamKind:
    """One streaming method of our services."""

    service: str
    method: str
    peer: str  # what a server calls the peers that open it: f"{peer}/{n}"
    to_server: Direction
    to_client: Direction

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.method}"


def can_wait(message: Message) -> bool:
    """Say whether nobody waits for a message, so that it may go with the next one.

    Those are acknowledgements. There is one for each status of a task, on each of three hops.
    """
    if isinstance(message, scheduler_pb2.Call):
        return message.type == scheduler_pb2.Call.ACKNOWLEDGE
    if isinstance(message, executor_pb2.Event):
        return message.type == executor_pb2.Event.ACKNOWLEDGED
    return isinstance(message, cluster_pb2.StatusUpdateAcknowledgement)


def _plain(frame: type[Message], field: str) -> Direction:
    def decode(data: bytes) -> list[Message]:
        return list(getattr(frame.FromString(data), field))

    return Direction(lambda message: _delimited(1, message.SerializePartialToString()), decode)


def _enveloped(frame: type[Message], field: str, envelope: type[Message]) -> Direction:
    """`frame` repeats `envelope`, which has one oneof; its members are the messages."""
    members = {member.message_type: member for member in envelope.DESCRIPTOR.fields}

    def encode(message: Message) -> bytes:
        number = members[message.DESCRIPTOR].number
        return _delimited(1, _delimited(number, message.SerializePartialToString()))

    def decode(data: bytes) -> list[Message]:
        messages = []
        for item in getattr(frame.FromString(data), field):
            member = item.WhichOneof("message")
            if member is not None:  # None: a kind of message newer than this program
                messages.append(getattr(item, member))
        return messages

    return Direction(encode, decode)


def _delimited(field_number: int, payload: bytes) -> bytes:
    return _varint(field_number << 3 | _LENGTH_DELIMITED) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


SCHEDULER = StreamKind(
    service="minimesos.Master",
    method="Scheduler",
    peer="scheduler",
    to_server=_plain(cluster_pb2.SchedulerCalls, "calls"),
    to_client=_plain(cluster_pb2.SchedulerEvents, "events"),
)
AGENT = StreamKind(
    service="minimesos.Master",
    method="Agent",
    peer="agent",
    to_server=_enveloped(cluster_pb2.AgentFrame, "messages", cluster_pb2.AgentMessage),
    to_client=_enveloped(cluster_pb2.MasterFrame, "messages", cluster_pb2.MasterMessage),
)
EXECUTOR = StreamKind(
    service="minimesos.Agent",
    method="Executor",
    peer="executor",
    to_server=_plain(cluster_pb2.ExecutorCalls, "calls"),
    to_client=_plain(cluster_pb2.ExecutorEvents, "events"),
)
