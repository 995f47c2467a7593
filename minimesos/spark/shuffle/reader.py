"""The reduce side of a shuffle: one reduce partition's segments of all map outputs, merged.

Files of executors on this host are read in place. Segments of others are fetched to local files,
many in one request, while what came before them is worked on (`remote`). Either way they are merged
in the order of the map tasks. With an aggregator everything meets in one dict, which spills above
the memory limit; without one the pairs stream through.

Called by `ShuffledRDD.compute`, in a worker process, inside a task.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain

from minimesos.errors import MinimesosError
from minimesos.spark.dependency import ShuffleDependency
from minimesos.spark.env import FetchFailed, Location, WorkerEnv
from minimesos.spark.settings.shuffle import READ_HOST_LOCAL_DISK, REDUCER_MAX_SIZE_IN_FLIGHT
from minimesos.spark.shuffle.blocks import Columns
from minimesos.spark.shuffle.files import read_segment
from minimesos.spark.shuffle.locations import Segment, payload_key, segments
from minimesos.spark.shuffle.memory import MemoryLimit
from minimesos.spark.shuffle.merge import Merger, Pair
from minimesos.spark.shuffle.remote import RemoteFailure, RemoteSegments
from minimesos.spark.taskcontext import TaskContext

ANY_MAP = -1
"""The map index of a failure that concerns the whole shuffle: its outputs are not known."""


class ShuffleFetchFailed(FetchFailed):
    """A map output could not be read; the driver computes it again."""

    def __init__(
        self, location: Location | None, path: str, reason: str, shuffle_id: int, map_index: int
    ) -> None:
        super().__init__(location, path, reason)
        self.shuffle_id = shuffle_id
        self.map_index = map_index


def read(dependency: ShuffleDependency, index: int, task: TaskContext) -> Iterator[Pair]:
    """Return the pairs of reduce partition `index`; with an aggregator (key, combiner), once a key.

    Raises ShuffleFetchFailed, at once or while iterating, if a map output cannot be had.
    """
    blocks = (columns for _, columns in read_blocks(dependency, index, task))
    if dependency.aggregator is None:
        return _pairs(blocks)
    merger = Merger(dependency.aggregator, task.env.local_dir, MemoryLimit.of(task))
    if dependency.map_side_combine:
        merger.merge_combiners(blocks)
    else:
        merger.merge_values(_pairs(blocks))
    return merger.items()


def read_blocks(
    dependency: ShuffleDependency, index: int, task: TaskContext
) -> Iterator[tuple[int, Columns]]:
    """Return the blocks of reduce partition `index`, each with the index of its map task.

    Raises ShuffleFetchFailed, at once or while iterating, if a map output cannot be had.
    """
    if dependency.num_maps == 0:
        return iter(())
    encoded = task.payload.get(payload_key(dependency.shuffle_id, index))
    if encoded is None:
        raise ShuffleFetchFailed(
            None, "", "its map outputs are not known", dependency.shuffle_id, ANY_MAP
        )
    return _blocks(dependency.shuffle_id, list(segments(dependency.shuffle_id, encoded)), task)


def _pairs(blocks: Iterator[Columns]) -> Iterator[Pair]:
    return chain.from_iterable(zip(keys, values, strict=True) for keys, values in blocks)


def _blocks(
    shuffle_id: int, wanted: list[Segment], task: TaskContext
) -> Iterator[tuple[int, Columns]]:
    env, counters = task.env, task.counters
    trusts_disk = READ_HOST_LOCAL_DISK.read(env.conf)
    remote = RemoteSegments(
        [segment for segment in wanted if not _is_here(segment.location, env, trusts_disk)],
        env,
        REDUCER_MAX_SIZE_IN_FLIGHT.read(env.conf),
    )
    try:
        for segment in wanted:
            try:
                if segment.map_index in remote:
                    blocks = remote.read(segment)
                else:
                    path = os.path.join(segment.location.root, segment.name)
                    blocks = _read_file(path, segment.offset, segment.length)
                for columns in blocks:
                    counters.read_records += len(columns[0])
                    yield segment.map_index, columns
            except RemoteFailure as failure:
                raise _failed(failure.segment, shuffle_id, failure.reason) from failure
            except (OSError, MinimesosError) as error:
                raise _failed(segment, shuffle_id, str(error)) from error
            counters.read_bytes += segment.length
    finally:
        remote.close()


def _is_here(location: Location, env: WorkerEnv, trusts_disk: bool) -> bool:
    """Say whether a file can be read in place: one's own always, others' if that is allowed."""
    return location.host == env.host and (trusts_disk or location.executor_id == env.executor_id)


def _read_file(path: str, offset: int, length: int) -> Iterator[Columns]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield from read_segment(descriptor, offset, length)
    finally:
        os.close(descriptor)


def _failed(segment: Segment, shuffle_id: int, reason: str) -> ShuffleFetchFailed:
    return ShuffleFetchFailed(segment.location, segment.name, reason, shuffle_id, segment.map_index)
