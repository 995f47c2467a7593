"""Operations by key: values, partition counts, and when they shuffle."""

from __future__ import annotations

import operator
from collections import Counter
from typing import Any

import pytest

from minimesos.spark import RDD, SparkContext
from minimesos.spark.dependency import ShuffleDependency
from minimesos.spark.lineage import Lineage
from minimesos.spark.resultiterable import ResultIterable
from minimesos.spark.shuffle.memory import MemoryLimit


def shuffles(rdd: Lineage[Any]) -> int:
    """How many shuffles an RDD's whole lineage has."""
    return sum(
        isinstance(dependency, ShuffleDependency) + shuffles(dependency.rdd)
        for dependency in rdd.dependencies
    )


def lists(rdd: RDD[Any]) -> list[Any]:
    """Grouped pairs in an order, as plain lists."""
    return sorted((key, sorted(values)) for key, values in rdd.collect())


@pytest.fixture
def pairs(sc: SparkContext) -> RDD[tuple[str, int]]:
    return sc.parallelize([("a", 1), ("b", 2), ("a", 3), ("c", 4)], 3)


def test_reduce_by_key(pairs: RDD[tuple[str, int]]) -> None:
    assert sorted(pairs.reduceByKey(operator.add).collect()) == [("a", 4), ("b", 2), ("c", 4)]


def test_values_of_a_key_are_combined_in_their_order(sc: SparkContext) -> None:
    words = sc.parallelize([("k", c) for c in "abcdef"], 1)
    assert words.reduceByKey(lambda a, b: a + b).collect() == [("k", "abcdef")]


def test_combine_by_key_with_three_functions(pairs: RDD[tuple[str, int]]) -> None:
    combined = pairs.combineByKey(
        lambda v: [v], lambda c, v: [*c, v], lambda a, b: a + b, numPartitions=2
    )
    assert combined.getNumPartitions() == 2
    assert lists(combined) == [("a", [1, 3]), ("b", [2]), ("c", [4])]


def test_the_zero_of_a_fold_by_key_is_not_shared_between_keys(pairs: RDD[tuple[str, int]]) -> None:
    def add(values: list[int], value: int) -> list[int]:
        values.append(value)
        return values

    folded = pairs.aggregateByKey([], add, operator.add)
    assert lists(folded) == [("a", [1, 3]), ("b", [2]), ("c", [4])]
    assert sorted(pairs.foldByKey(1, operator.mul, 1).collect()) == [("a", 3), ("b", 2), ("c", 4)]


def test_groups_can_be_counted_and_iterated_again(pairs: RDD[tuple[str, int]]) -> None:
    groups = pairs.groupByKey().collectAsMap()
    assert isinstance(groups["a"], ResultIterable)
    assert len(groups["a"]) == 2
    assert sorted(groups["a"]) == sorted(groups["a"]) == [1, 3]


def test_group_by_a_function(sc: SparkContext) -> None:
    assert lists(sc.parallelize(range(5), 2).groupBy(lambda x: x % 2)) == [
        (0, [0, 2, 4]),
        (1, [1, 3]),
    ]


def test_a_shuffle_has_as_many_partitions_as_its_input_unless_parallelism_is_set(
    start_context: Any,
) -> None:
    with start_context() as sc:
        rdd = sc.parallelize([(1, 1)], 3)
        assert rdd.reduceByKey(max).getNumPartitions() == 3
        assert rdd.join(rdd).getNumPartitions() == 6
        assert rdd.reduceByKey(max, 5).getNumPartitions() == 5
    with start_context(settings={"spark.default.parallelism": "7"}) as sc:
        rdd = sc.parallelize([(1, 1)], 3)
        assert rdd.reduceByKey(max).getNumPartitions() == 7
        assert rdd.join(rdd).getNumPartitions() == 7


def test_partition_by_puts_a_key_where_its_hash_says(sc: SparkContext) -> None:
    parted = sc.parallelize([(i, i) for i in range(6)], 2).partitionBy(3)
    assert parted.keys().glom().collect() == [[0, 3], [1, 4], [2, 5]]
    assert parted.partitionBy(3) is parted
    assert parted.partitionBy(4) is not parted
    negative = sc.parallelize([(-1, "x")]).partitionBy(4, lambda k: k)
    assert negative.glom().map(len).collect() == [0, 0, 0, 1]


def test_what_is_partitioned_alike_is_not_shuffled_again(sc: SparkContext) -> None:
    pairs = sc.parallelize([(i % 3, i) for i in range(9)], 3)
    parted = pairs.partitionBy(3)
    assert shuffles(parted.reduceByKey(operator.add)) == 1
    assert sorted(parted.reduceByKey(operator.add).collect()) == [(0, 9), (1, 12), (2, 15)]
    assert shuffles(parted.join(parted)) == 2  # one shuffle, reached from both sides
    assert len(parted.join(parted).collect()) == 27
    assert shuffles(parted.join(pairs)) == 2  # the other side alone would do with 3 partitions
    assert shuffles(parted.join(pairs, 3)) == 2
    assert len(parted.join(pairs, 3).collect()) == len(parted.join(pairs).collect()) == 27
    assert shuffles(parted.mapValues(str).groupByKey()) == 1


def test_joins_fill_the_missing_side_with_none(sc: SparkContext) -> None:
    left = sc.parallelize([(1, "a"), (2, "b")], 2)
    right = sc.parallelize([(2, "x"), (2, "y"), (3, "z")], 2)
    both = [(2, ("b", "x")), (2, ("b", "y"))]
    assert sorted(left.join(right).collect()) == both
    assert sorted(left.leftOuterJoin(right).collect()) == [(1, ("a", None)), *both]
    assert sorted(left.rightOuterJoin(right).collect()) == [*both, (3, (None, "z"))]
    assert sorted(left.fullOuterJoin(right).collect()) == [
        (1, ("a", None)),
        *both,
        (3, (None, "z")),
    ]
    assert left.join(right, 7).getNumPartitions() == 7


def test_cogroup_of_two_and_of_four(sc: SparkContext) -> None:
    a = sc.parallelize([("a", 1), ("b", 4)])
    b = sc.parallelize([("a", 2)])
    groups = {key: tuple(map(list, sides)) for key, sides in a.cogroup(b).collect()}
    assert groups == {"a": ([1], [2]), "b": ([4], [])}
    many = a.groupWith(b, a, b).collectAsMap()
    assert tuple(map(list, many["b"])) == ([4], [], [4], [])


def test_subtracting_keeps_duplicates_and_intersecting_does_not(sc: SparkContext) -> None:
    a = sc.parallelize([1, 1, 2, 3, 3])
    b = sc.parallelize([3, 4, 2])
    assert sorted(a.subtract(b).collect()) == [1, 1]
    assert sorted(b.subtract(a).collect()) == [4]
    assert sorted(a.intersection(b).collect()) == [2, 3]
    assert sorted(a.distinct().collect()) == [1, 2, 3]
    assert a.distinct(2).getNumPartitions() == 2
    pairs = sc.parallelize([("a", 1), ("b", 2), ("b", 2)])
    assert pairs.subtractByKey(sc.parallelize([("a", 9)])).collect() == [("b", 2), ("b", 2)]


def test_lookup_asks_one_partition_if_it_knows_which(sc: SparkContext, runner: Any) -> None:
    pairs = sc.parallelize([(i % 10, i) for i in range(30)], 3)
    assert pairs.lookup(4) == [4, 14, 24]
    parted = pairs.partitionBy(5)
    parted.count()
    before = len(runner.tasks)
    assert sorted(parted.lookup(4)) == [4, 14, 24]
    assert len(runner.tasks) == before + 1
    assert parted.lookup(77) == []


def test_grouping_and_joining_values_of_user_classes(sc: SparkContext) -> None:
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    points = sc.parallelize([1, 2, 3], 2).map(lambda x: (x % 2, Point(x)))
    assert sorted(points.groupByKey().mapValues(lambda g: sum(p.x for p in g)).collect()) == [
        (0, 2),
        (1, 4),
    ]


def test_joins_and_products_of_keys_larger_than_memory(
    sc: SparkContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryLimit, "exceeded", lambda self: True)
    left = sc.parallelize([(0, n) for n in range(300)], 3)
    right = sc.parallelize([(0, -n) for n in range(200)] + [(1, 1)], 2)
    joined = left.rightOuterJoin(right).collect()
    assert Counter(joined) == Counter(
        [(0, (n, -m)) for n in range(300) for m in range(200)] + [(1, (None, 1))]
    )
    assert left.cartesian(right).count() == 300 * 201
    assert [sum(values) for _, values in left.groupByKey().collect()] == [sum(range(300))]
