"""The fine-grained core: each task, executor and agent ends once, whichever way the news comes."""

from __future__ import annotations

from typing import Any

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends.fine import RECONCILE
from minimesos.spark.backends.mesos_core import (
    ExecutorGone,
    ExpectExecutor,
    GiveUp,
)

from .fine_driver import Told, accepted, ended, gone, result, subscribed

Call = scheduler_pb2.Call
Status = mesos_pb2.TaskStatus


@pytest.fixture
def driver() -> Told:
    return subscribed()


# -- ends of tasks --------------------------------------------------------------------------------


def test_a_result_in_a_status_ends_the_task_once(driver: Told) -> None:
    driver.run(tasks=2)
    driver.report(0)
    assert ended(driver.effects()) == [("a1", [0], [])]
    driver.report(0)
    driver.update(0, "LOST")
    assert driver.effects() == []


def test_results_that_come_together_are_told_together(driver: Told) -> None:
    driver.run(tasks=3)
    driver.report(0)
    driver.report(1, "FAILED")
    driver.report(2)
    outcomes = [spark_pb2.SUCCESS, spark_pb2.FAILED, spark_pb2.SUCCESS]
    assert ended(driver.effects()) == [("a1", [0, 1, 2], outcomes)]


def test_an_executor_that_says_that_a_task_failed_is_there(driver: Told) -> None:
    driver.run()
    driver.report(0, "FAILED")
    effects = driver.effects()
    assert ended(effects) == [("a1", [0], [spark_pb2.FAILED])]
    assert gone(effects) == []
    driver.offer("cpus:1", tasks=1)
    assert len(accepted(driver.calls())) == 1


@pytest.mark.parametrize("first", ["status", "result"])
def test_a_large_result_comes_by_the_connection_and_ends_the_task_once(
    driver: Told, first: str
) -> None:
    driver.run()
    ways = {
        "status": lambda: driver.report(0, data=False),
        "result": lambda: driver.core.results("a1", result(0), driver.now),
    }
    ways.pop(first)()
    (other,) = ways.values()
    other()
    assert ended(driver.effects()) == [("a1", [0], [])]
    driver.report(0, data=False)
    assert driver.effects() == []


def test_a_task_whose_result_is_here_does_not_end_again_when_the_master_knows_nothing_of_it(
    driver: Told,
) -> None:
    driver.run()
    driver.core.results("a1", result(0), driver.now)
    driver.update(0, "LOST", reason=Status.REASON_RECONCILIATION)
    assert ended(driver.effects()) == [("a1", [0], [])]


def test_a_result_before_the_executor_is_known_to_be_connected_waits_for_that(
    driver: Told,
) -> None:
    driver.offer(tasks=1)
    driver.effects()
    driver.report(0)
    assert ended(driver.effects()) == []
    driver.core.attached("a1", driver.now)
    assert ended(driver.effects()) == [("a1", [0], [])]


def test_a_status_that_holds_no_result_of_its_task_is_a_loss(driver: Told) -> None:
    driver.run()
    driver.update(0, "FINISHED", source=Status.SOURCE_EXECUTOR, data=b"\xff\xff")
    assert ended(driver.effects()) == [("a1", [0], [spark_pb2.WORKER_LOST])]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("LOST", Status.REASON_INVALID_OFFERS),
        ("LOST", Status.REASON_MASTER_DISCONNECTED),
        ("KILLED", Status.REASON_TASK_KILLED_DURING_LAUNCH),
        ("LOST", Status.REASON_RECONCILIATION),
    ],
)
def test_a_task_that_never_came_to_its_executor_may_be_tried_again_and_the_executor_stays(
    driver: Told, state: str, reason: Status.Reason
) -> None:
    driver.run(tasks=2)
    driver.update(0, state, reason=reason)
    effects = driver.effects()
    assert ended(effects) == [("a1", [0], [spark_pb2.CANCELLED])]
    assert gone(effects) == []


def test_an_executor_whose_first_task_was_not_launched_is_launched_with_the_next(
    driver: Told,
) -> None:
    driver.offer(tasks=1)
    driver.effects()
    driver.update(0, "LOST", reason=Status.REASON_INVALID_OFFERS)
    (lost,) = gone(driver.effects())
    assert not lost.caused_by_tasks
    driver.offer(tasks=1)
    assert any(isinstance(each, ExpectExecutor) for each in driver.effects())


def test_a_cancelled_task_is_killed_by_mesos_and_its_end_is_awaited(driver: Told) -> None:
    driver.run()
    cancel = spark_pb2.DriverFrame(cancel={"task_ids": [0, 99], "interrupt": True})
    driver.core.launch("a1", cancel, driver.now)
    (call,) = driver.calls()
    assert (call.kill.task_id.value, call.kill.agent_id.value) == ("0", "a1")
    driver.update(
        0,
        "KILLED",
        source=Status.SOURCE_EXECUTOR,
        data=result(0, spark_pb2.CANCELLED).SerializeToString(),
    )
    assert ended(driver.effects()) == [("a1", [0], [spark_pb2.CANCELLED])]


# -- ends of executors ----------------------------------------------------------------------------


def test_the_end_of_an_executor_is_told_once_whichever_way_the_news_comes(driver: Told) -> None:
    driver.run(tasks=2)
    driver.update(0, "FAILED", message="killed by signal 9")
    driver.update(1, "FAILED", message="killed by signal 9")
    driver.core.executor_failed(failure("a1", "a1", 9), driver.now)
    driver.core.detached("a1", driver.now)
    (lost,) = gone(driver.effects())
    assert lost == ExecutorGone(
        "a1", "Executor finished with state FAILED: killed by signal 9", True
    )


def test_an_idle_executor_that_ends_is_forgotten(driver: Told) -> None:
    driver.run()
    driver.report(0)
    driver.core.executor_failed(failure("a1", "a1", 9), driver.now)
    (lost,) = gone(driver.effects())
    assert lost.reason == "the executor has ended: killed by signal 9"
    assert driver.core.is_idle


def test_a_lost_agent_takes_its_executor_and_is_not_to_blame(driver: Told) -> None:
    for _ in range(3):
        driver.run()
        driver.core.executor_failed(failure("a1"), driver.now)
        (lost,) = gone(driver.effects())
        assert lost.reason == "its agent is lost"
    driver.offer()
    assert len(driver.asked) == 1


def test_an_executor_whose_connection_broke_is_ended_and_replaced_once_it_is_gone(
    driver: Told,
) -> None:
    driver.run()
    driver.core.detached("a1", driver.now)
    (call,) = driver.calls()
    assert (call.shutdown.executor_id.value, call.shutdown.agent_id.value) == ("a1", "a1")
    driver.offer(tasks=1, executors=("other", "a1"))
    assert driver.kinds() == ["SHUTDOWN", "DECLINE"]
    driver.offer(tasks=1)
    assert len(accepted(driver.calls())) == 1


def test_an_agent_where_executors_do_not_start_gets_no_more_and_the_log_says_why(
    driver: Told, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        driver.offer(tasks=1)
        driver.update(driver.tids - 1, "FAILED", message="no Python")
    assert caplog.text.count("Executor did not start") == 2
    assert caplog.text.count("Agent excluded") == 1
    assert not any(each.caused_by_tasks for each in gone(driver.effects()))
    driver.offer(tasks=1)
    assert driver.asked == []
    assert "no Python" in driver.core.shortage(driver.now)[0]
    driver.now += 301
    driver.offer(tasks=1)
    assert len(driver.asked) == 1


def test_an_application_none_of_whose_executors_ever_started_fails(driver: Told) -> None:
    for _ in range(2):
        driver.offer(tasks=1)
        driver.update(driver.tids - 1, "FAILED", message="no Python")
    (end,) = (each for each in driver.effects() if isinstance(each, GiveUp))
    assert "no Python" in end.message


def test_a_refused_task_is_blamed_on_its_agent_so_that_it_is_not_tried_for_ever(
    driver: Told,
) -> None:
    driver.run()
    for _ in range(2):
        driver.offer("cpus:1", tasks=1)
        driver.update(
            driver.tids - 1, "ERROR", reason=Status.REASON_TASK_INVALID, message="not that"
        )
    driver.core.executor_failed(failure("a1", "a1", 0), driver.now)
    driver.offer(tasks=1)
    assert driver.asked == []


# -- the subscription, and the end ----------------------------------------------------------------


def test_after_the_master_was_lost_all_tasks_are_asked_for_and_kills_are_said_again(
    driver: Told,
) -> None:
    driver.run(tasks=2)
    driver.core.launch("a1", spark_pb2.DriverFrame(cancel={"task_ids": [1]}), driver.now)
    driver.effects()
    driver.core.disconnected(driver.now)
    driver.subscribe()
    reconcile, kill, reconcile_all = driver.calls()
    assert [each.task_id.value for each in reconcile.reconcile.tasks] == ["0", "1"]
    assert kill.kill.task_id.value == "1"
    assert not reconcile_all.reconcile.tasks


def test_an_executor_that_was_given_up_but_still_runs_tasks_is_ended(driver: Told) -> None:
    driver.run(tasks=2)
    driver.core.detached("a1", driver.now)
    driver.effects()  # the call to end it may be lost
    driver.core.timer_fired(RECONCILE, driver.now)
    (reconcile,) = driver.calls()
    assert not reconcile.reconcile.tasks
    driver.update(0, "STAGING", reason=Status.REASON_RECONCILIATION)
    (shutdown,) = driver.calls()
    assert shutdown.shutdown.executor_id.value == shutdown.shutdown.agent_id.value == "a1"


def test_a_task_that_is_over_for_us_is_killed_where_a_new_executor_runs(driver: Told) -> None:
    driver.run(tasks=1)
    driver.update(77, "STAGING", reason=Status.REASON_RECONCILIATION)
    (kill,) = driver.calls()
    assert (kill.kill.task_id.value, kill.kill.agent_id.value) == ("77", "a1")


def test_a_driver_that_comes_back_takes_no_news_of_earlier_ones_for_its_own() -> None:
    driver = subscribed(mesos_driver_frameworkId="F")
    driver.offer(tasks=1)
    (task,) = accepted(driver.calls())
    assert task.task_id.value == "0.1000000"
    driver.update("0", "FAILED")
    driver.update("0.5", "FAILED")
    assert driver.effects() == []
    driver.core.attached("a1", driver.now)
    data = result(0).SerializeToString()
    driver.update("0.1000000", "FINISHED", source=Status.SOURCE_EXECUTOR, data=data)
    assert ended(driver.effects()) == [("a1", [0], [])]


def test_an_application_that_ends_declines_and_says_nothing_of_executors(driver: Told) -> None:
    driver.run()
    driver.core.stop(driver.now)
    driver.offer(tasks=1)
    assert driver.kinds() == ["DECLINE"]
    assert not driver.core.is_idle
    driver.update(0, "FAILED")
    assert driver.effects() == []
    assert driver.core.is_idle


def failure(agent: str, executor: str | None = None, status: int = 0) -> Any:
    event = scheduler_pb2.Event.Failure(status=status)
    event.agent_id.value = agent
    if executor is not None:
        event.executor_id.value = executor
    return event
