"""Every status update reaches the master, one at a time and again until acknowledged."""

from __future__ import annotations

from typing import Any

import pytest

from minimesos.actor import CancelTimer, Effect, Send, SetTimer
from minimesos.agent.status_updates import StatusUpdates
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import cluster_pb2

TIMER = "status-update/F/t1"


class Stream:
    """The updates of task t1 of framework F."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.updates = StatusUpdates(self.effects)
        self.updates.resume(0.0)
        self.now = 0.0

    def add(self, uuid: bytes, state: mesos_pb2.TaskState = mesos_pb2.TASK_RUNNING) -> None:
        status = mesos_pb2.TaskStatus(state=state, uuid=uuid)
        status.task_id.value = "t1"
        self.updates.add("F", status, self.now)

    def acknowledge(self, uuid: bytes) -> mesos_pb2.TaskStatus | None:
        return self.updates.acknowledge("F", "t1", uuid, self.now)

    def taken(self) -> list[Effect]:
        effects = self.effects.copy()
        self.effects.clear()
        return effects

    def sent(self) -> list[tuple[bytes, str]]:
        """Take the effects: uuid and latest state of what was sent."""
        found = []
        for effect in self.taken():
            if isinstance(effect, Send):
                assert isinstance(effect.message, cluster_pb2.StatusUpdate)
                latest = mesos_pb2.TaskState.Name(effect.message.latest_state)
                found.append((effect.message.status.uuid, latest))
        return found


@pytest.fixture
def stream() -> Any:
    return Stream()


def test_update_is_sent_and_again_after_10_20_and_40_seconds(stream: Stream) -> None:
    stream.add(b"a")
    waits = []
    for _ in range(3):
        send, timer = stream.taken()
        assert isinstance(send, Send)
        assert isinstance(timer, SetTimer)
        waits.append(timer.at_s - stream.now)
        stream.now = timer.at_s
        stream.updates.retry(timer.name, stream.now)

    assert waits == [10.0, 20.0, 40.0]


def test_retries_are_never_more_than_ten_minutes_apart(stream: Stream) -> None:
    stream.add(b"a")
    for _ in range(20):
        stream.updates.retry(TIMER, 0.0)

    timer = stream.taken()[-1]
    assert isinstance(timer, SetTimer)
    assert timer.at_s == 600.0


def test_next_update_follows_the_acknowledgement_of_the_one_before(stream: Stream) -> None:
    stream.add(b"a")
    stream.add(b"b", mesos_pb2.TASK_FINISHED)
    assert [uuid for uuid, _ in stream.sent()] == [b"a"]

    assert stream.acknowledge(b"a") is not None

    assert stream.sent() == [(b"b", "TASK_FINISHED")]


def test_resent_update_says_how_far_the_task_has_come(stream: Stream) -> None:
    stream.add(b"a")
    stream.add(b"b", mesos_pb2.TASK_FINISHED)
    stream.sent()

    stream.updates.retry(TIMER, 10.0)

    assert stream.sent() == [(b"a", "TASK_FINISHED")]


def test_acknowledged_update_is_not_sent_again(stream: Stream) -> None:
    stream.add(b"a")
    stream.acknowledge(b"a")
    assert CancelTimer(TIMER) in stream.taken()

    stream.updates.retry(TIMER, 10.0)

    assert stream.sent() == []


def test_repeated_update_is_ignored_before_and_after_its_acknowledgement(stream: Stream) -> None:
    stream.add(b"a")
    stream.add(b"a")
    stream.acknowledge(b"a")
    stream.sent()

    stream.add(b"a")

    assert stream.sent() == []
    assert not stream.updates.has_pending("F")


@pytest.mark.parametrize("uuid", [b"b", b"x"])
def test_acknowledgement_of_anything_but_the_outstanding_update_is_ignored(
    stream: Stream, uuid: bytes
) -> None:
    stream.add(b"a")
    stream.add(b"b")

    assert stream.acknowledge(uuid) is None
    assert stream.acknowledge(b"a") is not None
    assert stream.acknowledge(b"a") is None


def test_nothing_is_sent_while_paused_and_heads_are_resent_on_resume(stream: Stream) -> None:
    stream.add(b"a")
    stream.updates.retry(TIMER, 10.0)
    stream.taken()
    stream.updates.pause()
    assert stream.taken() == [CancelTimer(TIMER)]
    stream.add(b"b")
    stream.updates.retry(TIMER, 30.0)
    assert stream.taken() == []

    stream.updates.resume(100.0)

    send, timer = stream.taken()
    assert isinstance(send, Send)
    assert timer == SetTimer(TIMER, 110.0)


def test_closing_a_framework_forgets_what_is_pending(stream: Stream) -> None:
    stream.add(b"a")
    stream.taken()

    stream.updates.close_framework("F")

    assert stream.taken() == [CancelTimer(TIMER)]
    assert not stream.updates.has_pending("F")


def test_ids_with_spaces_do_not_confuse_the_timers(stream: Stream) -> None:
    status = mesos_pb2.TaskStatus(state=mesos_pb2.TASK_RUNNING, uuid=b"a")
    status.task_id.value = "my task 1"
    stream.updates.add("my framework", status, 0.0)
    _, timer = stream.taken()
    assert isinstance(timer, SetTimer)

    stream.updates.retry(timer.name, 10.0)

    assert [uuid for uuid, _ in stream.sent()] == [b"a"]
