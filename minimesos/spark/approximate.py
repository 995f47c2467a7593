"""Actions that answer within a time, or within a memory, at the price of exactness.

A layer of `RDD`. What is known of a part of the partitions at the timeout is extrapolated, with
bounds; the job ends then, as nobody can ask for the rest.

Source: Spark's MeanEvaluator and SumEvaluator, as far as PySpark uses them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, TypeVar

from minimesos.spark import hyperloglog
from minimesos.spark.actions import _count
from minimesos.spark.statcounter import StatCounter
from minimesos.spark.statistics import Statistics, _stats, _sum

if TYPE_CHECKING:
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")

_RELATIVE_SD_MIN = 0.000017
_NORMAL_FROM = 100
"""From so many samples on, Student's distribution counts as the normal one."""


class BoundedFloat(float):
    """An estimate; the true value lies between `low` and `high` with probability `confidence`."""

    confidence: float
    low: float
    high: float

    def __new__(cls, mean: float, confidence: float, low: float, high: float) -> BoundedFloat:
        value = float.__new__(cls, mean)
        value.confidence = confidence
        value.low = low
        value.high = high
        return value

    def __getnewargs__(self) -> tuple[float, float, float, float]:  # type: ignore[override]
        return float(self), self.confidence, self.low, self.high


class Approximations(Statistics[T]):
    """Approximate actions; `timeout` is in milliseconds."""

    def countApprox(self, timeout: int, confidence: float = 0.95) -> int:
        """Return the number of items, estimated from the partitions that were counted in time."""
        return int(self._mapped_sum(_count, timeout, confidence))

    def sumApprox(self, timeout: int, confidence: float = 0.95) -> BoundedFloat:
        """Return the sum, estimated from the partitions that were summed in time."""
        return self._mapped_sum(_sum, timeout, confidence)

    def meanApprox(self, timeout: int, confidence: float = 0.95) -> BoundedFloat:
        """Return the mean, estimated from the partitions that were looked at in time."""
        parts = self.context.run_job_for(self._rdd, _stats, timeout / 1000)
        seen = StatCounter()
        for part in parts:
            seen.mergeStats(part)
        return mean_of(seen, len(parts) == self.num_partitions, confidence)

    def countApproxDistinct(self, relativeSD: float = 0.05) -> int:
        """Return about how many different items there are, with this relative deviation.

        Smaller deviations take more memory. Items must be hashable.
        """
        if relativeSD < _RELATIVE_SD_MIN:
            raise ValueError(f"relativeSD should be greater than {_RELATIVE_SD_MIN:f}")
        precision = hyperloglog.precision_for(relativeSD)
        sketches = self._run(partial(_sketch, precision))
        return hyperloglog.estimate(hyperloglog.merged(sketches), precision)

    def _mapped_sum(self, function: Any, timeout: int, confidence: float) -> BoundedFloat:
        parts = self.context.run_job_for(self._rdd, function, timeout / 1000)
        return sum_of(list(map(float, parts)), self.num_partitions, confidence)


def mean_of(seen: StatCounter, is_all: bool, confidence: float) -> BoundedFloat:
    """Return the mean of numbers of which these, or `is_all`, were seen."""
    if is_all:
        return BoundedFloat(seen.mean(), 1.0, seen.mean(), seen.mean())
    if seen.count() == 0:
        return BoundedFloat(0.0, 0.0, -math.inf, math.inf)
    if seen.count() == 1:
        return BoundedFloat(seen.mean(), confidence, -math.inf, math.inf)
    deviation = math.sqrt(seen.sampleVariance() / seen.count())
    return _bounded(seen.mean(), deviation, seen.count(), confidence)


def sum_of(sums: list[float], total: int, confidence: float) -> BoundedFloat:
    """Return the sum of `total` partitions, of which these sums are known."""
    known = len(sums)
    if known == total:
        exact = math.fsum(sums)
        return BoundedFloat(exact, 1.0, exact, exact)
    parts = StatCounter(sums)
    if known == 0:
        return BoundedFloat(0.0, 0.0, -math.inf, math.inf)
    share = known / total
    estimate = parts.mean() * known / share
    if known == 1:
        return BoundedFloat(estimate, confidence, -math.inf, math.inf)
    mean_variance = parts.sampleVariance() / known
    count_variance = known * (1.0 - share) / share**2
    variance = (
        parts.mean() ** 2 * count_variance
        + (known / share) ** 2 * mean_variance
        + mean_variance * count_variance
    )
    return _bounded(estimate, math.sqrt(variance), known, confidence)


def _bounded(estimate: float, deviation: float, samples: int, confidence: float) -> BoundedFloat:
    reach = deviation * _quantile(1.0 - (1.0 - confidence) / 2.0, samples - 1)
    return BoundedFloat(estimate, confidence, estimate - reach, estimate + reach)


def _quantile(probability: float, freedom: int) -> float:
    """Return a quantile of Student's t distribution, from the expansion around the normal one."""
    if probability >= 1.0:
        return math.inf
    z = NormalDist().inv_cdf(probability)
    if freedom >= _NORMAL_FROM:
        return z
    if freedom == 1:
        return math.tan(math.pi * (probability - 0.5))
    if freedom == 2:
        return (2 * probability - 1) * math.sqrt(2 / (4 * probability * (1 - probability)))
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * freedom**4)
    )


# What runs in tasks.


def _sketch(precision: int, task: TaskContext, items: Iterator[T]) -> hyperloglog.Sketch:
    return hyperloglog.sketch(items, precision)
