"""How frameworks subscribe, fail over, disconnect and end."""

from __future__ import annotations

import pytest

from minimesos.actor import Received
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import cluster_pb2
from minimesos.resources import Resources
from minimesos.testing import builders
from minimesos.testing.builders import Call, Capability

Event = scheduler_pb2.Event


def test_a_new_framework_gets_an_id_a_heartbeat_and_offers(world):
    agent = world.agent()
    framework = world.framework("spark")
    assert framework.id == "master-0000"
    assert [event.type for event in framework.seen[:2]] == [Event.SUBSCRIBED, Event.HEARTBEAT]
    assert framework.seen[0].subscribed.heartbeat_interval_seconds == 15
    assert framework.seen[0].subscribed.master_info.id == "master"
    assert framework.offer_of(agent).hostname == "a1"


def test_heartbeats_come_every_fifteen_seconds(world):
    framework = world.framework()
    world.advance(60)
    assert len(framework.events(Event.HEARTBEAT)) == 5


def test_a_repeated_subscription_on_one_stream_is_confirmed_and_not_a_second_framework(world):
    first = world.framework("f1")
    again = world.framework("f1")
    assert again.id == first.id
    assert list(world.master.cluster.frameworks) == [first.id]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"role": "a b"}, "'FrameworkInfo.role' is not a valid role"),
        ({"roles": ["a"]}, "'FrameworkInfo.roles' must not be set"),
        (
            {"capabilities": [Capability.MULTI_ROLE], "roles": ["a", "a"]},
            "'FrameworkInfo.roles' contains duplicate items: { a }",
        ),
        ({"failover_timeout": -1.0}, "The framework failover_timeout (-1) is invalid"),
        ({"failover_timeout": 1e12}, "The framework failover_timeout (1e+12) is invalid"),
        ({"failover_timeout": float("nan")}, "The framework failover_timeout (nan) is invalid"),
        ({"id": "a/b"}, "contains a control character"),
    ],
)
def test_an_invalid_framework_gets_an_error_and_its_stream_is_closed(world, fields, message):
    framework = world.framework(**fields)
    assert message in framework.errors()[0]
    assert world.closed == [framework.peer]
    assert not world.master.cluster.frameworks


def test_roles_outside_the_whitelist_and_root_are_refused_when_flags_say_so(make_world):
    world = make_world(roles="prod,dev", root_submissions=False)
    assert world.framework("f1", "dev").id
    assert world.framework("f2", "*").id
    assert world.framework("f3", "test").errors() == [
        "Roles { test } are not present in the master's --roles"
    ]
    assert world.framework("f4", "dev", user="root").errors() == [
        "User 'root' is not allowed to run frameworks without --root_submissions set"
    ]


def test_suppressed_roles_get_no_offers_until_revived(world):
    info = builders.framework_info("f1", "dev")
    world.agent()
    framework = world.framework("f1", "dev")
    assert framework.events(Event.OFFERS)
    world.disconnect(framework.peer)

    world.give(Received("scheduler/2", builders.subscribe(info, ["other"])))
    assert world.take("scheduler/2")[0].error.message == (
        "Suppressed roles { other } are not contained in the set of roles"
    )
    world.give(Received("scheduler/3", builders.subscribe(info, ["dev"])))
    world.advance(3)
    kinds = {event.type for event in world.take("scheduler/3")}
    assert Event.SUBSCRIBED in kinds
    assert Event.OFFERS not in kinds
    revive = Call(type=Call.REVIVE)
    revive.framework_id.value = world.master.cluster.frameworks_by_peer["scheduler/3"].id
    world.give(Received("scheduler/3", revive))
    assert Event.OFFERS in {event.type for event in world.take("scheduler/3")}


def test_revive_with_a_foreign_role_is_dropped(world):
    framework = world.framework("f1", "dev")
    framework.call(Call(type=Call.SUPPRESS))
    framework.call(Call(type=Call.REVIVE, revive=Call.Revive(roles=["dev", "prod"])))
    world.agent()
    world.advance(2)
    assert not framework.events(Event.OFFERS)


def test_a_second_scheduler_with_the_id_takes_over_and_tasks_go_on(world):
    agent = world.agent()
    old = world.framework("old", failover_timeout=60)
    old.running("a1", agent, "t1")
    world.advance(6)
    offers_of_old = {old.offer_of(agent).id.value}

    new = world.framework("new", id=old.id, peer="scheduler/new", failover_timeout=60)

    assert old.errors() == ["Framework failed over"]
    assert old.peer in world.closed
    assert not old.events(Event.RESCIND)
    assert new.id == old.id
    assert new.offer_of(agent)
    assert not offers_of_old & set(world.master.cluster.offers)
    assert list(world.master.cluster.frameworks[new.id].tasks) == ["t1"]
    # Later news of the old stream does not concern the framework.
    world.disconnect(old.peer)
    old.call(builders.kill("t1"))
    assert not [each for each in world.take("agent/a1") if isinstance(each, cluster_pb2.KillTask)]
    assert world.master.cluster.frameworks[new.id].connected


def test_on_resubscription_user_and_checkpoint_stay_and_the_rest_changes(world):
    agent = world.agent()
    framework = world.framework("old", "dev", failover_timeout=60)
    framework.running("a1", agent)
    world.take("agent/a1")
    again = world.framework(
        "new", "prod", id=framework.id, peer="scheduler/2", checkpoint=True, failover_timeout=60
    )
    info = world.master.cluster.frameworks[again.id].info
    assert (info.name, info.role, info.checkpoint, info.user) == ("new", "prod", False, "user")
    told = [
        each for each in world.take("agent/a1") if isinstance(each, cluster_pb2.UpdateFramework)
    ]
    assert [each.framework_info.name for each in told] == ["new"]
    # What runs in the old role goes on, and stays accounted to it.
    assert world.master.allocated("dev").cpus == 1


def test_the_principal_cannot_change(world):
    framework = world.framework(principal="alice", failover_timeout=60)
    other = world.framework(
        id=framework.id, principal="bob", failover_timeout=60, peer="scheduler/2"
    )
    assert other.errors() == ["Changing framework's principal is not allowed."]
    assert world.master.cluster.frameworks[framework.id].peer == framework.peer


def test_update_framework_changes_roles_and_rescinds_offers_of_roles_it_left(world):
    agent = world.agent()
    framework = world.framework("f1", "dev")
    offer = framework.offer_of(agent)
    info = mesos_pb2.FrameworkInfo()
    info.CopyFrom(framework.info)
    info.id.value = framework.id
    info.role = "prod"
    framework.call(
        Call(type=Call.UPDATE_FRAMEWORK, update_framework=Call.UpdateFramework(framework_info=info))
    )
    assert [event.rescind.offer_id for event in framework.events(Event.RESCIND)] == [offer.id]
    framework.poll()
    new_offer = framework.offer_of(agent)
    assert world.master.cluster.offers[new_offer.id.value].role == "prod"


def test_update_framework_may_not_change_the_user(world):
    framework = world.framework()
    info = mesos_pb2.FrameworkInfo()
    info.CopyFrom(framework.info)
    info.id.value = framework.id
    info.user = "somebody"
    framework.call(
        Call(type=Call.UPDATE_FRAMEWORK, update_framework=Call.UpdateFramework(framework_info=info))
    )
    assert world.master.cluster.frameworks[framework.id].info.user == "user"


def test_a_disconnected_framework_keeps_its_tasks_for_its_failover_timeout(world):
    agent = world.agent()
    framework = world.framework(failover_timeout=60)
    framework.running("a1", agent)
    world.disconnect(framework.peer)
    record = world.master.cluster.frameworks[framework.id]
    assert not record.connected
    assert not record.offers
    world.advance(59, answer_pings=("agent/a1",))
    assert "t1" in record.tasks

    again = world.framework(id=framework.id, failover_timeout=60, peer="scheduler/2")
    world.advance(120, answer_pings=("agent/a1",))

    assert again.id == framework.id
    assert "t1" in world.master.cluster.frameworks[framework.id].tasks


def test_after_its_failover_timeout_a_framework_is_removed_and_may_not_return(world):
    agent = world.agent()
    framework = world.framework("f1", "dev", failover_timeout=60)
    framework.running("a1", agent)
    world.disconnect(framework.peer)
    world.take("agent/a1")
    world.advance(61, answer_pings=())
    told = [type(each) for each in world.take("agent/a1")]
    assert cluster_pb2.ShutdownFramework in told
    assert world.master.allocated("dev") == Resources.EMPTY
    removed = world.master.cluster.completed_frameworks[framework.id]
    assert [task.state for task in removed.completed_tasks] == [mesos_pb2.TASK_KILLED]
    assert removed.completed_tasks[0].statuses[-1].reason == (
        mesos_pb2.TaskStatus.REASON_FRAMEWORK_REMOVED
    )
    again = world.framework("f1", "dev", id=framework.id, peer="scheduler/2")
    assert again.errors() == ["Framework has been removed"]


def test_teardown_ends_tasks_and_executors_without_a_word_about_them(world):
    agent = world.agent()
    framework = world.framework("f1", "dev", failover_timeout=60)
    executor = builders.executor_info()
    framework.launch(agent, builders.task_info("t1", agent, executor=executor))
    updates = len(framework.updates())
    framework.call(Call(type=Call.TEARDOWN))
    assert framework.peer in world.closed
    assert len(framework.updates()) == updates
    assert not world.master.cluster.frameworks
    record = world.master.cluster.agents[agent]
    assert not record.tasks
    assert not record.executors
    assert not record.used
    # All of it is free again.
    other = world.framework("f2")
    world.advance(2)
    assert Resources.from_proto(other.offer_of(agent).resources) == Resources.parse(
        "cpus:4;mem:1024"
    )


def test_no_more_completed_frameworks_are_kept_than_the_flag_says(make_world):
    world = make_world(max_completed_frameworks=2)
    frameworks = [world.framework(f"f{number}") for number in range(4)]
    for framework in frameworks:
        framework.call(Call(type=Call.TEARDOWN))
    assert list(world.master.cluster.completed_frameworks) == [each.id for each in frameworks[2:]]


def test_a_call_in_another_frameworks_name_is_dropped(world):
    victim = world.framework("victim")
    intruder = world.framework("intruder")
    call = Call(type=Call.TEARDOWN)
    call.framework_id.value = victim.id

    world.give(Received(intruder.peer, call))
    assert victim.id in world.master.cluster.frameworks


def test_malformed_calls_are_dropped(world):

    framework = world.framework()
    no_payload = Call(type=Call.ACCEPT)
    no_payload.framework_id.value = framework.id
    no_type = Call()
    differing = builders.subscribe(builders.framework_info(id="x"))
    differing.framework_id.value = "y"
    short_uuid = builders.acknowledge(builders.task_status("t", mesos_pb2.TASK_RUNNING, uuid=b"1"))
    short_uuid.framework_id.value = framework.id
    for call in (no_payload, no_type, differing, short_uuid, Call(type=Call.KILL)):
        assert not world.give(Received("scheduler/other", call))
        assert not world.give(Received(framework.peer, call))


def test_a_framework_may_ask_for_larger_offers_than_others_get(world):
    scalar = mesos_pb2.Value.Scalar
    filters = mesos_pb2.OfferFilters(
        min_allocatable_resources=mesos_pb2.OfferFilters.MinAllocatableResources(
            quantities=[
                mesos_pb2.OfferFilters.ResourceQuantities(quantities={"cpus": scalar(value=3)})
            ]
        )
    )
    framework = world.framework("f1", "dev", offer_filters={"dev": filters})
    world.agent("small", "cpus:2;mem:1024")
    large = world.agent("large", "cpus:4;mem:1024")
    world.advance(3)
    framework.poll()
    assert [offer.agent_id.value for offer in framework.offers.values()] == [large]

    filters.min_allocatable_resources.quantities[0].quantities["cpus"].value = float("nan")
    refused = world.framework("f2", "dev", offer_filters={"dev": filters})
    assert refused.errors()[0].startswith("Invalid 'offer_filters': ")
