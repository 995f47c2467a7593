"""RDD programs as data: a source, steps, and what is looked at in the end.

`run` runs one on a SparkContext, ours or the real PySpark's. `lists` says what must come out, and
`draws` makes programs up. Elements are "numbers" (int) or "pairs" (int or None, int).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from operator import add
from typing import Any, NamedTuple

Step = tuple[Any, ...]
"""A name and plain arguments; other programs among them."""


class Program(NamedTuple):
    """What is run."""

    items: tuple[Any, ...]
    partitions: int
    steps: tuple[Step, ...] = ()


def double(n: int) -> int:
    return 2 * n


def shifted(n: int) -> int:
    return n - 7


def is_even(n: int) -> bool:
    return n % 2 == 0


def is_small(n: int) -> bool:
    return n % 7 < 3


def some_of(n: int) -> list[int]:
    return [n + i for i in range(n % 3)]


def modulo(n: int) -> int:
    return n % 5


def modulo_or_none(n: int) -> int | None:
    return n % 5 or None


FUNCTIONS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (double, shifted, is_even, is_small, some_of, modulo, modulo_or_none)
}


def run(sc: Any, program: Program, look: Step) -> Any:
    """Run a program and look at what comes out: its partitions, or the result of an action."""
    name, *arguments = look
    return LOOKS[name](build(sc, program), *arguments)


def build(sc: Any, program: Program) -> Any:
    """Return the RDD of a program."""
    rdd = sc.parallelize(list(program.items), program.partitions)
    for name, *arguments in program.steps:
        rdd = STEPS[name](sc, rdd, *arguments)
    return rdd


def _running_sums(items: Any) -> Any:
    total = 0
    for item in items:
        total += item
        yield total


def _with_index(index: int, items: Any) -> Any:
    return (index * 1000 + item for item in items)


def _sorted_values(groups: Any) -> list[int]:
    return sorted(groups)


def _ends(group: list[int]) -> int:
    return 1000 * len(group) + group[0] - group[-1]


def _sides(groups: Any) -> int:
    left, right = groups
    return 1000 * len(left) + 100 * len(right) + sum(left) - sum(right)


def _product(sides: Any) -> int:
    left, right = sides
    return (left or 0) * 3 + (0 if right is None else right)


STEPS: dict[str, Callable[..., Any]] = {
    "map": lambda sc, rdd, f: rdd.map(FUNCTIONS[f]),
    "filter": lambda sc, rdd, f: rdd.filter(FUNCTIONS[f]),
    "flatMap": lambda sc, rdd, f: rdd.flatMap(FUNCTIONS[f]),
    "mapPartitions": lambda sc, rdd: rdd.mapPartitions(_running_sums),
    "mapPartitionsWithIndex": lambda sc, rdd: rdd.mapPartitionsWithIndex(_with_index),
    "glom": lambda sc, rdd: rdd.glom().map(sum),
    "distinct": lambda sc, rdd, n: rdd.distinct(n),
    "union": lambda sc, rdd, other: rdd.union(build(sc, other)),
    "intersection": lambda sc, rdd, other: rdd.intersection(build(sc, other)),
    "subtract": lambda sc, rdd, other, n: rdd.subtract(build(sc, other), n),
    "cartesian": lambda sc, rdd, other: rdd.cartesian(build(sc, other)),
    "zip": lambda sc, rdd: rdd.map(modulo).zip(rdd),
    "zipWithIndex": lambda sc, rdd: rdd.zipWithIndex(),
    "zipWithUniqueId": lambda sc, rdd: rdd.zipWithUniqueId(),
    "sample": lambda sc, rdd, replace, fraction, seed: rdd.sample(replace, fraction, seed),
    "randomSplit": lambda sc, rdd, weights, seed, which: rdd.randomSplit(weights, seed)[which],
    "coalesce": lambda sc, rdd, n: rdd.coalesce(n),
    "repartition": lambda sc, rdd, n: rdd.repartition(n),
    "sortBy": lambda sc, rdd, ascending, n: rdd.sortBy(lambda item: item, ascending, n),
    "cache": lambda sc, rdd: rdd.cache(),
    "keyBy": lambda sc, rdd, f: rdd.keyBy(FUNCTIONS[f]),
    "keys": lambda sc, rdd: rdd.keys().map(lambda key: -1 if key is None else key),
    "values": lambda sc, rdd: rdd.values(),
    "mapValues": lambda sc, rdd, f: rdd.mapValues(FUNCTIONS[f]),
    "flatMapValues": lambda sc, rdd, f: rdd.flatMapValues(FUNCTIONS[f]),
    "partitionBy": lambda sc, rdd, n: rdd.partitionBy(n),
    "reduceByKey": lambda sc, rdd, n: rdd.reduceByKey(add, n),
    "foldByKey": lambda sc, rdd, n: rdd.foldByKey(0, add, n),
    "aggregateByKey": lambda sc, rdd, n: (
        rdd.aggregateByKey([], lambda values, value: [*values, value], add, n)
        .mapValues(_sorted_values)
        .mapValues(_ends)
    ),
    "combineByKey": lambda sc, rdd, n: rdd.combineByKey(
        lambda value: (value, 1),
        lambda pair, value: (pair[0] + value, pair[1] + 1),
        lambda a, b: (a[0] + b[0], a[1] + b[1]),
        n,
    ).mapValues(lambda pair: pair[0] * 100 + pair[1]),
    "groupByKey": lambda sc, rdd, n: rdd.groupByKey(n).mapValues(_sorted_values).mapValues(_ends),
    "sampleByKey": lambda sc, rdd, fraction, seed: rdd.sampleByKey(
        False, defaultdict(partial(float, fraction)), seed
    ),
    "join": lambda sc, rdd, other, n: rdd.join(build(sc, other), n).mapValues(_product),
    "leftOuterJoin": lambda sc, rdd, other, n: rdd.leftOuterJoin(build(sc, other), n).mapValues(
        _product
    ),
    "rightOuterJoin": lambda sc, rdd, other, n: rdd.rightOuterJoin(build(sc, other), n).mapValues(
        _product
    ),
    "fullOuterJoin": lambda sc, rdd, other, n: rdd.fullOuterJoin(build(sc, other), n).mapValues(
        _product
    ),
    "cogroup": lambda sc, rdd, other, n: rdd.cogroup(build(sc, other), n).mapValues(_sides),
    "subtractByKey": lambda sc, rdd, other, n: rdd.subtractByKey(build(sc, other), n),
    "sortedKeys": lambda sc, rdd, ascending, n: (
        rdd.filter(lambda pair: pair[0] is not None).sortByKey(ascending, n).keys()
    ),
    "sortedWithin": lambda sc, rdd, ascending, n: (
        rdd.filter(lambda pair: pair[0] is not None)
        .repartitionAndSortWithinPartitions(n, ascending=ascending)
        .keys()
    ),
}

LOOKS: dict[str, Callable[..., Any]] = {
    "partitions": lambda rdd: rdd.glom().collect(),
    "collect": lambda rdd: rdd.collect(),
    "count": lambda rdd: rdd.count(),
    "isEmpty": lambda rdd: rdd.isEmpty(),
    "take": lambda rdd, n: rdd.take(n),
    "takeOrdered": lambda rdd, n: rdd.takeOrdered(n),
    "top": lambda rdd, n: rdd.top(n),
    "takeSample": lambda rdd, replace, n, seed: rdd.takeSample(replace, n, seed),
    "sum": lambda rdd: rdd.sum(),
    "fold": lambda rdd: rdd.fold(0, add),
    "aggregate": lambda rdd: rdd.aggregate(
        (0, 0), lambda a, x: (a[0] + x, a[1] + 1), lambda a, b: (a[0] + b[0], a[1] + b[1])
    ),
    "treeAggregate": lambda rdd, depth: rdd.treeAggregate(0, add, add, depth),
    "histogram": lambda rdd, buckets: rdd.histogram(buckets),
    "countByValue": lambda rdd: dict(rdd.countByValue()),
    "countByKey": lambda rdd: dict(rdd.countByKey()),
    "collectAsMap": lambda rdd: rdd.collectAsMap(),
    "lookup": lambda rdd, key: sorted(rdd.lookup(key)),
    "reduceByKeyLocally": lambda rdd: rdd.reduceByKeyLocally(add),
    "toLocalIterator": lambda rdd: list(rdd.toLocalIterator()),
}
