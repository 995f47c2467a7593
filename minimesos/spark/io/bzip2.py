"""The blocks of a bzip2 file that begin in one part of it, so that several tasks share a file.

A block begins with 48 bits that are hardly ever found elsewhere, at any bit. The bits up to the
next such mark, or up to the mark of a stream's end, become a stream of one block, which the
library decompresses and checks. Any number of streams may follow one another.

Source: Hadoop's splittable BZip2Codec; a block belongs to the part in which its first mark begins.
"""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from typing import IO

_MARK_BITS = 48
_BLOCK, _END = 0x314159265359, 0x177245385090
_CHECKSUM_BITS = 32
_READ_BYTES = 512 * 1024
_HEAD = b"BZh9"  # of the largest blocks, which will do for the smaller
_OVERLAP_BYTES = _MARK_BITS // 8 + 1
_BLOCK_BYTES_MAX = 2 * 900_000
"""A block is compressed to hardly more than what it holds, which is 900,000 bytes."""

_Mark = tuple[int, int]
"""A position in bits, and which mark is there."""


def read_blocks(file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, bool]]:
    """Yield each block that begins at or after `start`, and whether that is before `end` (bytes).

    Those after `end` go on to the end of the file. The file's position is moved. Raises ValueError
    or OSError if the data is broken.
    """
    file.seek(start)
    data, base, block = b"", start * 8, -1
    while True:
        more = file.read(_READ_BYTES)
        searched = max(len(data) - _OVERLAP_BYTES, 0)
        data += more
        for position, mark in _marks(data, base, searched):
            if 0 <= block < position:
                yield _plain(data, block - base, position - base), block < end * 8
            if block < position:
                block = position if mark == _BLOCK else -1
        if not more:
            break
        keep = (block - base) // 8 if block >= 0 else max(len(data) - _OVERLAP_BYTES, 0)
        data, base = data[keep:], base + keep * 8
        if len(data) > _BLOCK_BYTES_MAX + _READ_BYTES:
            raise ValueError("a block does not end")
    if block >= 0:
        raise ValueError("the file ends within a block; it was truncated")


def _marks(data: bytes, base: int, searched: int) -> list[_Mark]:
    """Return the marks in data that begins at bit `base`, from byte `searched` on, in order."""
    found = []
    for mark in (_BLOCK, _END):
        for shift in range(8):
            # Of a mark that is shifted by some bits, five bytes are whole.
            inner = (mark << 8 - shift) >> 8 & (1 << 40) - 1 if shift else mark >> 8
            needle = inner.to_bytes(5, "big")
            at = data.find(needle, searched)
            while at >= 0:
                position = at * 8 - (8 - shift if shift else 0)
                if _bits(data, position, _MARK_BITS) == mark:
                    found.append((base + position, mark))
                at = data.find(needle, at + 1)
    return sorted(found)


def _bits(data: bytes, position: int, count: int) -> int:
    """Return some bits as a number; -1 if not all of them are there."""
    first, last = position // 8, -(-(position + count) // 8)
    if first < 0 or last > len(data):
        return -1
    number = int.from_bytes(data[first:last], "big")
    return number >> last * 8 - position - count & (1 << count) - 1


def _plain(data: bytes, position: int, end: int) -> bytes:
    """Decompress the block between two bits."""
    checksum = _bits(data, position + _MARK_BITS, _CHECKSUM_BITS)
    bits = _bits(data, position, end - position)
    # The checksum of a stream of one block is that of the block.
    bits = (bits << _MARK_BITS | _END) << _CHECKSUM_BITS | checksum
    count = end - position + _MARK_BITS + _CHECKSUM_BITS
    size = -(-count // 8)
    return bz2.decompress(_HEAD + (bits << size * 8 - count).to_bytes(size, "big"))
