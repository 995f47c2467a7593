"""The map side of a shuffle: records of one map task into one file, sorted by reduce partition.

With map-side combine, records first meet in one dict, and the partitioner is asked once per
distinct key instead of once per record. Without it, records go to a pair of lists per partition,
encoded whenever those hold a block's worth; a repartition has no keys, and one list per partition.
What is over the memory limit is spilled; the reduce side merges combiners of one key from several
blocks anyway, so spills are only copied, not merged.

Called by `scheduler.task` in a worker process.
"""

from __future__ import annotations

import os
import random
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minimesos.spark.dependency import Aggregator, ShuffleDependency
from minimesos.spark.io.compression import codec_of
from minimesos.spark.partitioner import (
    Dealer,
    Partitioner,
    RangePartitionFunction,
    portable_hash,
)
from minimesos.spark.settings.storage import SHUFFLE_COMPRESS
from minimesos.spark.shuffle.blocks import BLOCK_BYTES, BlockSize
from minimesos.spark.shuffle.files import SegmentWriter, output_name
from minimesos.spark.shuffle.memory import MemoryLimit
from minimesos.spark.shuffle.merge import Aggregation, Pair, distribute, write_partitioned

if TYPE_CHECKING:
    from minimesos.spark.taskcontext import TaskContext

_COMBINE_FRACTION = 0.9
"""Of the worker's memory: a map task holds the input's buffers besides the combiners."""

_BUCKETS_FRACTION = 0.5
"""Of the worker's memory: above it, what is in the lists is encoded, however little it is."""
_BUCKETS_BYTES = 32 * 1024 * 1024
"""For what is in the lists of all partitions together, as it would be encoded."""
_PARTITIONS_PER_RECORD = 4
"""Lists that are looked at, whether they make a block, for each record."""

_HASHED_AS_THEY_ARE = frozenset({str, int, float, bool, bytes})
"""Types for which `portable_hash` is `hash`."""


@dataclass(frozen=True, slots=True)
class MapOutput:
    """What a map task has written: offsets of the segments, and how many records it read."""

    offsets: array[int]
    records: int


def write(
    dependency: ShuffleDependency, records: Iterable[Any], task: TaskContext, map_index: int
) -> MapOutput:
    """Write all records to the file of this map task; it appears complete or not at all.

    Raises what the user's functions raise, and TypeError or ValueError for records that are not
    pairs.
    """
    env = task.env
    writer = SegmentWriter(
        dependency.partitioner.numPartitions,
        env.local_dir,
        compression=codec_of(env.conf, SHUFFLE_COMPRESS),
    )
    try:
        if dependency.map_side_combine and dependency.aggregator is not None:
            count = _write_combined(dependency, dependency.aggregator, records, task, writer)
        elif isinstance(dependency.partitioner, Dealer):
            count = _write_dealt(map_index, records, task, writer)
        else:
            count = _write_bucketed(dependency.partitioner, records, task, writer)
        name = output_name(dependency.shuffle_id, map_index, task.taskAttemptId())
        offsets = writer.commit(os.path.join(env.local_dir, name))
    finally:
        writer.close()
        if writer.spilled_bytes:
            task.counters.disk_spilled_bytes += writer.spilled_bytes
    return MapOutput(offsets, count)


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
        """Move what is left to the output."""
        self._spill(self.data)

    def _spill(self, data: dict[Any, Any]) -> int:
        write_partitioned(data, self._partitions_of, self._num_partitions, self._writer)
        return 0  # the writer counts what it cannot hold


def _write_combined(
    dependency: ShuffleDependency,
    aggregator: Aggregator,
    records: Iterable[Pair],
    task: TaskContext,
    writer: SegmentWriter,
) -> int:
    memory = MemoryLimit.of(task, _COMBINE_FRACTION)
    combination = _Combination(aggregator, memory, dependency.partitioner, writer)
    combination.merge_values(records)
    combination.finish()
    return combination.records


class _Buckets:
    """Columns of each reduce partition, which are encoded whenever they make a block."""

    def __init__(self, columns: int, memory: MemoryLimit, writer: SegmentWriter) -> None:
        self.columns: list[Any] = [
            tuple([[] for _ in range(columns)]) for _ in range(writer.num_partitions)
        ]
        self.records = 0
        self._memory = memory
        self._writer = writer
        share = max(_BUCKETS_BYTES // writer.num_partitions, 1)
        self._sizes = [BlockSize(min(share, BLOCK_BYTES)) for _ in self.columns]
        self._look_at = 0

    def count(self, records: int) -> None:
        """So many more are in the columns; encode what is to be encoded."""
        self.records += records
        if self.records >= self._look_at:
            # With very many partitions looking at all of them costs more than the records.
            self._look_at = self.records + len(self.columns) // _PARTITIONS_PER_RECORD
            for partition, size in enumerate(self._sizes):
                if len(self.columns[partition][0]) >= size.records:
                    self._flush(partition)
        if self._memory.exceeded():
            self.flush()
            self._memory.spilled(0)

    def flush(self) -> None:
        """Encode all that is there."""
        for partition, columns in enumerate(self.columns):
            if columns[0]:
                self._flush(partition)

    def _flush(self, partition: int) -> None:
        columns = self.columns[partition]
        size = self._sizes[partition]
        block = size.encode(len(columns[0]), columns, self._writer.compression)
        self._writer.add(partition, block)
        for column in columns:
            column.clear()


def _write_bucketed(
    partitioner: Partitioner, records: Iterable[Pair], task: TaskContext, writer: SegmentWriter
) -> int:
    partitions_of = _partition_function(partitioner)
    memory = MemoryLimit.of(task, _BUCKETS_FRACTION)
    buckets = _Buckets(2, memory, writer)
    for chunk in memory.chunks(records):
        distribute(chunk, partitions_of([key for key, _ in chunk]), buckets.columns)
        count = len(chunk)
        del chunk  # what nobody else refers to is encoded faster
        buckets.count(count)
    buckets.flush()
    return buckets.records


def _write_dealt(
    map_index: int, records: Iterable[Any], task: TaskContext, writer: SegmentWriter
) -> int:
    """Give the records to partitions in turn, from one on that depends on the map's index."""
    memory = MemoryLimit.of(task, _BUCKETS_FRACTION)
    buckets = _Buckets(1, memory, writer)
    num_partitions = writer.num_partitions
    turn = random.Random(map_index).randrange(num_partitions)
    for chunk in memory.chunks(records):
        count = len(chunk)
        for first in range(min(count, num_partitions)):
            (column,) = buckets.columns[(turn + first) % num_partitions]
            column += chunk[first::num_partitions]
        turn = (turn + count) % num_partitions
        del chunk
        buckets.count(count)
    buckets.flush()
    return buckets.records


def _partition_function(partitioner: Partitioner) -> Callable[[list[Any]], Iterable[int]]:
    """Return what maps many keys to their partitions, without a call per key where it can."""
    function, num_partitions = partitioner.partitionFunc, partitioner.numPartitions
    if isinstance(function, RangePartitionFunction) and function.num_partitions == num_partitions:
        return function.of_many
    if function is not portable_hash:
        return lambda keys: map(partitioner, keys)
    portable_hash("")  # complains if hashes differ between processes

    def partitions(keys: list[Any]) -> Iterable[int]:
        if _HASHED_AS_THEY_ARE.issuperset(map(type, keys)):
            return [hash(key) % num_partitions for key in keys]
        return map(partitioner, keys)

    return partitions
