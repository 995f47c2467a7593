"""The fine-grained core, by the catalogue of Spark's own suite, and what Spark does not do."""

from __future__ import annotations

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.resources import Resources
from minimesos.spark.backends.fine import DATA_BYTES_MAX
from minimesos.spark.backends.mesos_core import (
    CallMaster,
    ExpectExecutor,
    SendToExecutor,
)
from minimesos.spark.backends.shortage import NOT_OFFERED
from minimesos.spark.scheduler.executor import WorkerOffer
from minimesos.testing import builders

from .fine_driver import Told, accepted, gone, subscribed

Call = scheduler_pb2.Call
Status = mesos_pb2.TaskStatus


@pytest.fixture
def driver() -> Told:
    return subscribed()


# -- offers (the catalogue) -----------------------------------------------------------------------


def test_an_executor_takes_the_cores_that_are_set_for_it() -> None:
    driver = subscribed(mesos_mesosExecutor_cores=3)
    driver.offer("cpus:5;mem:4096", tasks=2)
    task = accepted(driver.calls())[0]
    assert Resources.from_proto(task.executor.resources) == Resources.of(cpus=3, mem=484)
    assert driver.asked == [WorkerOffer("a1", "host-a1", 2)]


def test_three_offers_too_little_memory_fit_and_fit_without_a_task() -> None:
    driver = subscribed(task_cpus=2)
    offers = [
        builders.offer("o1", "cpus:4;mem:400", agent_id="a1"),
        builders.offer("o2", "cpus:5;mem:484", agent_id="a2"),
        builders.offer("o3", "cpus:5;mem:500", agent_id="a3"),
    ]
    driver.take(offers, {"a2": 1})
    calls = driver.calls()
    declined = [offer_id.value for call in calls for offer_id in call.decline.offer_ids]
    assert declined == ["o1", "o3"]
    assert not any(call.decline.HasField("filters") for call in calls)
    (launch,) = (call for call in calls if call.HasField("accept"))
    assert [each.value for each in launch.accept.offer_ids] == ["o2"]
    assert launch.accept.filters.refuse_seconds == 1
    (task,) = accepted(calls)
    assert Resources.from_proto(task.resources) == Resources.of(cpus=2)
    assert [offer.cores for offer in driver.asked] == [4, 4]


def test_where_the_executor_runs_memory_is_not_needed_and_cores_are_not_reduced(
    driver: Told,
) -> None:
    driver.run()
    driver.offer("cpus:1;mem:1")
    assert driver.asked == [WorkerOffer("a1", "host-a1", 1)]
    assert driver.kinds() == ["DECLINE"]
    driver.offer("cpus:0.5;mem:4096")
    assert driver.asked == []
    assert driver.kinds() == ["DECLINE"]


def test_executor_and_task_keep_the_roles_of_what_they_take() -> None:
    driver = subscribed(executor_memory="100m")
    offered = "mem(prod):500;cpus(prod):1;mem(dev):600;cpus(dev):2"
    driver.offer(offered, tasks=1)
    (task,) = accepted(driver.calls())
    executor = Resources.from_proto(task.executor.resources)
    assert executor == Resources.of("prod", mem=484) + Resources.of("prod", cpus=1)
    assert Resources.from_proto(task.resources) == Resources.of("dev", cpus=1)
    assert [offer.cores for offer in driver.asked] == [2]


def test_an_agent_that_does_not_meet_the_constraints_stays_away_for_the_time_that_is_set() -> None:
    driver = subscribed(mesos_constraints="x:true")
    driver.offer(tasks=1)
    (call,) = driver.calls()
    assert call.decline.filters.refuse_seconds == 120
    assert driver.asked == []
    lacks, others = driver.core.shortage(driver.now)
    assert "no attribute x" in lacks
    assert others == NOT_OFFERED


@pytest.mark.parametrize("state", ["LOST", "FAILED"])
def test_a_lost_task_takes_its_executor_with_it_which_then_needs_memory_again(
    driver: Told, state: str
) -> None:
    driver.run()
    driver.update(0, state)
    (lost,) = gone(driver.effects())
    assert lost.executor_id == "a1"
    assert lost.caused_by_tasks
    driver.offer("cpus:4;mem:100", tasks=1)
    assert driver.asked == []
    driver.offer(tasks=1)
    (task,) = accepted(driver.calls())
    assert Resources.from_proto(task.executor.resources).scalar("mem") == 484_000


# -- what is launched -----------------------------------------------------------------------------


def test_a_task_is_described_to_mesos_with_its_executor_and_what_it_is_to_do(driver: Told) -> None:
    driver.offer(tasks=1)
    effects = driver.effects()
    (task,) = accepted([each.call for each in effects if isinstance(each, CallMaster)])
    assert (task.task_id.value, task.agent_id.value) == ("0", "a1")
    assert task.name == "task 0.0 in stage 0.0 (TID 0)"
    assert task.executor.executor_id.value == "a1"
    assert task.executor.command.value == "--driver-url driver:7077"
    (variable,) = task.executor.command.environment.variables
    assert (variable.name, variable.value) == ("MINIMESOS_SPARK_SECRET", "ab")
    batch = spark_pb2.TaskBatch.FromString(task.data)
    assert (batch.stage_key, list(batch.task_ids), list(batch.names)) == (7, [0], [])
    kinds = [type(each) for each in effects]
    assert kinds.index(ExpectExecutor) < kinds.index(SendToExecutor) < kinds.index(CallMaster)


def test_the_executor_is_described_alike_each_time_or_the_master_would_refuse_it(
    driver: Told,
) -> None:
    driver.offer(tasks=2)
    first = accepted(driver.calls())
    driver.offer("cpus:1", tasks=1)
    (third,) = accepted(driver.calls())
    assert first[0].executor == first[1].executor == third.executor


def test_a_long_description_goes_to_the_executor_itself(driver: Told) -> None:
    driver.offer(tasks=1, size=DATA_BYTES_MAX)
    effects = driver.effects()
    (task,) = accepted([each.call for each in effects if isinstance(each, CallMaster)])
    assert not task.HasField("data")
    sent = [each.frame for each in effects if isinstance(each, SendToExecutor)]
    assert [list(batch.task_ids) for frame in sent for batch in frame.tasks] == [[0]]


def test_a_frame_for_an_executor_that_is_gone_is_dropped(driver: Told) -> None:
    driver.core.launch("a9", spark_pb2.DriverFrame(cleanup={"rdd_ids": [1]}), driver.now)
    assert driver.effects() == []


def test_of_two_offers_of_one_agent_one_is_used(driver: Told) -> None:
    offers = [builders.offer(id, "cpus:4;mem:4096", agent_id="a1") for id in ("o1", "o2")]
    driver.take(offers, {"a1": 2})
    answers = {
        offer_id.value: Call.Type.Name(call.type)
        for call in driver.calls()
        for offer_id in (*call.accept.offer_ids, *call.decline.offer_ids)
    }
    assert answers == {"o1": "ACCEPT", "o2": "DECLINE"}


def test_the_parallelism_is_what_is_set_or_eight() -> None:
    assert Told().core.default_parallelism == 8
    assert Told(default_parallelism=3).core.default_parallelism == 3


# -- asking for offers ----------------------------------------------------------------------------


def test_offers_are_asked_for_once_until_they_come_or_something_is_freed(driver: Told) -> None:
    for _ in range(3):
        driver.core.revive(driver.now)
    assert driver.kinds() == ["REVIVE"]
    driver.run(tasks=2)
    driver.core.revive(driver.now)
    driver.core.revive(driver.now)
    assert driver.kinds() == ["REVIVE"]
    driver.report(0)
    driver.effects()
    driver.core.revive(driver.now)
    assert driver.kinds() == ["REVIVE"]


def test_offers_are_asked_for_again_after_the_master_was_lost(driver: Told) -> None:
    driver.core.revive(driver.now)
    driver.effects()
    driver.core.disconnected(driver.now)
    driver.core.revive(driver.now)
    assert driver.kinds() == ["REVIVE"]
