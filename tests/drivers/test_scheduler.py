"""The scheduler driver calls a framework's callbacks, and keeps the promises of Mesos's driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minimesos.drivers.driver import ABORTED, NOT_STARTED, RUNNING, STOPPED
from minimesos.drivers.scheduler import Scheduler, SchedulerDriver
from minimesos.errors import InvalidValue
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.runtime.frames import SCHEDULER

pytestmark = pytest.mark.integration

Call = scheduler_pb2.Call
Event = scheduler_pb2.Event


class Noting(Scheduler):
    """Notes every callback."""

    def __init__(self, calls: Any) -> None:
        self._calls = calls

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return super().__getattribute__(name)
        return lambda driver, *arguments: self._calls.note(name, driver, *arguments)


@pytest.fixture
def master(make_peer: Callable[..., Any]) -> Any:
    return make_peer(SCHEDULER)


@pytest.fixture
def make_driver(master: Any, calls: Any) -> Iterator[Callable[..., SchedulerDriver]]:
    drivers: list[SchedulerDriver] = []

    def make(address: str | None = None, **options: Any) -> SchedulerDriver:
        info = mesos_pb2.FrameworkInfo(user="ada", name="analytics", failover_timeout=0.1)
        drivers.append(SchedulerDriver(Noting(calls), info, address or master.address, **options))
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.abort()


@pytest.fixture
def driver(make_driver: Any, master: Any, calls: Any) -> SchedulerDriver:
    """Return a driver that has been registered."""
    driver: SchedulerDriver = make_driver()
    assert driver.start() == RUNNING
    subscribe(master)
    calls.next("registered")
    return driver


def subscribe(master: Any, master_id: str = "M") -> Any:
    """Hear a SUBSCRIBE and accept it."""
    call = master.hear()
    assert call.type == Call.SUBSCRIBE
    event = Event(type=Event.SUBSCRIBED)
    event.subscribed.framework_id.value = "M-0001"
    event.subscribed.heartbeat_interval_seconds = 15
    event.subscribed.master_info.CopyFrom(mesos_pb2.MasterInfo(id=master_id, ip=0, port=5050))
    master.say(event)
    return call


def offers(*ids: str) -> scheduler_pb2.Event:
    event = Event(type=Event.OFFERS)
    for id in ids:
        offer = event.offers.offers.add(hostname="node1")
        offer.id.value = id
        offer.framework_id.value = "M-0001"
        offer.agent_id.value = "M-S0"
    return event


def update(task_id: str = "t1") -> scheduler_pb2.Event:
    event = Event(type=Event.UPDATE)
    event.update.status.task_id.value = task_id
    event.update.status.state = mesos_pb2.TASK_RUNNING
    event.update.status.agent_id.value = "M-S0"
    event.update.status.uuid = b"u" * 16
    return event


def test_registered_framework_learns_its_id(make_driver: Any, master: Any, calls: Any) -> None:
    make_driver().start()
    subscribe(master)

    framework_id, master_info = calls.next("registered")

    assert framework_id.value == "M-0001"
    assert master_info.id == "M"


def test_callbacks_come_in_order_in_one_thread(
    driver: SchedulerDriver, master: Any, calls: Any
) -> None:
    master.say(offers("o1", "o2"))
    master.say(Event(type=Event.RESCIND, rescind={"offer_id": {"value": "o1"}}))
    failure: dict[str, Any] = {"agent_id": {"value": "M-S0"}}
    master.say(Event(type=Event.FAILURE, failure=failure))
    master.say(
        Event(type=Event.FAILURE, failure=failure | {"executor_id": {"value": "e1"}, "status": 256})
    )
    master.say(
        Event(type=Event.MESSAGE, message=failure | {"executor_id": {"value": "e1"}, "data": b"x"})
    )

    (seen,) = calls.next("resourceOffers")
    assert [offer.id.value for offer in seen] == ["o1", "o2"]
    assert calls.next("offerRescinded")[0].value == "o1"
    assert calls.next("slaveLost")[0].value == "M-S0"
    executor_id, agent_id, status = calls.next("executorLost")
    assert (executor_id.value, agent_id.value, status) == ("e1", "M-S0", 256)
    assert calls.next("frameworkMessage")[2] == b"x"
    assert len(calls.threads) == 1


def test_lost_agent_is_told_under_either_name() -> None:
    lost: list[Any] = []

    class Newer(Scheduler):
        def agentLost(self, driver: Any, agent_id: Any) -> None:
            lost.append(agent_id)

    Newer().slaveLost(None, "M-S0")  # type: ignore[arg-type]

    assert lost == ["M-S0"]


def test_status_is_acknowledged_after_its_callback(
    driver: SchedulerDriver, master: Any, calls: Any
) -> None:
    calls.reactions["statusUpdate"] = lambda driver, status: driver.reviveOffers()

    master.say(update())

    assert [master.hear().type for _ in range(2)] == [Call.REVIVE, Call.ACKNOWLEDGE]


def test_explicit_acknowledgement_is_left_to_the_framework(
    make_driver: Any, master: Any, calls: Any
) -> None:
    driver = make_driver(implicitAcknowledgements=False)
    driver.start()
    subscribe(master)
    calls.next("registered")

    master.say(update())
    (status,) = calls.next("statusUpdate")
    driver.suppressOffers()
    driver.acknowledgeStatusUpdate(status)

    assert [master.hear().type for _ in range(2)] == [Call.SUPPRESS, Call.ACKNOWLEDGE]


def test_acknowledging_what_the_driver_acknowledges_is_a_mistake(driver: SchedulerDriver) -> None:
    with pytest.raises(InvalidValue, match="implicitly"):
        driver.acknowledgeStatusUpdate(update().update.status)


def test_calls_reach_the_master_as_they_are_meant(driver: SchedulerDriver, master: Any) -> None:
    offer_id = mesos_pb2.OfferID(value="o1")
    task = mesos_pb2.TaskInfo(name="t1")
    task.task_id.value = "t1"
    task.agent_id.value = "M-S0"
    status = mesos_pb2.TaskStatus(task_id=task.task_id, state=mesos_pb2.TASK_RUNNING)
    executor_id = mesos_pb2.ExecutorID(value="e1")

    driver.launchTasks(offer_id, [task], mesos_pb2.Filters(refuse_seconds=1))
    driver.declineOffer(offer_id)
    driver.killTask(task.task_id)
    driver.reconcileTasks([status])
    driver.sendFrameworkMessage(executor_id, task.agent_id, b"x")
    driver.requestResources([])

    accept, decline, kill, reconcile, message, request = (master.hear() for _ in range(6))
    assert accept.accept.operations[0].launch.task_infos[0].task_id.value == "t1"
    assert accept.accept.filters.refuse_seconds == 1
    assert accept.framework_id.value == "M-0001"
    assert [id.value for id in decline.decline.offer_ids] == ["o1"]
    assert kill.kill.task_id.value == "t1"
    assert not reconcile.reconcile.tasks[0].HasField("agent_id")
    assert message.message.data == b"x"
    assert request.type == Call.REQUEST


def test_lost_master_is_found_again(driver: SchedulerDriver, master: Any, calls: Any) -> None:
    master.hang_up()
    calls.next("disconnected")
    again = subscribe(master)

    calls.next("reregistered")
    assert again.framework_id.value == "M-0001"


def test_launch_without_a_master_is_answered_with_a_lost_task(
    driver: SchedulerDriver, master: Any, calls: Any
) -> None:
    task = mesos_pb2.TaskInfo(name="t1")
    task.task_id.value = "t1"

    def launch(driver: SchedulerDriver) -> None:
        driver.launchTasks(mesos_pb2.OfferID(value="o1"), [task])

    calls.reactions["disconnected"] = launch
    master.hang_up()
    calls.next("disconnected")

    (status,) = calls.next("statusUpdate")
    assert (status.task_id.value, status.state) == ("t1", mesos_pb2.TASK_LOST)


def test_stop_tears_the_framework_down(driver: SchedulerDriver, master: Any) -> None:
    assert driver.stop() == STOPPED
    assert driver.join() == STOPPED

    assert master.hear().type == Call.TEARDOWN
    assert driver.reviveOffers() == STOPPED
    assert master.heard_nothing()


def test_stop_for_a_failover_says_nothing(driver: SchedulerDriver, master: Any) -> None:
    driver.stop(failover=True)

    assert master.heard_nothing()


def test_stop_after_abort_still_says_aborted(driver: SchedulerDriver) -> None:
    driver.abort()

    assert driver.stop() == ABORTED


def test_driver_may_be_stopped_inside_a_callback(
    driver: SchedulerDriver, master: Any, calls: Any
) -> None:
    calls.reactions["resourceOffers"] = lambda driver, offers: driver.stop()
    master.say(offers("o1"))

    assert driver.join() == STOPPED
    assert master.hear().type == Call.TEARDOWN


def test_no_callback_follows_an_abort(driver: SchedulerDriver, master: Any, calls: Any) -> None:
    calls.reactions["resourceOffers"] = lambda driver, offers: driver.abort()
    master.say(offers("o1"))
    master.say(offers("o2"))

    assert driver.join() == ABORTED
    calls.next("resourceOffers")
    assert calls.none_left()
    assert master.heard_nothing()


def test_status_is_not_acknowledged_if_its_callback_aborts(
    driver: SchedulerDriver, master: Any, calls: Any
) -> None:
    calls.reactions["statusUpdate"] = lambda driver, status: driver.abort()
    master.say(update())

    assert driver.join() == ABORTED
    assert master.heard_nothing()


def test_error_of_the_master_aborts_the_driver_and_is_the_last_callback(
    driver: SchedulerDriver, master: Any, calls: Any
) -> None:
    status: list[Any] = []
    calls.reactions["error"] = lambda driver, message: status.append(driver.reviveOffers())
    master.say(Event(type=Event.ERROR, error={"message": "Framework failed over"}))

    assert driver.join() == ABORTED
    assert calls.next("error") == ("Framework failed over",)
    assert status == [ABORTED]


def test_callback_that_raises_aborts_the_driver(
    driver: SchedulerDriver, master: Any, calls: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a mistake of the framework's")

    calls.reactions["resourceOffers"] = fail
    master.say(offers("o1"))

    assert driver.join() == ABORTED
    assert "a mistake of the framework's" in caplog.text


def test_bad_address_is_an_error_and_aborts(make_driver: Any, calls: Any) -> None:
    driver = make_driver("zk://a:2181/mesos")
    driver.start()

    assert driver.join() == ABORTED
    assert "ZooKeeper" in calls.next("error")[0]


def test_driver_gives_up_on_a_master_that_is_not_there(
    make_driver: Any, master: Any, calls: Any
) -> None:
    driver = make_driver("127.0.0.1:1", give_up_s=0.01)

    assert driver.run() == ABORTED
    assert "127.0.0.1:1" in calls.next("error")[0]


def test_calls_before_the_start_do_nothing(make_driver: Any) -> None:
    driver = make_driver()

    assert driver.reviveOffers() == NOT_STARTED
    assert driver.stop() == NOT_STARTED
    assert driver.join() == NOT_STARTED


def test_driver_starts_once(driver: SchedulerDriver) -> None:
    assert driver.start() == RUNNING
    driver.stop()

    assert driver.start() == STOPPED
