"""Second copies of cached partitions: executors copy files from one another, so that one may die.

A task that has kept a block of a replicated storage level tells of the file. Another executor is
asked to copy it, on another host if there is one, and says when it has. Where there is no other
executor there is no copy. Part of the DAG scheduler's core.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.scheduler.block_locations import BlockLocations
from minimesos.spark.scheduler.executor import Executor

Executors = Mapping[str, Executor]


class Replication:
    """Sees to it that files of cached partitions have as many copies as they should."""

    def __init__(self, blocks: BlockLocations) -> None:
        self._blocks = blocks

    def stored(
        self, rdd_id: int, index: int, copies: int, executor_id: str, executors: Executors
    ) -> None:
        """A task has kept a partition as a file of its executor's."""
        self._blocks.want_copies(rdd_id, copies)
        self._blocks.store_file(rdd_id, index, executor_id)
        self._ask_for_more(rdd_id, index, executors)

    def copied(
        self, executor_id: str, blocks: Sequence[spark_pb2.CachedBlock], executors: Executors
    ) -> None:
        """An executor has copied files as it was asked to."""
        for block in blocks:
            if self._blocks.files(block.rdd_id, block.partition):
                self._blocks.store_file(block.rdd_id, block.partition, executor_id)
                self._ask_for_more(block.rdd_id, block.partition, executors)
            elif executor_id in executors:  # nobody wants it any more
                cleanup = spark_pb2.Cleanup(rdd_ids=[block.rdd_id])
                executors[executor_id].send(spark_pb2.DriverFrame(cleanup=cleanup))

    def _ask_for_more(self, rdd_id: int, index: int, executors: Executors) -> None:
        owners = [each for each in self._blocks.files(rdd_id, index) if each in executors]
        if not owners or len(owners) >= self._blocks.wanted_copies(rdd_id):
            return
        chosen = _place_for_copy(owners, executors, index)
        if chosen is not None:
            source = executors[owners[0]].location
            copy = spark_pb2.BlockCopy(
                block=spark_pb2.CachedBlock(rdd_id=rdd_id, partition=index),
                executor_id=source.executor_id,
                address=source.blocks_address,
            )
            executors[chosen].send(spark_pb2.DriverFrame(copy_blocks=[copy]))


def _place_for_copy(owners: Collection[str], executors: Executors, partition: int) -> str | None:
    """Choose an executor without a copy, on a host without one if there is any; in turns."""
    taken = {executors[owner].host for owner in owners}
    others = [executor for executor in executors.values() if executor.id not in owners]
    apart = [executor for executor in others if executor.host not in taken]
    candidates = apart or others
    return candidates[partition % len(candidates)].id if candidates else None
