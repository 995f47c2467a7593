"""The agent core reacts to everything that it can be sent."""

from __future__ import annotations

from typing import Any

import pytest

from minimesos.actor import Received, Send
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.proto.minimesos import cluster_pb2

MASTER_MESSAGES = [
    field.message_type._concrete_class() for field in cluster_pb2.MasterMessage.DESCRIPTOR.fields
]


@pytest.mark.parametrize("message", MASTER_MESSAGES, ids=lambda m: type(m).__name__)
def test_every_message_of_a_master_is_handled(bench: Any, message: Any) -> None:
    bench.from_master(message)  # an empty one: whatever a peer sends, nothing is raised


@pytest.mark.parametrize("type", executor_pb2.Call.Type.values())
def test_every_call_of_an_executor_is_handled(bench: Any, type: Any) -> None:
    bench.running_task("t1")
    call = executor_pb2.Call(type=type)
    call.framework_id.value = "F"
    call.executor_id.value = "e1"

    bench.give(Received("executor/1", call))


@pytest.mark.parametrize("type", executor_pb2.Call.Type.values())
def test_every_call_may_lack_what_it_must_hold(bench: Any, type: Any) -> None:
    bench.running_task("t1")
    call = executor_pb2.Call(type=type)
    call.update.status.state = mesos_pb2.TASK_RUNNING
    call.subscribe.unacknowledged_updates.add()
    whose = executor_pb2.Call()
    whose.framework_id.value = "F"
    whose.executor_id.value = "e1"

    bench.give(Received("executor/1", call))
    call.MergeFrom(whose)

    assert bench.give(Received("executor/1", call)) == []


def test_statuses_that_a_returning_executor_brings_are_checked_too(bench: Any) -> None:
    bench.run_task("t1")
    status = bench.status(mesos_pb2.TASK_RUNNING, "../t1")

    bench.subscribe(unacknowledged_updates=[executor_pb2.Call.Update(status=status)])

    assert not bench.sent(cluster_pb2.StatusUpdate, "master")


def test_update_of_a_framework_is_what_its_executors_see_next(bench: Any) -> None:
    bench.run_task("t1")
    info = mesos_pb2.FrameworkInfo(user="ada", name="renamed")
    info.id.value = "F"

    bench.from_master(cluster_pb2.UpdateFramework(framework_info=info))
    bench.subscribe()

    (subscribed, _) = bench.sent(executor_pb2.Event, "executor/1")
    assert subscribed.subscribed.framework_info.name == "renamed"


def test_message_for_an_executor_that_is_not_here_is_dropped(bench: Any) -> None:
    message = cluster_pb2.FrameworkToExecutor(data=b"x")
    message.framework_id.value = "F"
    message.executor_id.value = "e1"

    bench.from_master(message)

    assert not bench.all(Send)
