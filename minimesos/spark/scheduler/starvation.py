"""When to tell the user that tasks wait and no executor comes.

Once after a while, and then less and less often, as the text does not get better; from the start
again after tasks have run. Belongs to what launches tasks, which says whether some wait in vain.

Source: Spark's `spark.starvation.timeout`; that the intervals grow is ours.
"""

from __future__ import annotations

from minimesos.actor import Effect
from minimesos.spark.scheduler.effects import Revive, WarnOfStarvation

GROWTH = 2
INTERVAL_MIN_S = 1.0


class Starvation:
    """Watches one application. `timeout_s` is how long tasks wait before the first warning."""

    def __init__(self, timeout_s: float, effects: list[Effect]) -> None:
        self._timeout_s = timeout_s
        self._effects = effects
        self._interval_s = timeout_s
        self._warn_at_s: float | None = None

    def note(self, is_starving: bool, now: float) -> float | None:
        """Say whether tasks wait and none runs; returns when to say so again if that stays so."""
        if not is_starving:
            self._warn_at_s = None
            return None
        if self._warn_at_s is None:
            self._interval_s = self._timeout_s
            self._warn_at_s = now + self._interval_s
            self._effects.append(Revive())
        elif now >= self._warn_at_s:
            self._interval_s = max(GROWTH * self._interval_s, INTERVAL_MIN_S)
            self._warn_at_s = now + self._interval_s
            self._effects += (WarnOfStarvation(), Revive())
        return self._warn_at_s
