"""Sorting more records than fit into memory: sorted runs in a spill file, merged block by block.

A heap of records costs a call for each; here every step takes the blocks of all runs that are
loaded, cuts each off where the first of them ends, and lets the interpreter's own sort, which finds
sorted runs, merge the pieces.

Called by sorting operators, in worker processes. The sort is stable, also with `reverse`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from operator import itemgetter
from typing import Any

from minimesos.spark.dependency import identity
from minimesos.spark.shuffle.blocks import BlockSize, Columns
from minimesos.spark.shuffle.files import SpillFile
from minimesos.spark.shuffle.memory import MemoryLimit

Key = Callable[[Any], Any]

_RUN_RECORDS = 64 * 1024
_RUNS_TO_DOUBLE = 32
"""After so many, runs become twice as long."""
_BLOCKS_TO_LIMIT = 32
"""The first block has at most such a part of what fits into memory, as records may be large."""


def sort_records(
    records: Iterable[Any],
    directory: str,
    memory: MemoryLimit,
    key: Key = identity,
    reverse: bool = False,
) -> Iterator[Any]:
    """Return the records sorted by `key`; runs that do not fit into memory go to a spill file."""
    run: list[Any] = []
    runs: _SpilledRuns | None = None
    try:
        for chunk in memory.chunks(records):
            run += chunk
            if memory.exceeded() or (runs is not None and len(run) >= runs.records):
                del chunk
                runs = runs or _SpilledRuns(directory, memory, key, reverse)
                runs.spill(run)
    except BaseException:
        if runs is not None:
            runs.file.close()
        raise
    run.sort(key=key, reverse=reverse)
    if runs is None:
        return iter(run)
    return chain.from_iterable(_merged(runs, run, key, reverse))


class _SpilledRuns:
    """Sorted runs in a spill file, short ones as long as there are few.

    What is sorted and encoded at once should fit into the processor's cache. But of each run a
    block is in memory when they are merged.
    """

    __slots__ = ("_key", "_memory", "_reverse", "_size", "file", "places", "records")

    def __init__(self, directory: str, memory: MemoryLimit, key: Key, reverse: bool) -> None:
        self.file = SpillFile(directory)
        self.places: list[tuple[int, int]] = []
        """Offset and length of each."""
        self.records = _RUN_RECORDS
        """That make a run, unless memory is short."""
        self._memory = memory
        self._key = key
        self._reverse = reverse
        self._size = BlockSize()

    def spill(self, records: list[Any]) -> None:
        """Sort records as one or more runs, write those and empty the list."""
        start_bytes = self.file.size_bytes
        if not self.places:
            self._size.records = min(self._size.records, len(records) // _BLOCKS_TO_LIMIT + 1)
        length = max(self.records, len(records) // _RUNS_TO_DOUBLE)
        for start in range(0, len(records), length):
            end = min(start + length, len(records))
            run = records[start:end]
            records[start:end] = repeat(None, end - start)
            run.sort(key=self._key, reverse=self._reverse)
            offset = self.file.size_bytes
            self.file.append(self._blocks(run))
            self.places.append((offset, self.file.size_bytes - offset))
        records.clear()
        self.records = _RUN_RECORDS << len(self.places) // _RUNS_TO_DOUBLE
        self._memory.spilled(self.file.size_bytes - start_bytes)

    def _blocks(self, run: list[Any]) -> Iterator[bytes]:
        """Encode a run and empty it: what nobody else refers to is encoded faster."""
        start = 0
        while start < len(run):
            end = min(start + self._size.records, len(run))
            columns = _columns(run, start, end)
            run[start:end] = repeat(None, end - start)
            yield self._size.encode(end - start, columns, self._memory.compression)
            start = end


def _columns(run: list[Any], start: int, end: int) -> Columns:
    """Pairs, which is what mostly is sorted, are cheaper as two columns than as tuples."""
    batch = run[start:end]
    if set(map(type, batch)) == {tuple} and set(map(len, batch)) == {2}:
        return list(map(itemgetter(0), batch)), list(map(itemgetter(1), batch))
    return (batch,)


def _records(columns: Columns) -> list[Any]:
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def _merged(spilled: _SpilledRuns, last: list[Any], key: Key, reverse: bool) -> Iterator[list[Any]]:
    file = spilled.file
    try:
        runs = [_Run(file.read(*place), key, reverse) for place in spilled.places]
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
