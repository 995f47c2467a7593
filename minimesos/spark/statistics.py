"""Actions on RDDs of numbers: sum, mean, variance, histogram. A layer of `RDD`."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial, reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from minimesos.spark.actions import Actions
from minimesos.spark.short_tracebacks import short_tracebacks
from minimesos.spark.statcounter import StatCounter

if TYPE_CHECKING:
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")

_EVEN_SPREAD_MAX = 1e-10
"""Buckets whose widths differ by less are indexed by arithmetic."""


@short_tracebacks
class Statistics(Actions[T]):
    """Statistics of numbers."""

    def sum(self) -> Any:
        """Return the sum of all items, 0 of none."""
        return sum(self._run(_sum))

    def stats(self) -> StatCounter:
        """Return count, mean, variance, minimum and maximum in one pass."""
        return reduce(StatCounter.mergeStats, self._run(_stats), StatCounter())

    def mean(self) -> float:
        """Return the mean."""
        return self.stats().mean()

    def variance(self) -> float:
        """Return the population's variance."""
        return self.stats().variance()

    def stdev(self) -> float:
        """Return the population's standard deviation."""
        return self.stats().stdev()

    def sampleVariance(self) -> float:
        """Return the variance estimated from a sample (divides by n - 1)."""
        return self.stats().sampleVariance()

    def sampleStdev(self) -> float:
        """Return the standard deviation estimated from a sample."""
        return self.stats().sampleStdev()

    def histogram(self, buckets: int | Sequence[Any]) -> tuple[Sequence[Any], list[int]]:
        """Count items in buckets: `n` even ones between minimum and maximum, or between edges.

        A bucket holds its left edge; the last holds its right edge too. None and NaN are ignored,
        and so is what lies outside of given edges.
        """
        if isinstance(buckets, int):
            return self._even_histogram(buckets)
        if not isinstance(buckets, list | tuple):
            raise TypeError("buckets should be a list or tuple or number(int or long)")
        edges = list(buckets)
        _check_edges(edges)
        return buckets, self._counts(edges, _even_width(edges))

    def _even_histogram(self, buckets: int) -> tuple[list[Any], list[int]]:
        if buckets < 1:
            raise ValueError("number of buckets must be >= 1")
        try:
            low, high = self.filter(_is_countable).map(_twice).reduce(_wider)
        except TypeError as error:
            raise TypeError("Can not generate buckets with non-number in RDD") from error
        except ValueError as error:
            if "empty" in str(error):
                raise ValueError("can not generate buckets from empty RDD") from error
            raise
        if low == high or buckets == 1:
            return [low, high], [self.filter(_is_countable).count()]
        try:
            width = (high - low) / buckets
        except TypeError as error:
            raise TypeError("Can not generate buckets with non-number in RDD") from error
        if math.isinf(width) or math.isnan(width):
            raise ValueError("Can not generate buckets with infinite value")
        exact = int(width)
        if exact * buckets == high - low:
            width = exact
        edges = [index * width + low for index in range(buckets)]
        edges.append(high)
        return edges, self._counts(edges, width)

    def _counts(self, edges: list[Any], width: float | None) -> list[int]:
        parts = self._run(partial(_bucket_counts, edges, width))
        return [sum(counts) for counts in zip(*parts, strict=True)] or [0] * (len(edges) - 1)


def _check_edges(edges: list[Any]) -> None:
    if len(edges) < 2:
        raise ValueError("buckets should have more than one value")
    if any(not _is_countable(edge) for edge in edges):
        raise ValueError("can not have None or NaN in buckets")
    if sorted(edges) != edges:
        raise ValueError("buckets should be sorted")
    if len(set(edges)) != len(edges):
        raise ValueError("buckets should not contain duplicated values")


def _even_width(edges: list[Any]) -> float | None:
    """Return the buckets' common width; None if they differ or edges are not numbers."""
    try:
        widths = [right - left for left, right in pairwise(edges)]
    except TypeError:
        return None
    return widths[0] if max(widths) - min(widths) < _EVEN_SPREAD_MAX else None


def _is_countable(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _twice(value: Any) -> tuple[Any, Any]:
    return value, value


def _wider(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
    return min(a[0], b[0]), max(a[1], b[1])


# What runs in tasks.


def _sum(task: TaskContext, items: Iterator[Any]) -> Any:
    return sum(items)


def _stats(task: TaskContext, items: Iterator[Any]) -> StatCounter:
    return StatCounter(items)


def _bucket_counts(
    edges: list[Any], width: float | None, task: TaskContext, items: Iterator[Any]
) -> list[int]:
    low, high = edges[0], edges[-1]
    last = len(edges) - 2
    counts = [0] * (last + 1)
    for item in filter(_is_countable, items):
        if not low <= item <= high:
            continue
        place = bisect_right(edges, item) - 1 if width is None else int((item - low) / width)
        counts[min(place, last)] += 1
    return counts
