"""The coarse-grained core, by the catalogue of Spark's own suite, and what Spark does not do."""

from __future__ import annotations

from typing import Any

import pytest

from minimesos.actor import Effect, SetTimer
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.resources import Resources
from minimesos.spark.backends.coarse import (
    DOUBT_S,
    RECONCILE,
    RECONCILE_INTERVAL_S,
    CoarseGrainedCore,
)
from minimesos.spark.backends.coarse_task import CoarseTasks
from minimesos.spark.backends.mesos_core import (
    CallMaster,
    ExecutorGone,
    ExecutorLeaves,
    ExpectExecutor,
    GiveUp,
)
from minimesos.testing import builders

Call = scheduler_pb2.Call
Status = mesos_pb2.TaskStatus


class Told:
    """A core, and what it wanted done since it was last asked."""

    def __init__(self, **conf: object) -> None:
        texts = {"spark." + name.replace("_", "."): str(value) for name, value in conf.items()}
        self.now = 1000.0
        self.core = CoarseGrainedCore(texts, CoarseTasks(texts, "app", b"\xab", command))
        self.framework_id = texts.get("spark.mesos.driver.frameworkId", "F")
        self.offers_made = 0

    def effects(self) -> list[Effect]:
        return self.core.take_effects()

    def calls(self) -> list[scheduler_pb2.Call]:
        return [each.call for each in self.effects() if isinstance(each, CallMaster)]

    def kinds(self) -> list[str]:
        """Names of the calls since the last look."""
        return [Call.Type.Name(call.type) for call in self.calls()]

    def subscribe(self) -> None:
        self.core.subscribed(self.framework_id, "driver:7077", self.now)

    def offer(self, agent: str = "a1", resources: str = "cpus:1;mem:8192", **more: Any) -> None:
        self.offers_made += 1
        offer = builders.offer(f"o{self.offers_made}", resources, agent_id=agent, **more)
        self.core.offers([offer], self.now)

    def launch(self, agent: str = "a1") -> str:
        """Have one executor launched and return its id."""
        self.effects()
        self.offer(agent)
        (expected,) = (each for each in self.effects() if isinstance(each, ExpectExecutor))
        return expected.executor_id

    def update(self, id: str, state: str, agent: str = "a1", **fields: Any) -> None:
        value = mesos_pb2.TaskState.Value(f"TASK_{state}")
        self.core.update(builders.task_status(id, value, agent_id=agent, **fields), self.now)

    def fail(self, agent: str = "a1", state: str = "FAILED", **fields: Any) -> None:
        """Have an executor launched on an agent, and fail."""
        self.update(self.launch(agent), state, agent, **fields)


def command(arguments: Any) -> mesos_pb2.CommandInfo:
    return mesos_pb2.CommandInfo(value=" ".join(arguments))


@pytest.fixture
def driver() -> Told:
    told = Told()
    told.subscribe()
    told.effects()
    return told


def gone(effects: list[Effect]) -> list[ExecutorGone]:
    return [each for each in effects if isinstance(each, ExecutorGone)]


# -- offers and launches --------------------------------------------------------------------------


def test_an_offer_that_fits_is_accepted_with_a_task_that_starts_an_executor(driver: Told) -> None:
    driver.offer("a1", "cpus:4;mem:8192", hostname="host1")
    effects = driver.effects()
    assert effects[0] == ExpectExecutor("0")
    assert isinstance(effects[1], CallMaster)
    accept = effects[1].call.accept
    assert [each.value for each in accept.offer_ids] == ["o1"]
    assert not accept.HasField("filters")
    (task,) = accept.operations[0].launch.task_infos
    assert (task.name, task.task_id.value, task.agent_id.value) == ("app 0", "0", "a1")
    assert task.command.value == (
        "--driver-url driver:7077 --executor-id 0 --cores 4 --app-id F --hostname host1"
    )


def test_an_offer_that_does_not_fit_is_declined_without_a_filter(driver: Told) -> None:
    driver.offer("a1", "cpus:1;mem:10")
    (call,) = driver.calls()
    assert [each.value for each in call.decline.offer_ids] == ["o1"]
    assert not call.decline.HasField("filters")


def test_executors_on_one_offer_are_launched_by_one_call_with_what_each_is_told_to_take() -> None:
    driver = Told(executor_cores=4, mesos_extra_cores=1)
    driver.subscribe()
    driver.effects()
    driver.offer("a1", "cpus:9;mem:8192")
    (call,) = driver.calls()
    (operation,) = call.accept.operations
    tasks = operation.launch.task_infos
    assert [task.task_id.value for task in tasks] == ["0", "1"]
    assert [Resources.from_proto(task.resources).cpus for task in tasks] == [4, 4]
    assert all(" --cores 5 " in task.command.value for task in tasks)


def test_offers_that_come_together_are_each_answered_once_with_the_filter_of_their_reason() -> None:
    driver = Told(executor_cores=2, mesos_constraints="zone:a")
    driver.subscribe()
    driver.effects()
    offers = [
        builders.offer(id, f"cpus:{cpus};mem:8192", agent_id=id, attributes=f"zone:{zone}")
        for id, cpus, zone in (
            ("far", 2, "b"),
            ("small", 1, "a"),
            ("fit", 2, "a"),
            ("away", 2, "b"),
        )
    ]
    driver.core.offers(offers, driver.now)
    answers = sorted(
        (offer_id.value, Call.Type.Name(call.type), call.decline.filters.refuse_seconds)
        for call in driver.calls()
        for offer_id in (*call.accept.offer_ids, *call.decline.offer_ids)
    )
    default_s = mesos_pb2.Filters().refuse_seconds
    assert answers == [
        ("away", "DECLINE", 120),
        ("far", "DECLINE", 120),
        ("fit", "ACCEPT", default_s),
        ("small", "DECLINE", default_s),
    ]


def test_a_reason_that_lasts_keeps_offers_away(driver: Told) -> None:
    driver = Told(cores_max=1)
    driver.subscribe()
    driver.launch("a1")
    driver.offer("a2")
    (call,) = driver.calls()
    assert call.decline.filters.refuse_seconds == 120


def test_the_parallelism_is_the_number_of_cores_acquired_but_at_least_two(driver: Told) -> None:
    driver.launch()
    assert driver.core.default_parallelism == 2
    driver.offer("a2", "cpus:4;mem:8192")
    assert driver.core.default_parallelism == 5


# -- ends -----------------------------------------------------------------------------------------


def test_two_failures_exclude_an_agent_whose_last_reason_is_logged_once(
    driver: Told, caplog: pytest.LogCaptureFixture
) -> None:
    driver.fail(message="no Python")
    driver.fail(state="LOST", message="no memory")
    driver.effects()
    driver.offer("a1")
    assert driver.kinds() == ["DECLINE"]
    driver.offer("a1")
    assert driver.launch("a2") == "2"
    excluded = [line for line in caplog.messages if line.startswith("Agent excluded")]
    assert excluded == [
        "Agent excluded agent=a1 failures=2 seconds=300 "
        'reason="Executor finished with state LOST: no memory"'
    ]


def test_an_exclusion_expires_and_its_bounds_are_settings() -> None:
    driver = Told(
        minimesos_excludeOnFailure_maxFailuresPerAgent=1, minimesos_excludeOnFailure_timeout="60s"
    )
    driver.subscribe()
    driver.launch("other")
    driver.fail()
    driver.effects()
    driver.now += 59
    driver.offer("a1")
    assert driver.kinds() == ["DECLINE"]
    driver.now += 1
    assert driver.launch("a1") == "2"


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        ("KILLED", {}),
        ("FINISHED", {}),
        ("LOST", {"reason": Status.REASON_AGENT_REMOVED}),
        ("LOST", {"reason": Status.REASON_AGENT_DISCONNECTED}),
        ("LOST", {"reason": Status.REASON_INVALID_OFFERS}),
        ("ERROR", {"reason": Status.REASON_TASK_INVALID, "message": "Task has duplicate ID: 0"}),
    ],
)
def test_ends_that_an_agent_could_not_help_do_not_count(
    driver: Told, state: str, fields: dict[str, Any]
) -> None:
    for _ in range(3):
        driver.fail(state=state, **fields)
    assert driver.launch("a1")


@pytest.mark.parametrize(
    ("state", "reason", "charged"),
    [
        ("FAILED", Status.REASON_COMMAND_EXECUTOR_FAILED, True),
        ("FAILED", Status.REASON_CONTAINER_LIMITATION_MEMORY, True),
        ("LOST", Status.REASON_EXECUTOR_TERMINATED, True),
        ("LOST", Status.REASON_AGENT_REMOVED, False),
        ("KILLED", Status.REASON_COMMAND_EXECUTOR_FAILED, False),
    ],
)
def test_tasks_are_charged_with_ends_that_they_may_have_caused(
    driver: Told, state: str, reason: int, charged: bool
) -> None:
    id = driver.launch()
    driver.core.attached(id, driver.now)
    driver.update(id, state, reason=reason, message="why")
    (end,) = gone(driver.effects())
    assert end.caused_by_tasks is charged
    assert end.reason == f"Executor finished with state {state}: why"


def test_tasks_that_want_too_much_memory_do_not_exclude_the_agent(driver: Told) -> None:
    for _ in range(2):
        id = driver.launch()
        driver.core.attached(id, driver.now)
        driver.update(id, "FAILED", reason=Status.REASON_CONTAINER_LIMITATION_MEMORY)
    assert driver.launch("a1")
    driver.update("2", "FAILED", reason=Status.REASON_CONTAINER_LIMITATION_MEMORY)
    driver.fail(reason=Status.REASON_CONTAINER_LIMITATION_MEMORY)
    driver.offer("a1")
    assert driver.kinds()[-1] == "DECLINE"  # too small for an executor to start


def test_each_end_of_an_executor_has_offers_come_back_once(driver: Told) -> None:
    id = driver.launch()
    for _ in range(2):
        driver.update(id, "FINISHED")
    assert driver.kinds() == ["REVIVE"]
    assert driver.core.is_idle
    assert driver.core.total_cores_acquired == 0


def test_a_state_of_a_newer_mesos_counts_as_lost(driver: Told) -> None:
    driver.update(driver.launch(), "UNREACHABLE")
    (end,) = gone(driver.effects())
    assert end.reason == "Executor finished with state LOST"


def test_the_loss_of_an_agent_alone_changes_nothing(driver: Told) -> None:
    driver.launch()
    driver.core.executor_failed(
        scheduler_pb2.Event.Failure(agent_id=mesos_pb2.AgentID(value="a1")), driver.now
    )
    assert driver.effects() == []
    assert driver.core.total_cores_acquired == 1
    assert not driver.core.is_idle
    driver.update("0", "LOST")
    assert len(gone(driver.effects())) == 1
    assert driver.core.total_cores_acquired == 0
    assert driver.core.is_idle


# -- being stuck ----------------------------------------------------------------------------------


def test_an_application_none_of_whose_executors_ever_started_fails_with_the_last_reason(
    driver: Told,
) -> None:
    for message in ("first", "exited with status 127"):
        driver.fail(message=message)
    driver.effects()
    driver.offer("a1")
    (failure,) = (each for each in driver.effects() if isinstance(each, GiveUp))
    assert failure.message == (
        "no executor can be had: on each agent that was offered 2 of them have failed; the last "
        "one: Executor finished with state FAILED: exited with status 127"
    )


def test_an_application_whose_executors_worked_waits_until_an_agent_is_tried_again(
    driver: Told, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        id = driver.launch()
        driver.core.attached(id, driver.now)
        driver.update(id, "FAILED", message="gone")
    driver.effects()
    driver.now += 100
    for _ in range(2):
        driver.offer("a1")
    assert driver.kinds() == ["DECLINE"] * 2
    waiting = [line for line in caplog.messages if line.startswith("All agents are excluded")]
    assert waiting == [
        "All agents are excluded, waiting until one is tried again seconds=200 "
        'reason="Executor finished with state FAILED: gone"'
    ]
    driver.now += 200
    assert driver.launch("a1") == "2"


# -- dynamic allocation ---------------------------------------------------------------------------


def test_under_dynamic_allocation_nothing_is_launched_until_executors_are_asked_for() -> None:
    driver = Told(dynamicAllocation_enabled="true")
    driver.subscribe()
    driver.effects()
    driver.offer("a1")
    assert driver.kinds() == ["DECLINE"]
    driver.core.request_total_executors(1, {}, driver.now)
    assert driver.kinds() == ["REVIVE"]
    driver.offer("a1")
    driver.offer("a2")
    assert driver.kinds() == ["ACCEPT", "DECLINE"]
    driver.core.request_total_executors(1, {}, driver.now)
    assert driver.kinds() == []


def test_a_request_restarts_the_locality_wait() -> None:
    driver = Told(dynamicAllocation_enabled="true")
    driver.subscribe()
    driver.core.request_total_executors(2, {"h1": 4}, driver.now)
    driver.offer("a2", hostname="h2")
    driver.now += 2
    driver.core.request_total_executors(2, {"h1": 3}, driver.now)
    driver.now += 2
    driver.effects()
    driver.offer("a2", hostname="h2")
    assert driver.kinds() == ["DECLINE"]
    driver.now += 2
    driver.offer("a2", hostname="h2")
    assert driver.kinds() == ["ACCEPT"]


def test_a_killed_executor_is_no_failure_and_its_agent_launches_again(driver: Told) -> None:
    id = driver.launch()
    driver.core.kill_executors([id, "77"], driver.now)
    driver.core.kill_executors([id], driver.now)
    leaves, kill = driver.effects()
    assert leaves == ExecutorLeaves(id, "killed by the driver")
    assert isinstance(kill, CallMaster)
    assert (kill.call.kill.task_id.value, kill.call.kill.agent_id.value) == (id, "a1")
    driver.update(id, "KILLED")
    assert driver.kinds() == ["REVIVE"]
    assert driver.launch("a1") == "1"


def test_however_a_killed_executor_ends_its_agent_is_not_blamed(driver: Told) -> None:
    for _ in range(3):
        id = driver.launch()
        driver.core.kill_executors([id], driver.now)
        driver.update(id, "FAILED")
        assert gone(driver.effects()) == []
    assert driver.launch("a1")


def test_an_executor_whose_connection_is_lost_is_killed_so_that_its_cores_come_back(
    driver: Told,
) -> None:
    id = driver.launch()
    driver.core.attached(id, driver.now)
    driver.core.detached(id, driver.now)
    (call,) = driver.calls()
    assert call.kill.task_id.value == id
    driver.core.detached(id, driver.now)
    assert driver.calls() == []


# -- reconciliation -------------------------------------------------------------------------------


def reconciled(driver: Told, id: str, state: str) -> None:
    driver.update(id, state, uuid=b"", reason=Status.REASON_RECONCILIATION)


def asked_for(calls: list[scheduler_pb2.Call]) -> list[list[str]]:
    """Return the tasks of each RECONCILE."""
    return [
        [task.task_id.value for task in call.reconcile.tasks]
        for call in calls
        if call.type == Call.RECONCILE
    ]


def test_a_first_subscription_has_nothing_to_ask_but_will_from_time_to_time() -> None:
    driver = Told()
    driver.subscribe()
    assert driver.effects() == [SetTimer(RECONCILE, driver.now + RECONCILE_INTERVAL_S)]
    driver.launch()
    driver.now += RECONCILE_INTERVAL_S
    driver.core.timer_fired(RECONCILE, driver.now)
    effects = driver.effects()
    assert asked_for([each.call for each in effects if isinstance(each, CallMaster)]) == [["0"], []]
    assert effects[-1] == SetTimer(RECONCILE, driver.now + RECONCILE_INTERVAL_S)


def test_after_a_disconnection_executors_are_kept_and_asked_for(driver: Told) -> None:
    id = driver.launch()
    driver.core.disconnected(driver.now)
    driver.subscribe()
    calls = driver.calls()
    assert asked_for(calls) == [[id], []]
    assert calls[-1].type == Call.REVIVE
    reconciled(driver, id, "RUNNING")
    assert driver.effects() == []
    assert not driver.core.is_idle


def test_a_launch_that_was_lost_on_the_way_is_given_up_when_the_master_says_so_twice(
    driver: Told,
) -> None:
    id = driver.launch()
    reconciled(driver, id, "LOST")  # may be a new master, whose agents are yet to register
    assert driver.effects() == [SetTimer(RECONCILE, driver.now + DOUBT_S)]
    reconciled(driver, id, "LOST")
    (end,) = gone(driver.effects())
    assert not end.caused_by_tasks
    assert driver.core.is_idle
    assert driver.launch("a1") == "1"  # no failure of the agent


def test_a_master_that_knows_an_executor_again_ends_the_doubt(driver: Told) -> None:
    id = driver.launch()
    for state in ("LOST", "RUNNING", "LOST"):
        reconciled(driver, id, state)
    assert not driver.core.is_idle


def test_an_executor_that_is_connected_lives_whatever_the_master_says(driver: Told) -> None:
    id = driver.launch()
    driver.core.attached(id, driver.now)
    for _ in range(3):
        reconciled(driver, id, "LOST")
    assert driver.effects() == []
    assert not driver.core.is_idle
    driver.core.detached(id, driver.now)
    for _ in range(2):
        reconciled(driver, id, "LOST")
    assert driver.core.is_idle


def test_an_executor_that_was_to_end_and_lives_is_killed_again(driver: Told) -> None:
    id = driver.launch()
    driver.core.kill_executors([id], driver.now)
    driver.effects()
    reconciled(driver, id, "RUNNING")
    assert driver.kinds() == ["KILL"]


def test_a_task_that_nobody_knows_is_killed_where_it_is(driver: Told) -> None:
    driver.update("5", "RUNNING", agent="a9")
    (call,) = driver.calls()
    assert (call.kill.task_id.value, call.kill.agent_id.value) == ("5", "a9")
    driver.update("5", "KILLED", agent="a9")
    assert driver.calls() == []
    assert driver.launch() == "6"


# -- coming back as an older framework ------------------------------------------------------------


def test_a_driver_with_a_framework_id_asks_what_runs_and_kills_it() -> None:
    driver = Told(mesos_driver_frameworkId="F-1")
    driver.subscribe()
    assert asked_for(driver.calls()) == [[]]
    driver.update("41", "RUNNING")
    assert driver.kinds() == ["KILL"]
    assert driver.launch() == "42"


def test_a_driver_that_others_may_follow_counts_ids_from_the_time_it_came_back() -> None:
    driver = Told(mesos_driver_frameworkId="F-1", mesos_driver_failoverTimeout=60)
    driver.subscribe()
    assert driver.launch() == "1000000"
    follower = Told(mesos_driver_frameworkId="F-1", mesos_driver_failoverTimeout=60)
    follower.now += 1
    follower.subscribe()
    assert follower.launch() == "1001000"
    follower.core.disconnected(follower.now)
    follower.now += 1
    follower.subscribe()
    assert follower.launch() == "1001001"


def test_a_launch_under_a_taken_id_kills_the_other_task_and_is_tried_under_the_next(
    driver: Told,
) -> None:
    for id in ("0", "1"):
        assert driver.launch() == id
        message = f"Task has duplicate ID: {id}"
        driver.update(id, "ERROR", uuid=b"", reason=Status.REASON_TASK_INVALID, message=message)
        kill, revive = driver.calls()
        assert (kill.kill.task_id.value, kill.kill.agent_id.value) == (id, "")
        assert revive.type == Call.REVIVE
    assert driver.launch() == "2"


# -- the end --------------------------------------------------------------------------------------


def test_after_stop_offers_are_declined_and_nothing_is_said_of_executors(driver: Told) -> None:
    id = driver.launch()
    driver.core.stop(driver.now)
    driver.offer("a2")
    (call,) = driver.calls()
    assert call.type == Call.DECLINE
    assert not call.decline.HasField("filters")
    driver.core.revive(driver.now)
    driver.core.detached(id, driver.now)
    driver.core.timer_fired(RECONCILE, driver.now)
    driver.update("9", "RUNNING")
    driver.update(id, "FAILED")
    assert driver.effects() == []
    assert driver.core.is_idle
