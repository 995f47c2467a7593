"""Operations on RDDs of (key, value) pairs that bring the values of a key together.

A layer of `RDD`. An RDD that is already partitioned as the result shall be is not shuffled again.
Default numbers of partitions are PySpark's: `spark.default.parallelism` if it is set, else as many
as the input has.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import product, repeat
from typing import TYPE_CHECKING, Any, TypeVar, cast

from minimesos.spark.actions import _to_list
from minimesos.spark.approximate import Approximations
from minimesos.spark.dependency import Aggregator, identity
from minimesos.spark.partitioner import Partitioner, portable_hash
from minimesos.spark.resultiterable import ResultIterable

if TYPE_CHECKING:
    from minimesos.spark.lineage import Lineage
    from minimesos.spark.rdd import RDD
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
V = TypeVar("V")
W = TypeVar("W")

PartitionFunc = Callable[[Any], int]
Groups = tuple[Collection[Any], ...]
"""The values of one key in each of several RDDs; lists, or what is too long to be held."""
_HELD = frozenset({list, tuple})


class PairFunctions(Approximations[T]):
    """Operations on pairs."""

    def partitionBy(
        self: PairFunctions[tuple[K, V]],
        numPartitions: int | None,
        partitionFunc: PartitionFunc = portable_hash,
    ) -> RDD[tuple[K, V]]:
        """Put each pair into partition `partitionFunc(key) % numPartitions`."""
        from minimesos.spark.shuffled import ShuffledRDD

        partitioner = self._partitioner(numPartitions, partitionFunc)
        if self.partitioner == partitioner:
            return self._rdd
        return ShuffledRDD(self._rdd, partitioner)

    # Combining by key.

    def combineByKey(
        self: PairFunctions[tuple[K, V]],
        createCombiner: Callable[[V], U],
        mergeValue: Callable[[U, V], U],
        mergeCombiners: Callable[[U, U], U],
        numPartitions: int | None = None,
        partitionFunc: PartitionFunc = portable_hash,
    ) -> RDD[tuple[K, U]]:
        """Combine the values of each key: createCombiner of the first, mergeValue of each further.

        Combiners of different partitions are joined by mergeCombiners.
        """
        from minimesos.spark.shuffled import ShuffledRDD

        aggregator = Aggregator(createCombiner, mergeValue, mergeCombiners)
        partitioner = self._partitioner(numPartitions, partitionFunc)
        if self.partitioner == partitioner:
            return self._over_partitions(partial(_combine, aggregator), True)
        return ShuffledRDD(self._rdd, partitioner, aggregator)

    def reduceByKey(
        self: PairFunctions[tuple[K, V]],
        func: Callable[[V, V], V],
        numPartitions: int | None = None,
        partitionFunc: PartitionFunc = portable_hash,
    ) -> RDD[tuple[K, V]]:
        """Combine the values of each key with an associative, commutative function."""
        return self.combineByKey(identity, func, func, numPartitions, partitionFunc)

    def aggregateByKey(
        self: PairFunctions[tuple[K, V]],
        zeroValue: U,
        seqFunc: Callable[[U, V], U],
        combFunc: Callable[[U, U], U],
        numPartitions: int | None = None,
        partitionFunc: PartitionFunc = portable_hash,
    ) -> RDD[tuple[K, U]]:
        """Fold the values of each key with seqFunc, and partial results with combFunc."""
        create = partial(_start_with_zero, zeroValue, seqFunc)
        return self.combineByKey(create, seqFunc, combFunc, numPartitions, partitionFunc)

    def foldByKey(
        self: PairFunctions[tuple[K, V]],
        zeroValue: V,
        func: Callable[[V, V], V],
        numPartitions: int | None = None,
        partitionFunc: PartitionFunc = portable_hash,
    ) -> RDD[tuple[K, V]]:
        """Fold the values of each key; `zeroValue` may enter once for each partition of a key."""
        create = partial(_start_with_zero, zeroValue, func)
        return self.combineByKey(create, func, func, numPartitions, partitionFunc)

    def groupByKey(
        self: PairFunctions[tuple[K, V]],
        numPartitions: int | None = None,
        partitionFunc: PartitionFunc = portable_hash,
    ) -> RDD[tuple[K, Iterable[V]]]:
        """Bring the values of each key together; to combine them, `reduceByKey` is much cheaper."""
        from minimesos.spark.shuffled import CoGroupedRDD

        partitioner = self._partitioner(numPartitions, partitionFunc)
        groups: RDD[tuple[K, Groups]] = CoGroupedRDD([self._rdd], partitioner)
        return groups.mapValues(_as_result)

    def groupBy(
        self,
        f: Callable[[T], K],
        numPartitions: int | None = None,
        partitionFunc: PartitionFunc = portable_hash,
    ) -> RDD[tuple[K, Iterable[T]]]:
        """Bring together the items for which f returns equal keys."""
        groups = self.keyBy(f).groupByKey(numPartitions, partitionFunc)
        return cast("RDD[tuple[K, Iterable[T]]]", groups)

    def distinct(self, numPartitions: int | None = None) -> RDD[T]:
        """Return each item once; they must be hashable."""
        marked = self._stepwise(_with_none, False)
        return marked.reduceByKey(_first_of_two, numPartitions).keys()

    def lookup(self: PairFunctions[tuple[K, V]], key: K) -> list[V]:
        """Return the values of a key; looks into one partition only if keys are partitioned."""
        values = self.filter(partial(_has_key, key)).values()
        if self.partitioner is None:
            return values.collect()
        if type(key) is int and self.partitioner.partitionFunc is portable_hash:
            index = hash(key) % self.num_partitions
        else:
            # A worker is asked: its hashes of strings are not those of this process.
            index = self.context.parallelize([key], 1).map(self.partitioner).first()
        (found,) = self.context.run_job(values, _to_list, [index])
        return found

    # Several RDDs by key.

    def cogroup(
        self: PairFunctions[tuple[K, V]], other: RDD[tuple[K, W]], numPartitions: int | None = None
    ) -> RDD[tuple[K, tuple[ResultIterable[V], ResultIterable[W]]]]:
        """For each key of either RDD, the values it has in each."""
        return self._cogrouped([other], numPartitions).mapValues(_as_results)

    def groupWith(
        self: PairFunctions[tuple[K, Any]], other: RDD[tuple[K, Any]], *others: RDD[tuple[K, Any]]
    ) -> RDD[tuple[K, tuple[ResultIterable[Any], ...]]]:
        """`cogroup` of any number of RDDs."""
        return self._cogrouped([other, *others], None).mapValues(_as_results)

    def join(
        self: PairFunctions[tuple[K, V]], other: RDD[tuple[K, W]], numPartitions: int | None = None
    ) -> RDD[tuple[K, tuple[V, W]]]:
        """(k, (v, w)) for all values v here and w there of one key."""
        return self._cogrouped([other], numPartitions).flatMapValues(_inner)

    def leftOuterJoin(
        self: PairFunctions[tuple[K, V]], other: RDD[tuple[K, W]], numPartitions: int | None = None
    ) -> RDD[tuple[K, tuple[V, W | None]]]:
        """`join`, with None for w where the other RDD lacks the key."""
        return self._cogrouped([other], numPartitions).flatMapValues(_left_outer)

    def rightOuterJoin(
        self: PairFunctions[tuple[K, V]], other: RDD[tuple[K, W]], numPartitions: int | None = None
    ) -> RDD[tuple[K, tuple[V | None, W]]]:
        """`join`, with None for v where this RDD lacks the key."""
        return self._cogrouped([other], numPartitions).flatMapValues(_right_outer)

    def fullOuterJoin(
        self: PairFunctions[tuple[K, V]], other: RDD[tuple[K, W]], numPartitions: int | None = None
    ) -> RDD[tuple[K, tuple[V | None, W | None]]]:
        """`join`, with None where either RDD lacks the key."""
        return self._cogrouped([other], numPartitions).flatMapValues(_full_outer)

    def subtractByKey(
        self: PairFunctions[tuple[K, V]],
        other: RDD[tuple[K, Any]],
        numPartitions: int | None = None,
    ) -> RDD[tuple[K, V]]:
        """Return the pairs whose key the other RDD lacks."""
        return self._cogrouped([other], numPartitions).flatMapValues(_only_left)

    def subtract(self, other: RDD[T], numPartitions: int | None = None) -> RDD[T]:
        """Return the items that the other RDD lacks; duplicates stay."""
        marked = self._stepwise(_with_true, False)
        return marked.subtractByKey(other._stepwise(_with_true, False), numPartitions).keys()

    def intersection(self, other: RDD[T]) -> RDD[T]:
        """Return the items that both RDDs have, each once."""
        marked = self._stepwise(_with_none, False)
        groups = marked._cogrouped([other._stepwise(_with_none, False)], None)
        return groups.filter(_all_sides).keys()

    def _cogrouped(
        self: PairFunctions[tuple[K, V]], others: list[Any], numPartitions: int | None
    ) -> RDD[tuple[K, Groups]]:
        from minimesos.spark.shuffled import CoGroupedRDD

        parents = [self._rdd, *others]
        if numPartitions is None:
            numPartitions = self.context.union(parents)._default_reduce_partitions()
        else:
            _require_partitions(numPartitions, parents)
        return CoGroupedRDD(parents, Partitioner(numPartitions, portable_hash))

    def _partitioner(self, num_partitions: int | None, function: PartitionFunc) -> Partitioner:
        if num_partitions is None:
            num_partitions = self._default_reduce_partitions()
        else:
            _require_partitions(num_partitions, [self])
        return Partitioner(num_partitions, function)

    def _default_reduce_partitions(self) -> int:
        if self.context.has_default_parallelism:
            return self.context.defaultParallelism
        return self.num_partitions


def _require_partitions(num_partitions: int, parents: Iterable[Lineage[Any]]) -> None:
    """Raise rather than lose all records; where there are none, no partitions will do."""
    if num_partitions < 1 and any(parent.num_partitions for parent in parents):
        raise ValueError("Number of partitions must be positive.")


# What runs in tasks.


def _combine(
    aggregator: Aggregator, index: int, items: Iterator[tuple[K, Any]], task: TaskContext
) -> Iterable[tuple[K, Any]]:
    from minimesos.spark.shuffle.memory import MemoryLimit
    from minimesos.spark.shuffle.merge import Merger

    merger = Merger(aggregator, task.env.local_dir, MemoryLimit.of(task))
    merger.merge_values(items)
    return merger.items()


def _start_with_zero(zero: Any, func: Callable[[Any, V], Any], value: V) -> Any:
    return func(copy.deepcopy(zero), value)


def _with_none(items: Iterator[T]) -> Iterator[tuple[T, None]]:
    return zip(items, repeat(None))


def _with_true(items: Iterator[T]) -> Iterator[tuple[T, bool]]:
    return zip(items, repeat(True))


def _first_of_two(first: T, second: T) -> T:
    return first


def _has_key(key: Any, pair: tuple[Any, Any]) -> bool:
    return bool(pair[0] == key)


def _as_result(groups: Groups) -> ResultIterable[Any]:
    return ResultIterable(groups[0])


def _as_results(groups: Groups) -> Any:
    return tuple([ResultIterable(group) for group in groups])


def _inner(groups: Groups) -> Iterable[Any]:
    return _pairs_of(*groups)


def _left_outer(groups: Groups) -> Iterable[Any]:
    left, right = groups
    return _pairs_of(left, right or (None,))


def _right_outer(groups: Groups) -> Iterable[Any]:
    left, right = groups
    return _pairs_of(left or (None,), right)


def _full_outer(groups: Groups) -> Iterable[Any]:
    left, right = groups
    return _pairs_of(left or (None,), right or (None,))


def _pairs_of(left: Collection[Any], right: Collection[Any]) -> Iterable[Any]:
    if type(left) in _HELD and type(right) in _HELD:
        return product(left, right)
    from minimesos.spark.shuffle.groups import pairs_of

    return pairs_of(left, right)


def _only_left(groups: Groups) -> Iterable[Any]:
    left, right = groups
    return () if right else left


def _all_sides(pair: tuple[Any, Groups]) -> bool:
    return all(pair[1])
