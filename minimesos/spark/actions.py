"""Operations that run a job and return its result, or act on each element.

A layer of `RDD`. What runs in tasks are the functions at the end of this file, of (task, items).
"""

from __future__ import annotations

import copy
import functools
import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from operator import itemgetter, length_hint
from typing import TYPE_CHECKING, Any, TypeVar

from minimesos.spark import sampling
from minimesos.spark.errors import STOP_ITERATION, PySparkRuntimeError
from minimesos.spark.short_tracebacks import short_tracebacks
from minimesos.spark.transformations import Transformations

if TYPE_CHECKING:
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
V = TypeVar("V")

SortKey = Callable[[Any], Any] | None

_TAKE_GROWTH = 4
"""How many times more partitions `take` looks at when it has found nothing yet; also its cap."""
_COUNT_CHUNK = 1000
_EXACT_HINTS: tuple[type, ...] = (type(iter([])), type(iter(range(0))), type(iter(())))
"""Iterators that know exactly how many items are left."""


@short_tracebacks
class Actions(Transformations[T]):
    """Actions."""

    # What is there.

    def collect(self) -> list[T]:
        """Return all items, in the order of partitions."""
        return list(chain.from_iterable(self._run(_to_list)))

    def collectAsMap(self: Actions[tuple[K, V]]) -> dict[K, V]:
        """Return all pairs as a dict; the last of equal keys wins."""
        return dict(self.collect())

    def collectWithJobGroup(
        self, groupId: str, description: str, interruptOnCancel: bool = False
    ) -> list[T]:
        """Deprecated: `setJobGroup` and `collect`."""
        self.context.setJobGroup(groupId, description, interruptOnCancel)
        return self.collect()

    def toLocalIterator(self, prefetchPartitions: bool = False) -> Iterator[T]:
        """Iterate over all items, with one job a partition as it is reached.

        With `prefetchPartitions` the next partition's job starts while one is consumed.
        """
        from minimesos.spark.localiterator import local_iterator

        return local_iterator(self._rdd, prefetchPartitions)

    def count(self) -> int:
        """Return the number of items."""
        return sum(self._run(_count))

    def isEmpty(self) -> bool:
        """Say whether there is no item; looks at no more partitions than needed."""
        return self.num_partitions == 0 or not self.take(1)

    def first(self) -> T:
        """Return the first item; ValueError if there is none."""
        for item in self.take(1):
            return item
        raise ValueError("RDD is empty")

    def take(self, num: int) -> list[T]:
        """Return the first `num` items, from as few partitions as a rising estimate needs."""
        items: list[T] = []
        total = self.num_partitions
        scanned = 0
        while len(items) < num and scanned < total:
            wanted = 1
            if scanned:
                wanted = _TAKE_GROWTH * scanned
                if items:
                    estimate = int(1.5 * num * scanned / len(items)) - scanned
                    wanted = min(max(estimate, 1), wanted)
            partitions = range(scanned, min(scanned + wanted, total))
            left = num - len(items)
            for part in self._run(functools.partial(_take, left), partitions):
                items += part[: num - len(items)]
            scanned += len(partitions)
        return items

    def top(self, num: int, key: SortKey = None) -> list[T]:
        """Return the `num` greatest items, greatest first."""
        parts = self._run(functools.partial(_greatest, num, key))
        return heapq.nlargest(num, chain.from_iterable(parts), key=key)

    def takeOrdered(self, num: int, key: SortKey = None) -> list[T]:
        """Return the `num` least items, least first."""
        if num < 0:
            raise ValueError("top N cannot be negative.")
        if num == 0 or self.num_partitions == 0:
            return []
        parts = self._run(functools.partial(_least, num, key))
        return heapq.nsmallest(num, chain.from_iterable(parts), key=key)

    def takeSample(self, withReplacement: bool, num: int, seed: int | None = None) -> list[T]:
        """Return `num` random items, or all (shuffled) if there are fewer and none may repeat."""
        if num < 0:
            raise ValueError("Sample size cannot be negative.")
        if num > sampling.SAMPLE_SIZE_MAX:
            raise ValueError(f"Sample size cannot be greater than {sampling.SAMPLE_SIZE_MAX}.")
        total = self.count() if num else 0
        if total == 0:
            return []
        seed = sampling.default_seed() if seed is None else seed
        numbers = random.Random(seed)
        if not withReplacement and num >= total:
            items = self.collect()
            numbers.shuffle(items)
            return items
        fraction = sampling.fraction_for(num, total, withReplacement)
        items = self.sample(withReplacement, fraction, seed).collect()
        while len(items) < num:
            seed = numbers.randint(0, sampling.SEED_MAX)
            items = self.sample(withReplacement, fraction, seed).collect()
        numbers.shuffle(items)
        return items[:num]

    # One value from all.

    def reduce(self, f: Callable[[T, T], T]) -> T:
        """Combine all items with an associative, commutative function."""
        values = list(chain.from_iterable(self._run(functools.partial(_reduce, f))))
        if not values:
            raise ValueError("Can not reduce() empty RDD")
        return _merged(f, values[1:], values[0])

    def fold(self, zeroValue: T, op: Callable[[T, T], T]) -> T:
        """Combine all items and `zeroValue`, which enters once a partition and once at the end."""
        parts: list[T] = self._run(functools.partial(_fold, zeroValue, op))
        return _merged(op, parts, copy.deepcopy(zeroValue))

    def aggregate(self, zeroValue: U, seqOp: Callable[[U, T], U], combOp: Callable[[U, U], U]) -> U:
        """Fold each partition's items with seqOp, and the partitions' results with combOp."""
        parts: list[U] = self._run(functools.partial(_fold, zeroValue, seqOp))
        return _merged(combOp, parts, copy.deepcopy(zeroValue))

    def max(self, key: SortKey = None) -> T:
        """Return the greatest item."""
        return self._extreme(max, key)

    def min(self, key: SortKey = None) -> T:
        """Return the least item."""
        return self._extreme(min, key)

    def _extreme(self, choose: Callable[..., Any], key: SortKey) -> T:
        parts = self._run(functools.partial(_choose, choose, key))
        values = list(chain.from_iterable(parts))
        if not values:
            raise ValueError("Can not reduce() empty RDD")
        best: T = choose(values, key=key)
        return best

    def countByValue(self) -> dict[T, int]:
        """Return how often each value occurs."""
        counts: dict[T, int] = defaultdict(int)
        for part in self._run(_count_values):
            for value, times in part.items():
                counts[value] += times
        return counts

    def countByKey(self: Actions[tuple[K, V]]) -> dict[K, int]:
        """Return how many pairs each key has."""
        return self.map(itemgetter(0)).countByValue()

    def reduceByKeyLocally(self: Actions[tuple[K, V]], func: Callable[[V, V], V]) -> dict[K, V]:
        """Combine the values of each key and return the result as a dict."""
        merged: dict[K, V] = {}
        for part in self._run(functools.partial(_reduce_by_key, func)):
            _merge_by_key(func, merged, part.items())
        return merged

    # Effects.

    def foreach(self, f: Callable[[T], Any]) -> None:
        """Call f with each item, in tasks."""
        self._run(functools.partial(_foreach, f))

    def foreachPartition(self, f: Callable[[Iterator[T]], Any]) -> None:
        """Call f with the iterator over each partition, in tasks; what it yields is consumed."""
        self._run(functools.partial(_foreach_partition, f))

    def saveAsTextFile(self, path: str, compressionCodecClass: str | None = None) -> None:
        """Write `str(item)` lines to `path`/part-00000 and so on, and _SUCCESS at the end.

        The directory must not exist; files appear in it only when all of them are complete.
        """
        from minimesos.spark.io.save import save_as_text

        save_as_text(self._rdd, path, compressionCodecClass)

    def saveAsPickleFile(self, path: str, batchSize: int = 10) -> None:
        """Write the items pickled, for `SparkContext.pickleFile`; batchSize 0 chooses itself."""
        from minimesos.spark.io.save import save_as_pickle

        save_as_pickle(self._rdd, path, batchSize)

    def _run(
        self,
        function: Callable[[TaskContext, Iterator[T]], U],
        partitions: Iterable[int] | None = None,
    ) -> list[U]:
        """Run a job; the results are in the order of `partitions`."""
        return self.context.run_job(self._rdd, function, partitions)


def _merged(f: Callable[[T, T], T], values: list[T], zero: T) -> T:
    """Combine partitions' results here; a StopIteration would end the loop of who called us."""
    try:
        return functools.reduce(f, values, zero)
    except StopIteration as error:
        raise PySparkRuntimeError(
            f"{STOP_ITERATION}: {error}", "STOP_ITERATION_OCCURRED"
        ) from error


# What runs in tasks.


def _to_list(task: TaskContext, items: Iterator[T]) -> list[T]:
    return list(items)


def _count(task: TaskContext, items: Iterator[Any]) -> int:
    if type(items) in _EXACT_HINTS:
        return length_hint(items)
    total = 0
    while found := len(list(islice(items, _COUNT_CHUNK))):
        total += found
    return total


def _take(num: int, task: TaskContext, items: Iterator[T]) -> list[T]:
    return list(islice(items, num))


def _greatest(num: int, key: SortKey, task: TaskContext, items: Iterator[Any]) -> list[Any]:
    return heapq.nlargest(num, items, key=key)


def _least(num: int, key: SortKey, task: TaskContext, items: Iterator[Any]) -> list[Any]:
    return heapq.nsmallest(num, items, key=key)


def _reduce(f: Callable[[T, T], T], task: TaskContext, items: Iterator[T]) -> list[T]:
    """Return the partition's result, or nothing if it is empty."""
    for start in items:
        return [functools.reduce(f, items, start)]
    return []


def _fold(zero: Any, op: Callable[..., Any], task: TaskContext, items: Iterator[Any]) -> Any:
    # The closure serves many tasks of a worker, and op may change its first argument.
    return functools.reduce(op, items, copy.deepcopy(zero))


def _choose(
    choose: Callable[..., Any],
    key: SortKey,
    task: TaskContext,
    items: Iterator[T],
) -> list[T]:
    for start in items:
        return [choose(chain((start,), items), key=key)]
    return []


def _count_values(task: TaskContext, items: Iterator[T]) -> dict[T, int]:
    return dict(Counter(items))


def _reduce_by_key(
    func: Callable[[V, V], V], task: TaskContext, items: Iterator[tuple[K, V]]
) -> dict[K, V]:
    return _merge_by_key(func, {}, items)


def _merge_by_key(
    func: Callable[[V, V], V], merged: dict[K, V], items: Iterable[tuple[K, V]]
) -> dict[K, V]:
    for key, value in items:
        merged[key] = func(merged[key], value) if key in merged else value
    return merged


def _foreach(f: Callable[[T], Any], task: TaskContext, items: Iterator[T]) -> None:
    for item in items:
        f(item)


def _foreach_partition(
    f: Callable[[Iterator[T]], Any], task: TaskContext, items: Iterator[T]
) -> None:
    result = f(items)
    if isinstance(result, Iterable):
        for _ in result:
            pass
