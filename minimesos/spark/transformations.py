"""Operations that make an RDD from others partition by partition, without moving data.

A layer of `RDD`. All are lazy. Each makes one small RDD of `narrow`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from itertools import count, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from minimesos.spark import sampling
from minimesos.spark.errors import PySparkTypeError
from minimesos.spark.lineage import Lineage

if TYPE_CHECKING:
    from minimesos.spark.rdd import RDD
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
V = TypeVar("V")


class Transformations(Lineage[T]):
    """Narrow transformations."""

    # Element by element.

    def map(self, f: Callable[[T], U], preservesPartitioning: bool = False) -> RDD[U]:
        """Apply f to each element."""
        return self._stepwise(partial(map, f), preservesPartitioning)

    def flatMap(self, f: Callable[[T], Iterable[U]], preservesPartitioning: bool = False) -> RDD[U]:
        """Apply f to each element and flatten the results."""
        from minimesos.spark.narrow import flat

        return self._stepwise(partial(flat, f), preservesPartitioning)

    def filter(self, f: Callable[[T], bool]) -> RDD[T]:
        """Keep the elements for which f is true."""
        return self._stepwise(partial(filter, f), True)

    def keyBy(self, f: Callable[[T], K]) -> RDD[tuple[K, T]]:
        """Make pairs (f(x), x)."""
        from minimesos.spark.narrow import with_key

        return self._stepwise(partial(with_key, f), False)

    def keys(self: Transformations[tuple[K, V]]) -> RDD[K]:
        """Return the first of each pair."""
        return self._stepwise(partial(map, itemgetter(0)), False)

    def values(self: Transformations[tuple[K, V]]) -> RDD[V]:
        """Return the second of each pair."""
        return self._stepwise(partial(map, itemgetter(1)), False)

    def mapValues(self: Transformations[tuple[K, V]], f: Callable[[V], U]) -> RDD[tuple[K, U]]:
        """Apply f to the value of each pair; the partitioner is kept."""
        from minimesos.spark.narrow import over_values

        return self._stepwise(partial(over_values, f), True)

    def flatMapValues(
        self: Transformations[tuple[K, V]], f: Callable[[V], Iterable[U]]
    ) -> RDD[tuple[K, U]]:
        """Pair each key with every item of f(value); the partitioner is kept."""
        from minimesos.spark.narrow import flat_over_values

        return self._stepwise(partial(flat_over_values, f), True)

    # Partition by partition.

    def mapPartitions(
        self, f: Callable[[Iterator[T]], Iterable[U]], preservesPartitioning: bool = False
    ) -> RDD[U]:
        """Apply f to the iterator over each partition."""
        return self._over_partitions(partial(_on_iterator, f), preservesPartitioning)

    def mapPartitionsWithIndex(
        self, f: Callable[[int, Iterator[T]], Iterable[U]], preservesPartitioning: bool = False
    ) -> RDD[U]:
        """Apply f to the index and the iterator of each partition."""
        return self._over_partitions(partial(_on_indexed, f), preservesPartitioning)

    def mapPartitionsWithSplit(
        self, f: Callable[[int, Iterator[T]], Iterable[U]], preservesPartitioning: bool = False
    ) -> RDD[U]:
        """Deprecated name of `mapPartitionsWithIndex`."""
        return self.mapPartitionsWithIndex(f, preservesPartitioning)

    def glom(self) -> RDD[list[T]]:
        """Make a list of each partition."""
        return self._over_partitions(_as_one_list)

    def zipWithUniqueId(self) -> RDD[tuple[T, int]]:
        """Pair item j of partition k of n with j * n + k; runs no job."""
        return self._over_partitions(partial(_with_unique_id, self.num_partitions))

    def pipe(
        self, command: str, env: dict[str, str] | None = None, checkCode: bool = False
    ) -> RDD[str]:
        """Send elements as lines to a process per partition and return the lines it prints.

        With `checkCode` a process that does not exit with 0 fails the task.
        """
        from minimesos.spark.pipe import pipe

        return self._over_partitions(partial(pipe, command, env or {}, checkCode))

    # Several RDDs, or fewer partitions.

    def union(self, other: RDD[U]) -> RDD[T | U]:
        """Return the items of both, this one's first; duplicates stay."""
        return self.context.union([self._rdd, other])  # type: ignore[list-item]

    def __add__(self, other: RDD[U]) -> RDD[T | U]:
        if not isinstance(other, Lineage):
            raise PySparkTypeError(f"cannot add {type(other).__name__} to an RDD", "NOT_RDD")
        return self.union(other)

    def cartesian(self, other: RDD[U]) -> RDD[tuple[T, U]]:
        """Return all pairs of an item of this RDD and one of the other."""
        from minimesos.spark.narrow import CartesianRDD

        return CartesianRDD(self._rdd, other)

    def zip(self, other: RDD[U]) -> RDD[tuple[T, U]]:
        """Pair items at the same place; partitions and their lengths must be equal."""
        from minimesos.spark.narrow import ZippedRDD

        if self.num_partitions != other.num_partitions:
            raise ValueError("Can only zip with RDD which has the same number of partitions")
        return ZippedRDD(self._rdd, other)

    # Samples.

    def sample(self, withReplacement: bool, fraction: float, seed: int | None = None) -> RDD[T]:
        """Return a random sample of about `fraction` of the items (copies, with replacement)."""
        if not fraction >= 0:
            raise ValueError(f"Fraction must be nonnegative. {fraction}")
        seed = sampling.default_seed() if seed is None else seed
        draw = sampling.sample_with if withReplacement else sampling.sample_without
        return self._over_partitions(partial(draw, fraction, seed), True)

    def randomSplit(self, weights: list[float], seed: int | None = None) -> list[RDD[T]]:
        """Split into disjoint parts whose sizes are near the weights."""
        total = float(sum(weights))
        if any(weight < 0 for weight in weights):
            raise ValueError("Weights must be nonnegative")
        if total <= 0:
            raise ValueError("Sum of weights must be positive")
        seed = sampling.default_split_seed() if seed is None else seed
        bounds = [0.0]
        for weight in weights:
            bounds.append(bounds[-1] + weight / total)
        return [
            self._over_partitions(partial(sampling.sample_between, low, high, seed), True)
            for low, high in pairwise(bounds)
        ]

    def sampleByKey(
        self: Transformations[tuple[Hashable, V]],
        withReplacement: bool,
        fractions: dict[Any, float],
        seed: int | None = None,
    ) -> RDD[tuple[Any, V]]:
        """Sample each key's pairs by the key's own fraction."""
        for fraction in fractions.values():
            assert fraction >= 0.0, f"Negative fraction value: {fraction}"
        seed = sampling.default_seed() if seed is None else seed
        function = partial(sampling.sample_by_key, withReplacement, fractions, seed)
        return self._over_partitions(function, True)

    def _stepwise(self, step: Callable[[Iterator[Any]], Iterator[Any]], keeps: bool) -> RDD[Any]:
        from minimesos.spark.narrow import ElementwiseRDD

        return ElementwiseRDD(self._rdd, step, keeps)

    def _over_partitions(
        self,
        function: Callable[[int, Iterator[Any], TaskContext], Iterable[Any]],
        keeps: bool = False,
    ) -> RDD[Any]:
        """Apply a function of (index, items, task) to each partition."""
        from minimesos.spark.narrow import PartitionsRDD

        return PartitionsRDD(self._rdd, function, keeps)


def _on_iterator(
    f: Callable[[Iterator[Any]], Iterable[Any]], index: int, items: Iterator[Any], task: TaskContext
) -> Iterable[Any]:
    return f(items)


def _on_indexed(
    f: Callable[[int, Iterator[Any]], Iterable[Any]],
    index: int,
    items: Iterator[Any],
    task: TaskContext,
) -> Iterable[Any]:
    return f(index, items)


def _as_one_list(index: int, items: Iterator[Any], task: TaskContext) -> Iterable[Any]:
    # A generator, so that the list is only made when it is asked for.
    yield list(items)


def _with_unique_id(
    step: int, index: int, items: Iterator[Any], task: TaskContext
) -> Iterable[Any]:
    return zip(items, count(index, step))
