"""The map side of a shuffle: records of one map task into one file, sorted by reduce partition.

With map-side combine, records first meet in one dict, and the partitioner is asked once per
distinct key instead of once per record. Without it, records go to a pair of lists per partition,
encoded whenever those hold a block's worth. What is over the memory limit is spilled; the reduce
side merges combiners of one key from several blocks anyway, so spills are only copied, not merged.

Called by `scheduler.task` in a worker process.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from minimesos.spark.dependency import Aggregator, ShuffleDependency
from minimesos.spark.env import WorkerEnv
from minimesos.spark.io.compression import codec_of
from minimesos.spark.partitioner import Partitioner, portable_hash
from minimesos.spark.settings.storage import SHUFFLE_COMPRESS
from minimesos.spark.shuffle.blocks import BlockSize, encode
from minimesos.spark.shuffle.files import SegmentWriter, output_name
from minimesos.spark.shuffle.memory import MemoryLimit
from minimesos.spark.shuffle.merge import (
    CHUNK_RECORDS,
    Aggregation,
    Pair,
    distribute,
    write_partitioned,
)

_COMBINE_FRACTION = 0.9
"""Of the worker's memory: a map task holds the input's buffers besides the combiners."""

_HASHED_AS_THEY_ARE = frozenset({str, int, float, bool, bytes})
"""Types for which `portable_hash` is `hash`."""


@dataclass(frozen=True, slots=True)
class MapOutput:
    """What a map task has written: offsets of the segments, and measures."""

    offsets: array[int]
    records: int
    spilled_bytes: int


def write(
    dependency: ShuffleDependency,
    records: Iterable[Pair],
    env: WorkerEnv,
    map_index: int,
    task_id: int,
) -> MapOutput:
    """Write all records to the file of this map task; it appears complete or not at all.

    Raises what the user's functions raise, and TypeError or ValueError for records that are not
    pairs.
    """
    writer = SegmentWriter(
        dependency.partitioner.numPartitions,
        env.local_dir,
        compression=codec_of(env.conf, SHUFFLE_COMPRESS),
    )
    try:
        if dependency.map_side_combine and dependency.aggregator is not None:
            count = _write_combined(dependency, dependency.aggregator, records, env, writer)
        else:
            count = _write_bucketed(dependency, records, writer)
        name = output_name(dependency.shuffle_id, map_index, task_id)
        offsets = writer.commit(os.path.join(env.local_dir, name))
    finally:
        writer.close()
    return MapOutput(offsets, count, writer.spilled_bytes)


class _Combination(Aggregation):
    """The dict of a map task; what is spilled of it goes to the output."""

    def __init__(
        self,
        aggregator: Aggregator,
        memory: MemoryLimit,
        partitioner: Partitioner,
        writer: SegmentWriter,
    ) -> None:
        super().__init__(aggregator, memory)
        self._partitions_of = _partition_function(partitioner)
        self._num_partitions = partitioner.numPartitions
        self._writer = writer

    def finish(self) -> None:
        self._spill(self.data)

    def _spill(self, data: dict[Any, Any]) -> None:
        write_partitioned(data, self._partitions_of, self._num_partitions, self._writer)


def _write_combined(
    dependency: ShuffleDependency,
    aggregator: Aggregator,
    records: Iterable[Pair],
    env: WorkerEnv,
    writer: SegmentWriter,
) -> int:
    memory = MemoryLimit.of(env.conf, _COMBINE_FRACTION)
    combination = _Combination(aggregator, memory, dependency.partitioner, writer)
    combination.merge_values(records)
    combination.finish()
    return combination.records


def _write_bucketed(
    dependency: ShuffleDependency, records: Iterable[Pair], writer: SegmentWriter
) -> int:
    partitions_of = _partition_function(dependency.partitioner)
    sizes = [BlockSize() for _ in range(dependency.partitioner.numPartitions)]
    columns: list[tuple[list[Any], list[Any]]] = [([], []) for _ in sizes]

    def flush(partition: int) -> None:
        keys, values = columns[partition]
        block = encode((keys, values), writer.compression)
        writer.add(partition, block)
        sizes[partition].learn(len(keys), len(block))
        keys.clear()
        values.clear()

    count = 0
    records = iter(records)
    while chunk := list(islice(records, CHUNK_RECORDS)):
        count += len(chunk)
        distribute(chunk, partitions_of([key for key, _ in chunk]), columns)
        for partition, (keys, _) in enumerate(columns):
            if len(keys) >= sizes[partition].records:
                flush(partition)
    for partition, (keys, _) in enumerate(columns):
        if keys:
            flush(partition)
    return count


def _partition_function(partitioner: Partitioner) -> Callable[[list[Any]], Iterable[int]]:
    """Return what maps many keys to their partitions, without a call per key where it can."""
    if partitioner.partitionFunc is not portable_hash:
        return lambda keys: map(partitioner, keys)
    portable_hash("")  # complains if hashes differ between processes
    num_partitions = partitioner.numPartitions

    def partitions(keys: list[Any]) -> Iterable[int]:
        if _HASHED_AS_THEY_ARE.issuperset(map(type, keys)):
            return [hash(key) % num_partitions for key in keys]
        return map(partitioner, keys)

    return partitions
