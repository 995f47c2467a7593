"""How much of an agent a framework is given at a time, where others want it too.

By itself the allocator gives all that is free on an agent to the framework furthest behind. That is
what a framework needs that starts something there. But to one that already runs something on the
agent and has said how little it can use (`FrameworkInfo.offer_filters`), a little at a time will
do, and the next may then be for another. Otherwise what comes back at one moment, such as the cores
of tasks of equal length, would go to one framework whole again and again, whatever the weights.

Used by `hierarchical`. Not in Mesos, which knows no smaller offer than an agent.

Source: Ghodsi et al., "Dominant Resource Fairness", NSDI 2011, section 4: progressive filling, one
task at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from minimesos.allocator.allocator import Alternatives
from minimesos.resources import Entry, Resources

PORTIONS_MAX = 64
"""Portions, at most, in what is free on an agent: larger ones where the least offer is tiny."""


def portion(offer: Resources, least_offers: Alternatives) -> Resources:
    """Return as much of an offer as the first of the least offers that it holds.

    All of it if it holds none of them, or there are none.
    """
    pieces = [entry for entry in offer.entries() if _can_be_cut(entry)]
    there = Resources(pieces).quantities()
    for least in least_offers:
        fits = [there.get(name, 0) // amount for name, amount in least.items() if amount]
        times = min(fits, default=0)
        if times:
            scale = -(-times // PORTIONS_MAX)
            wanted = {name: amount * scale for name, amount in least.items()}
            return Resources(_cut(pieces, wanted))
    return offer


def _can_be_cut(entry: Entry) -> bool:
    _, metadata, value = entry
    is_plain = metadata.disk is None and not metadata.shared_size and not metadata.revocable
    return isinstance(value, int) and is_plain


def _cut(pieces: list[Entry], wanted: Mapping[str, int]) -> Iterator[Entry]:
    """Yield pieces in their order until they add up to what is wanted; they hold that much."""
    left = dict(wanted)
    for name, metadata, value in pieces:
        assert isinstance(value, int)
        taken = min(value, left.get(name, 0))
        if taken:
            left[name] -= taken
            yield name, metadata, taken
