"""How much of an agent is given at a time to one of several who are at home there."""

from __future__ import annotations

import pytest

from minimesos.allocator.allocator import parse_alternatives
from minimesos.allocator.portions import PORTIONS_MAX, portion
from minimesos.resources import Resources

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
