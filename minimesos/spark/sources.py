"""RDDs without parents: collections of the driver, ranges, and files.

Made by `SparkContext`. How files are cut and read is in `io.text`.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from minimesos.spark.rdd import RDD

if TYPE_CHECKING:
    from minimesos.spark.context import SparkContext
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")


def slice_bounds(length: int, num_slices: int, index: int) -> tuple[int, int]:
    """Return where slice `index` of `num_slices` nearly equal ones starts and ends."""
    return index * length // num_slices, (index + 1) * length // num_slices


class ParallelCollectionRDD(RDD[T]):
    """A collection of the driver, cut into slices.

    They are pickled at once, as later changes of the collection must not show; a task carries only
    its own slice.
    """

    def __init__(self, context: SparkContext, slices: list[list[T]]) -> None:
        from minimesos.spark.io.serializers import dump_objects

        self._slices = [dump_objects(items) for items in slices]
        super().__init__(context, [], len(slices))

    def compute(self, index: int, task: TaskContext) -> Iterator[T]:
        return iter(pickle.loads(task.payload[self.rdd_id, index]))

    def _add_payload(self, index: int, found: dict[tuple[int, int], Any]) -> None:
        found[self.rdd_id, index] = self._slices[index]

    def _travelling_state(self) -> dict[str, Any]:
        state = super()._travelling_state()
        del state["_slices"]
        return state


class RangeRDD(RDD[int]):
    """Integers of a range, cut into slices by position; the closure holds the range, not a list."""

    def __init__(self, context: SparkContext, numbers: range, num_slices: int) -> None:
        super().__init__(context, [], num_slices)
        self._numbers = numbers

    def compute(self, index: int, task: TaskContext) -> Iterator[int]:
        numbers = self._numbers
        start, end = slice_bounds(_length(numbers), self.num_partitions, index)
        return iter(numbers[start:end])


def _length(numbers: range) -> int:
    """`len` refuses ranges with more items than a machine word counts."""
    if not numbers:
        return 0
    return (numbers[-1] - numbers[0]) // numbers.step + 1


class FilesRDD(RDD[T]):
    """Items read from files, one split of them a partition.

    Files are listed when the partitions are first asked for; a task carries only its own split.
    """

    def __init__(
        self,
        context: SparkContext,
        list_splits: Callable[[], list[Any]],
        read: Callable[[Any], Iterator[T]],
        path: str,
    ) -> None:
        super().__init__(context, [], None)
        self._list_splits = list_splits
        self._splits: list[Any] = []
        self._read = read
        self.setName(path)

    def compute(self, index: int, task: TaskContext) -> Iterator[T]:
        return self._read(task.payload[self.rdd_id, index])

    def _count_partitions(self) -> int:
        self._splits = self._list_splits()
        return len(self._splits)

    def _add_payload(self, index: int, found: dict[tuple[int, int], Any]) -> None:
        found[self.rdd_id, index] = self._splits[index]

    def _travelling_state(self) -> dict[str, Any]:
        state = super()._travelling_state()
        del state["_list_splits"], state["_splits"]
        return state


class EmptyRDD(RDD[Any]):
    """No partitions."""

    def __init__(self, context: SparkContext) -> None:
        super().__init__(context, [], 0)

    def compute(self, index: int, task: TaskContext) -> Iterator[Any]:
        return iter(())
