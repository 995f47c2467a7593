"""Cached partitions: the blocks that one worker process keeps.

A block in memory is the list of live items, so reading it again costs nothing; it stays in the
worker that made it, and the scheduler sends tasks back there. Functions over a cached RDD must
therefore not change its items in place. OFF_HEAP, or a setting, has it as bytes instead. Blocks on
disk lie in the executor's directory, where all its workers find them, also after the death of the
one that made them; so do the second copies of replicated levels. The driver knows of these files:
it has other executors copy them if the level says so, and tells tasks where there are some.

Source: Spark's RDD programming guide, "RDD Persistence".
"""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from minimesos.spark.env import FetchFailed
from minimesos.spark.io.compression import Codec, codec_of
from minimesos.spark.setting_kinds import MIB
from minimesos.spark.settings.executors import EXECUTOR_MEMORY, MEMORY_FRACTION, reuses_workers
from minimesos.spark.settings.shuffle import READ_HOST_LOCAL_DISK
from minimesos.spark.settings.storage import CACHE_SERIALIZED, RDD_COMPRESS
from minimesos.spark.storage_level import StorageLevel, block_name, copies_key

if TYPE_CHECKING:
    from minimesos.spark.lineage import Lineage
    from minimesos.spark.taskcontext import TaskContext

_RESERVED_MIB = 300
"""Executor memory that Spark sets aside before it takes fractions."""
_LIMIT_BYTES_MIN = 16 * MIB

_UNROLL_CHUNK = 8192
"""Items computed between two looks at the memory limit while a partition becomes a block."""
_SAMPLE = 64
_REFERENCE_BYTES = 8
_SAMPLE_DEPTH = 4


class BlockId(NamedTuple):
    """One partition of one RDD."""

    rdd_id: int
    partition: int


class _Block(NamedTuple):
    content: list[Any]
    """Live items, or encoded batches of them."""
    size_bytes: int
    is_encoded: bool
    to_disk: bool
    """Whether it is written when it is evicted."""

    def items(self) -> Iterator[Any]:
        if not self.is_encoded:
            return iter(self.content)
        from minimesos.spark.io.serializers import decode_batch

        return chain.from_iterable(map(decode_batch, self.content))


class BlockStore:
    """The cached partitions of one worker: in memory up to a limit, then dropped or on disk."""

    def __init__(
        self,
        limit_bytes: int,
        directory: str,
        compression: Codec | None = None,
        encodes: bool = False,
    ) -> None:
        """Keep bytes in memory if it `encodes`; live objects otherwise, but for OFF_HEAP."""
        self._limit_bytes = limit_bytes
        self._encodes = encodes
        self._compression = compression
        self._directory = directory
        self._blocks: OrderedDict[BlockId, _Block] = OrderedDict()
        """Least recently used first."""
        self._memory_bytes = 0

    @classmethod
    def of(cls, conf: Mapping[str, str], workers: int, directory: str) -> BlockStore:
        """Return a store with one worker's share of the executor's memory for caching.

        Nothing is kept in the memory of a worker that runs one task only.
        """
        compression = codec_of(conf, RDD_COMPRESS)
        if not reuses_workers(conf):
            return cls(0, directory, compression)
        executor_mib = EXECUTOR_MEMORY.read(conf)
        fraction = MEMORY_FRACTION.read(conf)
        share = (executor_mib - _RESERVED_MIB) * MIB * fraction / max(workers, 1)
        limit_bytes = max(int(share), _LIMIT_BYTES_MIN)
        return cls(limit_bytes, directory, compression, CACHE_SERIALIZED.read(conf))

    @property
    def memory_bytes(self) -> int:
        """Estimated size of all blocks in memory."""
        return self._memory_bytes

    def __contains__(self, block_id: tuple[int, int]) -> bool:
        return block_id in self._blocks or os.path.exists(self._path(BlockId(*block_id)))

    def get_or_compute(self, rdd: Lineage[Any], index: int, task: TaskContext) -> Iterator[Any]:
        """Return a partition's items from the cache, else compute it and keep it if it fits."""
        block_id = BlockId(rdd.rdd_id, index)
        block = self._blocks.get(block_id)
        if block is not None:
            self._blocks.move_to_end(block_id)
            return block.items()
        level = rdd.storage_level
        has_file = level.useDisk or level.replication > 1
        if has_file:
            file = self._open(block_id, task)
            if file is not None:
                return _items_of(file)
        items = rdd.compute(index, task)
        if level.useMemory:
            return self._keep(block_id, items, level, task)
        return self._keep_on_disk(block_id, items, level, task)

    def drop_rdds(self, rdd_ids: Iterable[int]) -> None:
        """Forget all partitions of these RDDs, in memory and on disk."""
        dropped = set(rdd_ids)
        for block_id in [block_id for block_id in self._blocks if block_id.rdd_id in dropped]:
            self._memory_bytes -= self._blocks.pop(block_id).size_bytes
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            return
        for name in names:
            prefix, _, rest = name.partition("_")
            if prefix == "rdd" and rest.partition("_")[0] in map(str, dropped):
                _unlink(os.path.join(self._directory, name))

    def _keep(
        self, block_id: BlockId, items: Iterator[Any], level: StorageLevel, task: TaskContext
    ) -> Iterator[Any]:
        is_encoded = level.useOffHeap or (self._encodes and not level.deserialized)
        block = _Block([], 0, is_encoded, level.useDisk)
        for content, size_bytes in self._unrolled(items, is_encoded):
            block.content.extend(content)
            block = block._replace(size_bytes=block.size_bytes + size_bytes)
            size_bytes = block.size_bytes
            if size_bytes > self._limit_bytes or not self._make_room(size_bytes, block_id.rdd_id):
                rest = chain(block.items(), items)
                return self._keep_on_disk(block_id, rest, level, task) if level.useDisk else rest
        self._blocks[block_id] = block
        self._memory_bytes += block.size_bytes
        if level.replication > 1:
            self._write(block_id, block)
            task.stored_files.append((*block_id, level.replication))
        task.stored_blocks.append(block_id)
        return block.items()

    def _unrolled(self, items: Iterator[Any], is_encoded: bool) -> Iterator[tuple[list[Any], int]]:
        """Yield parts of a block's content with their sizes."""
        if is_encoded:
            for batch in self._encoded(items):
                yield [batch], len(batch)
            return
        while chunk := list(islice(items, _UNROLL_CHUNK)):
            yield chunk, estimate_bytes(chunk)

    def _keep_on_disk(
        self, block_id: BlockId, items: Iterator[Any], level: StorageLevel, task: TaskContext
    ) -> Iterator[Any]:
        self._write_batches(self._path(block_id), self._encoded(items))
        task.stored_blocks.append(block_id)
        task.stored_files.append((*block_id, level.replication))
        return _items_of(open(self._path(block_id), "rb"))

    def _make_room(self, wanted_bytes: int, for_rdd: int) -> bool:
        """Evict until `wanted_bytes` fit, never an RDD's block for another of the same RDD."""
        excess = self._memory_bytes + wanted_bytes - self._limit_bytes
        if excess <= 0:
            return True
        victims: list[BlockId] = []
        for block_id, block in self._blocks.items():
            if block_id.rdd_id != for_rdd:
                victims.append(block_id)
                excess -= block.size_bytes
                if excess <= 0:
                    break
        else:
            return False
        for block_id in victims:
            block = self._blocks.pop(block_id)
            self._memory_bytes -= block.size_bytes
            if block.to_disk:
                self._write(block_id, block)
        return True

    def _path(self, block_id: BlockId) -> str:
        return os.path.join(self._directory, block_name(*block_id))

    def _write(self, block_id: BlockId, block: _Block) -> None:
        """Write a block, unless a copy of it is there."""
        path = self._path(block_id)
        if os.path.exists(path):
            return
        batches = block.content if block.is_encoded else self._encoded(block.content)
        self._write_batches(path, batches)

    def _encoded(self, items: Iterable[Any]) -> Iterable[bytes]:
        from minimesos.spark.io.serializers import encode_batches

        return encode_batches(items, compression=self._compression)

    def _write_batches(self, path: str, batches: Iterable[bytes]) -> None:
        from minimesos.spark.shuffle.files import writing_to

        unfinished = f"{path}.{os.getpid()}"
        os.makedirs(self._directory, exist_ok=True)
        try:
            with writing_to(self._directory), open(unfinished, "wb") as file:
                file.writelines(batches)
            os.replace(unfinished, path)
        finally:
            _unlink(unfinished)

    def _open(self, block_id: BlockId, task: TaskContext) -> IO[bytes] | None:
        """Open a block's file: ours, or a copy of it that the driver knows to be elsewhere."""
        try:
            return open(self._path(block_id), "rb")
        except FileNotFoundError:
            pass
        env = task.env
        name = block_name(*block_id)
        for location in task.payload.get(copies_key(*block_id), ()):
            try:
                if location.host == env.host and READ_HOST_LOCAL_DISK.read(env.conf):
                    return open(os.path.join(location.root, name), "rb")
                if location.executor_id != env.executor_id:
                    return _opened_once(env.fetch(location, name, 0, 0))
            except (OSError, FetchFailed):
                continue  # another copy, or the partition is computed
        return None


def estimate_bytes(items: list[Any]) -> int:
    """Estimate the memory that a list and its items take, from a sample of the items."""
    step = max(len(items) // _SAMPLE, 1)
    sample = items[::step]
    if not sample:
        return 0
    sampled_bytes = sum(_deep_bytes(item, _SAMPLE_DEPTH) for item in sample)
    return len(items) * (_REFERENCE_BYTES + sampled_bytes // len(sample))


def _deep_bytes(item: Any, depth: int) -> int:
    size = sys.getsizeof(item)
    if depth == 0:
        return size
    if isinstance(item, dict):
        parts: list[Any] = list(chain(item.keys(), item.values()))
    elif isinstance(item, list | tuple | set | frozenset):
        parts = list(item)
    elif hasattr(item, "__dict__"):
        parts = list(vars(item).values())
    else:
        return size
    sample = parts[:: max(len(parts) // _SAMPLE, 1)]
    if sample:
        size += len(parts) * sum(_deep_bytes(part, depth - 1) for part in sample) // len(sample)
    return size


def _items_of(file: IO[bytes]) -> Iterator[Any]:
    from minimesos.spark.io.serializers import read_batches

    with file:
        for batch in read_batches(file):
            yield from batch


def _opened_once(path: str) -> IO[bytes]:
    """Open a file that nobody else will read."""
    file = open(path, "rb")  # noqa: SIM115 (closed by whoever reads it)
    os.unlink(path)
    return file


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
