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
from typing import IO, Any, NamedTuple

from minimesos.errors import MinimesosError
from minimesos.spark.io.compression import PLAIN, Codec, compress, decompress

_HEADER = struct.Struct("<B?QI")


class _Header(NamedTuple):
    """What is ahead of a piece."""

    codec: int
    is_checked: bool
    length: int
    checksum: int


class PieceWriter:
    """A file for a pickler that cuts what comes into pieces; `finish` writes the last one.

    They are compressed from the first one on if that pays. Large parts are cut where they are, so
    that no second copy of them is made.
    """

    def __init__(
        self, file: IO[bytes], piece_bytes: int, codec: Codec | None, is_checked: bool
    ) -> None:
        self._file = file
        self._piece_bytes = piece_bytes
        self._codec = codec
        self._is_checked = is_checked
        self._rest = bytearray()

    def write(self, data: Any) -> int:
        """Take the next part, any bytes-like object."""
        with memoryview(data).cast("B") as view:
            start = 0
            if self._rest or len(view) < self._piece_bytes:
                start = self._piece_bytes - len(self._rest)
                self._rest += view[:start]
                if len(self._rest) < self._piece_bytes:
                    return len(view)
                self.finish()
            while len(view) - start >= self._piece_bytes:
                self._put(view[start : start + self._piece_bytes])
                start += self._piece_bytes
            self._rest += view[start:]
            return len(view)

    def finish(self) -> None:
        """Write what is left as a piece."""
        if self._rest:
            with memoryview(self._rest) as view:
                self._put(view)
            self._rest.clear()

    def _put(self, view: memoryview) -> None:
        number, piece = compress(view, self._codec)
        if number == PLAIN:
            self._codec = None  # numbers, images: the rest will be like this
        checksum = zlib.adler32(piece) if self._is_checked else 0
        self._file.write(_HEADER.pack(number, self._is_checked, len(piece), checksum))
        self._file.write(piece)


def load_pieces(file: IO[bytes]) -> Any:
    """Unpickle what was written by a `PieceWriter`; the caller trusts it.

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
        target = memoryview(buffer).cast("B")
        if not self._piece:
            header = self._header()
            if header is None:
                return 0
            if header.codec == PLAIN and header.length <= len(target):
                self._fill(target[: header.length], header)
                return header.length
            piece = memoryview(bytearray(header.length))
            self._fill(piece, header)
            self._piece = memoryview(decompress(piece, header.codec))
        size = min(len(target), len(self._piece))
        target[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size

    def _header(self) -> _Header | None:
        data = self._file.read(_HEADER.size)
        if not data:
            return None
        if len(data) < _HEADER.size:
            raise MinimesosError("the data ends within the header of a piece")
        return _Header(*_HEADER.unpack(data))

    def _fill(self, target: memoryview, header: _Header) -> None:
        """Read a piece to where it belongs."""
        size = self._file.readinto(target)  # type: ignore[attr-defined] # all binary files have it
        if size != header.length:
            raise MinimesosError(f"the data ends after {size} bytes of a piece of {header.length}")
        if header.is_checked and zlib.adler32(target) != header.checksum:
            raise MinimesosError("the checksum of a piece is wrong: it was damaged on its way")
