"""Segmented files: the data of n partitions one after another, and the n + 1 offsets between them.

A map task's output is such a file, and so is every spill. Writers collect encoded blocks per
partition and write them in partition order at the end; above a limit what has been collected goes
to an anonymous spill file, whose segments are copied into place at the end. A file appears under
its name by rename, complete or not at all, so attempts of one task cannot disturb each other.

The offsets are the file's index. They are not written to disk: the driver's map-output tracker
holds them, and each reduce task is told its own ranges.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from minimesos.errors import MinimesosError
from minimesos.spark.io.compression import DEFAULT, Codec
from minimesos.spark.settings.application import LOCAL_DIR
from minimesos.spark.shuffle.blocks import HEADER_BYTES, Columns, load, read_header

BUFFERED_BYTES_MAX = 64 * 1024 * 1024
"""Encoded blocks that a writer holds in memory before it spills them."""
_COPY_BYTES = 1024 * 1024


_OUTPUT_NAME = re.compile(r"shuffle_[0-9]+_[0-9]+_[0-9]+\.data")


def output_name(shuffle_id: int, map_index: int, task_id: int) -> str:
    """Return the name of a map task's file. The task id makes it unique among all attempts."""
    return f"{output_prefix(shuffle_id)}{map_index}_{task_id}.data"


def output_prefix(shuffle_id: int) -> str:
    """Return how the names of all files of a shuffle begin."""
    return f"shuffle_{shuffle_id}_"


def is_output_name(name: str) -> bool:
    """Say whether a map task's file may have this name."""
    return _OUTPUT_NAME.fullmatch(name) is not None


class DiskFull(MinimesosError):
    """There is no room where an application's data are written; elsewhere there may be."""


@contextmanager
def writing_to(directory: str) -> Iterator[None]:
    """Say where the disk is full, should it be."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free_bytes = shutil.disk_usage(directory).free
        raise DiskFull(
            f"no room in {directory}: {error.strerror}, {free_bytes} bytes are free; "
            f"{LOCAL_DIR.name} says where executors write"
        ) from error


class SegmentWriter:
    """Collects blocks per partition; gives a file with the segments in partition order."""

    def __init__(
        self,
        num_partitions: int,
        directory: str,
        buffered_bytes_max: int = BUFFERED_BYTES_MAX,
        compression: Codec | None = DEFAULT,
    ) -> None:
        self.compression = compression
        """For the blocks that are added."""
        self.num_partitions = num_partitions
        self.spilled_bytes = 0
        self._directory = directory
        self._blocks: list[list[bytes]] = [[] for _ in range(num_partitions)]
        self._buffered_bytes = 0
        self._buffered_bytes_max = buffered_bytes_max
        self._spill_file: SpillFile | None = None
        self._spills: list[SegmentedSpill] = []

    def add(self, partition: int, block: bytes) -> None:
        """Append a block to a partition's segment."""
        self._blocks[partition].append(block)
        self._buffered_bytes += len(block)
        if self._buffered_bytes > self._buffered_bytes_max:
            self.spill()

    def spill(self) -> int:
        """Move what is buffered to the spill file; returns its size in bytes."""
        if self._spill_file is None:
            self._spill_file = SpillFile(self._directory)
        offsets = array("Q", (self._spill_file.size_bytes,))
        for blocks in self._blocks:
            self._spill_file.append(blocks)
            offsets.append(self._spill_file.size_bytes)
            blocks.clear()
        self._spills.append(SegmentedSpill(self._spill_file, offsets))
        self._buffered_bytes = 0
        size_bytes = offsets[-1] - offsets[0]
        self.spilled_bytes += size_bytes
        return size_bytes

    def read_spilled(self, partition: int) -> Iterator[Columns]:
        """Yield the blocks of a partition that were spilled, the first one first."""
        for spill in self._spills:
            yield from spill.read(partition)

    def commit(self, path: str) -> array[int]:
        """Write all segments to `path` and return their offsets."""
        with writing_to(self._directory):
            handle, temporary = tempfile.mkstemp(dir=self._directory, prefix=".", suffix=".tmp")
            try:
                with os.fdopen(handle, "wb", _COPY_BYTES) as file:
                    offsets = self._write_segments(file)
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
            finally:
                self.close()
        return offsets

    def close(self) -> None:
        """Drop what was spilled; `commit` does."""
        if self._spill_file is not None:
            self._spill_file.close()
            self._spill_file = None
        self._spills.clear()

    def _write_segments(self, file: BinaryIO) -> array[int]:
        at = 0
        offsets = array("Q", (0,))
        for partition, blocks in enumerate(self._blocks):
            for spill in self._spills:
                at += spill.copy(partition, file)
            file.writelines(blocks)
            at += sum(map(len, blocks))
            offsets.append(at)
        file.flush()
        return offsets


class SpillFile:
    """A file without a name that blocks are appended to: no crash can leave it behind.

    It lasts as long as anything refers to it, unless it is closed before.
    """

    __slots__ = ("_directory", "_file", "size_bytes")

    def __init__(self, directory: str) -> None:
        self._directory = directory
        with writing_to(directory):
            self._file = anonymous_file(directory)
        self.size_bytes = 0

    def append(self, blocks: Iterable[bytes]) -> None:
        """Write blocks behind those that are there."""
        with writing_to(self._directory):
            for block in blocks:
                self._file.write(block)
                self.size_bytes += len(block)

    def read(self, offset: int, length: int) -> Iterator[Columns]:
        """Yield the blocks of a part of the file."""
        self._flush()
        return read_segment(self._file.fileno(), offset, length)

    def copy(self, offset: int, length: int, target: BinaryIO) -> None:
        """Append a part of the file to another."""
        self._flush()
        end = offset + length
        while offset < end:
            data = os.pread(self._file.fileno(), min(_COPY_BYTES, end - offset), offset)
            target.write(data)
            offset += len(data)

    def _flush(self) -> None:
        with writing_to(self._directory):
            self._file.flush()

    def close(self) -> None:
        """Give its space back; what it held is gone."""
        try:
            self._file.close()
        except OSError:
            pass  # that the last bytes found no room does not matter any more

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self.close()


class SegmentedSpill:
    """The segments of one spill, one after another in a spill file."""

    __slots__ = ("_file", "_offsets")

    def __init__(self, file: SpillFile, offsets: array[int]) -> None:
        self._file = file
        self._offsets = offsets

    def copy(self, partition: int, target: BinaryIO) -> int:
        """Append a partition's segment to `target`; returns its size."""
        start, end = self._offsets[partition : partition + 2]
        self._file.copy(start, end - start, target)
        return end - start

    def read(self, partition: int) -> Iterator[Columns]:
        """Yield the blocks of a partition."""
        start, end = self._offsets[partition : partition + 2]
        return self._file.read(start, end - start)


def anonymous_file(directory: str) -> BinaryIO:
    """Open a file for writing and reading back that has no name."""
    handle, path = tempfile.mkstemp(dir=directory, prefix=".", suffix=".spill")
    os.unlink(path)
    return os.fdopen(handle, "w+b", _COPY_BYTES)


def read_segment(descriptor: int, offset: int, length: int) -> Iterator[Columns]:
    """Yield the blocks between offset and offset + length of an open file.

    Raises MinimesosError if the file is shorter or damaged, OSError if it cannot be read.
    """
    end = offset + length
    while offset < end:
        codec, size = read_header(os.pread(descriptor, HEADER_BYTES, offset))
        offset += HEADER_BYTES
        if size > end - offset:  # before there is memory for what is no size at all
            raise MinimesosError(f"shuffle data is damaged: a block of {size} bytes is too long")
        data = os.pread(descriptor, size, offset)
        if len(data) != size:
            raise MinimesosError("shuffle data ends inside a block")
        offset += size
        yield load(codec, data)
