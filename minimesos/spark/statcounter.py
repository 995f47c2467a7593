"""Count, mean, variance, minimum and maximum of numbers in one pass, mergeable across partitions.

Source: Welford's method, with Chan's formula for merging; PySpark's StatCounter.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

_LOPSIDED = 10
"""When one side counts this many times more, the mean is corrected rather than weighted anew."""


class StatCounter:
    """Statistics of the numbers merged so far."""

    def __init__(self, values: Iterable[float] = ()) -> None:
        self.n = 0
        self.mu = 0.0
        self.m2 = 0.0
        self.maxValue = -math.inf
        self.minValue = math.inf
        for value in values:
            self.merge(value)

    def merge(self, value: float) -> StatCounter:
        """Add a number."""
        delta = value - self.mu
        self.n += 1
        self.mu += delta / self.n
        self.m2 += delta * (value - self.mu)
        self.maxValue = max(self.maxValue, value)
        self.minValue = min(self.minValue, value)
        return self

    def mergeStats(self, other: StatCounter) -> StatCounter:
        """Add all that another counter has seen."""
        if other is self:
            return self.mergeStats(other.copy())
        if self.n == 0:
            self.__dict__.update(other.__dict__)
            return self
        if other.n == 0:
            return self
        delta = other.mu - self.mu
        total = self.n + other.n
        if other.n * _LOPSIDED < self.n:
            self.mu += delta * other.n / total
        elif self.n * _LOPSIDED < other.n:
            self.mu = other.mu - delta * self.n / total
        else:
            self.mu = (self.mu * self.n + other.mu * other.n) / total
        self.maxValue = max(self.maxValue, other.maxValue)
        self.minValue = min(self.minValue, other.minValue)
        self.m2 += other.m2 + delta * delta * self.n * other.n / total
        self.n = total
        return self

    def copy(self) -> StatCounter:
        """Return a counter of its own with the same numbers."""
        return copy.copy(self)

    def count(self) -> int:
        """Return how many numbers were merged."""
        return self.n

    def mean(self) -> float:
        """Return the mean, 0.0 of nothing."""
        return self.mu

    def sum(self) -> float:
        """Return the sum, up to rounding of the mean."""
        return self.n * self.mu

    def min(self) -> float:
        """Return the least number, infinity of nothing."""
        return self.minValue

    def max(self) -> float:
        """Return the greatest number, minus infinity of nothing."""
        return self.maxValue

    def variance(self) -> float:
        """Return the population's variance, nan of nothing."""
        return math.nan if self.n == 0 else self.m2 / self.n

    def sampleVariance(self) -> float:
        """Return the unbiased estimate from a sample, nan of fewer than two."""
        return math.nan if self.n <= 1 else self.m2 / (self.n - 1)

    def stdev(self) -> float:
        """Return the population's standard deviation."""
        return math.sqrt(self.variance())

    def sampleStdev(self) -> float:
        """Return the standard deviation estimated from a sample."""
        return math.sqrt(self.sampleVariance())

    def asDict(self, sample: bool = False) -> dict[str, float]:
        """Return all figures by name; as in PySpark, `sample=False` gives the sample's."""
        return {
            "count": self.count(),
            "mean": self.mean(),
            "sum": self.sum(),
            "min": self.min(),
            "max": self.max(),
            "stdev": self.stdev() if sample else self.sampleStdev(),
            "variance": self.variance() if sample else self.sampleVariance(),
        }

    def __repr__(self) -> str:
        return (
            f"(count: {self.count()}, mean: {self.mean()}, stdev: {self.stdev()}, "
            f"max: {self.max()}, min: {self.min()})"
        )
