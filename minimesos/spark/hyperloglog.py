"""How many different items there are, from a sketch of fixed precision that can be merged.

A sketch is a dict from register to rank, and so is small for few items. Hashes are made by the
interpreter's C code for a chunk of items at a time, each different item of a chunk once.

Source: Flajolet et al., "HyperLogLog" (2007); the estimate is Ertl's improved one, "New cardinality
estimation algorithms for HyperLogLog sketches" (2017), which needs no table of corrections. The
precision for a wished error is Spark's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from minimesos.spark.partitioner import portable_hash

Sketch = dict[int, int]

_HASH_BITS = 64
_HASH_MASK = 2**_HASH_BITS - 1
_CHUNK = 16_384
_PLAIN_TYPES = frozenset((int, str, bytes, float, bool))
"""Types for which `portable_hash` is `hash`."""


def precision_for(relative_sd: float) -> int:
    """Return how many bits choose a register for this relative standard deviation."""
    return max(4, math.ceil(2.0 * math.log2(1.054 / relative_sd)))


def sketch(items: Iterator[Any], precision: int) -> Sketch:
    """Return the sketch of hashable items."""
    rank_bits = _HASH_BITS - precision
    below = (1 << rank_bits) - 1
    ranks: Sketch = {}
    known = ranks.get
    while chunk := set(islice(items, _CHUNK)):
        hashes = chunk if set(map(type, chunk)) <= _PLAIN_TYPES else map(portable_hash, chunk)
        # A number's hash is itself; that of its digits is spread over all bits.
        for signed in map(hash, map(str, map(hash, hashes))):
            mixed = signed & _HASH_MASK
            register = mixed >> rank_bits
            rank = rank_bits - (mixed & below).bit_length() + 1
            if rank > known(register, 0):
                ranks[register] = rank
    return ranks


def merged(sketches: Iterable[Sketch]) -> Sketch:
    """Return the sketch of all items of several."""
    together: Sketch = {}
    for each in sketches:
        for register, rank in each.items():
            if rank > together.get(register, 0):
                together[register] = rank
    return together


def estimate(ranks: Sketch, precision: int) -> int:
    """Return about how many different items a sketch has seen."""
    registers = 1 << precision
    last = _HASH_BITS - precision + 1
    counts = [0] * (last + 1)
    counts[0] = registers - len(ranks)
    for rank in ranks.values():
        counts[rank] += 1
    if counts[0] == registers:
        return 0
    total = registers * _tau(1.0 - counts[last] / registers)
    for rank in range(last - 1, 0, -1):
        total = 0.5 * (total + counts[rank])
    total += registers * _sigma(counts[0] / registers)
    return round(registers * registers / (2.0 * math.log(2.0)) / total)


def _sigma(share: float) -> float:
    """What empty registers (`share` of them, below 1) add."""
    total, weight = share, 1.0
    while True:
        share *= share
        previous, total = total, total + share * weight
        weight += weight
        if total == previous:
            return total


def _tau(share: float) -> float:
    """What full registers (all but `share` of them) add."""
    if share in (0.0, 1.0):
        return 0.0
    total, weight = 1.0 - share, 1.0
    while True:
        share = math.sqrt(share)
        weight *= 0.5
        previous, total = total, total - (1.0 - share) ** 2 * weight
        if total == previous:
            return total / 3.0
