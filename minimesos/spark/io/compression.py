"""Compression of blocks on disk and on the wire: lz4 where it is installed, else none.

Used for shuffle and spill files. A compressed block carries its own uncompressed size. Files that
users name by extension (`.gz`, `.bz2`) are not handled here.
"""

from __future__ import annotations

from minimesos.errors import MinimesosError

COMPRESS_MIN_BYTES = 512
"""Smaller blocks are stored: the header and the call cost more than they save."""

try:
    from lz4 import block as _lz4
except ImportError:
    _lz4 = None


def compress(data: bytes) -> bytes | None:
    """Return the data compressed, or None if that is impossible or does not pay."""
    if _lz4 is None or len(data) < COMPRESS_MIN_BYTES:
        return None
    compressed: bytes = _lz4.compress(data)
    return compressed if len(compressed) < len(data) else None


def decompress(data: bytes | memoryview) -> bytes:
    """Undo `compress`. Raises MinimesosError where the writer had lz4 and we have not."""
    if _lz4 is None:
        raise MinimesosError(
            "a block is compressed with lz4, which is not installed here; install the same extras "
            "on all machines: pip install 'minimesos[fast]'"
        )
    decompressed: bytes = _lz4.decompress(data)
    return decompressed
