"""Offer filters: what a framework declined is not offered to it again for a while.

A filter belongs to a framework, a role and an agent and holds the resources refused. It blocks an
offer that is contained in them; as soon as more is free on the agent it no longer matches.

A filter outlives its time until one periodic allocation has passed over it. So even a refusal for a
millisecond lets the agent go round to another framework once, however late the timer of the
allocation is.

Used by `hierarchical`. It knows nothing of shares.

Source: `Filters` in Mesos's `mesos.proto`; lifetime as in the allocator of Mesos 1.11.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field

from minimesos.resources import Resources

REFUSE_S_DEFAULT = 5.0
REFUSE_S_MAX = 365 * 86400.0
FILTERS_PER_AGENT_MAX = 16
"""Filters that one framework and role can have on one agent; beyond that the oldest goes."""
_GARBAGE_MAX = 1024

Owner = tuple[str, str]
"""A framework id and one of its roles."""


def effective_refuse_seconds(refuse_seconds: float) -> float:
    """Return for how long a refusal holds: nonsense is the default, a year is the most."""
    if math.isnan(refuse_seconds) or refuse_seconds < 0 or math.isinf(refuse_seconds):
        return REFUSE_S_DEFAULT
    return min(refuse_seconds, REFUSE_S_MAX)


@dataclass(slots=True, eq=False)
class Filter:
    """One refusal. `run` is the number of periodic allocations there had been when it was made."""

    owner: Owner
    agent_id: str
    refused: Resources
    expires_at: float
    run: int
    alive: bool = True


@dataclass(slots=True)
class OfferFilters:
    """All filters, found by owner and agent, and in the order in which they expire."""

    interval_s: float
    _by_owner: dict[Owner, dict[str, list[Filter]]] = field(default_factory=dict)
    _expiries: list[tuple[float, int, Filter]] = field(default_factory=list)
    _sequence: int = 0
    _alive: int = 0
    _runs: int = 0

    def __len__(self) -> int:
        return self._alive

    def add(
        self, owner: Owner, agent_id: str, refused: Resources, refuse_seconds: float, now: float
    ) -> None:
        """Refuse resources of an agent for that many seconds, at least an allocation interval.

        Zero seconds make no filter.
        """
        seconds = effective_refuse_seconds(refuse_seconds)
        if not refused or seconds == 0:
            return
        expires_at = now + max(seconds, self.interval_s)
        added = Filter(owner, agent_id, refused, expires_at, self._runs)
        filters = self._by_owner.setdefault(owner, {}).setdefault(agent_id, [])
        for old in [
            f for f in filters if f.expires_at <= expires_at and refused.contains(f.refused)
        ]:
            self._kill(old)
            filters.remove(old)
        if len(filters) == FILTERS_PER_AGENT_MAX:
            self._kill(filters.pop(0))
        filters.append(added)
        self._alive += 1
        self._sequence += 1
        heapq.heappush(self._expiries, (expires_at, self._sequence, added))
        self._collect_garbage()

    def blocking(self, owner: Owner, agent_id: str, offer: Resources) -> Filter | None:
        """Return a filter that forbids this offer, if there is one."""
        by_agent = self._by_owner.get(owner)
        if by_agent is None:
            return None
        for candidate in by_agent.get(agent_id, ()):
            if candidate.refused.contains(offer):
                return candidate
        return None

    def expire(self, now: float) -> list[str]:
        """Remove what has expired; return the agents, which are worth another look."""
        agents = []
        postponed = []
        while self._expiries and self._expiries[0][0] <= now:
            entry = heapq.heappop(self._expiries)
            expired = entry[2]
            if not expired.alive:
                continue
            if expired.run == self._runs:
                postponed.append(entry)
                continue
            self._remove(expired)
            agents.append(expired.agent_id)
        for entry in postponed:
            heapq.heappush(self._expiries, entry)
        return agents

    def count_periodic_run(self) -> None:
        """Note that a periodic allocation has passed over all filters."""
        self._runs += 1

    def forget_owner(self, owner: Owner) -> None:
        """Remove all filters of a framework in one of its roles."""
        for filters in self._by_owner.pop(owner, {}).values():
            for removed in filters:
                self._kill(removed)

    def forget_agent(self, agent_id: str) -> None:
        """Remove all filters on an agent."""
        for by_agent in self._by_owner.values():
            for removed in by_agent.pop(agent_id, ()):
                self._kill(removed)

    def _remove(self, removed: Filter) -> None:
        by_agent = self._by_owner[removed.owner]
        filters = by_agent[removed.agent_id]
        filters.remove(removed)
        if not filters:
            del by_agent[removed.agent_id]
        if not by_agent:
            del self._by_owner[removed.owner]
        self._kill(removed)

    def _kill(self, removed: Filter) -> None:
        removed.alive = False
        self._alive -= 1

    def _collect_garbage(self) -> None:
        """Drop dead filters that wait, perhaps for a year, for their time to come."""
        if len(self._expiries) > 2 * self._alive + _GARBAGE_MAX:
            self._expiries = [entry for entry in self._expiries if entry[2].alive]
            heapq.heapify(self._expiries)
