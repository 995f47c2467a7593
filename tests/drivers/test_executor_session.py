"""An executor's session: it subscribes, reports until acknowledged, and ends with its agent."""

from __future__ import annotations

from random import Random
from typing import Any, TypeVar

import pytest

from minimesos.actor import (
    Close,
    Connect,
    Connected,
    Disconnected,
    Effect,
    Received,
    Send,
    SetTimer,
    Stimulus,
    Stop,
    TimerFired,
)
from minimesos.drivers.executor_session import (
    ExecutorEnvironment,
    ExecutorSession,
    message,
    update,
)
from minimesos.drivers.session import Arrived, Failed, Leave, Submit, Subscribed, Unsubscribed
from minimesos.errors import InvalidValue
from minimesos.ids import RandomIds
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2

Call = executor_pb2.Call
Event = executor_pb2.Event
E = TypeVar("E", bound=Effect)

ENVIRONMENT = {
    "MESOS_FRAMEWORK_ID": "F",
    "MESOS_EXECUTOR_ID": "e1",
    "MESOS_SLAVE_ID": "M-S0",
    "MESOS_AGENT_ENDPOINT": "127.0.0.1:5051",
    "MESOS_DIRECTORY": "/tmp/sandbox",
    "MESOS_CHECKPOINT": "0",
    "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "7secs",
}


class Bench:
    """A session; `effects` are those of the last stimulus, `now` is its time."""

    def __init__(self, **variables: str) -> None:
        random = Random(3)
        self.session = ExecutorSession(
            ExecutorEnvironment.parse(ENVIRONMENT | variables),
            ids=RandomIds(random),
            random=random,
        )
        self.now = 1000.0
        self.effects: list[Effect] = self.session.start(self.now)

    def give(self, stimulus: Stimulus) -> None:
        self.effects = self.session.handle(stimulus, self.now)

    def fire(self, name: str) -> None:
        (self.now,) = (timer.at_s for timer in self.all(SetTimer) if timer.name == name)
        self.give(TimerFired(name))

    def receive(self, type: Event.Type, **more: Any) -> None:
        self.give(Received("agent", Event(type=type, **more)))

    def answer(self) -> None:
        self.give(Received("agent", Event(type=Event.SUBSCRIBED)))

    def subscribe(self) -> None:
        self.give(Connected("agent"))
        self.answer()

    def launch(self, task_id: str) -> None:
        task = mesos_pb2.TaskInfo(name=task_id)
        task.task_id.value = task_id
        self.receive(Event.LAUNCH, launch=Event.Launch(task=task))

    def report(self, task_id: str, state: mesos_pb2.TaskState) -> None:
        status = mesos_pb2.TaskStatus(state=state)
        status.task_id.value = task_id
        self.give(Submit(update(status)))

    def acknowledge(self, status: mesos_pb2.TaskStatus) -> None:
        acknowledged = Event.Acknowledged(task_id=status.task_id, uuid=status.uuid)
        self.receive(Event.ACKNOWLEDGED, acknowledged=acknowledged)

    def all(self, kind: type[E]) -> list[E]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def only(self, kind: type[E]) -> E:
        (found,) = self.all(kind)
        return found

    def sent(self) -> Any:
        return self.only(Send).message

    def arrived(self) -> list[str]:
        return [Event.Type.Name(e.event.type) for e in self.all(Arrived)]  # type: ignore[attr-defined]


@pytest.fixture
def bench() -> Bench:
    """Return a subscribed session."""
    bench = Bench()
    bench.subscribe()
    return bench


def test_executor_that_no_agent_started_is_told_what_is_missing() -> None:
    with pytest.raises(InvalidValue, match="MESOS_FRAMEWORK_ID, MESOS_EXECUTOR_ID, MESOS_SLAVE_ID"):
        ExecutorEnvironment.parse({})


def test_malformed_duration_in_the_environment_is_refused() -> None:
    with pytest.raises(InvalidValue, match="duration"):
        Bench(MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD="soon")


def test_executor_connects_to_its_agent_and_subscribes() -> None:
    bench = Bench()
    assert bench.only(Connect) == Connect("agent", "127.0.0.1:5051")

    bench.give(Connected("agent"))

    call = bench.sent()
    assert (call.framework_id.value, call.executor_id.value) == ("F", "e1")
    assert call.type == Call.SUBSCRIBE
    assert call.HasField("subscribe")
    bench.answer()
    assert bench.only(Subscribed).again is False


def test_status_gets_its_uuid_time_and_names_and_is_sent(bench: Bench) -> None:
    bench.report("t1", mesos_pb2.TASK_RUNNING)

    status = bench.sent().update.status
    assert len(status.uuid) == 16
    assert status.timestamp == 1000.0
    assert status.source == mesos_pb2.TaskStatus.SOURCE_EXECUTOR
    assert (status.agent_id.value, status.executor_id.value) == ("M-S0", "e1")


def test_message_goes_to_the_framework(bench: Bench) -> None:
    bench.give(Submit(message(b"hello")))

    assert bench.sent().message.data == b"hello"


@pytest.mark.parametrize(
    "type", [Event.KILL, Event.MESSAGE, Event.LAUNCH, Event.LAUNCH_GROUP, Event.SHUTDOWN]
)
def test_events_arrive(bench: Bench, type: Any) -> None:
    bench.receive(type)

    assert bench.arrived() == [Event.Type.Name(type)]


def test_heartbeats_are_no_news(bench: Bench) -> None:
    bench.receive(Event.HEARTBEAT)

    assert bench.effects == []


def test_executor_ends_when_its_agent_is_gone(bench: Bench) -> None:
    bench.give(Disconnected("agent", "reset"))

    assert bench.all(Unsubscribed)
    assert bench.arrived() == ["SHUTDOWN"]
    told_at = bench.now
    bench.fire("shutdown-grace")
    assert bench.now == told_at + 7.0
    assert bench.all(Stop)


def test_checkpointing_executor_waits_for_its_agent_and_then_ends() -> None:
    bench = Bench(MESOS_CHECKPOINT="1", MESOS_RECOVERY_TIMEOUT="1mins")
    bench.subscribe()
    bench.give(Disconnected("agent"))
    assert bench.arrived() == []
    assert SetTimer("recovery", 1060.0) in bench.effects

    bench.give(TimerFired("recovery"))

    assert bench.arrived() == ["SHUTDOWN"]


def test_returning_agent_hears_again_what_it_has_not_acknowledged() -> None:
    bench = Bench(MESOS_CHECKPOINT="1")
    bench.subscribe()
    statuses = []
    for task_id in ("t1", "t2", "t3"):
        bench.launch(task_id)
        if task_id != "t3":
            bench.report(task_id, mesos_pb2.TASK_RUNNING)
            statuses.append(bench.sent().update.status)
    bench.acknowledge(statuses[0])
    bench.give(Disconnected("agent"))
    bench.report("t2", mesos_pb2.TASK_FINISHED)
    assert not bench.all(Send)

    bench.give(Connected("agent"))

    subscribe = bench.sent().subscribe
    assert [task.task_id.value for task in subscribe.unacknowledged_tasks] == ["t2", "t3"]
    assert [
        (update.status.task_id.value, update.status.state)
        for update in subscribe.unacknowledged_updates
    ] == [("t2", mesos_pb2.TASK_RUNNING), ("t2", mesos_pb2.TASK_FINISHED)]
    bench.answer()
    assert bench.only(Subscribed).again is True


def test_executor_knows_whether_its_last_status_has_arrived(bench: Bench) -> None:
    bench.report("t1", mesos_pb2.TASK_FINISHED)
    status = bench.sent().update.status
    assert bench.session.has_unacknowledged_updates

    bench.acknowledge(status)

    assert not bench.session.has_unacknowledged_updates
    assert bench.arrived() == ["ACKNOWLEDGED"]


def test_launch_while_shutting_down_is_ignored(bench: Bench) -> None:
    bench.receive(Event.SHUTDOWN)
    bench.receive(Event.SHUTDOWN)
    assert bench.effects == []

    bench.launch("t1")

    assert bench.effects == []


def test_last_statuses_leave_while_shutting_down(bench: Bench) -> None:
    bench.receive(Event.SHUTDOWN)

    bench.report("t1", mesos_pb2.TASK_KILLED)

    assert bench.sent().update.status.state == mesos_pb2.TASK_KILLED


def test_agent_that_never_answers_fails_the_session() -> None:
    bench = Bench()
    bench.give(Disconnected("agent", "refused"))
    bench.fire("attempt")
    assert bench.all(Connect)

    bench.give(TimerFired("recovery"))

    assert "127.0.0.1:5051" in bench.only(Failed).message
    assert bench.only(Stop).exit_code == 1


def test_error_fails_the_session(bench: Bench) -> None:
    bench.receive(Event.ERROR, error=Event.Error(message="no"))

    assert bench.only(Failed).message == "no"


def test_executor_that_leaves_closes_and_stops(bench: Bench) -> None:
    bench.give(Leave())

    assert bench.all(Close)
    assert bench.only(Stop).exit_code == 0
