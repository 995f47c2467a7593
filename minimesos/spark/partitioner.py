"""Which reduce partition a key belongs to: hash partitioning, and ranges for sorting.

Called once per record of a shuffle by its map side, so the shuffle writer may take short cuts for
`portable_hash`; they must agree with it.

Source: PySpark's RDD API (partition of a key, hash of None and of tuples).
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from minimesos.spark.dependency import identity
from minimesos.spark.errors import PySparkRuntimeError

_TUPLE_SEED = 3430008
_TUPLE_FACTOR = 1000003
_MASK = 0x7FFF_FFFF_FFFF_FFFF
_seeded = False


def portable_hash(x: Any) -> int:
    """Return a hash that is the same in every process, also for None and tuples of such keys.

    Raises PySparkRuntimeError unless PYTHONHASHSEED is set, as hashes of strings would differ.
    """
    if not _seeded:
        _require_hash_seed()
    if x is None:
        return 0
    if isinstance(x, tuple):
        h = _TUPLE_SEED
        for item in x:
            h ^= portable_hash(item)
            h *= _TUPLE_FACTOR
            h &= _MASK
        h ^= len(x)
        return -2 if h == -1 else h
    return hash(x)


def hash_in_one_process() -> None:
    """Let hashes count as equal everywhere: all workers are threads of this process."""
    global _seeded
    _seeded = True


def _require_hash_seed() -> None:
    global _seeded
    if os.environ.get("PYTHONHASHSEED", "random") == "random":
        raise PySparkRuntimeError(
            "Randomness of hash of string should be disabled via PYTHONHASHSEED.",
            "PYTHON_HASH_SEED_NOT_SET",
        )
    _seeded = True


class Partitioner:
    """Maps a key to `partitionFunc(key) % numPartitions`.

    Two are equal if they have the same number of partitions and the same function object: then RDDs
    partitioned by them hold a key's records in partitions of the same index.
    """

    __slots__ = ("numPartitions", "partitionFunc")

    def __init__(self, numPartitions: int, partitionFunc: Callable[[Any], int]) -> None:
        self.numPartitions = numPartitions
        self.partitionFunc = partitionFunc

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Partitioner)
            and self.numPartitions == other.numPartitions
            and self.partitionFunc == other.partitionFunc
        )

    def __hash__(self) -> int:
        return hash((self.numPartitions, self.partitionFunc))

    def __call__(self, k: Any) -> int:
        return self.partitionFunc(k) % self.numPartitions


class Dealer(Partitioner):
    """Gives each map's records to partitions in turn; they need not be pairs."""

    __slots__ = ()

    def __init__(self, num_partitions: int) -> None:
        super().__init__(num_partitions, identity)


class RangePartitionFunction:
    """Partition function of a sort: keys up to `bounds[i]` go to partition i, or mirrored."""

    __slots__ = ("ascending", "bounds", "keyfunc")

    def __init__(self, bounds: list[Any], keyfunc: Callable[[Any], Any], ascending: bool) -> None:
        self.bounds = bounds
        self.keyfunc = keyfunc
        self.ascending = ascending

    def __call__(self, k: Any) -> int:
        index = bisect_left(self.bounds, self.keyfunc(k))
        return index if self.ascending else len(self.bounds) - index

    @property
    def num_partitions(self) -> int:
        """How many partitions there are."""
        return len(self.bounds) + 1

    def of_many(self, keys: list[Any]) -> list[int]:
        """Return the partition of each key."""
        bounds = self.bounds
        places = keys if self.keyfunc is identity else map(self.keyfunc, keys)
        if self.ascending:
            return [bisect_left(bounds, place) for place in places]
        last = len(bounds)
        return [last - bisect_left(bounds, place) for place in places]
