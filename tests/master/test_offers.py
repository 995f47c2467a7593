"""How offers are made, declined, rescinded, and used up."""

from __future__ import annotations

import pytest

from minimesos.master.offers import REFUSE_S_MAX, refuse_seconds
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.resources import Resources
from minimesos.testing import builders
from minimesos.testing.builders import Capability

Event = scheduler_pb2.Event


def test_an_offer_says_where_the_resources_are(world):
    agent = world.agent("a1")
    offer = world.framework("f1", "dev").offer_of(agent)
    assert offer.id.value == "master-O0"
    assert offer.url.address.hostname == "a1"
    assert (offer.url.address.port, offer.url.path) == (5051, "/slave(1)")
    assert Resources.from_proto(offer.resources) == Resources.parse("cpus:4;mem:1024")


def test_only_multi_role_frameworks_see_the_role_an_offer_is_for(world):
    world.agent()
    old = world.framework("old", "dev")
    old.call(builders.decline(old.events(Event.OFFERS) and list(old.offers), refuse_seconds=60))
    assert not any(offer.HasField("allocation_info") for offer in old.offers.values())
    new = world.framework("new", "dev", capabilities=[Capability.MULTI_ROLE])
    world.advance(2)
    offer = new.events(Event.OFFERS)[0].offers.offers[0]
    assert offer.allocation_info.role == "dev"
    assert {each.allocation_info.role for each in offer.resources} == {"dev"}


def test_several_agents_that_register_at_once_come_in_one_event(world):
    framework = world.framework()
    for name in ("a1", "a2", "a3"):
        world.agent(name)
    world.advance(2)
    framework.call(builders.decline(_all(framework), refuse_seconds=0))
    world.advance(2)
    assert len(framework.events(Event.OFFERS)[-1].offers.offers) == 3


def test_declined_resources_come_back_after_the_filter(world):
    agent = world.agent()
    framework = world.framework()
    framework.call(builders.decline(_all(framework), refuse_seconds=30))
    framework.offers.clear()
    world.advance(29, answer_pings=("agent/a1",))
    framework.poll()
    assert not framework.offers
    world.advance(3, answer_pings=("agent/a1",))
    assert framework.offer_of(agent)


def test_declining_an_unknown_offer_harms_nobody(world):
    agent = world.agent()
    framework = world.framework()
    framework.call(builders.decline(["nonsense"]))
    assert framework.offer_of(agent)


def test_unanswered_offers_are_rescinded_after_the_timeout_and_made_again(make_world):
    world = make_world(offer_timeout=30.0)
    agent = world.agent()
    framework = world.framework()
    first = framework.offer_of(agent)
    world.advance(32, answer_pings=("agent/a1",))
    assert [event.rescind.offer_id for event in framework.events(Event.RESCIND)] == [first.id]
    assert framework.offer_of(agent).id != first.id


def test_answered_offers_are_never_rescinded(make_world):
    world = make_world(offer_timeout=30.0)
    agent = world.agent("a1")
    other = world.agent("a2")
    framework = world.framework()
    framework.launch(agent, builders.task_info("t1", agent, cpus=4, mem=1024))
    framework.call(builders.decline([framework.offer_of(other).id.value], refuse_seconds=3600))
    world.advance(60, answer_pings=("agent/a1", "agent/a2"))
    assert not framework.events(Event.RESCIND)


def test_offers_of_one_agent_can_be_combined(world):
    agent = world.agent("a1", "cpus:2;mem:512")
    framework = world.framework()
    framework.launch(agent, builders.task_info("t1", agent, cpus=1, mem=256))
    framework.update("a1", "t1", mesos_pb2.TASK_FINISHED)  # comes as an offer of its own
    world.advance(2)
    ids = _all(framework)
    big = builders.task_info("t2", agent, cpus=2, mem=512)
    world.advance(6)
    ids = _all(framework)
    framework.call(builders.accept(ids, builders.launch(big)))
    assert not framework.updates("t2")
    assert "t2" in world.master.cluster.frameworks[framework.id].tasks


@pytest.mark.parametrize("aware", [True, False])
def test_offers_of_two_agents_cannot_be_combined_and_both_come_back(world, aware):
    first, second = world.agent("a1"), world.agent("a2")
    framework = world.framework(capabilities=[Capability.PARTITION_AWARE] if aware else [])
    world.advance(1)
    ids = _all(framework)
    assert len(ids) == 2
    framework.call(builders.accept(ids, builders.launch(builders.task_info("t1", first))))
    status = framework.updates("t1")[0]
    assert status.state == (mesos_pb2.TASK_DROPPED if aware else mesos_pb2.TASK_LOST)
    assert status.reason == mesos_pb2.TaskStatus.REASON_INVALID_OFFERS
    assert status.source == mesos_pb2.TaskStatus.SOURCE_MASTER
    assert not status.HasField("uuid")
    assert status.message.startswith(
        "Task launched with invalid offers: Aggregated offers must belong to one single agent."
    )
    framework.offers.clear()
    world.advance(2)
    assert framework.offer_of(first)
    assert framework.offer_of(second)


def test_an_offer_cannot_be_named_twice_nor_be_another_frameworks(world):
    agent = world.agent("a1", "cpus:4;mem:1024")
    framework = world.framework("f1")
    id = framework.offer_of(agent).id.value
    other = world.framework("f2")
    other.call(builders.accept([id], builders.launch(builders.task_info("x", agent))))
    assert f"Offer {id} has invalid framework {framework.id}" in other.updates("x")[0].message
    assert id in world.master.cluster.offers
    task = builders.launch(builders.task_info("t1", agent))
    framework.call(builders.accept([id, id], task))
    assert framework.updates("t1")[0].message.endswith(f"Duplicate offer {id} in offer list")
    framework.call(builders.accept([id], task))
    assert framework.updates("t1")[1].message.endswith(f"Offer {id} is no longer valid")
    framework.call(builders.accept([], task))
    assert framework.updates("t1")[2].message.endswith("No offers specified")


def test_two_roles_of_one_framework_cannot_share_an_accept(world):
    info = {"capabilities": [Capability.MULTI_ROLE], "roles": ["a", "b"]}
    framework = world.framework(**info)
    first, second = world.agent("a1"), world.agent("a2")
    world.advance(1)
    framework.poll()
    roles = {offer.allocation_info.role for offer in framework.offers.values()}
    assert roles == {"a", "b"}
    framework.call(
        builders.accept(_all(framework), builders.launch(builders.task_info("t1", first)))
    )
    assert "must be allocated to the same role" in framework.updates("t1")[0].message
    assert second


@pytest.mark.parametrize(
    ("wanted", "effective"),
    [(5, 5.0), (0, None), (-1, 5.0), (float("nan"), 5.0), (1e12, REFUSE_S_MAX)],
)
def test_how_long_resources_are_refused(wanted, effective):
    assert refuse_seconds(mesos_pb2.Filters(refuse_seconds=wanted)) == effective
    assert refuse_seconds(mesos_pb2.Filters()) == 5


def _all(framework):
    framework.poll()
    return list(framework.offers)
