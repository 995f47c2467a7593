"""The fine-grained core, by the catalogue of Spark's own suite, and what Spark does not do."""

from __future__ import annotations

from typing import Any

import pytest

from minimesos.actor import Effect
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.resources import Resources
from minimesos.spark.backends.fine import DATA_BYTES_MAX, FineGrainedCore
from minimesos.spark.backends.fine_task import FineTasks
from minimesos.spark.backends.mesos_core import (
    AskForTasks,
    CallMaster,
    ExecutorGone,
    ExpectExecutor,
    GiveUp,
    SendToExecutor,
    TaskResults,
)
from minimesos.spark.backends.shortage import NOT_OFFERED
from minimesos.spark.scheduler.executor import WorkerOffer
from minimesos.testing import builders

Call = scheduler_pb2.Call
Status = mesos_pb2.TaskStatus


class Told:
    """A core, a task scheduler that launches what the test says, and what the core wanted done."""

    def __init__(self, **conf: object) -> None:
        texts = {"spark." + name.replace("_", "."): str(value) for name, value in conf.items()}
        texts.setdefault("spark.executor.memory", "100m")
        self.now = 1000.0
        self.core = FineGrainedCore(texts, FineTasks(texts, "app", b"\xab", command))
        self.tids = 0
        self.offers_made = 0
        self.asked: list[WorkerOffer] = []
        self.done: list[Effect] = []

    def effects(self) -> list[Effect]:
        """Return what was wanted done since the last look, but for the calls of `offer`."""
        effects = self.done + self.core.take_effects()
        self.done = []
        return effects

    def calls(self) -> list[scheduler_pb2.Call]:
        return [each.call for each in self.effects() if isinstance(each, CallMaster)]

    def kinds(self) -> list[str]:
        return [Call.Type.Name(call.type) for call in self.calls()]

    def subscribe(self) -> None:
        self.core.subscribed("F", "driver:7077", self.now)

    def offer(
        self,
        resources: str = "cpus:4;mem:4096",
        tasks: int = 0,
        agent: str = "a1",
        size: int = 0,
        executors: tuple[str, ...] = (),
    ) -> None:
        """Make an offer; the task scheduler launches so many tasks on it if it may."""
        self.offers_made += 1
        offer = builders.offer(
            f"o{self.offers_made}", resources, agent_id=agent, hostname=f"host-{agent}"
        )
        offer.executor_ids.extend(mesos_pb2.ExecutorID(value=id) for id in executors)
        self.take([offer], {agent: tasks}, size)

    def take(self, offers: list[mesos_pb2.Offer], tasks: dict[str, int], size: int = 0) -> None:
        self.core.offers(offers, self.now)
        self.asked = []
        for effect in self.core.take_effects():
            self.done.append(effect)
            if isinstance(effect, AskForTasks):
                self.asked = list(effect.offers)
                for each in effect.offers:
                    self.launch(each.executor_id, tasks.get(each.executor_id, 0), size)
                self.core.launched(self.now)

    def launch(self, executor_id: str, tasks: int, size: int = 0) -> None:
        frame = spark_pb2.DriverFrame()
        if tasks:
            frame.stages.add(stage_key=7, binary=b"closure")
        for _ in range(tasks):
            frame.tasks.add(
                stage_key=7,
                task_ids=[self.tids],
                partitions=[self.tids],
                attempts=[0],
                payloads=[bytes(size)],
                names=[f"task {self.tids}.0 in stage 0.0 (TID {self.tids})"],
            )
            self.tids += 1
        self.core.launch(executor_id, frame, self.now)

    def run(self, tasks: int = 1, agent: str = "a1") -> None:
        """Have tasks launched on an agent, on an executor that is connected."""
        self.offer(tasks=tasks, agent=agent)
        self.core.attached(agent, self.now)
        self.effects()

    def update(self, tid: object, state: str, **fields: Any) -> None:
        value = mesos_pb2.TaskState.Value(f"TASK_{state}")
        fields.setdefault("source", Status.SOURCE_AGENT)
        self.core.update(builders.task_status(str(tid), value, agent_id="a1", **fields), self.now)

    def report(self, tid: int, state: str = "FINISHED", data: bool = True) -> None:
        """Have the executor itself say how a task ended."""
        outcome = spark_pb2.SUCCESS if state == "FINISHED" else spark_pb2.FAILED
        results = result(tid, outcome).SerializeToString() if data else b""
        self.update(tid, state, source=Status.SOURCE_EXECUTOR, data=results)


def result(tid: int, outcome: spark_pb2.Outcome = spark_pb2.SUCCESS) -> spark_pb2.TaskResults:
    results = spark_pb2.TaskResults(task_ids=[tid], payloads=[b"%d" % tid], workers=[0])
    if outcome != spark_pb2.SUCCESS:
        results.outcomes.append(outcome)
    return results


def command(arguments: Any) -> mesos_pb2.CommandInfo:
    return mesos_pb2.CommandInfo(value=" ".join(arguments))


@pytest.fixture
def driver() -> Told:
    return subscribed()


def subscribed(**conf: object) -> Told:
    told = Told(**conf)
    told.subscribe()
    told.effects()
    return told


def accepted(calls: list[scheduler_pb2.Call]) -> list[mesos_pb2.TaskInfo]:
    return [
        task
        for call in calls
        for operation in call.accept.operations
        for task in operation.launch.task_infos
    ]


def ended(effects: list[Effect]) -> list[tuple[str, list[int], list[int]]]:
    return [
        (each.executor_id, list(each.results.task_ids), list(each.results.outcomes))
        for each in effects
        if isinstance(each, TaskResults)
    ]


def gone(effects: list[Effect]) -> list[ExecutorGone]:
    return [each for each in effects if isinstance(each, ExecutorGone)]


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
    reconcile, kill = driver.calls()
    assert [each.task_id.value for each in reconcile.reconcile.tasks] == ["0", "1"]
    assert kill.kill.task_id.value == "1"


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
