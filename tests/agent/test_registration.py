"""An agent finds its master, registers, and comes back to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minimesos.actor import Close, Connect, Connected, Disconnected, Send, Stop, TimerFired
from minimesos.agent.registration import CONNECT_BACKOFF_MAX_S, REGISTER_BACKOFF_MAX_S
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import cluster_pb2

MakeBench = Callable[..., Any]


def test_first_attempt_comes_within_the_backoff_factor(make_bench: MakeBench) -> None:
    bench = make_bench(registration_backoff_factor=0.5)

    assert bench.now <= bench.timer("registration").at_s <= bench.now + 0.5
    assert not bench.all(Connect)


def test_agent_connects_then_registers_without_an_id(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.fire("registration")

    assert bench.only(Connect) == Connect("master", "10.0.0.1:5050")

    bench.give(Connected("master"))

    (register,) = bench.sent(cluster_pb2.RegisterAgent)
    assert register.agent_info.hostname == "node1"
    assert not register.agent_info.HasField("id")


def test_registered_agent_has_the_id_that_the_master_gave(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.register()

    assert bench.agent.is_registered
    assert bench.agent.state.agent_id == "M-S0"


def test_unreachable_master_is_tried_again_and_again_with_bounded_delays(
    make_bench: MakeBench,
) -> None:
    bench = make_bench()
    delays = []
    for _ in range(30):
        bench.fire("registration")
        assert bench.all(Connect)
        bench.give(Disconnected("master", "connection refused"))
        delays.append(bench.timer("registration").at_s - bench.now)

    assert max(delays) <= CONNECT_BACKOFF_MAX_S
    assert max(delays[10:]) > 4.0  # the bound has grown
    assert len(set(delays)) == len(delays)  # and they are random


def test_connection_that_never_opens_is_given_up(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.fire("registration")
    bench.fire("registration")

    assert bench.all(Connect)


def test_registration_is_repeated_until_it_is_answered(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.connect()
    for _ in range(20):
        asked_at = bench.now
        bench.fire("registration")
        assert bench.now - asked_at <= REGISTER_BACKOFF_MAX_S
        assert bench.sent(cluster_pb2.RegisterAgent)


def test_master_that_never_answers_is_left_for_another_attempt(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.connect()

    bench.give(TimerFired("ping-timeout"), after_s=75.0)

    assert bench.only(Close) == Close("master")
    bench.fire("registration")
    assert bench.all(Connect)


def test_each_ping_is_answered_and_starts_the_wait_anew(bench: Any) -> None:
    bench.from_master(cluster_pb2.Ping(connected=True), after_s=15.0)

    assert bench.sent(cluster_pb2.Pong)
    assert bench.timer("ping-timeout").at_s == bench.now + 75.0


def test_agent_registers_again_after_75_s_without_a_ping(bench: Any) -> None:
    bench.fire("ping-timeout")
    assert bench.only(Close) == Close("master")
    assert not bench.agent.is_registered

    bench.connect()

    (again,) = bench.sent(cluster_pb2.ReregisterAgent)
    assert again.agent_info.id.value == "M-S0"


def test_agent_registers_again_when_the_master_does_not_count_on_it(bench: Any) -> None:
    bench.from_master(cluster_pb2.Ping(connected=False))
    bench.connect()

    assert bench.sent(cluster_pb2.ReregisterAgent)


def test_agent_tells_a_returning_master_of_tasks_executors_and_frameworks(bench: Any) -> None:
    bench.running_task("t1", executor="e1")
    bench.update(mesos_pb2.TASK_RUNNING, "t1")
    bench.run_task("t2", executor=None)
    bench.lose_master()

    bench.connect()

    (again,) = bench.sent(cluster_pb2.ReregisterAgent)
    assert {(t.task_id.value, t.executor_id.value, t.state) for t in again.tasks} == {
        ("t1", "e1", mesos_pb2.TASK_RUNNING),
        ("t2", "", mesos_pb2.TASK_STAGING),
    }
    # A command executor is the agent's own affair.
    assert [(e.framework_id.value, e.executor_id.value) for e in again.executors] == [("F", "e1")]
    assert [f.id.value for f in again.frameworks] == ["F"]


def test_task_that_ended_is_told_with_what_the_master_has_still_to_acknowledge(bench: Any) -> None:
    bench.running_task("t1")
    running = bench.update(mesos_pb2.TASK_RUNNING)
    bench.update(mesos_pb2.TASK_FINISHED)
    bench.lose_master()

    bench.connect()

    ((task,),) = (message.tasks for message in bench.sent(cluster_pb2.ReregisterAgent))
    assert task.state == mesos_pb2.TASK_FINISHED
    assert task.status_update_state == mesos_pb2.TASK_RUNNING
    assert task.status_update_uuid == running.uuid


@pytest.mark.parametrize(
    ("aware", "state"), [(True, mesos_pb2.TASK_DROPPED), (False, mesos_pb2.TASK_LOST)]
)
def test_task_that_never_arrived_is_lost_at_reregistration(
    bench: Any, aware: bool, state: mesos_pb2.TaskState
) -> None:
    missing = cluster_pb2.Reconcile(partition_aware=aware)
    missing.framework_id.value = "F"
    missing.task_id.value = "t9"
    bench.lose_master()

    bench.return_to_master(reconcile=[missing])

    status = bench.reported()
    assert (status.task_id.value, status.state) == ("t9", state)
    assert status.reason == mesos_pb2.TaskStatus.REASON_RECONCILIATION
    bench.acknowledge(status)
    assert not bench.agent.state.frameworks


def test_task_that_is_here_needs_no_reconciliation(bench: Any) -> None:
    bench.run_task("t1")
    known = cluster_pb2.Reconcile()
    known.framework_id.value = "F"
    known.task_id.value = "t1"
    bench.lose_master()

    bench.return_to_master(reconcile=[known])

    assert not bench.sent(cluster_pb2.StatusUpdate)


def test_second_id_for_a_registered_agent_stops_it(bench: Any) -> None:
    message = cluster_pb2.AgentRegistered()
    message.agent_id.value = "M-S7"

    bench.from_master(message)

    assert bench.only(Stop).exit_code == 1


def test_refused_agent_stops_and_says_why(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.connect()

    bench.from_master(cluster_pb2.RegistrationRefused(message="bad resources"))

    stop = bench.only(Stop)
    assert stop.exit_code == 1
    assert "bad resources" in stop.reason


def test_nothing_is_sent_while_the_master_is_lost(bench: Any) -> None:
    bench.running_task("t1")
    bench.lose_master()

    bench.update(mesos_pb2.TASK_RUNNING)

    assert [effect for effect in bench.all(Send) if effect.peer == "master"] == []
