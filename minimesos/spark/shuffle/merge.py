"""Aggregation and sorting of more records than fit into memory.

`Aggregation` is one dict from key to combiner, emptied through a callback when memory is over its
limit; the map side of a shuffle writes what is emptied straight to its output. `Merger` is the
reduce side: what is emptied goes to spill files, split by a hash of the key, and the end merges
one split at a time. Groups, which need no function of the user's, are merged in `groups`.

Called by the shuffle's writer and reader, in worker processes.

Source: the shape is PySpark's ExternalMerger.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any

from minimesos.spark.dependency import Aggregator, identity
from minimesos.spark.shuffle.blocks import BlockSize, Columns
from minimesos.spark.shuffle.files import SegmentWriter
from minimesos.spark.shuffle.memory import MemoryLimit

Pair = tuple[Any, Any]

SPLITS = 64
DEPTH_MAX = 3
"""Levels of splitting; a split that is still too large (keys of one hash, one huge combiner) is
merged in memory."""
_NO_LIMIT_BYTES = 2**63

_ABSENT = object()


class Aggregation:
    """A dict from key to combiner that is emptied by `_spill` when memory is short."""

    def __init__(self, aggregator: Aggregator, memory: MemoryLimit) -> None:
        self.data: dict[Any, Any] = {}
        self.records = 0
        """Merged so far."""
        self._aggregator = aggregator
        self._memory = memory

    def _spill(self, data: dict[Any, Any]) -> int:
        """Move the entries elsewhere; returns the bytes written to spill files."""
        raise NotImplementedError

    def merge_values(self, records: Iterable[Pair]) -> None:
        """Merge (key, value) records."""
        aggregator = self._aggregator
        is_sum = _is_addition(aggregator.merge_value) and _is_identity(aggregator.create_combiner)
        for chunk in self._memory.chunks(records):
            if is_sum:
                _add_up(self.data, chunk)
            else:
                self._merge_chunk(chunk)
            self._count(len(chunk))

    def merge_combiners(self, blocks: Iterable[Columns]) -> None:
        """Merge blocks of keys and combiners; no key occurs twice in one block."""
        merge = self._aggregator.merge_combiners
        is_sum = _is_addition(merge)
        for keys, combiners in blocks:
            data = self.data
            if not data:
                data.update(zip(keys, combiners, strict=True))
            elif is_sum:
                _add_up(data, zip(keys, combiners, strict=True))
            else:
                for key, combiner in zip(keys, combiners, strict=True):
                    data[key] = merge(data[key], combiner) if key in data else combiner
            self._count(len(keys))

    def _merge_chunk(self, chunk: list[Pair]) -> None:
        data = self.data
        create, merge = self._aggregator.create_combiner, self._aggregator.merge_value
        for key, value in chunk:
            if key in data:
                data[key] = merge(data[key], value)
            else:
                data[key] = create(value)

    def _count(self, records: int) -> None:
        self.records += records
        if self._memory.exceeded():
            data, self.data = self.data, {}
            spilled_bytes = self._spill(data)
            del data
            self._memory.spilled(spilled_bytes)


class Merger(Aggregation):
    """Merges values or combiners by key; what does not fit into memory goes to a spill file."""

    def __init__(
        self, aggregator: Aggregator, directory: str, memory: MemoryLimit, depth: int = 0
    ) -> None:
        super().__init__(aggregator, memory)
        self._directory = directory
        self._depth = depth
        self._spills: SegmentWriter | None = None

    def items(self) -> Iterator[Pair]:
        """Yield (key, combiner), each key once, in no order. To be called once, at the end."""
        if self._spills is None:
            return iter(self.data.items())
        return self._merged_splits(self._spills)

    def _merged_splits(self, spills: SegmentWriter) -> Iterator[Pair]:
        try:
            self._spill(self.data)
            for split in range(SPLITS):
                child = Merger(self._aggregator, self._directory, self._memory, self._depth + 1)
                child.merge_combiners(spills.read_spilled(split))
                yield from child.items()
        finally:
            spills.close()

    def _spill(self, data: dict[Any, Any]) -> int:
        if self._depth == DEPTH_MAX:
            self.data = data
            return 0
        if self._spills is None:
            self._spills = spill_writer(self._directory, self._memory)
        write_partitioned(data, splits_at(self._depth), SPLITS, self._spills)
        return self._spills.spill()


def spill_writer(directory: str, memory: MemoryLimit) -> SegmentWriter:
    """Return a writer for the splits of an operator; nothing is written until it is told to."""
    return SegmentWriter(SPLITS, directory, _NO_LIMIT_BYTES, memory.compression)


def splits_at(depth: int) -> Callable[[list[Any]], list[int]]:
    """Return what says to which splits keys belong at a level of splitting.

    The level is hashed too, or the next one would put the same keys together again.
    """
    return lambda keys: [hash((key, depth)) % SPLITS for key in keys]


def write_partitioned(
    data: dict[Any, Any],
    partitions_of: Callable[[list[Any]], Iterable[int]],
    num_partitions: int,
    writer: SegmentWriter,
) -> None:
    """Encode a dict's keys and values into blocks of the partitions that their keys belong to.

    Empties `data`. `partitions_of` is given all keys at once and answers in their order.
    """
    if num_partitions == 1:
        _write_blocks(0, list(data), list(data.values()), writer)
        return
    columns: list[tuple[list[Any], list[Any]]] = [([], []) for _ in range(num_partitions)]
    distribute(data.items(), partitions_of(list(data)), columns)
    data.clear()
    for partition, (keys, values) in enumerate(columns):
        _write_blocks(partition, keys, values, writer)
        keys.clear()
        values.clear()


def distribute(
    pairs: Iterable[Pair],
    partitions: Iterable[int],
    columns: list[tuple[list[Any], list[Any]]],
) -> None:
    """Append each pair to the columns (keys, values) of its partition."""
    for (key, value), partition in zip(pairs, partitions, strict=True):
        keys, values = columns[partition]
        keys.append(key)
        values.append(value)


def _write_blocks(
    partition: int, keys: list[Any], values: list[Any], writer: SegmentWriter
) -> None:
    size = BlockSize()
    start = 0
    while start < len(keys):
        end = start + size.records
        columns = keys[start:end], values[start:end]
        writer.add(partition, size.encode(len(columns[0]), columns, writer.compression))
        start = end


def _add_up(data: dict[Any, Any], records: Iterable[Pair]) -> None:
    """`merge_value` inlined for plain addition: calling it would cost as much as the rest."""
    get = data.get
    for key, value in records:
        old = get(key, _ABSENT)
        data[key] = value if old is _ABSENT else old + value


def _is_addition(function: Callable[..., Any]) -> bool:
    return function is operator.add or _same_code(function, _plus)


def _is_identity(function: Callable[..., Any]) -> bool:
    return function is identity or _same_code(function, identity)


def _same_code(function: Callable[..., Any], model: Callable[..., Any]) -> bool:
    """Both do the same to their arguments and use nothing else (no name, constant or closure)."""
    if type(function) is not FunctionType:
        return False
    code, wanted = function.__code__, model.__code__
    return code.co_argcount == wanted.co_argcount and code.co_code == wanted.co_code


def _plus(a: Any, b: Any) -> Any:
    return a + b
