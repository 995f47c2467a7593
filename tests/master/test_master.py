"""The dispatch of the master: nothing that can arrive is without a handler."""

from __future__ import annotations

import pytest

from minimesos.actor import Connected, EffectFailed, Persist, Received, Stop, TimerFired
from minimesos.master import context
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.testing.builders import Call


def test_every_call_of_a_scheduler_has_a_handler(world):
    handled = set(world.master._calls) | {Call.SUBSCRIBE}
    assert handled == set(Call.Type.values())


def test_every_message_of_an_agent_has_a_handler(world):
    fields = cluster_pb2.AgentMessage.DESCRIPTOR.fields
    messages = {getattr(cluster_pb2, field.message_type.name) for field in fields}
    assert set(world.master._registrations) | set(world.master._agent_messages) == messages


def test_every_kind_of_timer_has_a_handler(world):
    kinds = {
        value for name, value in vars(context).items() if name.isupper() and isinstance(value, str)
    }
    assert set(world.master._timers) == kinds


def test_every_operation_has_a_handler(world):
    operations = world.master._operations._handlers
    assert set(operations) == set(mesos_pb2.Offer.Operation.Type.values())


def test_messages_that_are_not_for_a_master_are_dropped(world):
    assert not world.give(Connected("agent/1"))
    assert not world.give(Received("agent/1", cluster_pb2.Ping()))


AGENT_MESSAGES = [
    getattr(cluster_pb2, field.message_type.name)
    for field in cluster_pb2.AgentMessage.DESCRIPTOR.fields
]


@pytest.mark.parametrize("kind", AGENT_MESSAGES, ids=lambda kind: kind.__name__)
def test_an_agent_cannot_hurt_the_master_with_what_its_messages_lack(world, kind):
    agent = world.agent()
    framework = world.framework()
    about = [field.name for field in kind.DESCRIPTOR.fields if field.name == "framework_id"]

    for part in ({}, {name: {"value": framework.id} for name in about}):
        world.give(Received(f"agent/{agent}", kind(**part)))
    assert framework.id in world.master.cluster.frameworks


def test_a_record_that_cannot_be_kept_ends_the_master(world):
    failed = EffectFailed(Persist(cluster_pb2.Ping()), "disk full")
    (stop,) = world.master.handle(failed, world.now)
    assert isinstance(stop, Stop)
    assert stop.exit_code == 1
    assert "disk full" in stop.reason


def test_a_late_timer_of_something_that_is_gone_does_nothing(world):
    for kind in world.master._timers:
        world.give(TimerFired(f"{kind}/gone"))
