"""Narrow transformations: what they yield, where, and that nothing runs before an action."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minimesos.spark import SparkContext


def test_transformations_are_lazy(sc: SparkContext, runner: Any) -> None:
    rdd = sc.parallelize(range(4)).map(lambda x: x // 0).filter(bool).flatMap(lambda x: [x])
    rdd.union(rdd).coalesce(2).glom()
    assert runner.jobs == []


@pytest.mark.parametrize(
    ("items", "slices", "expected"),
    [
        (range(10), 4, [[0, 1], [2, 3, 4], [5, 6], [7, 8, 9]]),
        (list(range(10)), 4, [[0, 1], [2, 3], [4, 5], [6, 7, 8, 9]]),
        (list(range(7)), 3, [[0, 1], [2, 3], [4, 5, 6]]),
        (["a", "b", "c"], 5, [[], ["a"], [], ["b"], ["c"]]),
        ([], 2, [[], []]),
        (range(0), 2, [[], []]),
        (iter("abc"), 1, [["a", "b", "c"]]),
        ({1}, 1, [[1]]),
    ],
)
def test_a_collection_is_sliced_as_pyspark_slices_it(
    sc: SparkContext, items: Any, slices: int, expected: list[Any]
) -> None:
    assert sc.parallelize(items, slices).glom().collect() == expected


def test_a_hundred_items_in_eight_slices_leave_more_to_the_last(sc: SparkContext) -> None:
    sizes = sc.parallelize(list(range(100)), 8).glom().map(len).collect()
    assert sizes == [12] * 7 + [16]


def test_a_fixed_batch_size_rules_the_slices(start_context: Any) -> None:
    sc = start_context()
    sc._batch_size = 2
    assert sc.parallelize(list("abcdefgh"), 2).glom().collect() == [list("abcd"), list("efgh")]


def test_later_changes_of_a_collection_do_not_show(sc: SparkContext) -> None:
    items = [[1], [2]]
    rdd = sc.parallelize(items, 2)
    items[0].append(9)
    items.append([3])
    assert rdd.collect() == [[1], [2]]


@pytest.mark.parametrize(
    ("arguments", "count"), [((1, 1), 0), ((1, 0, -1), 1), ((0, 1 << 40, 1 << 39), 2), ((5,), 5)]
)
def test_range_has_python_semantics(
    sc: SparkContext, arguments: tuple[int, ...], count: int
) -> None:
    assert sc.range(*arguments).count() == count
    assert sc.range(*arguments, numSlices=3).collect() == list(range(*arguments))


def test_a_range_too_long_for_len_is_still_cut(sc: SparkContext) -> None:
    assert sc.range(1 << 70, numSlices=4).first() == 0
    assert sc.range(1 << 70, numSlices=4).getNumPartitions() == 4


def test_map_flat_map_and_filter_keep_order(sc: SparkContext) -> None:
    rdd = sc.parallelize(range(6), 3)
    assert rdd.map(str).collect() == list("012345")
    assert rdd.flatMap(range).collect() == [i for n in range(6) for i in range(n)]
    assert rdd.filter(lambda x: x % 2).collect() == [1, 3, 5]


def test_keys_values_and_their_maps(sc: SparkContext) -> None:
    pairs = sc.parallelize([("a", [1, 2]), ("b", [])], 2)
    assert pairs.keys().collect() == ["a", "b"]
    assert pairs.values().collect() == [[1, 2], []]
    assert pairs.mapValues(len).collect() == [("a", 2), ("b", 0)]
    assert pairs.flatMapValues(lambda x: x).collect() == [("a", 1), ("a", 2)]
    assert sc.parallelize(["x", "yy"]).keyBy(len).collect() == [(1, "x"), (2, "yy")]


def test_only_operations_that_keep_keys_keep_the_partitioner(sc: SparkContext) -> None:
    parted = sc.parallelize([(1, 1)]).partitionBy(2)
    assert parted.mapValues(str).partitioner == parted.partitioner
    assert parted.flatMapValues(lambda v: [v]).partitioner == parted.partitioner
    assert parted.filter(bool).partitioner == parted.partitioner
    assert parted.map(lambda x: x, preservesPartitioning=True).partitioner == parted.partitioner
    assert parted.map(lambda x: x).partitioner is None
    assert parted.keys().partitioner is None


def test_map_partitions_takes_functions_that_return_lists_or_generators(sc: SparkContext) -> None:
    rdd = sc.parallelize(range(5), 2)

    def doubled(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            yield 2 * item

    assert rdd.mapPartitions(lambda items: [sum(items)]).collect() == [1, 9]
    assert rdd.mapPartitions(doubled).collect() == [0, 2, 4, 6, 8]
    assert rdd.mapPartitionsWithIndex(lambda i, items: [(i, list(items))]).collect() == [
        (0, [0, 1]),
        (1, [2, 3, 4]),
    ]


def test_glom_makes_a_list_of_each_partition_also_of_empty_ones(sc: SparkContext) -> None:
    assert sc.parallelize([1, 2], 3).glom().collect() == [[], [1], [2]]


def test_union_puts_partitions_side_by_side(sc: SparkContext, tmp_path: Path) -> None:
    a, b = sc.parallelize([1, 2], 2), sc.parallelize([3], 1)
    assert (a + b + sc.emptyRDD() + a).glom().collect() == [[1], [2], [3], [1], [2]]
    assert sc.union([a]) is a
    words = tmp_path / "words"
    words.write_text("x\ny\n")
    assert a.union(sc.textFile(str(words), 1)).map(str).collect() == ["1", "2", "x", "y"]
    with pytest.raises(TypeError, match="cannot add int"):
        a + 1  # type: ignore[operator]


def test_union_of_equally_partitioned_rdds_keeps_the_partitioning(sc: SparkContext) -> None:
    pairs = sc.parallelize([(1, "a"), (2, "b")])
    parted = pairs.partitionBy(2)
    both = parted.union(parted)
    assert both.getNumPartitions() == 2
    assert both.partitioner == parted.partitioner
    assert sorted(both.glom().collect()[1]) == [(1, "a"), (1, "a")]
    assert parted.union(pairs).getNumPartitions() == 2 + pairs.getNumPartitions()


def test_cartesian_pairs_everything(sc: SparkContext) -> None:
    a, b = sc.parallelize([1, 2], 2), sc.parallelize("xyz", 3)
    product = a.cartesian(b)
    assert product.getNumPartitions() == 6
    assert product.collect() == [(i, c) for i in (1, 2) for c in "xyz"]
    assert a.cartesian(a.cartesian(a)).count() == 8
    assert product.zip(product.map(operator.itemgetter(0))).first() == ((1, "x"), 1)
    zipped = a.zip(a.map(str))
    assert product.cartesian(a).take(2) == [((1, "x"), 1), ((1, "x"), 2)]
    assert a.cartesian(zipped).collect() == [(i, (j, str(j))) for i in (1, 2) for j in (1, 2)]
    assert a.cartesian(sc.emptyRDD()).collect() == []


def test_zip_needs_equal_partitions_and_lengths(sc: SparkContext) -> None:
    a = sc.parallelize(range(4), 2)
    assert a.zip(a.map(str)).collect() == [(i, str(i)) for i in range(4)]
    with pytest.raises(ValueError, match="same number of partitions"):
        a.zip(sc.parallelize(range(4), 3))
    with pytest.raises(ValueError, match="same number of elements"):
        a.zip(sc.parallelize(range(3), 2)).collect()


def test_coalesce_joins_neighbours_and_never_adds_partitions(sc: SparkContext) -> None:
    rdd = sc.parallelize(list(range(5)), 5)
    assert rdd.coalesce(3).glom().collect() == [[0], [1, 2], [3, 4]]
    assert rdd.coalesce(9).getNumPartitions() == 5
    with pytest.raises(ValueError, match="Number of partitions must be positive"):
        rdd.coalesce(0)


def test_repartition_leaves_no_partition_empty(sc: SparkContext) -> None:
    sizes = sc.parallelize(range(1000), 4).repartition(20).glom().map(len).collect()
    assert len(sizes) == 20
    assert min(sizes) > 40


def test_numbering_by_index_runs_one_job_and_by_unique_id_none(
    sc: SparkContext, runner: Any
) -> None:
    rdd = sc.parallelize(list("abcde"), 3)
    unique = rdd.zipWithUniqueId()
    assert runner.jobs == []
    indexed = rdd.zipWithIndex()
    assert len(runner.jobs) == 1
    assert indexed.collect() == [("a", 0), ("b", 1), ("c", 2), ("d", 3), ("e", 4)]
    assert unique.collect() == [("a", 0), ("b", 1), ("c", 4), ("d", 2), ("e", 5)]


def test_samples_choose_what_pyspark_chooses(sc: SparkContext) -> None:
    assert sc.parallelize(range(100), 4).sample(False, 0.1, 2).collect() == [36, 40, 74, 86, 88]
    assert sc.parallelize(range(10), 2).sample(False, 0.5, 42).collect() == [0, 1, 3, 4]
    with pytest.raises(ValueError, match="Fraction must be nonnegative"):
        sc.parallelize([1]).sample(False, -0.1)


def test_sampling_with_replacement_repeats_items(sc: SparkContext) -> None:
    rdd = sc.parallelize(range(100), 2)
    for fraction in (2.0, 30.0):
        drawn = rdd.sample(True, fraction, 7).collect()
        assert drawn == rdd.sample(True, fraction, 7).collect()
        assert drawn != rdd.sample(True, fraction, 8).collect()
        assert len(drawn) == pytest.approx(100 * fraction, rel=0.2)


def test_a_random_split_is_disjoint_and_complete(sc: SparkContext) -> None:
    a, b = sc.parallelize(range(500), 1).randomSplit([2, 3], 17)
    assert (a.count(), b.count()) == (192, 308)
    assert sorted(a.collect() + b.collect()) == list(range(500))
    with pytest.raises(ValueError, match="Sum of weights must be positive"):
        sc.parallelize([1]).randomSplit([0.0, 0.0])
    with pytest.raises(ValueError, match="Weights must be nonnegative"):
        sc.parallelize([1]).randomSplit([-1.0, 2.0])


def test_sampling_by_key_uses_each_keys_fraction(sc: SparkContext) -> None:
    pairs = sc.parallelize([(i % 2, i) for i in range(200)], 2)
    kept = pairs.sampleByKey(False, {0: 0.0, 1: 1.0}, 3).collect()
    assert kept == [(1, i) for i in range(1, 200, 2)]
    with pytest.raises(KeyError):
        pairs.sampleByKey(False, {0: 0.5}).collect()


def test_pipe_sends_lines_through_a_process_a_partition(sc: SparkContext) -> None:
    rdd = sc.parallelize(["a b", "ü", 3], 2)
    assert rdd.pipe("cat").collect() == ["a b", "ü", "3"]
    assert rdd.pipe("tr a-z A-Z").collect()[0] == "A B"
    assert rdd.pipe("grep nothing").collect() == []
    with pytest.raises(RuntimeError, match="exited with error code 1"):
        rdd.pipe("grep nothing", checkCode=True).collect()
    with pytest.raises(FileNotFoundError):
        rdd.pipe("no-such-command-here").collect()


STOPPING = {
    "map": lambda rdd, f: rdd.map(f),
    "filter": lambda rdd, f: rdd.filter(f),
    "flatMap": lambda rdd, f: rdd.flatMap(f),
    "keyBy": lambda rdd, f: rdd.keyBy(f),
    "mapValues": lambda rdd, f: rdd.map(lambda x: (x, x)).mapValues(f),
    "flatMapValues": lambda rdd, f: rdd.map(lambda x: (x, x)).flatMapValues(f),
}


@pytest.mark.parametrize("at", [0, 2, 4])
@pytest.mark.parametrize("name", STOPPING)
def test_stop_iteration_in_a_users_function_fails_instead_of_truncating(
    sc: SparkContext, name: str, at: int
) -> None:
    def stops(x: int) -> list[int]:
        if x == at:
            raise StopIteration("mine")
        return [x]

    with pytest.raises(RuntimeError, match="Caught StopIteration thrown from user's code"):
        STOPPING[name](sc.parallelize(range(5), 1), stops).collect()


def test_a_consumer_that_stops_early_is_no_error(sc: SparkContext) -> None:
    assert sc.parallelize(range(100), 1).map(str).filter(bool).take(3) == ["0", "1", "2"]
    first = sc.parallelize(range(9), 1).map(str).mapPartitions(lambda items: [next(items)])
    assert first.map(int).collect() == [0]


def test_a_long_chain_of_steps_neither_recurses_nor_grows_the_closure(sc: SparkContext) -> None:
    rdd = sc.parallelize(range(2), 1)
    for _ in range(2000):
        rdd = rdd.map(lambda x: x + 1)
    assert rdd.collect() == [2000, 2001]
