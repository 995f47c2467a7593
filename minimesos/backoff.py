"""Random delays whose bound doubles: how everybody waits between attempts to reach somebody.

Used by agents and by sessions. A thousand peers that lost the same master at once come back spread
over time.

Source: Mesos 1.11, registration back-off of agents and frameworks.
"""

from __future__ import annotations

from random import Random


class Backoff:
    """Delays drawn uniformly between 0 and a bound, which doubles up to `bound_max_s`."""

    def __init__(self, bound_s: float, bound_max_s: float, random: Random) -> None:
        self._first_s = min(bound_s, bound_max_s)
        self._max_s = bound_max_s
        self._bound_s = self._first_s
        self._random = random

    def next_s(self) -> float:
        """Return how long to wait for the next attempt, in seconds."""
        delay_s = self._random.uniform(0.0, self._bound_s)
        self._bound_s = min(2 * self._bound_s, self._max_s)
        return delay_s

    def reset(self) -> None:
        """Begin again at the first bound: the last attempt succeeded."""
        self._bound_s = self._first_s
