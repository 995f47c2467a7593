"""Numbers that scripts rely on without knowing: hashes, slices, draws and levels are PySpark's."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from minimesos.spark import SparkContext
from minimesos.spark.sampling import fraction_for


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="hashes are those of CPython 3.11")
def test_hashes_of_text_are_those_of_a_seeded_interpreter() -> None:
    code = (
        "from minimesos.spark.partitioner import portable_hash as h; print(h('a'), h('abc'), h(-1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["4644417185603328019", "-4594863902769663758", "-2"]


def test_a_sample_without_replacement(sc: SparkContext) -> None:
    assert sc.parallelize(range(100), 4).sample(False, 0.1, 2).collect() == [36, 40, 74, 86, 88]
    assert sc.parallelize(range(10), 2).sample(False, 0.5, 42).collect() == [0, 1, 3, 4]


def test_a_random_split(sc: SparkContext) -> None:
    left, right = sc.parallelize(range(500), 1).randomSplit([2, 3], 17)
    assert (left.count(), right.count()) == (192, 308)
    assert sorted(left.collect() + right.collect()) == list(range(500))


def test_the_fraction_of_take_sample() -> None:
    assert fraction_for(10, 100, False) == pytest.approx(0.371125, abs=1e-6)
    assert fraction_for(4, 100, True) == pytest.approx(0.04 + 9 * (0.04 / 100) ** 0.5)
    assert fraction_for(40, 100, True) == pytest.approx(0.4 + 5 * (0.4 / 100) ** 0.5)


def test_take_sample_draws(sc: SparkContext) -> None:
    assert sc.parallelize(range(10), 1).takeSample(False, 5, 2) == [5, 9, 3, 4, 6]


@pytest.mark.parametrize(("partitions", "levels"), [(4, []), (10, [2]), (100, [10]), (1000, [31])])
def test_levels_of_a_tree(
    sc: SparkContext, runner: Any, partitions: int, levels: list[int]
) -> None:
    total = sc.parallelize(range(partitions), partitions).treeAggregate(
        0, lambda a, b: a + b, lambda a, b: a + b
    )
    assert total == sum(range(partitions))
    kinds = [kind for kind, _ in runner.tasks]
    assert kinds.count("map") == (partitions if levels else 0)
    assert kinds.count("result") == (levels[-1] if levels else partitions)


def test_unique_ids_are_places_times_partitions(sc: SparkContext) -> None:
    rdd = sc.parallelize(list("abcde"), 3)
    assert rdd.glom().collect() == [["a"], ["b", "c"], ["d", "e"]]
    assert rdd.zipWithUniqueId().collect() == [("a", 0), ("b", 1), ("c", 4), ("d", 2), ("e", 5)]


def test_default_numbers_of_reduce_partitions(sc: SparkContext, start_context: Any) -> None:
    pairs = sc.parallelize([(1, 1)], 3)
    assert pairs.reduceByKey(max).getNumPartitions() == 3
    assert pairs.groupBy(str).getNumPartitions() == 3
    assert pairs.distinct().getNumPartitions() == 3
    assert pairs.join(sc.parallelize([(1, 1)], 2)).getNumPartitions() == 5
    assert pairs.cogroup(pairs.partitionBy(7), 4).getNumPartitions() == 4
    parted = pairs.partitionBy(6)
    assert parted.join(pairs.partitionBy(6)).getNumPartitions() == 6
    sc.stop()
    sc = start_context(settings={"spark.default.parallelism": "9"})
    assert sc.parallelize([(1, 1)], 3).reduceByKey(max).getNumPartitions() == 9
    assert sc.parallelize([(1, 1)], 3).join(sc.parallelize([(1, 1)], 2)).getNumPartitions() == 9


def test_a_join_of_equally_partitioned_rdds_shuffles_no_more(sc: SparkContext, runner: Any) -> None:
    left = sc.parallelize([(i, i) for i in range(8)], 2).partitionBy(4)
    right = left.mapValues(str)
    assert left.partitionBy(4) is left
    assert left.join(right).mapValues(len).count() == 8
    assert [kind for kind, _ in runner.tasks] == ["map"] * 2 + ["result"] * 4
