"""Executors come, report, are shut down, and end in many ways; their tasks never stay behind."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from minimesos.actor import (
    Close,
    Disconnected,
    EffectFailed,
    Received,
    SetTimer,
    Stop,
    TimerFired,
)
from minimesos.agent.agent import ShutdownRequested
from minimesos.agent.containers import (
    ContainerExited,
    ContainerLaunched,
    DestroyContainer,
    LaunchContainer,
    UpdateContainer,
)
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.proto.minimesos import cluster_pb2

Status = mesos_pb2.TaskStatus
Event = executor_pb2.Event


def test_subscribed_executor_learns_who_it_is(bench: Any) -> None:
    bench.run_task("t1")
    container_id = bench.container().container_id

    bench.subscribe()

    subscribed = bench.sent(Event, "executor/1")[0].subscribed
    assert subscribed.executor_info.executor_id.value == "e1"
    assert subscribed.framework_info.id.value == "F"
    assert subscribed.agent_info.id.value == "M-S0"
    assert subscribed.container_id.value == container_id


def test_executor_that_nobody_launched_is_sent_away(bench: Any) -> None:
    bench.subscribe("e7", peer="executor/9")

    assert bench.events("executor/9") == ["SHUTDOWN"]
    assert bench.only(Close) == Close("executor/9")


def test_executor_whose_tasks_were_all_killed_is_shut_down_when_it_subscribes(bench: Any) -> None:
    bench.run_task("t1")
    bench.kill("t1")

    bench.subscribe()

    assert bench.events() == ["SHUTDOWN"]


def test_executor_that_does_not_register_in_time_is_killed_and_its_tasks_fail(bench: Any) -> None:
    bench.run_task("t1")
    container_id = bench.container().container_id
    bench.fire("executor-registration")
    assert bench.only(DestroyContainer) == DestroyContainer(container_id, 0.0)

    bench.exit_container(signal.SIGKILL)

    status = bench.reported()
    assert status.state == mesos_pb2.TASK_FAILED
    assert status.reason == Status.REASON_EXECUTOR_REGISTRATION_TIMEOUT
    assert status.message == "Executor did not register within 1mins"


def test_executor_that_registered_in_time_is_left_alone(bench: Any) -> None:
    bench.run_task("t1")
    timer = bench.timer("executor-registration")
    bench.subscribe()

    assert bench.give(TimerFired(timer.name)) == []


def test_second_subscription_replaces_the_first(bench: Any) -> None:
    bench.running_task("t1")
    bench.update(mesos_pb2.TASK_RUNNING)

    bench.subscribe(peer="executor/2")

    assert bench.only(Close) == Close("executor/1")
    assert bench.events("executor/2") == ["SUBSCRIBED"]
    bench.update(mesos_pb2.TASK_FINISHED, peer="executor/1")
    assert bench.effects == []  # the old connection counts no more


def test_task_that_was_lost_on_its_way_is_reported_when_the_executor_returns(bench: Any) -> None:
    bench.running_task("t1")
    bench.give(Disconnected("executor/1"))

    bench.subscribe(peer="executor/2")

    status = bench.reported()
    assert (status.state, status.reason) == (mesos_pb2.TASK_LOST, Status.REASON_AGENT_RESTARTED)


def test_task_that_arrives_while_the_executor_is_away_waits_for_it(bench: Any) -> None:
    bench.running_task("t1")
    bench.update(mesos_pb2.TASK_RUNNING)
    bench.give(Disconnected("executor/1"))
    bench.run_task("t2")
    assert bench.effects == []

    bench.subscribe(peer="executor/2")

    assert bench.events("executor/2") == ["SUBSCRIBED", "LAUNCH"]


def test_updates_that_come_with_a_subscription_are_taken_in(bench: Any) -> None:
    bench.running_task("t1")
    bench.update(mesos_pb2.TASK_RUNNING)
    bench.give(Disconnected("executor/1"))
    missed = executor_pb2.Call.Update(status=bench.status(mesos_pb2.TASK_FINISHED))

    bench.subscribe(peer="executor/2", unacknowledged_updates=[missed])

    assert bench.events("executor/2") == ["ACKNOWLEDGED", "SUBSCRIBED"]
    assert bench.agent.state.frameworks["F"].executors["e1"].terminated


def test_status_is_completed_forwarded_and_acknowledged(bench: Any) -> None:
    bench.run_task("t1")
    container_id = bench.container().container_id
    bench.give(ContainerLaunched(container_id, 4711))
    bench.subscribe()

    sent = bench.update(mesos_pb2.TASK_RUNNING, message="hello")

    status = bench.reported()
    assert (status.message, status.uuid) == ("hello", sent.uuid)
    assert status.agent_id.value == "M-S0"
    assert status.executor_id.value == "e1"
    assert status.source == Status.SOURCE_EXECUTOR
    assert status.timestamp == bench.now
    assert status.container_status.container_id.value == container_id
    assert status.container_status.executor_pid == 4711
    address = status.container_status.network_infos[0].ip_addresses[0].ip_address
    assert address == "10.0.0.2"
    (event,) = bench.sent(Event, "executor/1")
    assert event.acknowledged.uuid == sent.uuid


def test_terminal_status_shrinks_the_container_before_it_is_forwarded(bench: Any) -> None:
    bench.running_task("t1", cpus=2)

    bench.update(mesos_pb2.TASK_FINISHED)

    assert isinstance(bench.effects[0], UpdateContainer)
    assert bench.effects[0].resources.cpus == 0.5
    assert bench.reported().state == mesos_pb2.TASK_FINISHED


def test_second_terminal_status_is_dropped_before_the_first_is_acknowledged(bench: Any) -> None:
    bench.running_task("t1")
    finished = bench.update(mesos_pb2.TASK_FINISHED)

    bench.update(mesos_pb2.TASK_FAILED)

    assert bench.events() == ["ACKNOWLEDGED"]  # so that the executor lets go of it
    assert not bench.sent(cluster_pb2.StatusUpdate)
    assert bench.acknowledge(finished)[0].name == "status-update/F/t1"


def test_second_terminal_status_is_forwarded_after_the_first_is_acknowledged(bench: Any) -> None:
    bench.running_task("t1")
    bench.acknowledge(bench.update(mesos_pb2.TASK_FINISHED))

    bench.update(mesos_pb2.TASK_FAILED)

    assert bench.reported().state == mesos_pb2.TASK_FAILED


@pytest.mark.parametrize(
    "faulty",
    [
        {"uuid": b"short"},
        {"task_id": "../../t1"},
        {"executor_id": mesos_pb2.ExecutorID(value="e9")},
        {"source": Status.SOURCE_MASTER},
    ],
)
def test_faulty_status_is_ignored(bench: Any, faulty: dict[str, Any]) -> None:
    bench.running_task("t1")

    bench.update(mesos_pb2.TASK_RUNNING, **faulty)

    assert bench.effects == []


@pytest.mark.parametrize("state", [mesos_pb2.TASK_STAGING, mesos_pb2.TASK_UNREACHABLE])
def test_state_that_is_not_an_executors_to_give_shuts_it_down(
    bench: Any, state: mesos_pb2.TaskState
) -> None:
    bench.running_task("t1")

    bench.update(state)

    assert bench.events() == ["SHUTDOWN"]


def test_messages_pass_between_framework_and_executor(bench: Any) -> None:
    bench.running_task("t1")
    down = cluster_pb2.FrameworkToExecutor(data=b"down")
    down.framework_id.value = "F"
    down.executor_id.value = "e1"
    up = executor_pb2.Call(type=executor_pb2.Call.MESSAGE)
    up.framework_id.value = "F"
    up.executor_id.value = "e1"
    up.message.data = b"up"

    bench.from_master(down)
    (event,) = bench.sent(Event, "executor/1")
    assert event.message.data == b"down"
    bench.give(Received("executor/1", up))
    (message,) = bench.sent(cluster_pb2.ExecutorToFramework)
    assert (message.framework_id.value, message.executor_id.value) == ("F", "e1")
    assert message.data == b"up"


def test_call_before_subscribing_is_ignored(bench: Any) -> None:
    bench.run_task("t1")

    bench.update(mesos_pb2.TASK_RUNNING)

    assert bench.effects == []


def test_shut_down_executor_is_killed_after_its_grace_period(bench: Any) -> None:
    bench.running_task("t1")

    bench.from_master(shutdown_executor())
    assert bench.events() == ["SHUTDOWN"]
    told_at = bench.now
    bench.fire("executor-shutdown")

    assert bench.now == told_at + 5.0
    assert bench.only(DestroyContainer).grace_s == 0.0


def test_executors_own_grace_period_counts_more_than_the_flag(bench: Any) -> None:
    message = bench.run_message("t1")
    message.task.executor.shutdown_grace_period.nanoseconds = 90 * 10**9
    bench.from_master(message)
    assert bench.container().environment["MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD"] == "90secs"
    bench.subscribe()

    bench.from_master(shutdown_executor())

    assert bench.timer("executor-shutdown").at_s == bench.now + 90


def test_executor_that_exits_fails_its_tasks_and_the_master_hears_of_it(bench: Any) -> None:
    bench.running_task("t1")

    bench.exit_container(3 << 8)

    status = bench.reported()
    assert (status.state, status.reason) == (
        mesos_pb2.TASK_FAILED,
        Status.REASON_EXECUTOR_TERMINATED,
    )
    assert status.message == "Executor terminated: exited with status 3"
    (exited,) = bench.sent(cluster_pb2.ExitedExecutor)
    assert (exited.executor_id.value, exited.status) == ("e1", 3 << 8)


def test_signal_that_ended_an_executor_is_named(bench: Any) -> None:
    bench.running_task("t1")

    bench.exit_container(signal.SIGSEGV)

    assert bench.reported().message == "Executor terminated: terminated with signal SIGSEGV"


def test_command_executor_ends_without_the_master_hearing_of_an_executor(bench: Any) -> None:
    bench.running_task("t1", executor=None)

    bench.exit_container(0)

    assert bench.reported().state == mesos_pb2.TASK_FAILED
    assert not bench.sent(cluster_pb2.ExitedExecutor)


def test_container_over_its_memory_limit_fails_its_tasks_with_what_the_isolator_says(
    bench: Any,
) -> None:
    bench.running_task("t1")

    bench.exit_container(
        signal.SIGKILL,
        reason=Status.REASON_CONTAINER_LIMITATION_MEMORY,
        message="Memory limit exceeded: peak 120 MB, limit 96 MB",
    )

    status = bench.reported()
    assert status.state == mesos_pb2.TASK_FAILED
    assert status.reason == Status.REASON_CONTAINER_LIMITATION_MEMORY
    assert status.message == "Memory limit exceeded: peak 120 MB, limit 96 MB"


def test_container_that_cannot_be_launched_fails_its_tasks(bench: Any) -> None:
    bench.run_task("t1")
    launch = bench.container()

    bench.give(EffectFailed(launch, "no space left on device"))

    status = bench.reported()
    assert status.state == mesos_pb2.TASK_FAILED
    assert status.reason == Status.REASON_CONTAINER_LAUNCH_FAILED
    assert status.message == "Failed to launch container: no space left on device"
    (exited,) = bench.sent(cluster_pb2.ExitedExecutor)
    assert exited.status == -1


def test_container_whose_limits_cannot_be_raised_is_killed_and_its_tasks_are_gone(
    bench: Any,
) -> None:
    bench.running_task("t1")
    bench.run_task("t2")

    bench.give(EffectFailed(bench.only(UpdateContainer), "cgroup is read-only"))
    assert bench.all(DestroyContainer)
    bench.exit_container(signal.SIGKILL)

    updates = bench.sent(cluster_pb2.StatusUpdate)
    assert {(u.status.task_id.value, u.status.state, u.status.reason) for u in updates} == {
        (task_id, mesos_pb2.TASK_LOST, Status.REASON_CONTAINER_UPDATE_FAILED)
        for task_id in ("t1", "t2")
    }


def test_ended_executor_is_kept_until_its_tasks_are_acknowledged(bench: Any) -> None:
    bench.running_task("t1")
    bench.exit_container(0)
    status = bench.reported()
    assert "e1" in bench.agent.state.frameworks["F"].executors

    bench.acknowledge(status)

    assert not bench.agent.state.frameworks


def test_exit_of_a_container_that_is_gone_already_is_ignored(bench: Any) -> None:
    assert bench.give(ContainerExited("c-unknown", 0)) == []


def test_framework_shutdown_ends_its_executors_and_drops_its_updates(bench: Any) -> None:
    bench.running_task("t1")
    bench.update(mesos_pb2.TASK_RUNNING)

    bench.shutdown_framework()
    assert bench.events() == ["SHUTDOWN"]
    bench.update(mesos_pb2.TASK_KILLED)
    assert not bench.sent(cluster_pb2.StatusUpdate)
    bench.exit_container(0)

    assert not bench.sent(cluster_pb2.StatusUpdate)
    assert not bench.sent(cluster_pb2.ExitedExecutor)
    assert not bench.agent.state.frameworks


def test_task_of_a_framework_that_is_being_shut_down_is_ignored(bench: Any) -> None:
    bench.running_task("t1")
    bench.shutdown_framework()

    assert bench.run_task("t2") == []


def test_agent_told_to_shut_down_kills_all_executors_and_stops(bench: Any) -> None:
    bench.running_task("t1")

    bench.from_master(cluster_pb2.ShutdownAgent(message="gone"))
    assert bench.events() == ["SHUTDOWN"]
    assert not bench.all(Stop)
    bench.exit_container(0)

    assert bench.only(Stop).exit_code == 0
    assert not bench.sent(cluster_pb2.StatusUpdate)


def test_agent_without_executors_stops_at_once_and_says_goodbye(bench: Any) -> None:
    bench.give(ShutdownRequested("SIGUSR1", unregister=True))

    (farewell,) = bench.sent(cluster_pb2.UnregisterAgent)
    assert farewell.agent_id.value == "M-S0"
    assert bench.all(Stop)


def test_agent_that_shuts_down_takes_no_more_tasks_and_stays_away_from_the_master(
    bench: Any,
) -> None:
    bench.running_task("t1")
    bench.give(ShutdownRequested("SIGTERM"))

    assert bench.run_task("t2", new=False) == []
    bench.give(Disconnected("master"))
    assert not bench.all(SetTimer)
    assert not bench.all(LaunchContainer)


def shutdown_executor() -> cluster_pb2.ShutdownExecutor:
    message = cluster_pb2.ShutdownExecutor()
    message.framework_id.value = "F"
    message.executor_id.value = "e1"
    return message


@pytest.mark.parametrize(
    ("fields", "killed_by_us", "message"),
    [
        ({"status": 0}, False, "Executor terminated: exited with status 0"),
        ({"status": None}, False, "Executor terminated: never ran"),
        ({"status": 64}, False, "Executor terminated: terminated with signal SIGRTMAX"),
        ({"status": 200 - 128}, False, "Executor terminated: terminated with signal 72"),
        ({"status": 9, "message": "why"}, True, "Executor did not register within 1mins; why"),
        (
            {"status": 9, "reason": Status.REASON_CONTAINER_LIMITATION_MEMORY, "message": "why"},
            True,
            "why; Executor did not register within 1mins",
        ),
    ],
)
def test_message_of_a_task_says_all_that_is_known_of_its_containers_end(
    bench: Any, fields: dict[str, Any], killed_by_us: bool, message: str
) -> None:
    bench.run_task("t1")
    if killed_by_us:
        bench.fire("executor-registration")

    bench.exit_container(**fields)

    assert bench.reported().message == message
