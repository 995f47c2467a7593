"""Who is offered what, told as stories of small clusters; comments keep the ledger of shares."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from minimesos.allocator.allocator import AllocatorConfig, OfferGrant, parse_alternatives
from minimesos.allocator.eligibility import AgentState, Eligibility, FrameworkState
from minimesos.errors import InvariantViolated
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources

from .conftest import Cluster

Capability = mesos_pb2.FrameworkInfo.Capability


def test_V8_agents_go_to_the_role_and_framework_with_the_lower_share() -> None:
    cluster = Cluster()
    cluster.framework("fw1", "role1")
    assert cluster.agent("S1", "cpus:2;mem:1024") == [("fw1", "S1")]
    # total 2 cpus 1024 mem;  role1 1 (fw1 1)

    assert cluster.framework("fw2", "role2") == []
    assert cluster.agent("S2", "cpus:1;mem:512") == [("fw2", "S2")]
    # total 3 cpus 1536 mem;  role1 .67 (fw1 .67)  role2 .33 (fw2 .33)

    assert cluster.agent("S3", "cpus:3;mem:2048") == [("fw2", "S3")]
    # total 6 cpus 3584 mem;  role1 .33 (fw1 .33)  role2 .71 (fw2 .71)

    assert cluster.framework("fw3", "role1") == []
    assert cluster.agent("S4", "cpus:4;mem:4096") == [("fw3", "S4")]
    # total 10 cpus 7680 mem;  role1 .67 (fw1 .2, fw3 .53)  role2 .4 (fw2 .4)
    assert cluster.share("role1") == Fraction(5120, 7680)
    assert cluster.share("role2") == Fraction(4, 10)

    assert cluster.framework("fw4", "role1") == []
    assert cluster.agent("S5", "cpus:1;mem:512") == [("fw2", "S5")]
    # total 11 cpus 8192 mem;  role1 .63 (fw1 .18, fw3 .5, fw4 0)  role2 .45 (fw2 .45)
    assert cluster.share("role1") == Fraction(5120, 8192)
    assert cluster.share("role2") == Fraction(5, 11)


def test_V9_shares_of_nested_roles_count_at_each_level() -> None:
    cluster = Cluster()
    cluster.framework("fw1", "a/b")
    assert cluster.agent("S1", "cpus:2;mem:1024") == [("fw1", "S1")]
    # a 1 (a/b 1)

    cluster.framework("fw2", "a/c")
    cluster.framework("fw3", "d/e")
    assert cluster.agent("S2", "cpus:1;mem:512") == [("fw3", "S2")]
    # a .67 (a/b .67, a/c 0)  d .33 (d/e .33): a/c has nothing, but a has more than d had

    cluster.framework("fw4", "d/f")
    assert cluster.agent("S3", "cpus:2;mem:1024") == [("fw4", "S3")]
    # a .4 (a/b .4, a/c 0)  d .6 (d/e .2, d/f .4)


@pytest.mark.parametrize("seed", range(5))
def test_V11_two_roles_get_one_whole_agent_each(seed: int) -> None:
    cluster = Cluster(seed=seed)
    cluster.framework("fw1", "role1")
    cluster.framework("fw2", "role2")
    cluster.allocator.add_agent("S1", "h1", Resources.parse("cpus:2;mem:1024"), {})
    cluster.allocator.add_agent("S2", "h2", Resources.parse("cpus:2;mem:1024"), {})
    offers = cluster.run()
    assert [framework for framework, _ in offers] == ["fw1", "fw2"]
    assert {agent for _, agent in offers} == {"S1", "S2"}
    assert all(
        grant.resources == Resources.of(cpus=2, mem=1024, allocated=grant.role)
        for grant in cluster.grants
    )


def test_V11_frameworks_with_equal_shares_alternate() -> None:
    cluster = Cluster()
    cluster.framework("fw1", "role")
    cluster.framework("fw2", "role")
    offers = cluster.agent("S1", "cpus:2;mem:1024")
    for _ in range(9):
        cluster.give_back()
        offers += cluster.next_period()
    assert [framework for framework, _ in offers] == ["fw1", "fw2"] * 5


def test_weights_divide_agents_in_proportion() -> None:
    cluster = Cluster()
    cluster.allocator.update_weights({"role1": 1, "role2": 2, "role3": 3})
    for number in (1, 2, 3):
        cluster.framework(f"fw{number}", f"role{number}")
    for number in range(6):
        cluster.allocator.add_agent(f"S{number}", "h", Resources.parse("cpus:2;mem:1024"), {})
    offers = cluster.run()
    assert Counter(framework for framework, _ in offers) == {"fw1": 1, "fw2": 2, "fw3": 3}

    cluster.allocator.update_weights({"role3": 1, "role1": 3})
    cluster.give_back()
    offers = cluster.next_period()
    assert Counter(framework for framework, _ in offers) == {"fw1": 3, "fw2": 2, "fw3": 1}


def test_recovered_resources_wait_for_the_next_period() -> None:
    cluster = Cluster()
    cluster.framework("fw")
    cluster.agent("S1", "cpus:1;mem:64")
    cluster.give_back()
    assert not cluster.allocator.run_wanted
    assert cluster.run() == []
    assert cluster.next_period() == [("fw", "S1")]


def test_part_of_an_offer_that_comes_back_is_offered_again() -> None:
    cluster = Cluster()
    cluster.framework("fw", "dev")
    cluster.agent("S1", "cpus:4;mem:512")
    rest = Resources.of(cpus=3, mem=480, allocated="dev")
    cluster.allocator.recover_resources("fw", "S1", rest, 0, cluster.now)
    cluster.next_period()
    assert cluster.grants[-1] == OfferGrant("fw", "dev", "S1", rest)


# -- filters ---------------------------------------------------------------------------------------


def test_a_declined_agent_goes_to_the_other_framework_and_comes_back_when_time_is_up() -> None:
    cluster = Cluster()
    cluster.framework("fw1")
    cluster.agent("S1", "cpus:1;mem:64")
    cluster.give_back(refuse_seconds=3)
    assert [cluster.next_period() for _ in range(3)] == [[], [], [("fw1", "S1")]]

    cluster.give_back(refuse_seconds=3)
    assert cluster.framework("fw2") == [("fw2", "S1")]


def test_a_filter_shorter_than_the_interval_survives_one_period_even_a_late_one() -> None:
    cluster = Cluster()
    cluster.framework("fw")
    cluster.agent("S1", "cpus:1;mem:64")
    cluster.give_back(refuse_seconds=0.001)
    assert cluster.next_period(seconds=1.7) == []
    assert cluster.next_period() == [("fw", "S1")]


def test_refusing_for_zero_seconds_filters_nothing() -> None:
    cluster = Cluster()
    cluster.framework("fw")
    cluster.agent("S1", "cpus:1;mem:64")
    cluster.give_back(refuse_seconds=0)
    assert cluster.next_period() == [("fw", "S1")]


def test_a_filter_does_not_block_more_than_was_refused() -> None:
    cluster = Cluster()
    cluster.framework("fw", "dev")
    cluster.agent("S1", "cpus:2;mem:64")
    half = Resources.of(cpus=1, mem=32, allocated="dev")
    cluster.allocator.recover_resources("fw", "S1", half, 3600, cluster.now)
    assert cluster.next_period() == []
    cluster.allocator.recover_resources("fw", "S1", half, None, cluster.now)
    assert cluster.next_period() == [("fw", "S1")]
    assert cluster.grants[-1].resources == half + half


def test_revive_removes_filters_and_offers_at_once() -> None:
    cluster = Cluster()
    cluster.framework("fw", "dev", "ops")
    cluster.agent("S1", "cpus:1;mem:64")
    cluster.give_back(refuse_seconds=3600)
    assert cluster.next_period() == [("fw", "S1")]  # in the other role
    cluster.give_back(refuse_seconds=3600)
    assert cluster.next_period() == []

    cluster.allocator.revive("fw", ["ops"], cluster.now)
    assert cluster.allocator.run_wanted
    assert cluster.run() == [("fw", "S1")]
    assert cluster.grants[-1].role == "ops"


def test_filters_end_with_the_agent_and_with_deactivation() -> None:
    cluster = Cluster()
    cluster.framework("fw")
    cluster.agent("S1", "cpus:1;mem:64")
    cluster.give_back(refuse_seconds=3600)
    cluster.allocator.remove_agent("S1")
    assert cluster.agent("S1", "cpus:1;mem:64") == [("fw", "S1")]

    cluster.give_back(refuse_seconds=3600)
    cluster.allocator.deactivate_framework("fw")
    cluster.allocator.activate_framework("fw", (), cluster.now)
    assert cluster.run() == [("fw", "S1")]


# -- suppress, activity, roles ---------------------------------------------------------------------


def test_suppressed_roles_get_nothing_until_revived() -> None:
    cluster = Cluster()
    cluster.framework("fw", "dev", "ops", suppressed=["dev"])
    cluster.agent("S1", "cpus:1;mem:64")
    assert cluster.grants[-1].role == "ops"

    cluster.allocator.suppress("fw", [])
    cluster.give_back()
    assert cluster.next_period() == []

    cluster.allocator.revive("fw", ["dev"], cluster.now)
    assert cluster.run() == [("fw", "S1")]
    assert cluster.grants[-1].role == "dev"


def test_a_deactivated_framework_keeps_what_it_has_and_gets_no_more() -> None:
    cluster = Cluster()
    cluster.framework("fw")
    cluster.agent("S1", "cpus:1;mem:64")
    cluster.allocator.deactivate_framework("fw")
    assert cluster.agent("S2", "cpus:1;mem:64") == []
    assert cluster.share("*") == Fraction(1, 2)

    cluster.allocator.activate_framework("fw", (), cluster.now)
    assert cluster.run() == [("fw", "S2")]


def test_a_removed_framework_weighs_on_its_role_until_its_resources_are_back() -> None:
    cluster = Cluster()
    cluster.framework("fw", "dev")
    cluster.agent("S1", "cpus:1;mem:64")
    cluster.allocator.remove_framework("fw")
    assert cluster.share("dev") == 1
    cluster.give_back()
    assert cluster.allocator.shares() == {}
    assert cluster.framework("next") == [("next", "S1")]


def test_a_removed_framework_may_still_hold_what_has_no_share() -> None:
    cluster = Cluster()
    cluster.framework("fw", "dev")
    cluster.agent("S1", "cpus:1;mem:64;ports:[1-9]")
    ports = Resources.of(ports="[1-9]", allocated="dev")
    scalars = cluster.grants.pop().resources - ports
    cluster.allocator.recover_resources("fw", "S1", scalars, None, cluster.now)
    cluster.allocator.remove_framework("fw")
    assert list(cluster.allocator.shares()) == ["dev"]
    cluster.allocator.recover_resources("fw", "S1", ports, None, cluster.now)
    assert cluster.allocator.shares() == {}


def test_changed_roles_take_effect_and_old_charges_stay() -> None:
    cluster = Cluster()
    cluster.framework("fw", "dev")
    cluster.agent("S1", "cpus:1;mem:64")
    cluster.allocator.update_framework("fw", ["ops"], (), (), cluster.now)
    assert cluster.agent("S2", "cpus:1;mem:64") == [("fw", "S2")]
    assert cluster.grants[-1].role == "ops"
    assert cluster.share("dev") == Fraction(1, 2)

    cluster.give_back()
    assert list(cluster.allocator.shares()) == ["ops"]


# -- agents ----------------------------------------------------------------------------------------


def test_what_already_runs_on_an_agent_is_charged_even_before_its_framework_is_back() -> None:
    cluster = Cluster()
    used = {"fw": Resources.of(cpus=1, mem=32, allocated="dev")}
    cluster.agent("S1", "cpus:4;mem:64", used)
    assert cluster.share("dev") == Fraction(1, 2)
    cluster.framework("fw", "dev")
    assert cluster.grants[-1].resources == Resources.of(cpus=3, mem=32, allocated="dev")


def test_a_deactivated_agent_is_not_offered() -> None:
    cluster = Cluster()
    cluster.agent("S1", "cpus:1;mem:64")
    cluster.allocator.deactivate_agent("S1")
    assert cluster.framework("fw") == []
    cluster.allocator.activate_agent("S1")
    assert cluster.next_period() == [("fw", "S1")]


def test_removing_an_agent_gives_everything_back_and_late_recoveries_change_nothing() -> None:
    cluster = Cluster()
    cluster.framework("fw")
    cluster.agent("S1", "cpus:1;mem:64")
    cluster.agent("S2", "cpus:1;mem:64")
    cluster.allocator.remove_agent("S1")
    assert cluster.share("*") == 1  # of what is left
    cluster.give_back(agent="S1")
    assert cluster.share("*") == 1


def test_a_grown_agent_is_offered_at_once() -> None:
    cluster = Cluster()
    cluster.framework("fw", "dev")
    cluster.agent("S1", "cpus:1;mem:64")
    cluster.allocator.update_agent_total("S1", Resources.parse("cpus:3;mem:64"))
    assert cluster.run() == [("fw", "S1")]
    assert cluster.grants[-1].resources == Resources.of(cpus=2, allocated="dev")


# -- what may be offered ---------------------------------------------------------------------------


def test_static_reservations_go_to_their_role_and_those_below_it_only() -> None:
    cluster = Cluster()
    cluster.framework("other", "sales")
    cluster.agent("S1", "cpus(eng):1;mem(eng):64;cpus:1;mem:64")
    assert cluster.grants[-1].resources == Resources.of(cpus=1, mem=64, allocated="sales")

    cluster.framework("parent", "engine")
    assert len(cluster.grants) == 1

    assert cluster.framework("child", "eng/web") == [("child", "S1")]
    assert cluster.grants[-1].resources == Resources.of("eng", cpus=1, mem=64, allocated="eng/web")


def test_reservations_of_a_child_are_not_for_its_parent() -> None:
    cluster = Cluster()
    cluster.framework("fw", "eng")
    assert cluster.agent("S1", "cpus(eng/web):1;mem(eng/web):64") == []


def test_offers_below_every_alternative_of_the_minimum_are_not_made() -> None:
    cluster = Cluster(AllocatorConfig(min_allocatable=parse_alternatives("cpus:1;mem:100|disk:5")))
    cluster.framework("fw")
    assert cluster.agent("S1", "cpus:2;mem:99") == []
    assert cluster.agent("S2", "cpus:1;mem:100") == [("fw", "S2")]
    assert cluster.agent("S3", "disk:5") == [("fw", "S3")]


def test_a_framework_may_have_a_minimum_of_its_own_and_an_empty_one_takes_anything() -> None:
    cluster = Cluster()
    cluster.agent("S1", "mem:31")
    cluster.agent("S2", "cpus:1;mem:512")
    demanding = {"dev": parse_alternatives("cpus:2")}
    assert cluster.framework("demanding", "dev", min_allocatable=demanding) == []
    assert cluster.framework("usual") == [("usual", "S2")]
    assert cluster.framework("modest", "*", min_allocatable={"*": ()}) == [("modest", "S1")]


def test_agents_with_gpus_are_for_frameworks_that_know_them() -> None:
    cluster = Cluster()
    cluster.framework("plain")
    assert cluster.agent("S1", "cpus:1;mem:64;gpus:1") == []
    gpu = [Capability.GPU_RESOURCES]
    assert cluster.framework("gpu", capabilities=gpu) == [("gpu", "S1")]

    lenient = Cluster(AllocatorConfig(filter_gpu_resources=False))
    lenient.framework("plain")
    assert lenient.agent("S1", "cpus:1;mem:64;gpus:1") == [("plain", "S1")]


def test_revocable_resources_are_for_frameworks_that_know_them() -> None:
    cluster = Cluster()
    revocable = Resources.of(cpus=2, mem=64, revocable=True)
    total = Resources.of(cpus=1, mem=64) + revocable
    cluster.allocator.add_agent("S1", "h", total, {})
    cluster.framework("plain", "dev")
    assert cluster.grants[-1].resources == Resources.of(cpus=1, mem=64, allocated="dev")
    cluster.framework("opportunist", "dev", capabilities=[Capability.REVOCABLE_RESOURCES])
    assert cluster.grants[-1].resources == revocable.allocated_to("dev")


def test_ports_go_with_the_scalars() -> None:
    cluster = Cluster()
    cluster.framework("fw", "dev")
    cluster.agent("S1", "cpus:1;mem:64;ports:[31000-31009]")
    assert cluster.grants[-1].resources.ports == ((31000, 31009),)


# -- keeping count ---------------------------------------------------------------------------------


def test_an_operation_changes_what_resources_are_not_how_much() -> None:
    cluster = Cluster()
    cluster.framework("fw", "dev")
    cluster.agent("S1", "cpus:2;mem:64")
    plain = Resources.of(cpus=1, allocated="dev")
    reserved = Resources.of("dev", cpus=1, allocated="dev")
    cluster.allocator.update_allocation("fw", "S1", plain, reserved)
    cluster.allocator.recover_resources("fw", "S1", reserved, None, cluster.now)
    assert cluster.framework("other", "ops") == [("fw", "S1")]  # not to the newcomer
    assert cluster.grants[-1].resources == reserved

    with pytest.raises(InvariantViolated):
        cluster.allocator.update_allocation("fw", "S1", reserved, reserved + reserved)


def test_recovering_what_is_not_held_raises_and_changes_nothing() -> None:
    cluster = Cluster()
    cluster.framework("fw", "dev")
    cluster.agent("S1", "cpus:2;mem:64")
    for wrong in (
        Resources.of(cpus=3, allocated="dev"),
        Resources.of(cpus=1, allocated="ops"),
        Resources.of(cpus=1),
    ):
        with pytest.raises(InvariantViolated):
            cluster.allocator.recover_resources("fw", "S1", wrong, None, cluster.now)
    cluster.give_back()
    assert cluster.share("dev") == 0


def test_shares_name_the_dominant_resource_of_roles_and_frameworks() -> None:
    cluster = Cluster()
    cluster.allocator.update_weights({"dev": 2})
    cluster.framework("fw", "dev")
    cluster.agent("S1", "cpus:1;mem:512")
    cluster.allocator.deactivate_framework("fw")
    cluster.agent("S2", "cpus:3;mem:512")
    role = cluster.allocator.shares()["dev"]
    assert (role.share.dominant, role.share.share, role.share.weight) == ("mem", Fraction(1, 2), 2)
    assert role.frameworks["fw"].share == Fraction(1, 2)


# -- explanations ----------------------------------------------------------------------------------


def test_a_framework_without_offers_is_told_why() -> None:
    cluster = Cluster()
    why = cluster.allocator.why_no_offers
    assert why("fw") == ["The framework is not subscribed."]

    cluster.framework("fw", "dev")
    assert why("fw") == ["There are no agents."]

    cluster.agent("S1", "cpus:1;mem:64")
    cluster.agent("S2", "cpus:1;mem:64;gpus:1")
    assert why("fw") == [
        "In role 'dev': 1 of 2 agents have nothing free that the role may have.",
        "In role 'dev': 1 of 2 agents have GPUs, and the framework lacks the capability"
        " GPU_RESOURCES.",
    ]

    cluster.give_back(refuse_seconds=60)
    cluster.allocator.deactivate_agent("S2")
    assert why("fw") == [
        "In role 'dev': 1 of 1 agents are filtered, for the framework declined them."
    ]

    cluster.allocator.suppress("fw", ["dev"])
    assert why("fw") == ["In role 'dev': offers are suppressed until the framework revives."]

    cluster.allocator.revive("fw", [], cluster.now)
    assert why("fw") == []

    cluster.allocator.deactivate_agent("S1")
    assert why("fw") == ["All 2 agents are deactivated or disconnected."]

    cluster.allocator.deactivate_framework("fw")
    assert why("fw") == ["The framework is not active: it is disconnected or was deactivated."]


# -- speed -----------------------------------------------------------------------------------------


def test_what_a_run_looks_at_is_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[tuple[str, str]] = []
    asked = Eligibility.offer

    def offer(self: Eligibility, agent: AgentState, framework: FrameworkState, *rest: object):  # type: ignore[no-untyped-def]
        looked_at.append((agent.agent_id, framework.framework_id))
        return asked(self, agent, framework, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Eligibility, "offer", offer)
    cluster = Cluster()
    for number in range(50):
        cluster.allocator.add_agent(f"S{number}", "h", Resources.parse("cpus:2;mem:64"), {})
    cluster.framework("fw1")
    assert len(looked_at) == 50

    looked_at.clear()
    cluster.next_period()
    assert looked_at == []

    cluster.give_back(agent="S7")
    cluster.next_period()
    assert looked_at == [("S7", "fw1")]

    cluster.give_back(refuse_seconds=3600)
    cluster.next_period()
    looked_at.clear()
    cluster.framework("fw2", min_allocatable={"*": parse_alternatives("cpus:100")})
    assert {framework for _, framework in looked_at} == {"fw2"}
    assert len(looked_at) == 50
