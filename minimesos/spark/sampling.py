"""Random samples of partitions: the same seed gives the same sample, partition by partition.

Functions of (..., index, items, task), run in tasks. Random draws follow PySpark's RDDSampler, so
the same seeds choose the same items.

Source: PySpark's RDD API (sampler, takeSample's fraction); Knuth's and the exponential-gap methods
for Poisson numbers.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minimesos.spark.taskcontext import TaskContext

SEED_MAX = sys.maxsize
SAMPLE_SIZE_MAX = sys.maxsize - int(10.0 * math.sqrt(sys.maxsize))
"""Of `takeSample`: ten standard deviations below what can be counted."""
_WARM_UP = 10
"""Draws thrown away after seeding, as near seeds start alike."""
_KNUTH_MEAN_MAX = 20.0
_CHUNK = 1000
_KEPT_MAX = 4
"""Times the size of the wanted sample: what may be kept of more than will be."""


def default_seed() -> int:
    """Return a seed for a sample whose caller gives none."""
    return random.randint(0, SEED_MAX)


def default_split_seed() -> int:
    """Return a seed for a split whose caller gives none."""
    return random.randint(0, 2**32 - 1)


def generator(seed: int, index: int) -> random.Random:
    """Return the generator of partition `index`."""
    numbers = random.Random(seed ^ index)
    for _ in range(_WARM_UP):
        numbers.randint(0, 1)
    return numbers


def sample_without(
    fraction: float, seed: int, index: int, items: Iterator[Any], task: TaskContext
) -> Iterable[Any]:
    """Keep each item with probability `fraction`."""
    draw = generator(seed, index).random
    return (item for item in items if draw() < fraction)


def sample_keys(
    wanted: float, seed: int, task: TaskContext, items: Iterator[tuple[Any, Any]]
) -> tuple[int, list[tuple[float, Any]]]:
    """Count pairs, and keep (draw, key) of those that may be in a sample of `wanted` of all.

    The draws are `sample_without`'s. How many there are in all is known later: there are at least
    as many as here, so a draw that is not below wanted / count of those seen is none of them.
    """
    draw = generator(seed, task.partitionId()).random
    seen = 0
    kept: list[tuple[float, Any]] = []
    while chunk := list(islice(items, _CHUNK)):
        below = wanted / max(seen, 1)
        kept += [(drawn, key) for key, _ in chunk if (drawn := draw()) < below]
        seen += len(chunk)
        if len(kept) > _KEPT_MAX * wanted:
            kept = [each for each in kept if each[0] < wanted / seen]
    return seen, [each for each in kept if each[0] < wanted / seen]


def sample_with(
    fraction: float, seed: int, index: int, items: Iterator[Any], task: TaskContext
) -> Iterable[Any]:
    """Repeat each item a Poisson number of times with mean `fraction`."""
    numbers = generator(seed, index)
    for item in items:
        yield from repeat(item, _poisson(fraction, numbers))


def sample_between(
    low: float, high: float, seed: int, index: int, items: Iterator[Any], task: TaskContext
) -> Iterable[Any]:
    """Keep the items whose draw lies in [low, high)."""
    draw = generator(seed, index).random
    return (item for item in items if low <= draw() < high)


def sample_by_key(
    replacement: bool,
    fractions: Mapping[Any, float],
    seed: int,
    index: int,
    items: Iterator[Any],
    task: TaskContext,
) -> Iterable[Any]:
    """Sample pairs by the fraction of their key; a key without one is a KeyError."""
    numbers = generator(seed, index)
    for pair in items:
        fraction = fractions[pair[0]]
        if replacement:
            yield from repeat(pair, _poisson(fraction, numbers))
        elif numbers.random() < fraction:
            yield pair


def fraction_for(wanted: int, total: int, replacement: bool) -> float:
    """Return a sampling rate with which too few of `total` items come once in 10,000 times."""
    fraction = wanted / total
    if replacement:
        deviations = 9 if wanted < 12 else 5
        return fraction + deviations * math.sqrt(fraction / total)
    gamma = -math.log(0.00005) / total
    return min(1.0, fraction + gamma + math.sqrt(gamma * gamma + 2 * gamma * fraction))


def _poisson(mean: float, numbers: random.Random) -> int:
    if mean < _KNUTH_MEAN_MAX:
        limit = math.exp(-mean)
        product = numbers.random()
        count = 0
        while product > limit:
            product *= numbers.random()
            count += 1
        return count
    waited = numbers.expovariate(mean)
    count = 0
    while waited < 1.0:
        waited += numbers.expovariate(mean)
        count += 1
    return count
