"""Filters on their own: lifetimes, bounds, and that none is left behind."""

from __future__ import annotations

import math

import pytest

from minimesos.allocator.filters import (
    FILTERS_PER_AGENT_MAX,
    REFUSE_S_DEFAULT,
    REFUSE_S_MAX,
    OfferFilters,
    effective_refuse_seconds,
)
from minimesos.resources import Resources

OWNER = ("fw", "dev")
ONE = Resources.of(cpus=1)


@pytest.mark.parametrize(
    ("asked", "effective"),
    [
        (0, 0),
        (7.5, 7.5),
        (-1, REFUSE_S_DEFAULT),
        (math.nan, REFUSE_S_DEFAULT),
        (math.inf, REFUSE_S_DEFAULT),
        (1e12, REFUSE_S_MAX),
    ],
)
def test_refuse_seconds_are_made_sensible(asked: float, effective: float) -> None:
    assert effective_refuse_seconds(asked) == effective


def test_a_filter_is_for_one_role_and_one_agent() -> None:
    filters = OfferFilters(interval_s=1)
    filters.add(OWNER, "S1", ONE, 10, now=0)
    assert filters.blocking(OWNER, "S1", ONE) is not None
    assert filters.blocking(OWNER, "S2", ONE) is None
    assert filters.blocking(("fw", "ops"), "S1", ONE) is None


def test_expiry_names_the_agents_once_a_periodic_run_has_passed() -> None:
    filters = OfferFilters(interval_s=1)
    filters.add(OWNER, "S1", ONE, 5, now=0)
    assert filters.expire(now=6) == []
    filters.count_periodic_run()
    assert filters.expire(now=4.9) == []
    assert filters.expire(now=6) == ["S1"]
    assert len(filters) == 0


def test_a_wider_and_longer_refusal_replaces_the_narrower() -> None:
    filters = OfferFilters(interval_s=1)
    filters.add(OWNER, "S1", ONE, 5, now=0)
    filters.add(OWNER, "S1", ONE + ONE, 5, now=0)
    assert len(filters) == 1
    filters.add(OWNER, "S1", ONE, 60, now=0)
    assert len(filters) == 2


def test_filters_on_one_agent_are_bounded() -> None:
    filters = OfferFilters(interval_s=1)
    for port in range(FILTERS_PER_AGENT_MAX + 5):
        filters.add(OWNER, "S1", Resources.of(ports=f"[{port}-{port}]"), 3600, now=0)
    assert len(filters) == FILTERS_PER_AGENT_MAX
    assert filters.blocking(OWNER, "S1", Resources.of(ports="[0-0]")) is None
    assert filters.blocking(OWNER, "S1", Resources.of(ports="[20-20]")) is not None


def test_forgotten_filters_do_not_pile_up() -> None:
    filters = OfferFilters(interval_s=1)
    for _ in range(5000):
        filters.add(OWNER, "S1", ONE, REFUSE_S_MAX, now=0)
        filters.forget_owner(OWNER)
    assert len(filters) == 0
    assert len(filters._expiries) < 2000


def test_an_agent_that_goes_takes_its_filters_with_it() -> None:
    filters = OfferFilters(interval_s=1)
    filters.add(OWNER, "S1", ONE, 5, now=0)
    filters.forget_agent("S1")
    filters.count_periodic_run()
    assert filters.expire(now=10) == []
    assert len(filters) == 0
