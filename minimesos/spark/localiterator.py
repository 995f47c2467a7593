"""Iteration over an RDD on the driver, one partition's job at a time. For `RDD.toLocalIterator`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from minimesos.spark.actions import _to_list

if TYPE_CHECKING:
    from minimesos.spark.rdd import RDD

T = TypeVar("T")


def local_iterator(rdd: RDD[T], prefetch: bool) -> Iterator[T]:
    """Yield all items in order; with `prefetch` one partition is computed ahead of the consumer."""
    if not prefetch:
        for index in range(rdd.num_partitions):
            yield from _partition(rdd, index)
        return
    context = rdd.context
    properties = context.local_properties()  # as who cancels the caller's group means these, too
    with ThreadPoolExecutor(1, "", context.inherit_properties, (properties,)) as ahead:
        pending = None
        for index in range(rdd.num_partitions):
            current = pending or ahead.submit(_partition, rdd, index)
            following = index + 1
            pending = (
                ahead.submit(_partition, rdd, following) if following < rdd.num_partitions else None
            )
            yield from current.result()


def _partition(rdd: RDD[T], index: int) -> list[T]:
    (items,) = rdd.context.run_job(rdd, _to_list, [index])
    return items
