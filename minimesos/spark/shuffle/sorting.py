"""Sorting more records than fit into memory: sorted runs in a spill file, merged block by block.

A heap of records costs a call for each; here every step takes the blocks of all runs that are
loaded, cuts each off where the first of them ends, and lets the interpreter's own sort, which finds
sorted runs, merge the pieces.

Called by sorting operators, in worker processes. The sort is stable, also with `reverse`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import Any

from minimesos.spark.dependency import identity
from minimesos.spark.shuffle.blocks import BlockSize, Columns
from minimesos.spark.shuffle.files import SpillFile
from minimesos.spark.shuffle.memory import MemoryLimit

Key = Callable[[Any], Any]


def sort_records(
    records: Iterable[Any],
    directory: str,
    memory: MemoryLimit,
    key: Key = identity,
    reverse: bool = False,
) -> Iterator[Any]:
    """Return the records sorted by `key`; runs that do not fit into memory go to a spill file."""
    run: list[Any] = []
    places: list[tuple[int, int]] = []
    file: SpillFile | None = None
    try:
        for chunk in memory.chunks(records):
            run += chunk
            if memory.exceeded():
                del chunk
                run.sort(key=key, reverse=reverse)
                file = file or SpillFile(directory)
                start = file.size_bytes
                file.append(_blocks(run, memory))
                places.append((start, file.size_bytes - start))
                run = []
                memory.spilled(places[-1][1])
    except BaseException:
        if file is not None:
            file.close()
        raise
    run.sort(key=key, reverse=reverse)
    if file is None:
        return iter(run)
    return chain.from_iterable(_merged(file, places, run, key, reverse))


def _blocks(run: list[Any], memory: MemoryLimit) -> Iterator[bytes]:
    """Encode a run and empty it, part by part: what nobody else refers to is encoded faster."""
    size = BlockSize()
    start = 0
    while start < len(run):
        end = min(start + size.records, len(run))
        columns = _columns(run, start, end)
        run[start:end] = repeat(None, end - start)
        yield size.encode(end - start, columns, memory.compression)
        start = end


def _columns(run: list[Any], start: int, end: int) -> Columns:
    """Pairs, which is what mostly is sorted, are cheaper as two columns than as tuples."""
    batch = run[start:end]
    if set(map(type, batch)) == {tuple} and set(map(len, batch)) == {2}:
        return [first for first, _ in batch], [second for _, second in batch]
    return (batch,)


def _records(columns: Columns) -> list[Any]:
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def _merged(
    file: SpillFile, places: list[tuple[int, int]], last: list[Any], key: Key, reverse: bool
) -> Iterator[list[Any]]:
    try:
        runs = [_Run(file.read(*place), key, reverse) for place in places]
        runs.append(_Run(iter([(last,)]), key, reverse))
        while runs := [run for run in runs if run.has_more()]:
            # What comes before the first end is all here. Equals of that end may not be.
            first = runs[0]
            for run in runs:
                if run.ends_before(first.end):
                    first = run
            end, taken = first.end, first.taken
            pieces: list[Any] = []
            for run in runs:
                pieces += run.take_before(end)
            pieces.sort(key=key, reverse=reverse)
            yield pieces
            # Equals come in the order of the runs, however many blocks of a run they fill.
            for run in runs:
                yield from run.take_equal(end)
            if first.taken == taken:  # keys without an order, such as NaN
                yield first.take_loaded()
    finally:
        file.close()


class _Run:
    """A sorted run, of which one block is loaded."""

    __slots__ = ("_at", "_batch", "_blocks", "_key", "_keys", "_reverse", "end", "taken")

    def __init__(self, blocks: Iterator[Columns], key: Key, reverse: bool) -> None:
        self._blocks = blocks
        self._key = key
        self._reverse = reverse
        self._batch: list[Any] = []
        self._keys: list[Any] = []
        self._at = 0
        self.end: Any = None
        """The key of the last record that is loaded."""
        self.taken = 0
        """Records taken so far."""

    def has_more(self) -> bool:
        """Say whether there are records left, and load the next ones if none are."""
        while self._at == len(self._batch):
            columns = next(self._blocks, None)
            if columns is None:
                return False
            self._batch = _records(columns)
            self._at = 0
            if self._batch:
                self._keys = list(map(self._key, self._batch))
                self.end = self._keys[-1]
        return True

    def ends_before(self, key: Any) -> bool:
        """Say whether the last record that is loaded comes before a key."""
        return bool(key < self.end if self._reverse else self.end < key)

    def take_before(self, key: Any) -> list[Any]:
        """Take the loaded records that come before a key."""
        low, end = self._at, len(self._batch)
        keys, reverse = self._keys, self._reverse
        while low < end:
            middle = (low + end) // 2
            if key < keys[middle] if reverse else keys[middle] < key:
                low = middle + 1
            else:
                end = middle
        return self._take(low)

    def take_equal(self, key: Any) -> Iterator[list[Any]]:
        """Take the records, loaded or not, that follow and do not come after a key."""
        while self.has_more():
            keys, reverse = self._keys, self._reverse
            at = self._at
            while at < len(keys) and not (keys[at] < key if reverse else key < keys[at]):
                at += 1
            yield self._take(at)
            if at < len(keys):
                return

    def take_loaded(self) -> list[Any]:
        """Take all that is loaded."""
        return self._take(len(self._batch))

    def _take(self, end: int) -> list[Any]:
        start, self._at = self._at, end
        self.taken += end - start
        return self._batch[start:end]
