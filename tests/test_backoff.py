"""Delays between attempts are random below a bound that doubles up to a limit."""

from __future__ import annotations

from random import Random

from minimesos.backoff import Backoff


class Largest(Random):
    """Draws the upper end of every interval."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_bound_doubles_up_to_its_limit_and_starts_over_after_a_reset() -> None:
    backoff = Backoff(1.0, 5.0, Largest())

    assert [backoff.next_s() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.next_s() == 1.0


def test_first_bound_is_never_above_the_limit() -> None:
    assert Backoff(10.0, 3.0, Largest()).next_s() == 3.0


def test_delays_are_spread_over_the_whole_interval() -> None:
    backoff = Backoff(1.0, 1.0, Random(1))

    delays = [backoff.next_s() for _ in range(200)]

    assert min(delays) < 0.1
    assert 0.9 < max(delays) <= 1.0
