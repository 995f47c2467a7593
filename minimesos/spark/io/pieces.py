"""A long pickle in a file: pieces that are compressed and have a checksum each.

Used for broadcasts. A reader holds one piece at a time beside what it makes of them, and needs no
settings: each piece says how it is compressed and whether it has a checksum.

Source: Spark's TorrentBroadcast, which cuts, compresses and checks in the same way.
"""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from typing import IO, Any

from minimesos.errors import MinimesosError
from minimesos.spark.io.compression import PLAIN, Codec, compress, decompress

_HEADER = struct.Struct("<B?QI")  # codec, whether there is a checksum, length, checksum


def write_pieces(
    file: IO[bytes], data: bytes, piece_bytes: int, codec: Codec | None, is_checked: bool
) -> None:
    """Write data in pieces of so many bytes, compressed from the first one on if that pays."""
    view = memoryview(data)
    for start in range(0, len(view), piece_bytes):
        number, piece = compress(view[start : start + piece_bytes], codec)
        if number == PLAIN:
            codec = None  # numbers, images: the rest will be like this
        checksum = zlib.adler32(piece) if is_checked else 0
        file.write(_HEADER.pack(number, is_checked, len(piece), checksum))
        file.write(piece)


def load_pieces(file: IO[bytes]) -> Any:
    """Unpickle what `write_pieces` has written; the caller trusts it.

    Raises MinimesosError if it is not what was written, and what unpickling raises.
    """
    return pickle.load(io.BufferedReader(_Pieces(file)))


class _Pieces(io.RawIOBase):
    """The data as one stream."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill some of a buffer; returns how many bytes, 0 at the end. Raises MinimesosError."""
        if not self._piece:
            self._piece = memoryview(self._next())
        target = memoryview(buffer).cast("B")
        size = min(len(target), len(self._piece))
        target[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size

    def _next(self) -> bytes | memoryview:
        header = self._file.read(_HEADER.size)
        if not header:
            return b""
        if len(header) < _HEADER.size:
            raise MinimesosError("the data ends within the header of a piece")
        number, is_checked, length, checksum = _HEADER.unpack(header)
        piece = self._file.read(length)
        if len(piece) != length:
            raise MinimesosError(f"the data ends after {len(piece)} bytes of a piece of {length}")
        if is_checked and zlib.adler32(piece) != checksum:
            raise MinimesosError("the checksum of a piece is wrong: it was damaged on its way")
        return decompress(piece, number)
