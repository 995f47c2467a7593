"""The one clock of a process: seconds since the Unix epoch that never go backwards.

Used by every shell, as the `now` that cores see. It is read off the wall once and then follows the
monotonic clock, so a stepped wall clock (NTP, an operator) neither fires timers nor stalls them.
"""

from __future__ import annotations

import time


class Clock:
    """Epoch seconds; also converts them to the time base of asyncio loops (`time.monotonic`)."""

    def __init__(self) -> None:
        self._epoch_minus_monotonic = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the seconds since the epoch, by the wall clock as it was at the start."""
        return time.monotonic() + self._epoch_minus_monotonic

    def monotonic_at(self, at_s: float) -> float:
        """Return the monotonic time that corresponds to the epoch time `at_s`."""
        return at_s - self._epoch_minus_monotonic
