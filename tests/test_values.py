"""Values: rounding, ranges, and the text syntax both ways."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimesos.errors import InvalidValue
from minimesos.values import (
    Ranges,
    coalesce,
    covers,
    format_scalar,
    format_value,
    parse_value,
    subtract_ranges,
    thousandths,
)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, 1000), (0.1, 100), (1.5011, 1501), (1.5015, 1502), (-1.5015, -1502), (0.0004, 0)],
)
def test_scalars_round_half_away_from_zero(number: float, expected: int) -> None:
    assert thousandths(number) == expected


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e16])
def test_scalars_that_do_not_fit_are_refused(number: float) -> None:
    with pytest.raises(InvalidValue):
        thousandths(number)


@pytest.mark.parametrize(
    ("value", "text"), [(2000, "2"), (500, "0.5"), (1125, "1.125"), (-1500, "-1.5"), (0, "0")]
)
def test_scalars_print_without_what_says_nothing(value: int, text: str) -> None:
    assert format_scalar(value) == text


@pytest.mark.parametrize("text", ["inf", "nan", "-3", "r1,r2", "foo:bar", "1_000", "0x10"])
def test_what_is_no_number_is_text(text: str) -> None:
    assert parse_value(text) == text


numbers = st.sets(st.integers(0, 40))


def ranges_of(members: set[int]) -> Ranges:
    return coalesce((number, number) for number in members)


def members_of(ranges: Ranges) -> set[int]:
    return {number for begin, end in ranges for number in range(begin, end + 1)}


@given(numbers, numbers)
@settings(max_examples=50, deadline=None)
def test_ranges_behave_as_sets_of_numbers(left: set[int], right: set[int]) -> None:
    a, b = ranges_of(left), ranges_of(right)
    assert members_of(a) == left
    assert members_of(subtract_ranges(a, b)) == left - right
    assert subtract_ranges(a, b) == ranges_of(left - right)
    assert coalesce(a + b) == ranges_of(left | right)
    assert covers(a, b) == (left >= right)


@given(numbers, st.integers(0, 10**12), st.sets(st.text("abc", min_size=1)))
@settings(max_examples=50, deadline=None)
def test_what_is_printed_is_read_back(members: set[int], scalar: int, items: set[str]) -> None:
    for value in (ranges_of(members), scalar, frozenset(items)):
        assert parse_value(format_value(value)) == value
