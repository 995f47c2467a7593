"""Frames on the wire are what protobuf itself would write, and read back to the inner messages."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError, Message

from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.runtime.frames import AGENT, EXECUTOR, SCHEDULER, Direction

LONG = mesos_pb2.FrameworkID(value="x" * 70_000)


@pytest.mark.parametrize(
    ("direction", "messages", "frame"),
    [
        (
            AGENT.to_client,
            [cluster_pb2.Ping(connected=True), cluster_pb2.ShutdownFramework(framework_id=LONG)],
            cluster_pb2.MasterFrame(
                messages=[
                    cluster_pb2.MasterMessage(ping=cluster_pb2.Ping(connected=True)),
                    cluster_pb2.MasterMessage(
                        shutdown_framework=cluster_pb2.ShutdownFramework(framework_id=LONG)
                    ),
                ]
            ),
        ),
        (
            AGENT.to_server,
            [cluster_pb2.Pong()],
            cluster_pb2.AgentFrame(messages=[cluster_pb2.AgentMessage(pong=cluster_pb2.Pong())]),
        ),
        (
            SCHEDULER.to_server,
            [scheduler_pb2.Call(framework_id=LONG), scheduler_pb2.Call()],
            cluster_pb2.SchedulerCalls(
                calls=[scheduler_pb2.Call(framework_id=LONG), scheduler_pb2.Call()]
            ),
        ),
        (
            EXECUTOR.to_client,
            [executor_pb2.Event(type=executor_pb2.Event.SHUTDOWN)],
            cluster_pb2.ExecutorEvents(
                events=[executor_pb2.Event(type=executor_pb2.Event.SHUTDOWN)]
            ),
        ),
    ],
)
def test_pieces_add_up_to_the_frame_and_decode_to_the_messages(
    direction: Direction, messages: list[Message], frame: Message
) -> None:
    data = b"".join(direction.encode(message) for message in messages)

    assert data == frame.SerializeToString()
    assert direction.decode(data) == messages


def test_every_member_of_the_envelopes_can_be_sent() -> None:
    for direction, envelope in (
        (AGENT.to_server, cluster_pb2.AgentMessage),
        (AGENT.to_client, cluster_pb2.MasterMessage),
    ):
        for member in envelope.DESCRIPTOR.oneofs_by_name["message"].fields:
            message = getattr(envelope(), member.name)
            assert direction.decode(direction.encode(message)) == [message]


def test_a_kind_of_message_that_this_version_does_not_know_is_skipped() -> None:
    unknown = b"\x0a\x03\xa2\x06\x00"  # an envelope with field 100, empty
    assert AGENT.to_client.decode(unknown) == []


def test_garbage_is_a_decode_error() -> None:
    with pytest.raises(DecodeError):
        AGENT.to_client.decode(b"\x0a\xff")


def test_a_message_without_its_required_fields_travels_for_the_receiver_to_judge() -> None:
    incomplete = cluster_pb2.StatusUpdate(framework_id=LONG)
    incomplete.status.message = "no task, no state"

    assert AGENT.to_server.decode(AGENT.to_server.encode(incomplete)) == [incomplete]
