"""Where RDDs begin: collections of the driver, ranges and files; and what a context offers of them.

`Sources` is the part of `SparkContext` that makes the RDDs of this file. How files are cut and read
is in `io`. Nothing is read before a job needs it, but for the list of files.

Source: PySpark 3.5's SparkContext.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from minimesos.spark.conf import SparkConf
from minimesos.spark.errors import IllegalArgumentException
from minimesos.spark.rdd import RDD

if TYPE_CHECKING:
    from minimesos.spark.context import SparkContext
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")

_BATCH_ITEMS_MAX = 1024


class Sources:
    """What a context makes RDDs from. Base of `SparkContext`."""

    _batch_size: int = 0
    """Items of a collection that stay together; 0: as many as fit, up to a limit."""

    @property
    def _context(self) -> SparkContext:
        return cast("SparkContext", self)

    def parallelize(self, c: Iterable[T], numSlices: int | None = None) -> RDD[T]:
        """Cut a collection of the driver into `numSlices` partitions (defaultParallelism)."""
        slices = self._context.defaultParallelism if numSlices is None else int(numSlices)
        if slices < 1:
            raise IllegalArgumentException("Positive number of partitions required")
        if isinstance(c, range):
            return RangeRDD(self._context, c, slices)  # type: ignore[return-value]
        items = list(c)
        batch = max(1, min(len(items) // slices, self._batch_size or _BATCH_ITEMS_MAX))
        batches = -(-len(items) // batch)
        bounds = (slice_bounds(batches, slices, index) for index in range(slices))
        return ParallelCollectionRDD(
            self._context, [items[start * batch : end * batch] for start, end in bounds]
        )

    def range(
        self, start: int, end: int | None = None, step: int = 1, numSlices: int | None = None
    ) -> RDD[int]:
        """Integers from start (0 if only one is given) up to end, which is left out."""
        if end is None:
            start, end = 0, start
        return self.parallelize(range(start, end, step), numSlices)

    def emptyRDD(self) -> RDD[Any]:
        """Return an RDD without partitions."""
        return EmptyRDD(self._context)

    def textFile(
        self, name: str, minPartitions: int | None = None, use_unicode: bool = True
    ) -> RDD[str]:
        """Lines of text files: a path, directory or pattern, several of them with commas.

        Files are read where tasks run. Without `use_unicode` lines are bytes.
        """
        from minimesos.spark.io.splits import text_splits
        from minimesos.spark.io.text import read_lines, read_raw_lines

        wanted = minPartitions or self._context.defaultMinPartitions
        read: Any = read_lines if use_unicode else read_raw_lines
        return self._read_files(partial(text_splits, name, wanted), read, name)

    def wholeTextFiles(
        self, path: str, minPartitions: int | None = None, use_unicode: bool = True
    ) -> RDD[tuple[str, str]]:
        """(URI, content) of each file, several files to a partition."""
        from minimesos.spark.io.splits import whole_file_splits
        from minimesos.spark.io.whole import read_raw_texts, read_whole_texts

        wanted = minPartitions or self._context.defaultMinPartitions
        read: Any = read_whole_texts if use_unicode else read_raw_texts
        return self._read_files(partial(whole_file_splits, path, wanted), read, path)

    def binaryFiles(self, path: str, minPartitions: int | None = None) -> RDD[tuple[str, bytes]]:
        """(URI, content as bytes) of each file, several small files to a partition."""
        from minimesos.spark.io.splits import binary_splits
        from minimesos.spark.io.whole import read_files

        parallelism = max(self._context.defaultParallelism, minPartitions or 0)
        return self._read_files(partial(binary_splits, path, parallelism), read_files, path)

    def binaryRecords(self, path: str, recordLength: int) -> RDD[bytes]:
        """Records of so many bytes each, of which files hold a whole number."""
        from minimesos.spark.io.splits import record_splits
        from minimesos.spark.io.whole import read_records

        read = partial(read_records, recordLength)
        return self._read_files(partial(record_splits, path, recordLength), read, path)

    def pickleFile(self, name: str, minPartitions: int | None = None) -> RDD[Any]:
        """Items that `saveAsPickleFile` wrote; unpickling runs code, so trust the files."""
        from minimesos.spark.io.splits import pickle_splits
        from minimesos.spark.io.whole import read_pickled

        return self._read_files(partial(pickle_splits, name), read_pickled, name)

    def _read_files(
        self,
        list_splits: Callable[[SparkConf], list[Any]],
        read: Callable[[Any, Mapping[str, str]], Iterator[T]],
        path: str,
    ) -> RDD[T]:
        listed = partial(list_splits, self._context.getConf())
        return FilesRDD(self._context, listed, read, path)

    def union(self, rdds: list[RDD[T]]) -> RDD[T]:
        """All items of several RDDs; partitions are put side by side if partitioners are equal."""
        from minimesos.spark.narrow import AlignedUnionRDD, UnionRDD

        if len(rdds) == 1:
            return rdds[0]
        partitioners = {rdd.partitioner for rdd in rdds}
        if len(partitioners) == 1 and None not in partitioners:
            return AlignedUnionRDD(self._context, rdds)
        return UnionRDD(self._context, rdds)


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

    Files are listed when the partitions are first asked for; a task carries only its own split. No
    place is preferred, as files are where all executors reach them or copies on each host.
    """

    def __init__(
        self,
        context: SparkContext,
        list_splits: Callable[[], list[Any]],
        read: Callable[[Any, Mapping[str, str]], Iterator[T]],
        path: str,
    ) -> None:
        super().__init__(context, [], None)
        self._list_splits = list_splits
        self._splits: list[Any] = []
        self._read = read
        self.setName(path)

    def compute(self, index: int, task: TaskContext) -> Iterator[T]:
        return self._read(task.payload[self.rdd_id, index], task.env.conf)

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
