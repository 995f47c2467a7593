"""How much of an agent is given at a time to one of several who are at home there."""

from __future__ import annotations

import pytest

from minimesos.allocator.allocator import parse_alternatives
from minimesos.allocator.portions import PORTIONS_MAX, portion
from minimesos.resources import Resources

from .conftest import Cluster

OFFER = Resources.parse("cpus:4;mem:1000;ports:[1-9]")


@pytest.mark.parametrize(
    ("least", "given"),
    [
        ("cpus:1", "cpus:1"),
        ("cpus:1;mem:300", "cpus:1;mem:300"),
        ("cpus:2;mem:2000|cpus:1", "cpus:1"),  # the first that is there
        ("cpus:1|cpus:2", "cpus:1"),
        ("cpus:0.5", "cpus:0.5"),
    ],
)
def test_a_portion_is_the_first_least_offer_that_is_there(least: str, given: str) -> None:
    assert portion(OFFER, parse_alternatives(least)) == Resources.parse(given)


@pytest.mark.parametrize("least", ["cpus:5", "gpus:1"])
def test_an_offer_that_holds_no_least_offer_is_given_whole(least: str) -> None:
    assert portion(OFFER, parse_alternatives(least)) == OFFER


@pytest.mark.parametrize("least", [(), ({},), ({"cpus": 0},)])
def test_who_has_not_said_how_little_is_of_use_gets_all(least: tuple[dict[str, int], ...]) -> None:
    assert portion(OFFER, least) == OFFER


def test_a_portion_keeps_its_reservations_and_may_have_several() -> None:
    offer = Resources.parse("cpus(eng):1;cpus:3")
    cut = portion(offer, parse_alternatives("cpus:2"))
    assert offer.contains(cut)
    assert cut.quantities() == {"cpus": 2000}


def test_what_can_only_be_used_whole_or_taken_back_is_not_cut() -> None:
    revocable = Resources.of(cpus=4, revocable=True)
    assert portion(revocable, parse_alternatives("cpus:1")) == revocable


def test_tiny_least_offers_make_no_more_than_so_many_portions() -> None:
    cut = portion(Resources.parse("cpus:1000"), parse_alternatives("cpus:0.001"))
    assert 1000 / cut.cpus <= PORTIONS_MAX


LITTLE = parse_alternatives("cpus:1")


def at_home(cluster: Cluster, resources: str, **roles: str) -> list[tuple[str, str]]:
    """Add an agent on which each framework has an executor that holds memory."""
    used = {name: Resources.of(mem=10, allocated=role) for name, role in roles.items()}
    return cluster.agent("S1", resources, used)


def shared_out(cluster: Cluster) -> dict[str, str]:
    return {grant.framework_id: str(grant.resources.unallocated()) for grant in cluster.grants}


def test_those_at_home_who_can_use_a_little_share_an_agent_by_weight() -> None:
    cluster = Cluster()
    cluster.allocator.update_weights({"a": 2})
    for name, role in (("fw1", "a"), ("fw2", "b")):
        cluster.framework(name, role, min_allocatable={role: LITTLE})
    at_home(cluster, "cpus:6;mem:1000", fw1="a", fw2="b")
    # a .67 / 2, b .33; what is left is memory, of which neither can use anything by itself
    assert shared_out(cluster) == {"fw1": "cpus:4", "fw2": "cpus:2"}
    assert cluster.next_period() == []


def test_frameworks_of_one_role_share_so_too() -> None:
    cluster = Cluster()
    for name in ("fw1", "fw2", "fw3"):
        cluster.framework(name, min_allocatable={"*": LITTLE})
    at_home(cluster, "cpus:6;mem:1000", fw1="*", fw2="*", fw3="*")
    assert shared_out(cluster) == {"fw1": "cpus:2", "fw2": "cpus:2", "fw3": "cpus:2"}


def test_one_at_home_whom_nobody_competes_with_gets_all() -> None:
    cluster = Cluster()
    cluster.framework("fw1", min_allocatable={"*": LITTLE})
    at_home(cluster, "cpus:6;mem:1000", fw1="*")
    assert shared_out(cluster) == {"fw1": "cpus:6; mem:990"}


def test_a_newcomer_gets_all_that_is_left_when_it_is_its_turn() -> None:
    cluster = Cluster()
    for name, role in (("fw1", "a"), ("fw2", "b")):
        cluster.framework(name, role, min_allocatable={role: LITTLE})
    at_home(cluster, "cpus:6;mem:1000", fw1="a")
    # b has nothing and is first
    assert shared_out(cluster) == {"fw2": "cpus:6; mem:990"}


def test_who_does_not_say_how_little_is_of_use_gets_all_that_is_left() -> None:
    cluster = Cluster()
    cluster.framework("fw1", "a")
    cluster.framework("fw2", "b", min_allocatable={"b": LITTLE})
    at_home(cluster, "cpus:6;mem:1000", fw1="a", fw2="b")
    assert shared_out(cluster) == {"fw1": "cpus:6; mem:980"}


def test_who_has_just_declined_as_much_is_given_no_portion() -> None:
    cluster = Cluster()
    for name in ("busy", "idle"):
        cluster.framework(name, min_allocatable={"*": LITTLE})
    at_home(cluster, "cpus:6;mem:1000", busy="*", idle="*")
    for grant in cluster.grants:
        refused_s = 5 if grant.framework_id == "idle" else 0
        cluster.allocator.recover_resources(
            grant.framework_id, "S1", grant.resources, refused_s, cluster.now
        )
    cluster.grants.clear()
    cluster.next_period()
    assert shared_out(cluster) == {"busy": "cpus:6"}


def test_where_all_have_declined_as_much_the_first_is_asked_whether_it_wants_all() -> None:
    cluster = Cluster()
    for name in ("fw1", "fw2"):
        cluster.framework(name, min_allocatable={"*": LITTLE})
    at_home(cluster, "cpus:6;mem:1000", fw1="*", fw2="*")
    cluster.give_back(refuse_seconds=5)
    cluster.next_period()
    (grant,) = cluster.grants
    assert grant.resources == Resources.of(cpus=6, mem=980, allocated="*")
