"""Approximate answers: exact when the job was in time, else with bounds; and counts by sketches."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from minimesos.spark import SparkContext, StatCounter, hyperloglog
from minimesos.spark.approximate import BoundedFloat, _quantile, mean_of, sum_of


def test_what_is_complete_in_time_is_exact(sc: SparkContext) -> None:
    rdd = sc.parallelize(range(1000), 10)
    assert rdd.countApprox(1000, 1.0) == 1000
    total = rdd.sumApprox(1000)
    assert (total, total.low, total.high, total.confidence) == (499500.0, 499500.0, 499500.0, 1.0)
    assert rdd.meanApprox(1000) == 499.5
    assert sc.emptyRDD().countApprox(1000) == 0


def test_a_part_is_extrapolated_and_the_bounds_hold_the_truth() -> None:
    total = sum_of([99.0, 101.0, 100.0, 98.0, 102.0], 10, 0.95)
    assert total == pytest.approx(1000.0)
    assert total.low < 1000.0 < total.high
    assert sum_of([99.0, 101.0, 100.0, 98.0, 102.0], 10, 0.5).high < total.high
    mean = mean_of(StatCounter([9.0, 11.0, 10.0]), False, 0.95)
    assert (mean, mean.confidence) == (10.0, 0.95)
    assert mean.low == pytest.approx(10 - 4.303 * math.sqrt(1 / 3), rel=1e-3)


@pytest.mark.parametrize("estimate", [sum_of([], 4, 0.9), mean_of(StatCounter(), False, 0.9)])
def test_nothing_in_time_is_anything(estimate: BoundedFloat) -> None:
    assert (estimate, estimate.low, estimate.high) == (0.0, -math.inf, math.inf)
    assert estimate.confidence == 0.0


def test_one_partition_has_no_spread_to_go_by() -> None:
    assert sum_of([5.0], 4, 0.9) == 20.0
    assert sum_of([5.0], 4, 0.9).low == -math.inf
    assert mean_of(StatCounter([5.0]), False, 0.9).high == math.inf


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (10, 2.228), (99, 1.984), (1000, 1.960)],
)
def test_quantiles_are_students(freedom: int, expected: float) -> None:
    assert _quantile(0.975, freedom) == pytest.approx(expected, rel=2e-3)


def test_a_bounded_float_is_a_float_and_travels() -> None:
    travelled = pickle.loads(pickle.dumps(BoundedFloat(100.0, 0.95, 95.0, 105.0)))
    assert travelled == 100.0
    assert (travelled.confidence, travelled.low, travelled.high) == (0.95, 95.0, 105.0)


@pytest.mark.parametrize("kind", [int, str, float, lambda i: (i, None), lambda i: b"%d" % i])
def test_distinct_items_are_counted_within_the_wished_error(
    sc: SparkContext, kind: Callable[[int], Any]
) -> None:
    rdd = sc.parallelize([kind(i) for i in [*range(1000), *range(1000)]], 3)
    assert abs(rdd.countApproxDistinct(0.01) - 1000) < 50


@pytest.mark.parametrize("count", [0, 1, 100, 20_000, 200_000])
def test_sketches_are_near_at_any_size(count: int) -> None:
    parts = [iter(range(start, count, 3)) for start in range(3)]
    together = hyperloglog.merged(hyperloglog.sketch(part, 11) for part in parts)
    assert hyperloglog.estimate(together, 11) == pytest.approx(count, rel=0.13)


def test_the_precision_follows_the_deviation(sc: SparkContext) -> None:
    assert [hyperloglog.precision_for(each) for each in (0.05, 0.03, 0.01, 0.9)] == [9, 11, 14, 4]
    with pytest.raises(ValueError, match=r"greater than 0\.000017"):
        sc.parallelize([1]).countApproxDistinct(0.00000001)
