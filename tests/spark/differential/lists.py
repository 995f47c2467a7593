"""What an RDD program must give, worked out with plain lists: one list per partition.

Nothing of the engine is used here; rules are PySpark's, each said once. A dataset knows how much of
it PySpark promises, as some operations leave order or place open.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from enum import Enum
from itertools import chain, product
from typing import Any, NamedTuple

from .programs import FUNCTIONS, Program, Step

Partitions = list[list[Any]]


class Promise(Enum):
    """What is certain of a dataset."""

    EXACT = "each partition, in order"
    PLACED = "what is in each partition, in any order"
    ORDERED = "all items in order, cut anywhere"
    ITEMS = "all items, in any order and place"


class Dataset(NamedTuple):
    """An RDD, as far as it is certain."""

    parts: Partitions
    promise: Promise
    placed_by: int | None = None
    """Keys lie where hash % this says: the partitioner."""

    @property
    def items(self) -> list[Any]:
        return list(chain.from_iterable(self.parts))


def result(program: Program) -> Dataset:
    """Return what a program's RDD holds."""
    data = Dataset(batched_slices(program.items, program.partitions), Promise.EXACT)
    for name, *arguments in program.steps:
        data = RULES[name](data, *arguments)
    return data


def batched_slices(items: tuple[Any, ...], count: int) -> Partitions:
    """Slice as `parallelize` does: the items in batches, and then the batches."""
    size = max(1, min(len(items) // count, 1024))
    batches = [items[start : start + size] for start in range(0, len(items), size)]
    return [
        list(chain(*batches[i * len(batches) // count : (i + 1) * len(batches) // count]))
        for i in range(count)
    ]


def stable_hash(key: Any) -> int:
    return 0 if key is None else hash(key)


# ------------------------------------------------------------------------------------ narrow


def each(data: Dataset, change: Callable[[list[Any]], list[Any]], keeps: bool = False) -> Dataset:
    return Dataset(
        [change(part) for part in data.parts], data.promise, data.placed_by if keeps else None
    )


def _map(data: Dataset, f: str) -> Dataset:
    return each(data, lambda part: [FUNCTIONS[f](x) for x in part])


def _filter(data: Dataset, f: str) -> Dataset:
    return each(data, lambda part: [x for x in part if FUNCTIONS[f](x)], keeps=True)


def _flat_map(data: Dataset, f: str) -> Dataset:
    return each(data, lambda part: [y for x in part for y in FUNCTIONS[f](x)])


def _map_values(data: Dataset, f: str) -> Dataset:
    return each(data, lambda part: [(k, FUNCTIONS[f](v)) for k, v in part], keeps=True)


def _flat_map_values(data: Dataset, f: str) -> Dataset:
    return each(data, lambda part: [(k, w) for k, v in part for w in FUNCTIONS[f](v)], keeps=True)


def _running_sums(data: Dataset) -> Dataset:
    def sums(part: list[int]) -> list[int]:
        return [sum(part[: i + 1]) for i in range(len(part))]

    return each(data, sums)


def _with_index(data: Dataset) -> Dataset:
    parts = [[1000 * i + x for x in part] for i, part in enumerate(data.parts)]
    return Dataset(parts, data.promise)


def _zip_with_index(data: Dataset) -> Dataset:
    numbers = iter(range(len(data.items)))
    return each(data, lambda part: [(x, next(numbers)) for x in part])


def _zip_with_unique_id(data: Dataset) -> Dataset:
    count = len(data.parts)
    parts = [[(x, j * count + k) for j, x in enumerate(p)] for k, p in enumerate(data.parts)]
    return Dataset(parts, data.promise)


def _union(data: Dataset, other: Program) -> Dataset:
    added = result(other)
    if data.placed_by is not None and data.placed_by == added.placed_by:
        parts = [a + b for a, b in zip(data.parts, added.parts, strict=True)]
        return Dataset(parts, weaker(data.promise, added.promise), data.placed_by)
    return Dataset(data.parts + added.parts, weaker(data.promise, added.promise))


def weaker(a: Promise, b: Promise) -> Promise:
    if Promise.EXACT in (a, b):
        return b if a is Promise.EXACT else a
    return a if a is b else Promise.ITEMS


def _cartesian(data: Dataset, other: Program) -> Dataset:
    right = result(other)
    parts = [list(product(a, b)) for a in data.parts for b in right.parts]
    # Order within a partition is not said anywhere.
    placed = weaker(weaker(data.promise, right.promise), Promise.PLACED)
    return Dataset(parts, placed)


def _coalesce(data: Dataset, wanted: int) -> Dataset:
    count = len(data.parts)
    groups = min(wanted, count)
    parts = [
        list(chain(*data.parts[i * count // groups : (i + 1) * count // groups]))
        for i in range(groups)
    ]
    return Dataset(parts, data.promise)


# ---------------------------------------------------------------------------------- sampling


def draws(seed: int, partition: int) -> random.Random:
    numbers = random.Random(seed ^ partition)
    for _ in range(10):
        numbers.randint(0, 1)
    return numbers


def poisson(mean: float, numbers: random.Random) -> int:
    """Knuth's method, for small means."""
    bound, product_, count = math.exp(-mean), 1.0, -1
    while product_ > bound or count < 0:
        product_ *= numbers.random()
        count += 1
    return count


def sample(parts: Partitions, replace: bool, fraction: float, seed: int) -> Partitions:
    sampled = []
    for index, part in enumerate(parts):
        numbers = draws(seed, index)
        if replace:
            sampled.append([x for x in part for _ in range(poisson(fraction, numbers))])
        else:
            sampled.append([x for x in part if numbers.random() < fraction])
    return sampled


def _sample(data: Dataset, replace: bool, fraction: float, seed: int) -> Dataset:
    return Dataset(sample(data.parts, replace, fraction, seed), data.promise, data.placed_by)


def _random_split(data: Dataset, weights: list[float], seed: int, which: int) -> Dataset:
    bounds = [sum(weights[:i]) / sum(weights) for i in range(len(weights) + 1)]
    low, high = bounds[which], bounds[which + 1]
    parts = []
    for index, part in enumerate(data.parts):
        numbers = draws(seed, index)
        parts.append([x for x in part if low <= numbers.random() < high])
    return Dataset(parts, data.promise, data.placed_by)


def _sample_by_key(data: Dataset, fraction: float, seed: int) -> Dataset:
    return _sample(data, False, fraction, seed)


def take_sample(data: Dataset, replace: bool, wanted: int, seed: int) -> list[Any]:
    total = len(data.items)
    if not total or not wanted:
        return []
    numbers = random.Random(seed)
    if not replace and wanted >= total:
        items = data.items
        numbers.shuffle(items)
        return items
    ratio = wanted / total
    if replace:
        fraction = ratio + (9 if wanted < 12 else 5) * math.sqrt(ratio / total)
    else:
        gamma = -math.log(0.00005) / total
        fraction = min(1, ratio + gamma + math.sqrt(gamma**2 + 2 * gamma * ratio))
    items = list(chain(*sample(data.parts, replace, fraction, seed)))
    while len(items) < wanted:
        seed = numbers.randint(0, 2**63 - 1)
        items = list(chain(*sample(data.parts, replace, fraction, seed)))
    numbers.shuffle(items)
    return items[:wanted]


# ---------------------------------------------------------------------------------- shuffles


def place(pairs: list[tuple[Any, Any]], count: int) -> Partitions:
    parts: Partitions = [[] for _ in range(count)]
    for pair in pairs:
        parts[stable_hash(pair[0]) % count].append(pair)
    return parts


def placed(pairs: list[tuple[Any, Any]], count: int) -> Dataset:
    return Dataset(place(pairs, count), Promise.PLACED, count)


def groups(pairs: list[tuple[Any, Any]]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def by_key(combine: Callable[[list[int]], int]) -> Callable[[Dataset, int], Dataset]:
    def rule(data: Dataset, count: int) -> Dataset:
        pairs = [(key, combine(values)) for key, values in groups(data.items).items()]
        return placed(pairs, count)

    return rule


def ends(values: list[int]) -> int:
    return 1000 * len(values) + min(values) - max(values)


def joined(
    left: bool, right: bool, combine: Callable[[Any, Any], int]
) -> Callable[[Dataset, Program, int], Dataset]:
    """Return the rule of a join; `left` and `right` say whose keys stay if alone."""

    def rule(data: Dataset, other: Program, count: int) -> Dataset:
        ours, theirs = groups(data.items), groups(result(other).items)
        pairs = [
            (key, combine(v, w))
            for key in {**ours, **theirs}
            for v in ours.get(key, [None] if right else [])
            for w in theirs.get(key, [None] if left else [])
        ]
        return placed(pairs, count)

    return rule


def scaled(v: int | None, w: int | None) -> int:
    return (v or 0) * 3 + (w or 0)


def _cogroup(data: Dataset, other: Program, count: int) -> Dataset:
    ours, theirs = groups(data.items), groups(result(other).items)
    pairs = []
    for key in {**ours, **theirs}:
        v, w = ours.get(key, []), theirs.get(key, [])
        pairs.append((key, 1000 * len(v) + 100 * len(w) + sum(v) - sum(w)))
    return placed(pairs, count)


def _subtract_by_key(data: Dataset, other: Program, count: int) -> Dataset:
    theirs = groups(result(other).items)
    return placed([pair for pair in data.items if pair[0] not in theirs], count)


def unplaced(data: Dataset) -> Dataset:
    """The same without a partitioner."""
    return data._replace(placed_by=None)


def of_keys(pairs: Dataset) -> Dataset:
    return unplaced(each(pairs, lambda part: [key for key, _ in part]))


def _distinct(data: Dataset, count: int) -> Dataset:
    return of_keys(placed([(x, None) for x in set(data.items)], count))


def _intersection(data: Dataset, other: Program) -> Dataset:
    added = result(other)
    common = set(data.items) & set(added.items)
    return of_keys(placed([(x, None) for x in common], len(data.parts) + len(added.parts)))


def _subtract(data: Dataset, other: Program, count: int) -> Dataset:
    unwanted = set(result(other).items)
    return of_keys(placed([(x, None) for x in data.items if x not in unwanted], count))


def _repartition(data: Dataset, count: int) -> Dataset:
    items = data.items
    parts: Partitions = [items, *([] for _ in range(count - 1))]
    return Dataset(parts, Promise.ITEMS)


def in_order(data: Dataset, items: list[Any], count: int) -> Dataset:
    """Cut sorted items somewhere; nothing is cut anew where there is nothing."""
    left = count if items or count == 1 else len(data.parts)
    return Dataset([items, *([] for _ in range(left - 1))], Promise.ORDERED)


def _sort_by(data: Dataset, ascending: bool, count: int) -> Dataset:
    return in_order(data, sorted(data.items, reverse=not ascending), count)


def _sorted_keys(data: Dataset, ascending: bool, count: int) -> Dataset:
    keys = [key for key, _ in data.items if key is not None]
    return in_order(data, sorted(keys, reverse=not ascending), count)


def _sorted_within(data: Dataset, ascending: bool, count: int) -> Dataset:
    pairs = [pair for pair in data.items if pair[0] is not None]
    parts = [sorted((k for k, _ in part), reverse=not ascending) for part in place(pairs, count)]
    return Dataset(parts, Promise.EXACT)


RULES: dict[str, Callable[..., Dataset]] = {
    "map": _map,
    "filter": _filter,
    "flatMap": _flat_map,
    "mapPartitions": _running_sums,
    "mapPartitionsWithIndex": _with_index,
    "glom": lambda data: each(data, lambda part: [sum(part)]),
    "distinct": _distinct,
    "union": _union,
    "intersection": _intersection,
    "subtract": _subtract,
    "cartesian": _cartesian,
    "zip": lambda data: each(data, lambda part: [(x % 5, x) for x in part]),
    "zipWithIndex": _zip_with_index,
    "zipWithUniqueId": _zip_with_unique_id,
    "sample": _sample,
    "randomSplit": _random_split,
    "coalesce": _coalesce,
    "repartition": _repartition,
    "sortBy": _sort_by,
    "cache": lambda data: data,
    "keyBy": lambda data, f: each(data, lambda part: [(FUNCTIONS[f](x), x) for x in part]),
    "keys": lambda data: each(data, lambda part: [-1 if k is None else k for k, _ in part]),
    "values": lambda data: each(data, lambda part: [v for _, v in part]),
    "mapValues": _map_values,
    "flatMapValues": _flat_map_values,
    "partitionBy": lambda data, n: data if data.placed_by == n else placed(data.items, n),
    "reduceByKey": by_key(sum),
    "foldByKey": by_key(sum),
    "aggregateByKey": by_key(ends),
    "combineByKey": by_key(lambda values: 100 * sum(values) + len(values)),
    "groupByKey": by_key(ends),
    "sampleByKey": _sample_by_key,
    "join": joined(False, False, scaled),
    "leftOuterJoin": joined(True, False, scaled),
    "rightOuterJoin": joined(False, True, scaled),
    "fullOuterJoin": joined(True, True, scaled),
    "cogroup": _cogroup,
    "subtractByKey": _subtract_by_key,
    "sortedKeys": _sorted_keys,
    "sortedWithin": _sorted_within,
}


# --------------------------------------------------------------------------------- what is seen


def histogram(items: list[int], buckets: int | list[int]) -> tuple[list[Any], list[int]]:
    if isinstance(buckets, int):
        low, high = min(items), max(items)
        if low == high or buckets == 1:
            return [low, high], [len(items)]
        step: Any = (high - low) / buckets
        step = int(step) if step * buckets == high - low and int(step) == step else step
        edges: list[Any] = [low + i * step for i in range(buckets)] + [high]
    else:
        edges = list(buckets)
    counts = [0] * (len(edges) - 1)
    for item in items:
        if edges[0] <= item <= edges[-1]:
            counts[min(bisect_right(edges, item) - 1, len(counts) - 1)] += 1
    return edges, counts


def seen(program: Program, look: Step) -> Any:
    """Return what `run` must return for the same program and look."""
    name, *arguments = look
    data = result(program)
    return LOOKS[name](data, *arguments)


LOOKS: dict[str, Callable[..., Any]] = {
    "partitions": lambda data: data.parts,
    "collect": lambda data: data.items,
    "toLocalIterator": lambda data: data.items,
    "count": lambda data: len(data.items),
    "isEmpty": lambda data: not data.items,
    "take": lambda data, n: data.items[:n],
    "takeOrdered": lambda data, n: sorted(data.items)[:n],
    "top": lambda data, n: sorted(data.items, reverse=True)[:n],
    "takeSample": take_sample,
    "sum": lambda data: sum(data.items),
    "fold": lambda data: sum(data.items),
    "aggregate": lambda data: (sum(data.items), len(data.items)),
    "treeAggregate": lambda data, depth: sum(data.items),
    "histogram": lambda data, buckets: histogram(data.items, buckets),
    "countByValue": lambda data: dict(Counter(data.items)),
    "countByKey": lambda data: dict(Counter(key for key, _ in data.items)),
    "collectAsMap": lambda data: dict(data.items),
    "lookup": lambda data, key: sorted(v for k, v in data.items if k == key),
    "reduceByKeyLocally": lambda data: {k: sum(v) for k, v in groups(data.items).items()},
}
