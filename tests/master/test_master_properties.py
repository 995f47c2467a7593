"""Whatever its peers send, a master neither fails nor loses count: any content, as protobuf."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from minimesos.actor import Disconnected, Received
from minimesos.master import snapshot
from minimesos.proto.minimesos import cluster_pb2
from minimesos.testing import builders
from minimesos.testing.builders import Call

STEPS = 400
DEPTH_MAX = 6
TEXTS = ("", "*", "dev", "eng/web", "../..", "\0", "x" * 300, "cpus", "mem", "1secs")
NUMBERS = (0, 1, -1, 0.01, 32, 1e300, float("inf"), float("nan"))
INTEGERS = (0, 1, 2**31 - 1)
PRESENT, SELDOM = 0.8, 0.1  # chance of a field: those that a master looks at most, and the others
MAIN = {
    "accept", "acknowledge", "agent_id", "agent_info", "command", "executor", "executor_id",
    "framework_id", "framework_info", "id", "kill", "launch", "offer_ids", "operations",
    "resources", "scalar", "status", "subscribe", "task_id", "task_infos", "tasks", "type", "uuid",
    "value",
}  # fmt: skip


class Writer:
    """Fills messages at random, with ids that the master knows where it can."""

    def __init__(self, world: Any, random: Random) -> None:
        self.world = world
        self.random = random

    def fill(self, message: Message, depth: int = DEPTH_MAX) -> Message:
        for field in message.DESCRIPTOR.fields:
            likely = 0.97 if field.is_required else PRESENT if field.name in MAIN else SELDOM
            is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
            if self.random.random() > likely or is_map:
                continue
            if field.message_type is None:
                values = [self._scalar(message, field)]
                if field.is_repeated:
                    getattr(message, field.name).extend(values)
                else:
                    setattr(message, field.name, values[0])
            elif depth:
                inner = getattr(message, field.name)
                if field.is_repeated:
                    inner = inner.add()
                inner.SetInParent()
                self.fill(inner, depth - 1)
        return message

    def _scalar(self, message: Message, field: FieldDescriptor) -> Any:
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            return self.random.choice(field.enum_type.values).number
        if kind == FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return self.random.randbytes(self.random.choice((0, 16)))
            return self.random.choice(self._known(message.DESCRIPTOR.name) or TEXTS)
        if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
            return self.random.choice(NUMBERS)
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return self.random.random() < 0.5
        return self.random.choice(INTEGERS)

    def _known(self, kind: str) -> list[str]:
        cluster = self.world.master.cluster
        known = {
            "FrameworkID": cluster.frameworks,
            "AgentID": cluster.agents,
            "OfferID": cluster.offers,
            "TaskID": [task for each in cluster.frameworks.values() for task in each.tasks],
        }.get(kind, ())
        return [*known] if self.random.random() < 0.9 else []


def step(world: Any, writer: Writer) -> None:
    """Let one peer of either kind do one thing."""
    random = writer.random
    scheduler, agent = f"scheduler/{random.randrange(2)}", f"agent/{random.randrange(3)}"
    match random.randrange(8):
        case 0:
            world.give(Received(scheduler, builders.subscribe(builders.framework_info("f", "dev"))))
        case 1:
            world.give(Received(agent, builders.register(builders.agent_info(agent))))
        case 2:
            world.give(Disconnected(random.choice((scheduler, agent)), "gone"))
        case 3 | 4:
            field = random.choice(cluster_pb2.AgentMessage.DESCRIPTOR.fields)
            message = getattr(cluster_pb2, field.message_type.name)()
            world.give(Received(agent, writer.fill(message)))
        case _:
            call = writer.fill(Call())
            call.type = random.choice(Call.Type.values())
            framework = world.master.cluster.frameworks_by_peer.get(scheduler)
            if framework is not None:
                call.framework_id.value = framework.id
            world.give(Received(scheduler, call))


@pytest.mark.seeds(12)
def test_a_master_survives_whatever_its_peers_send(world: Any, seed: int) -> None:
    writer = Writer(world, Random(seed))
    for _ in range(STEPS):
        step(world, writer)
        if writer.random.random() < 0.2:
            world.advance(1)
        for agent in world.master.cluster.agents.values():
            assert agent.total.contains(agent.used_total())
    assert snapshot.state(world.master, world.now)["slaves"] is not None
