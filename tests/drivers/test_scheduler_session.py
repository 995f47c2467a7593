"""A framework's session: it subscribes, stays subscribed, and forgets no task."""

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
from minimesos.drivers.scheduler_session import SchedulerSession, acknowledgement
from minimesos.drivers.session import Arrived, Failed, Leave, Submit, Subscribed, Unsubscribed
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2

Call = scheduler_pb2.Call
Event = scheduler_pb2.Event
E = TypeVar("E", bound=Effect)


class Bench:
    """A session; `effects` are those of the last stimulus, `now` is its time."""

    def __init__(self, framework: mesos_pb2.FrameworkInfo | None = None, **options: Any) -> None:
        self.session = SchedulerSession(
            "10.0.0.1:5050",
            framework or mesos_pb2.FrameworkInfo(user="ada", name="analytics", role="dev"),
            random=Random(3),
            **options,
        )
        self.now = 1000.0
        self.effects: list[Effect] = self.session.start(self.now)

    def give(self, stimulus: Stimulus) -> None:
        self.effects = self.session.handle(stimulus, self.now)

    def fire(self, name: str) -> None:
        (self.now,) = (timer.at_s for timer in self.all(SetTimer) if timer.name == name)
        self.give(TimerFired(name))

    def receive(self, type: Event.Type, **more: Any) -> None:
        self.give(Received("master", Event(type=type, **more)))

    def answer(self, framework_id: str = "M-0001", master_id: str = "M") -> None:
        """Let the master accept the subscription."""
        subscribed = Event.Subscribed(heartbeat_interval_seconds=15)
        subscribed.framework_id.value = framework_id
        subscribed.master_info.CopyFrom(mesos_pb2.MasterInfo(id=master_id, ip=0, port=5050))
        self.receive(Event.SUBSCRIBED, subscribed=subscribed)

    def subscribe(self) -> None:
        self.give(Connected("master"))
        self.answer()

    def all(self, kind: type[E]) -> list[E]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def only(self, kind: type[E]) -> E:
        (found,) = self.all(kind)
        return found

    def sent(self) -> Any:
        return self.only(Send).message


@pytest.fixture
def bench() -> Bench:
    """Return a subscribed session."""
    bench = Bench()
    bench.subscribe()
    return bench


def test_session_connects_at_once_and_subscribes_without_an_id() -> None:
    bench = Bench(suppressed=["dev"])
    assert bench.only(Connect) == Connect("master", "10.0.0.1:5050")

    bench.give(Connected("master"))

    call = bench.sent()
    assert call.type == Call.SUBSCRIBE
    assert call.subscribe.framework_info.name == "analytics"
    assert list(call.subscribe.suppressed_roles) == ["dev"]
    assert not call.HasField("framework_id")


def test_subscription_gives_the_framework_its_id(bench: Bench) -> None:
    assert bench.only(Subscribed).again is False
    assert bench.session.framework_id == "M-0001"
    assert bench.session.is_subscribed


def test_framework_that_fails_over_subscribes_with_its_id() -> None:
    info = mesos_pb2.FrameworkInfo(user="ada", name="analytics")
    info.id.value = "M-0009"
    bench = Bench(info)

    bench.give(Connected("master"))

    call = bench.sent()
    assert call.framework_id.value == "M-0009"
    assert call.subscribe.framework_info.id.value == "M-0009"


def test_lost_stream_is_reported_and_subscribed_again_with_the_same_id(bench: Bench) -> None:
    bench.give(Disconnected("master", "reset"))
    assert bench.only(Unsubscribed).reason == "reset"
    assert not bench.session.is_subscribed

    bench.fire("attempt")
    assert bench.all(Connect)
    bench.give(Connected("master"))
    assert bench.sent().framework_id.value == "M-0001"
    bench.answer()

    assert bench.only(Subscribed).again is True


def test_subscription_with_another_master_is_a_new_one(bench: Bench) -> None:
    bench.give(Disconnected("master"))
    bench.give(Connected("master"))

    bench.answer(master_id="N")

    assert bench.only(Subscribed).again is False


def test_delays_between_attempts_grow_to_a_minute() -> None:
    bench = Bench()
    delays = []
    for _ in range(30):
        bench.give(Disconnected("master", "refused"))
        assert not bench.all(Unsubscribed)
        delays.append(bench.only(SetTimer).at_s - bench.now)
        bench.fire("attempt")

    assert delays[0] <= 2.0
    assert 20.0 < max(delays) <= 60.0


def test_delays_stay_well_below_the_failover_timeout() -> None:
    bench = Bench(mesos_pb2.FrameworkInfo(user="ada", name="a", failover_timeout=30))
    for _ in range(30):
        bench.give(Disconnected("master"))
        assert bench.only(SetTimer).at_s - bench.now <= 3.0


def test_unanswered_connection_and_unanswered_subscription_are_tried_again() -> None:
    bench = Bench()
    bench.fire("attempt")
    assert bench.all(Connect)
    bench.give(Connected("master"))
    bench.fire("attempt")
    assert bench.all(Connect)


def test_master_that_misses_five_heartbeats_counts_as_lost(bench: Bench) -> None:
    heard_at = bench.now
    bench.receive(Event.HEARTBEAT)
    assert not bench.all(Arrived)

    bench.fire("silence")

    assert bench.now == heard_at + 75.0
    assert bench.all(Close)
    assert bench.all(Unsubscribed)


def test_any_event_proves_that_the_master_lives(bench: Bench) -> None:
    bench.now += 60.0
    bench.receive(Event.OFFERS)

    assert bench.only(SetTimer) == SetTimer("silence", bench.now + 75.0)
    assert bench.only(Arrived).event.type == Event.OFFERS  # type: ignore[attr-defined]


def test_events_before_the_subscription_are_dropped() -> None:
    bench = Bench()
    bench.give(Connected("master"))

    bench.receive(Event.OFFERS)

    assert bench.effects == []


def test_repeated_answer_to_a_subscription_is_no_news(bench: Bench) -> None:
    bench.answer()

    assert not bench.all(Subscribed)


def test_error_ends_the_session_for_good(bench: Bench) -> None:
    bench.receive(Event.ERROR, error=Event.Error(message="Framework has been removed"))

    assert bench.only(Failed).message == "Framework has been removed"
    assert bench.only(Stop).exit_code == 1
    bench.give(TimerFired("attempt"))
    assert bench.effects == []


def test_session_gives_up_after_the_time_that_it_was_given() -> None:
    bench = Bench(give_up_s=30.0)
    give_up = next(timer for timer in bench.all(SetTimer) if timer.name == "give-up")
    bench.give(Disconnected("master", "connection refused"))
    bench.now = give_up.at_s

    bench.give(TimerFired("give-up"))

    assert give_up.at_s == 1030.0
    assert "10.0.0.1:5050 for 30 s: connection refused" in bench.only(Failed).message


def test_time_to_give_up_starts_anew_with_each_loss() -> None:
    bench = Bench(give_up_s=30.0)
    bench.subscribe()
    bench.now += 500.0

    bench.give(Disconnected("master"))

    assert SetTimer("give-up", bench.now + 30.0) in bench.effects


def test_calls_get_the_frameworks_id(bench: Bench) -> None:
    bench.give(Submit(Call(type=Call.DECLINE)))

    call = bench.sent()
    assert (call.type, call.framework_id.value) == (Call.DECLINE, "M-0001")


def accept(task_id: str) -> scheduler_pb2.Call:
    call = Call(type=Call.ACCEPT)
    operation = call.accept.operations.add(type=mesos_pb2.Offer.Operation.LAUNCH)
    task = operation.launch.task_infos.add(name=task_id)
    task.task_id.value = task_id
    task.agent_id.value = "M-S0"
    return call


@pytest.mark.parametrize(
    ("capabilities", "state"),
    [
        ([], mesos_pb2.TASK_LOST),
        ([mesos_pb2.FrameworkInfo.Capability.PARTITION_AWARE], mesos_pb2.TASK_DROPPED),
    ],
)
def test_task_launched_without_a_master_is_answered_by_the_session(
    capabilities: list[Any], state: mesos_pb2.TaskState
) -> None:
    info = mesos_pb2.FrameworkInfo(user="ada", name="a")
    for capability in capabilities:
        info.capabilities.add(type=capability)
    bench = Bench(info)

    bench.give(Submit(accept("t1")))

    status = bench.only(Arrived).event.update.status  # type: ignore[attr-defined]
    assert (status.task_id.value, status.state) == ("t1", state)
    assert status.reason == mesos_pb2.TaskStatus.REASON_MASTER_DISCONNECTED
    assert acknowledgement(status) is None


@pytest.mark.parametrize("type", [Call.DECLINE, Call.KILL, Call.RECONCILE, Call.MESSAGE])
def test_other_calls_without_a_master_are_dropped(type: Any) -> None:
    bench = Bench()

    bench.give(Submit(Call(type=type)))

    assert bench.effects == []


def test_suppressed_roles_stay_so_with_the_next_subscription(bench: Bench) -> None:
    bench.give(Submit(Call(type=Call.SUPPRESS)))
    bench.give(Disconnected("master"))
    bench.give(Connected("master"))
    assert list(bench.sent().subscribe.suppressed_roles) == ["dev"]

    bench.give(Submit(Call(type=Call.REVIVE)))
    bench.give(Disconnected("master"))
    bench.give(Connected("master"))

    assert list(bench.sent().subscribe.suppressed_roles) == []


def test_framework_that_leaves_is_torn_down(bench: Bench) -> None:
    bench.give(Leave())

    teardown, *_, close, stop = (e for e in bench.effects if isinstance(e, Send | Close | Stop))
    assert teardown.message.type == Call.TEARDOWN  # type: ignore[union-attr]
    assert close == Close("master")
    assert stop.exit_code == 0  # type: ignore[union-attr]


def test_framework_that_means_to_come_back_is_only_disconnected(bench: Bench) -> None:
    bench.give(Leave(failover=True))

    assert not bench.all(Send)
    assert bench.all(Close)


def test_status_with_a_uuid_and_an_agent_is_to_be_acknowledged() -> None:
    status = mesos_pb2.TaskStatus(state=mesos_pb2.TASK_RUNNING, uuid=b"u" * 16)
    status.task_id.value = "t1"
    assert acknowledgement(status) is None
    status.agent_id.value = "M-S0"

    call = acknowledgement(status)

    assert call is not None
    assert call.acknowledge.uuid == b"u" * 16
    assert call.acknowledge.task_id.value == "t1"
