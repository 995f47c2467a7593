"""Statistics of numbers."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest

from minimesos.spark import SparkContext, StatCounter


def test_sums_means_and_variances(sc: SparkContext) -> None:
    numbers = [1.0, 4.0, 2.5, -3.0, 9.5]
    rdd = sc.parallelize(numbers, 3)
    assert rdd.sum() == sum(numbers)
    assert rdd.mean() == pytest.approx(statistics.fmean(numbers))
    assert rdd.variance() == pytest.approx(statistics.pvariance(numbers))
    assert rdd.stdev() == pytest.approx(statistics.pstdev(numbers))
    assert rdd.sampleVariance() == pytest.approx(statistics.variance(numbers))
    assert rdd.sampleStdev() == pytest.approx(statistics.stdev(numbers))
    assert sc.parallelize([], 2).sum() == 0


def test_counters_of_nothing_and_of_one_number() -> None:
    nothing, one = StatCounter(), StatCounter([5.0])
    assert (nothing.count(), nothing.min(), nothing.max()) == (0, math.inf, -math.inf)
    assert math.isnan(nothing.variance())
    assert math.isnan(one.sampleVariance())
    assert one.variance() == 0
    assert repr(one) == "(count: 1, mean: 5.0, stdev: 0.0, max: 5.0, min: 5.0)"


@pytest.mark.parametrize("cut", [0, 1, 5, 50, 95, 99, 100])
def test_merged_counters_agree_with_one_over_all(cut: int) -> None:
    numbers = [math.sin(i) * 10 for i in range(100)]
    merged = StatCounter(numbers[:cut]).mergeStats(StatCounter(numbers[cut:]))
    assert merged.count() == 100
    assert merged.mean() == pytest.approx(statistics.fmean(numbers))
    assert merged.variance() == pytest.approx(statistics.pvariance(numbers))
    assert (merged.min(), merged.max()) == (min(numbers), max(numbers))


def test_a_counter_merged_with_itself_counts_twice() -> None:
    counter = StatCounter([1.0, 3.0])
    assert counter.mergeStats(counter).count() == 4
    assert counter.asDict()["stdev"] == counter.sampleStdev()
    assert counter.asDict(sample=True)["stdev"] == counter.stdev()


@pytest.mark.parametrize(
    ("items", "buckets", "expected"),
    [
        ([1, 2, 3, 4], 2, ([1, 2.5, 4], [2, 2])),
        ([1, 2], 1, ([1, 2], [2])),
        ([1, 1], 5, ([1, 1], [2])),
        ([1, 2], 5, ([1, 1.2, 1.4, 1.6, 1.8, 2], [1, 0, 0, 0, 1])),
        ([0, 4, 8, None, math.nan], 2, ([0, 4, 8], [1, 2])),
        ([1, 2, 3, 5, 6], [0, 5, 10], ([0, 5, 10], [3, 2])),
        ([-1, 0, 10, 11], [0, 5, 10], ([0, 5, 10], [1, 1])),
        ([1, 2, 7], [0, 3, 10], ([0, 3, 10], [2, 1])),
        (["ab", "ac", "b", "bd", "ef"], ["a", "b", "c"], (["a", "b", "c"], [2, 2])),
        ([], [1, 2], ([1, 2], [0])),
    ],
)
def test_histograms(sc: SparkContext, items: Any, buckets: Any, expected: Any) -> None:
    edges, counts = sc.parallelize(items, 2).histogram(buckets)
    numeric = isinstance(edges[0], int | float)
    assert edges == (pytest.approx(expected[0]) if numeric else expected[0])
    assert counts == expected[1]


@pytest.mark.parametrize(
    ("items", "buckets", "kind"),
    [
        ([1], 0, ValueError),
        ([1], [1], ValueError),
        ([1], [2, 1], ValueError),
        ([1], [1, 1], ValueError),
        ([1], [1, None], ValueError),
        ([], 2, ValueError),
        ([1.0, math.inf], 2, ValueError),
        ([1], 2.5, TypeError),
        (["a", "b"], 2, TypeError),
    ],
)
def test_bad_histograms(sc: SparkContext, items: Any, buckets: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        sc.parallelize(items, 1).histogram(buckets)
