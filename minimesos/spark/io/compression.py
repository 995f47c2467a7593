"""Compression of blocks on disk and on the wire, with the codecs that are installed.

Used for shuffle and spill files, cached partitions, broadcasts and closures. With a compressed
block goes the number of its codec, so that readers need no settings; it carries its own size. Files
that users name by extension (`.gz`, `.bz2`) are not handled here.

Source: the names are those of `spark.io.compression.codec`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

from minimesos.errors import MinimesosError
from minimesos.spark.setting_kinds import Setting, Texts
from minimesos.spark.settings.storage import IO_COMPRESSION_CODEC

try:
    from lz4 import block as _lz4
except ImportError:
    _lz4 = None

PLAIN, LZ4, ZSTD, ZLIB = range(4)
COMPRESS_MIN_BYTES = 512
"""Smaller blocks are stored: the header and the call cost more than they save."""
_LEVEL = 1

Bytes = bytes | memoryview


class Codec(NamedTuple):
    """A way to compress."""

    number: int
    compress: Callable[[Bytes], bytes]


def _zstd(data: Bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(_LEVEL).compress(data)


def _unzstd(data: Bytes) -> bytes:
    import zstandard

    return zstandard.ZstdDecompressor().decompress(data)


def _has_zstd() -> bool:
    from importlib.util import find_spec

    return find_spec("zstandard") is not None


def find_codec(name: str) -> Codec | None:
    """Return the codec that is meant by a name; None if it is not installed here."""
    if name == "zlib":
        return Codec(ZLIB, lambda data: zlib.compress(data, _LEVEL))
    if name == "zstd":
        return Codec(ZSTD, _zstd) if _has_zstd() else None
    return Codec(LZ4, _lz4.compress) if _lz4 is not None else None


DEFAULT = find_codec(IO_COMPRESSION_CODEC.default)


def codec_of(conf: Texts, switch: Setting[bool]) -> Codec | None:
    """Return the codec that the settings choose; None if `switch` is off, or it is not here."""
    return find_codec(IO_COMPRESSION_CODEC.read(conf)) if switch.read(conf) else None


def compress(data: Bytes, codec: Codec | None) -> tuple[int, Bytes]:
    """Return the number of the codec, and the data compressed; PLAIN if that does not pay."""
    if codec is None or len(data) < COMPRESS_MIN_BYTES:
        return PLAIN, data
    compressed = codec.compress(data)
    return (codec.number, compressed) if len(compressed) < len(data) else (PLAIN, data)


def pack(data: bytes, codec: Codec | None) -> bytes:
    """Return the data, compressed if that pays, with the number of its codec ahead of it."""
    number, packed = compress(data, codec)
    return bytes((number,)) + packed


def unpack(packed: Bytes) -> Bytes:
    """Undo `pack`. Raises MinimesosError."""
    return decompress(memoryview(packed)[1:], packed[0])


def decompress(data: Bytes, number: int) -> Bytes:
    """Undo `compress`.

    Raises MinimesosError where the writer had a codec that we have not, or the data is damaged.
    """
    if number == PLAIN:
        return data
    try:
        if number == ZLIB:
            return zlib.decompress(data)
        if number == ZSTD:
            return _unzstd(data)
        if _lz4 is None:
            raise ImportError("lz4")
        decompressed: bytes = _lz4.decompress(data)
        return decompressed
    except ImportError as error:
        raise MinimesosError(
            f"a block is compressed with {error.name or error}, which is not installed here; "
            "install the same extras on all machines: pip install 'minimesos[fast]'"
        ) from error
    except Exception as error:  # each library has errors of its own
        raise MinimesosError(f"a compressed block is damaged: {error}") from error
