"""The RDD: an immutable, partitioned collection, described by its lineage and computed on demand.

`RDD` is built in layers, each a file: `lineage` (the five properties, persistence), then the
operations of `transformations`, `actions`, `statistics`, `pair_rdd`, and here those that rest on
all of them. The kinds of RDD that operations make are in `narrow`, `shuffled` and `sources`.

Source: Zaharia et al., "Resilient Distributed Datasets" (NSDI 2012); PySpark 3.5's RDD API.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial, reduce
from itertools import accumulate, count
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from minimesos.spark import sampling
from minimesos.spark.actions import _count, _fold, _reduce
from minimesos.spark.dependency import identity
from minimesos.spark.jvm_only import JvmOnlyOutputs
from minimesos.spark.pair_rdd import PairFunctions, PartitionFunc
from minimesos.spark.partitioner import RangePartitionFunction, portable_hash
from minimesos.spark.short_tracebacks import short_tracebacks

if TYPE_CHECKING:
    from minimesos.spark.barrier import RDDBarrier
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
V = TypeVar("V")

_SAMPLES_PER_PARTITION = 20.0
"""Keys drawn for each output partition of a sort, to find where to cut."""
_SORT_FRACTION = 0.9
"""Of the worker's memory: what a sort may use before it spills."""


@short_tracebacks
class RDD(PairFunctions[T], JvmOnlyOutputs):
    """A Resilient Distributed Dataset."""

    # Sorting.

    def sortByKey(
        self: RDD[tuple[K, V]],
        ascending: bool | None = True,
        numPartitions: int | None = None,
        keyfunc: Callable[[Any], Any] = identity,
    ) -> RDD[tuple[K, V]]:
        """Sort pairs by `keyfunc(key)`, over all partitions in order.

        Runs a job at once, to count and to sample the keys.
        """
        wanted = numPartitions or self._default_reduce_partitions()
        sort = partial(_sort, keyfunc, not ascending)
        if wanted == 1:
            one = self.coalesce(1) if self.num_partitions > 1 else self
            return one._over_partitions(sort, True)
        keys, total = self._sample_of_keys(_SAMPLES_PER_PARTITION * wanted)
        if not total:
            return self
        keys.sort(key=keyfunc)
        # The cuts are compared by keyfunc: it is applied here once, and to each record later.
        bounds = [
            keyfunc(keys[len(keys) * (index + 1) // wanted]) for index in range(wanted - 1) if keys
        ]
        cut = RangePartitionFunction(bounds, keyfunc, bool(ascending))
        return self.partitionBy(wanted, cut)._over_partitions(sort, True)

    def _sample_of_keys(self: RDD[tuple[K, V]], wanted: float) -> tuple[list[K], int]:
        """Return about `wanted` keys, those of `sample(False, wanted / count, 1)`, and the count.

        One job does both: what may be drawn below a fraction that is not known yet is kept.
        """
        sampled = self._run(partial(sampling.sample_keys, wanted, 1))
        total = sum(count for count, _ in sampled)
        fraction = min(wanted / total, 1.0) if total else 0.0
        return [key for _, drawn in sampled for draw, key in drawn if draw < fraction], total

    def sortBy(
        self,
        keyfunc: Callable[[T], Any],
        ascending: bool = True,
        numPartitions: int | None = None,
    ) -> RDD[T]:
        """Sort items by `keyfunc(item)`, over all partitions in order. Runs jobs as sortByKey."""
        pairs = self.keyBy(keyfunc).sortByKey(ascending, numPartitions)
        return cast("RDD[T]", pairs.values())

    def repartitionAndSortWithinPartitions(
        self: RDD[tuple[K, V]],
        numPartitions: int | None = None,
        partitionFunc: PartitionFunc = portable_hash,
        ascending: bool = True,
        keyfunc: Callable[[Any], Any] = identity,
    ) -> RDD[tuple[K, V]]:
        """`partitionBy`, and sort each partition by `keyfunc(key)`."""
        parted = self.partitionBy(numPartitions, partitionFunc)
        return parted._over_partitions(partial(_sort, keyfunc, not ascending), True)

    # Stages whose tasks run at the same time.

    def barrier(self) -> RDDBarrier[T]:
        """Have the next step run in a barrier stage: all its tasks at the same time, or none."""
        from minimesos.spark.barrier import RDDBarrier

        return RDDBarrier(self)

    # Numbers of partitions.

    def coalesce(self, numPartitions: int, shuffle: bool = False) -> RDD[T]:
        """Return at most `numPartitions` partitions; without a shuffle, neighbours are joined."""
        if numPartitions <= 0:
            raise ValueError("Number of partitions must be positive.")
        if shuffle:
            from minimesos.spark.shuffled import DealtRDD

            return DealtRDD(self, numPartitions)
        from minimesos.spark.coalesced import CoalescedRDD

        return CoalescedRDD(self, numPartitions)

    def repartition(self, numPartitions: int) -> RDD[T]:
        """Spread the items evenly over `numPartitions` partitions, through a shuffle."""
        return self.coalesce(numPartitions, shuffle=True)

    # Numbering.

    def zipWithIndex(self) -> RDD[tuple[T, int]]:
        """Pair each item with its place; runs a counting job unless there is one partition."""
        starts = [0]
        if self.num_partitions > 1:
            starts += accumulate(self._run(_count, range(self.num_partitions - 1)))
        return self._over_partitions(partial(_with_index, starts))

    # Combining in levels, so that the driver has few results to combine.

    def treeReduce(self, f: Callable[[T, T], T], depth: int = 2) -> T:
        """`reduce` in `depth` levels."""
        if depth < 1:
            raise ValueError(f"Depth cannot be smaller than 1 but got {depth}.")
        parts = self._over_partitions(partial(_reduced, f))
        values: list[T] = _shrink(parts, f, depth).collect()
        if not values:
            raise ValueError("Cannot reduce empty RDD.")
        return reduce(f, values)

    def treeAggregate(
        self,
        zeroValue: U,
        seqOp: Callable[[U, T], U],
        combOp: Callable[[U, U], U],
        depth: int = 2,
    ) -> U:
        """`aggregate` in `depth` levels; `zeroValue` enters once a partition, not at the end."""
        if depth < 1:
            raise ValueError(f"Depth cannot be smaller than 1 but got {depth}.")
        if self.num_partitions == 0:
            return zeroValue
        parts: RDD[U] = self._over_partitions(partial(_folded, zeroValue, seqOp))
        return _shrink(parts, combOp, depth).reduce(combOp)


def _shrink(parts: RDD[U], f: Callable[[U, U], U], depth: int) -> RDD[U]:
    """Combine partitions' single results until few enough are left for the driver."""
    left: float = parts.num_partitions
    scale = max(math.ceil(left ** (1.0 / depth)), 2)
    while left > scale + left / scale:
        left /= scale
        groups = int(left)
        parts = (
            parts._over_partitions(partial(_under_group, groups)).reduceByKey(f, groups).values()
        )
    return parts


# What runs in tasks.


def _sort(
    keyfunc: Callable[[Any], Any],
    reverse: bool,
    index: int,
    items: Iterator[tuple[K, V]],
    task: TaskContext,
) -> Iterable[tuple[K, V]]:
    from minimesos.spark.shuffle.memory import MemoryLimit
    from minimesos.spark.shuffle.sorting import sort_records

    key = itemgetter(0) if keyfunc is identity else partial(_key_of_first, keyfunc)
    memory = MemoryLimit.of(task, _SORT_FRACTION)
    return sort_records(items, task.env.local_dir, memory, key, reverse)


def _key_of_first(keyfunc: Callable[[Any], Any], pair: tuple[Any, Any]) -> Any:
    return keyfunc(pair[0])


def _with_index(
    starts: list[int], index: int, items: Iterator[T], task: TaskContext
) -> Iterable[tuple[T, int]]:
    return zip(items, count(starts[index]))


def _under_group(
    groups: int, index: int, items: Iterator[T], task: TaskContext
) -> Iterable[tuple[int, T]]:
    return ((index % groups, item) for item in items)


def _reduced(
    f: Callable[[T, T], T], index: int, items: Iterator[T], task: TaskContext
) -> Iterable[T]:
    return _reduce(f, task, items)


def _folded(
    zero: Any, op: Callable[..., Any], index: int, items: Iterator[Any], task: TaskContext
) -> Iterable[Any]:
    return [_fold(zero, op, task, items)]
