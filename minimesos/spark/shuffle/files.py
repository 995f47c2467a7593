"""Segmented files: the data of n partitions one after another, and the n + 1 offsets between them.

A map task's output is such a file, and so is every spill. Writers collect encoded blocks per
partition and write them in partition order at the end; above a limit what has been collected goes
to an anonymous spill file, whose segments are copied into place at the end. A file appears under
its name by rename, complete or not at all, so attempts of one task cannot disturb each other.

The offsets are the file's index. They are not written to disk: the driver's map-output tracker
holds them, and each reduce task is told its own ranges.
"""

from __future__ import annotations

import os
import re
import tempfile
from array import array
from collections.abc import Iterator
from typing import BinaryIO

from minimesos.errors import MinimesosError
from minimesos.spark.io.compression import DEFAULT, Codec
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
        self._directory = directory
        self._blocks: list[list[bytes]] = [[] for _ in range(num_partitions)]
        self._buffered_bytes = 0
        self._buffered_bytes_max = buffered_bytes_max
        self._spills: list[SegmentedSpill] = []
        self.spilled_bytes = 0

    def add(self, partition: int, block: bytes) -> None:
        """Append a block to a partition's segment."""
        self._blocks[partition].append(block)
        self._buffered_bytes += len(block)
        if self._buffered_bytes > self._buffered_bytes_max:
            self._spills.append(self.spill())

    def spill(self) -> SegmentedSpill:
        """Move what is buffered to a new spill file, which the caller owns."""
        file = anonymous_file(self._directory)
        spill = SegmentedSpill(file, self._write_segments(file, ()))
        for blocks in self._blocks:
            blocks.clear()
        self._buffered_bytes = 0
        self.spilled_bytes += spill.offsets[-1]
        return spill

    def commit(self, path: str) -> array[int]:
        """Write all segments to `path` and return their offsets."""
        handle, temporary = tempfile.mkstemp(dir=self._directory, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb", _COPY_BYTES) as file:
                offsets = self._write_segments(file, self._spills)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        finally:
            self.close()
        return offsets

    def close(self) -> None:
        """Drop spill files; needed only if `commit` is not reached."""
        for spill in self._spills:
            spill.close()
        self._spills.clear()

    def _write_segments(
        self, file: BinaryIO, spills: list[SegmentedSpill] | tuple[()]
    ) -> array[int]:
        at = 0
        offsets = array("Q", (0,))
        for partition, blocks in enumerate(self._blocks):
            for spill in spills:
                at += spill.copy(partition, file)
            file.writelines(blocks)
            at += sum(map(len, blocks))
            offsets.append(at)
        file.flush()
        return offsets


class SegmentedSpill:
    """A spill file without a name: the system removes it with its last descriptor."""

    __slots__ = ("_file", "offsets")

    def __init__(self, file: BinaryIO, offsets: array[int]) -> None:
        self._file = file
        self.offsets = offsets

    def size(self, partition: int) -> int:
        """Return the bytes of a partition's segment."""
        return self.offsets[partition + 1] - self.offsets[partition]

    def copy(self, partition: int, target: BinaryIO) -> int:
        """Append a partition's segment to `target`; returns its size."""
        at, end = self.offsets[partition], self.offsets[partition + 1]
        while at < end:
            data = os.pread(self._file.fileno(), min(_COPY_BYTES, end - at), at)
            target.write(data)
            at += len(data)
        return self.size(partition)

    def read(self, partition: int) -> Iterator[Columns]:
        """Yield the blocks of a partition."""
        return read_segment(self._file.fileno(), self.offsets[partition], self.size(partition))

    def close(self) -> None:
        """Give the file's space back; its segments are gone."""
        self._file.close()


def anonymous_file(directory: str) -> BinaryIO:
    """Open a file for writing and reading back that no crash can leave behind."""
    handle, path = tempfile.mkstemp(dir=directory, prefix=".", suffix=".spill")
    os.unlink(path)
    return os.fdopen(handle, "w+b", _COPY_BYTES)


def read_segment(descriptor: int, offset: int, length: int) -> Iterator[Columns]:
    """Yield the blocks between offset and offset + length of an open file.

    Raises MinimesosError if the file is shorter than that, OSError if it cannot be read.
    """
    end = offset + length
    while offset < end:
        codec, size = read_header(os.pread(descriptor, HEADER_BYTES, offset))
        offset += HEADER_BYTES
        data = os.pread(descriptor, size, offset)
        if len(data) != size:
            raise MinimesosError("shuffle data ends inside a block")
        offset += size
        yield load(codec, data)
