"""Where cached partitions are: with which worker, and as files of which executors.

Tasks report what they have kept. A block in memory is one worker's; a file, such as the second copy
that replicated levels have, is its executor's and can be read by others. Owned by the DAG
scheduler.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from minimesos.spark.scheduler.preferences import ANY_WORKER


class BlockLocation(NamedTuple):
    """The worker that holds a cached partition; ANY_WORKER if it is a file of the executor's."""

    executor_id: str
    worker: int


class BlockLocations:
    """Which worker has cached which partition, and which executors have it as a file."""

    def __init__(self) -> None:
        self._blocks: dict[int, dict[int, BlockLocation]] = {}
        self._files: dict[int, dict[int, list[str]]] = {}
        self._copies: dict[int, int] = {}

    def store(self, rdd_id: int, index: int, executor_id: str, worker: int) -> None:
        """A task has cached a partition."""
        self._blocks.setdefault(rdd_id, {})[index] = BlockLocation(executor_id, worker)

    def store_file(self, rdd_id: int, index: int, executor_id: str) -> None:
        """An executor has a partition as a file."""
        owners = self._files.setdefault(rdd_id, {}).setdefault(index, [])
        if executor_id not in owners:
            owners.append(executor_id)

    def want_copies(self, rdd_id: int, copies: int) -> None:
        """So many executors are to have each partition of an RDD as a file."""
        self._copies[rdd_id] = copies

    def wanted_copies(self, rdd_id: int) -> int:
        """Return how many executors are to have each partition as a file."""
        return self._copies.get(rdd_id, 1)

    def find(self, rdd_id: int, index: int) -> BlockLocation | None:
        """Return where a partition is cached."""
        found = self._blocks.get(rdd_id, {}).get(index)
        if found is None:
            for executor_id in self.files(rdd_id, index):
                return BlockLocation(executor_id, ANY_WORKER)
        return found

    def files(self, rdd_id: int, index: int) -> Sequence[str]:
        """Return the executors that have a partition as a file."""
        return self._files.get(rdd_id, {}).get(index, ())

    def has_files(self, rdd_id: int) -> bool:
        """Say whether any partition of an RDD is a file somewhere."""
        return rdd_id in self._files

    def count(self, rdd_id: int) -> int:
        """Return how many partitions of an RDD are cached."""
        blocks, files = self._blocks.get(rdd_id, {}), self._files.get(rdd_id)
        return len(blocks.keys() | files.keys()) if files else len(blocks)

    def holders(self) -> set[str]:
        """Return the executors that hold cached partitions."""
        holders = {place.executor_id for each in self._blocks.values() for place in each.values()}
        return holders.union(*(owners for each in self._files.values() for owners in each.values()))

    def forget(self, rdd_ids: Iterable[int]) -> None:
        """These RDDs are not kept any more."""
        for rdd_id in rdd_ids:
            self._blocks.pop(rdd_id, None)
            self._files.pop(rdd_id, None)
            self._copies.pop(rdd_id, None)

    def drop(self, executor_id: str, worker: int | None = None) -> None:
        """A worker, or an executor with all its workers and files, is gone."""
        for rdd_id, blocks in self._blocks.items():
            self._blocks[rdd_id] = {
                index: location
                for index, location in blocks.items()
                if location.executor_id != executor_id or worker not in (None, location.worker)
            }
        if worker is None:
            self._files = {
                rdd_id: left
                for rdd_id, files in self._files.items()
                if (left := _without(files, executor_id))
            }


def _without(files: dict[int, list[str]], executor_id: str) -> dict[int, list[str]]:
    left = {
        index: [owner for owner in owners if owner != executor_id]
        for index, owners in files.items()
    }
    return {index: owners for index, owners in left.items() if owners}
