"""Bringing together the values of each key, of one side or of several, in bounded memory.

`Groups` holds, for each side, a dict from key to the list of its values; several sides are a
cogroup. Above the memory limit the dicts go to spill files, split by a hash of the key, and the end
brings one split together at a time. Where few keys have most of the values, splitting does not
help: their lists become `SpilledList`s, of which only the newest values are in memory.

Called by grouping and joining operators, in worker processes. A combine with functions of the
user's is in `merge`.

Source: the shape is PySpark's ExternalGroupBy and ExternalList.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice, product
from typing import TYPE_CHECKING, Any

from minimesos.spark.shuffle.blocks import BlockSize
from minimesos.spark.shuffle.files import SegmentWriter, SpillFile
from minimesos.spark.shuffle.memory import MemoryLimit
from minimesos.spark.shuffle.merge import DEPTH_MAX, SPLITS, Pair, spill_writer, splits_at

if TYPE_CHECKING:
    from minimesos.spark.taskcontext import TaskContext

Values = Collection[Any]
Side = dict[Any, Any]  # list or SpilledList, which grow in the same ways

_LONG_SHARE = 64
"""A list with one such part of all values is long: its split would hardly be smaller."""
_PART = 1000


class SpilledList(Collection[Any]):
    """Values in the order in which they were appended, nearly all of them in a spill file.

    Can be counted, iterated many times, and pickled, as a plain list.
    """

    __slots__ = ("_file", "_length", "_memory", "_places", "_size", "_tail")

    def __init__(self, values: list[Any], file: SpillFile, memory: MemoryLimit) -> None:
        self._file = file
        self._memory = memory
        self._places: list[tuple[int, int]] = []
        self._length = 0
        self._size = BlockSize()
        self._tail: list[Any] = []
        self += values
        self._spill(len(self._tail))

    def append(self, value: Any) -> None:
        """Add one value."""
        self._tail.append(value)
        if len(self._tail) >= self._size.records:
            self._spill(self._size.records)

    def __iadd__(self, values: Iterable[Any]) -> SpilledList:
        self._tail += values
        while len(self._tail) >= self._size.records:
            self._spill(self._size.records)
        return self

    def _spill(self, count: int) -> None:
        batch = self._tail[:count]
        del self._tail[:count]
        start = self._file.size_bytes
        block = self._size.encode(len(batch), (batch,), self._memory.compression)
        self._file.append((block,))
        self._places.append((start, len(block)))
        self._memory.counters.disk_spilled_bytes += len(block)
        self._length += len(batch)

    def pieces(self) -> Iterator[list[Any]]:
        """Yield the values in lists that fit into memory."""
        for place in self._places:
            for (batch,) in self._file.read(*place):
                yield batch
        if self._tail:
            yield self._tail

    def __iter__(self) -> Iterator[Any]:
        for piece in self.pieces():
            yield from piece

    def __len__(self) -> int:
        return self._length + len(self._tail)

    def __contains__(self, wanted: object) -> bool:
        return any(value is wanted or value == wanted for value in self)

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


class Groups:
    """The values of each key in each of `sides` sides; what does not fit goes to spill files."""

    def __init__(self, sides: int, directory: str, memory: MemoryLimit, depth: int = 0) -> None:
        self._sides: list[Side] = [defaultdict(list) for _ in range(sides)]
        self._directory = directory
        self._memory = memory
        self._depth = depth
        self._spills: list[SegmentWriter] = []
        """One for each side, once there are any."""
        self._long: SpillFile | None = None

    def add_pairs(self, side: int, pairs: Iterable[Pair]) -> None:
        """Append the value of each (key, value) to its key's."""
        for chunk in self._memory.chunks(pairs):
            groups = self._sides[side]
            for key, value in chunk:
                groups[key].append(value)
            del chunk
            self._check()

    def add_values(self, side: int, keys: Iterable[Any], values: Iterable[Any]) -> None:
        """Append each value to those of the key at its place."""
        groups = self._sides[side]
        for key, value in zip(keys, values, strict=True):
            groups[key].append(value)
        self._check()

    def add_lists(self, side: int, keys: Iterable[Any], lists: Iterable[list[Any]]) -> None:
        """Append all values of a list to those of the key at its place."""
        groups = self._sides[side]
        for key, values in zip(keys, lists, strict=True):
            if key in groups:
                groups[key] += values
            else:
                groups[key] = values
        self._check()

    def items(self) -> Iterator[tuple[Any, tuple[Values, ...]]]:
        """Yield (key, values in each side), each key once, in no order. To be called at the end."""
        return self._merged_splits() if self._spills else self._in_memory()

    def _in_memory(self) -> Iterator[tuple[Any, tuple[Values, ...]]]:
        first, *others = self._sides
        if not others:
            yield from ((key, (values,)) for key, values in first.items())
            return
        for at, side in enumerate(self._sides):
            earlier = self._sides[:at]
            for key in side:
                if not any(key in each for each in earlier):
                    yield key, tuple([each.get(key, ()) for each in self._sides])

    def _merged_splits(self) -> Iterator[tuple[Any, tuple[Values, ...]]]:
        try:
            self._spill()
            for split in range(SPLITS):
                child = Groups(len(self._sides), self._directory, self._memory, self._depth + 1)
                for side, spills in enumerate(self._spills):
                    for keys, lists in spills.read_spilled(split):
                        child.add_lists(side, keys, lists)
                yield from child.items()
        finally:
            for spills in self._spills:
                spills.close()

    def _check(self) -> None:
        if self._memory.exceeded():
            spilled_bytes = self._spill_long() if self._depth else 0
            if not spilled_bytes and self._depth < DEPTH_MAX:
                spilled_bytes = self._spill()
            self._memory.spilled(spilled_bytes)

    def _spill_long(self) -> int:
        """Move the lists to a file that have much of all values; returns their bytes there."""
        lengths = [
            len(values) for side in self._sides for values in side.values() if type(values) is list
        ]
        long = max(sum(lengths) // _LONG_SHARE, 2)
        if max(lengths, default=0) < long:
            return 0
        self._long = self._long or SpillFile(self._directory)
        start = self._long.size_bytes
        for side in self._sides:
            for key, values in side.items():
                if type(values) is list and len(values) >= long:
                    side[key] = SpilledList(values, self._long, self._memory)
        return self._long.size_bytes - start

    def _spill(self) -> int:
        """Move all to files, a split of the keys after another; returns their bytes there."""
        if not self._spills:
            self._spills = [spill_writer(self._directory, self._memory) for _ in self._sides]
        spilled_bytes = 0
        splits_of = splits_at(self._depth)
        for groups, spills in zip(self._sides, self._spills, strict=True):
            splits: list[list[Any]] = [[] for _ in range(SPLITS)]
            keys = list(groups)
            for key, split in zip(keys, splits_of(keys), strict=True):
                splits[split].append(key)
            for split, keys in enumerate(splits):
                _write_groups(split, keys, groups, spills)
            spilled_bytes += spills.spill()
        return spilled_bytes


def _write_groups(split: int, keys: list[Any], groups: Side, spills: SegmentWriter) -> None:
    """Move the groups of some keys to a split, in blocks of about the same size."""
    size = BlockSize()
    block_keys: list[Any] = []
    block_lists: list[list[Any]] = []
    room = size.records

    def flush() -> None:
        values = sum(map(len, block_lists))
        spills.add(split, size.encode(values, (block_keys, block_lists), spills.compression))
        block_keys.clear()
        block_lists.clear()

    for key in keys:
        values = groups.pop(key)
        for piece in pieces_of(values):
            assert isinstance(piece, list)
            start = 0
            while start < len(piece):
                part = piece[start : start + room]
                block_keys.append(key)
                block_lists.append(part)
                start += len(part)
                room -= len(part)
                if room <= 0:
                    flush()
                    room = size.records
    if block_keys:
        flush()


def hold(items: Iterable[Any], task: TaskContext) -> list[Any] | SpilledList:
    """Keep items, to be iterated many times: in memory, or in a spill file above the limit."""
    memory = MemoryLimit.of(task)
    held: list[Any] = []
    chunks = memory.chunks(items)
    for chunk in chunks:
        held += chunk
        if memory.exceeded():
            spilled = SpilledList(held, SpillFile(task.env.local_dir), memory)
            del held, chunk
            for more in chunks:
                spilled += more
            return spilled
    return held


def pieces_of(values: Values) -> Iterable[Values]:
    """Return the values in parts that fit into memory."""
    return values.pieces() if isinstance(values, SpilledList) else (values,)


def pairs_of(left: Values, right: Values) -> Iterator[Pair]:
    """Return all pairs of one of `left` and one of `right`, of which any may be spilled."""
    return chain.from_iterable(
        product(ours, theirs) for ours in pieces_of(left) for theirs in pieces_of(right)
    )


def pairs_of_few(left: Iterable[Any], right: Values) -> Iterator[Pair]:
    """Return all pairs as `pairs_of`; few of `left` are held at a time."""
    left = iter(left)
    parts = iter(lambda: list(islice(left, _PART)), [])
    return chain.from_iterable(pairs_of(part, right) for part in parts)
