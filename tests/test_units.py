"""Durations and sizes as text, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimesos.errors import InvalidValue
from minimesos.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10secs", 10),
        ("1mins", 60),
        ("1.5hrs", 5400),
        (".5secs", 0.5),
        ("250ms", 0.25),
        ("3us", 3e-6),
        ("7ns", 7e-9),
        ("2weeks", 1_209_600),
        ("10days", 864_000),
    ],
)
def test_durations_are_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "10", "secs", "10 secs", "-1secs", "1Secs", "1s", "1.2.3secs", "99999999weeks"]
)
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ns"),
        (10, "10secs"),
        (60, "1mins"),
        (90, "90secs"),
        (1.5, "1500ms"),
        (864_000, "10days"),
        (1_209_600, "2weeks"),
        (102_600, "1.1875days"),
        (3.141592653, "3.141592653secs"),
        (-5, "-5secs"),
    ],
)
def test_durations_print_in_the_unit_that_reads_best(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 10**15))
@settings(max_examples=50, deadline=None)
def test_printed_durations_are_read_back(microseconds: int) -> None:
    seconds = microseconds / 1_000_000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "size_bytes", "printed"),
    [
        ("2GB", 2 * 2**30, "2GB"),
        ("1536mb", 1536 * 2**20, "1536MB"),
        ("1024kb", 2**20, "1MB"),
        ("7B", 7, "7B"),
        ("0MB", 0, "0B"),
        ("3TB", 3 * 2**40, "3TB"),
    ],
)
def test_sizes_are_powers_of_1024(text: str, size_bytes: int, printed: str) -> None:
    assert parse_size(text) == size_bytes
    assert format_size(size_bytes) == printed


@pytest.mark.parametrize("text", ["", "5", "1.5GB", "GB", "1 GB", "-1MB", "1PB"])
def test_other_texts_are_no_sizes(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_size(text)
