"""The executor driver calls an executor's callbacks, and keeps the promises of Mesos's driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minimesos.drivers.driver import ABORTED, RUNNING, STOPPED
from minimesos.drivers.executor import Executor, ExecutorDriver
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.runtime.frames import EXECUTOR

pytestmark = pytest.mark.integration

Call = executor_pb2.Call
Event = executor_pb2.Event


class Noting(Executor):
    """Notes every callback."""

    def __init__(self, calls: Any) -> None:
        self._calls = calls

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return super().__getattribute__(name)
        return lambda driver, *arguments: self._calls.note(name, driver, *arguments)


@pytest.fixture
def agent(make_peer: Callable[..., Any]) -> Any:
    return make_peer(EXECUTOR)


@pytest.fixture
def driver(agent: Any, calls: Any) -> Iterator[ExecutorDriver]:
    """Return a driver that has been registered."""
    driver = ExecutorDriver(
        Noting(calls),
        {
            "MESOS_FRAMEWORK_ID": "F",
            "MESOS_EXECUTOR_ID": "e1",
            "MESOS_SLAVE_ID": "M-S0",
            "MESOS_AGENT_ENDPOINT": agent.address,
            "MESOS_DIRECTORY": "/tmp",
        },
    )
    assert driver.start() == RUNNING
    assert agent.hear().type == Call.SUBSCRIBE
    agent.say(
        Event(
            type=Event.SUBSCRIBED,
            subscribed=Event.Subscribed(
                executor_info={"executor_id": {"value": "e1"}},
                framework_info={"user": "ada", "name": "analytics"},
                agent_info={"hostname": "node1"},
            ),
        )
    )
    _, framework, agent_info = calls.next("registered")
    assert (framework.name, agent_info.hostname) == ("analytics", "node1")
    yield driver
    driver.abort()


def task(task_id: str) -> mesos_pb2.TaskInfo:
    return mesos_pb2.TaskInfo(name=task_id, task_id={"value": task_id}, agent_id={"value": "M-S0"})


def test_tasks_and_messages_arrive_in_order(driver: ExecutorDriver, agent: Any, calls: Any) -> None:
    agent.say(Event(type=Event.LAUNCH, launch={"task": task("t1")}))
    group = {"task_group": {"tasks": [task("t2"), task("t3")]}}
    agent.say(Event(type=Event.LAUNCH_GROUP, launch_group=group))
    agent.say(Event(type=Event.KILL, kill={"task_id": {"value": "t1"}}))
    agent.say(Event(type=Event.MESSAGE, message={"data": b"x"}))

    launched = [calls.next("launchTask")[0].task_id.value for _ in range(3)]
    assert launched == ["t1", "t2", "t3"]
    assert calls.next("killTask")[0].value == "t1"
    assert calls.next("frameworkMessage") == (b"x",)


def test_status_and_message_reach_the_agent(driver: ExecutorDriver, agent: Any) -> None:
    status = mesos_pb2.TaskStatus(task_id={"value": "t1"}, state=mesos_pb2.TASK_RUNNING)

    driver.sendStatusUpdate(status)
    driver.sendFrameworkMessage(b"x")

    update, message = agent.hear(), agent.hear()
    assert update.update.status.state == mesos_pb2.TASK_RUNNING
    assert len(update.update.status.uuid) == 16
    assert message.message.data == b"x"


def test_shutdown_is_a_callback_and_then_the_end(
    driver: ExecutorDriver, agent: Any, calls: Any
) -> None:
    def report(driver: ExecutorDriver) -> None:
        driver.sendStatusUpdate(
            mesos_pb2.TaskStatus(task_id={"value": "t1"}, state=mesos_pb2.TASK_KILLED)
        )

    calls.reactions["shutdown"] = report
    agent.say(Event(type=Event.SHUTDOWN))

    assert driver.join() == STOPPED
    assert agent.hear().update.status.state == mesos_pb2.TASK_KILLED


def test_executor_is_shut_down_when_its_agent_is_gone(
    driver: ExecutorDriver, agent: Any, calls: Any
) -> None:
    agent.hang_up()

    calls.next("disconnected")
    calls.next("shutdown")
    assert driver.join() == STOPPED


def test_program_that_no_agent_started_hears_an_error(calls: Any) -> None:
    driver = ExecutorDriver(Noting(calls), {})

    assert driver.run() == ABORTED
    assert "MESOS_FRAMEWORK_ID" in calls.next("error")[0]
