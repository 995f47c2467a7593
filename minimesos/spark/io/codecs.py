"""Compression of the files that users name: by extension when read, by Hadoop's class when written.

`compression` has that of our own blocks. Readers work through any number of members or frames, and
say of data that is broken or ends early which file it is, where and why.

Source: Hadoop's `org.apache.hadoop.io.compress`; its lz4 and snappy files are blocks, each with its
size and the sizes of its pieces as big-endian numbers of 32 bits.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

from minimesos.spark.errors import SparkException
from minimesos.spark.io.filesystem import failure

_READ_BYTES = 128 * 1024
_PLAIN_BYTES_MAX = 1024 * 1024
"""What one step of a decompressor gives at most, so that no file fills memory by itself."""
_CLASSES = "org.apache.hadoop.io.compress."


class Codec(NamedTuple):
    """How files with an extension are compressed."""

    name: str
    extension: str
    read: Callable[[IO[bytes]], Iterator[bytes]]
    """Yields the decompressed data of an open file; raises what its library does."""
    write: Callable[[IO[bytes]], IO[bytes]] | None
    """Returns a file that compresses into another, which closing it leaves open."""
    is_splittable: bool = False


def codec_of(path: str) -> Codec | None:
    """Return how a file is compressed, by its name; None of a plain one."""
    return _BY_EXTENSION.get(os.path.splitext(path)[1])


def codec_of_class(name: str) -> Codec:
    """Return the codec of a Hadoop class, with or without its package.

    Raises SparkException if there is none, or its library is not installed.
    """
    codec = _BY_CLASS.get(name.removeprefix(_CLASSES))
    if codec is None:
        known = ", ".join(_CLASSES + each for each in _BY_CLASS)
        raise SparkException(f"Class {name} not found; the codecs here are {known}")
    require(codec, name)
    return codec


def require(codec: Codec, what: str) -> None:
    """Raise SparkException, which says what to install, if a codec's library is not here."""
    module, remedy = _LIBRARIES.get(codec.extension, ("zlib", ""))
    try:
        __import__(module)
    except ImportError as error:
        raise SparkException(f"{what}: {codec.name} needs {remedy}") from error


def decompressed(file: IO[bytes], codec: Codec, shown: str) -> Iterator[bytes]:
    """Yield the plain data of an open file, in pieces. Raises SparkException that names it."""
    require(codec, shown)
    counted = _Counted(file, shown)
    try:
        yield from codec.read(counted)  # type: ignore[arg-type]
    except SparkException:
        raise
    except Exception as error:  # each library has errors of its own
        raise SparkException(
            f"{shown} is broken: its {codec.name} data cannot be read, at or before byte "
            f"{counted.position}: {error}"
        ) from error


class _Counted:
    """A file of which is known how much was read."""

    def __init__(self, file: IO[bytes], shown: str) -> None:
        self._file = file
        self._shown = shown
        self.position = 0

    def read(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except OSError as error:
            raise failure("read", self._shown, error) from error
        self.position += len(data)
        return data


# -- members one after another ---------------------------------------------------------------------


def _members(begin: Callable[[], Any], file: IO[bytes]) -> Iterator[bytes]:
    """Yield what decompressors like bz2's make of a file."""
    data = file.read(_READ_BYTES)
    while data:
        member = begin()
        while True:
            plain = member.decompress(data, _PLAIN_BYTES_MAX)
            if plain:
                yield plain
            if member.eof:
                break
            data = file.read(_READ_BYTES) if member.needs_input else b""
            if member.needs_input and not data and not plain:
                raise EOFError("it ends too early; it was truncated")
        data = member.unused_data.lstrip(b"\0") or file.read(_READ_BYTES).lstrip(b"\0")


class _Zlib:
    """zlib's decompressor with the face of bz2's."""

    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)

    def decompress(self, data: bytes, size_max: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, size_max)

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


_GZIP_BITS, _ZLIB_BITS = 31, 15
_GZIP_LEVEL = 6


def _read_gzip(file: IO[bytes]) -> Iterator[bytes]:
    return _members(lambda: _Zlib(_GZIP_BITS), file)


def _write_gzip(file: IO[bytes]) -> IO[bytes]:
    import gzip

    return gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0)  # type: ignore[return-value]


def _read_deflate(file: IO[bytes]) -> Iterator[bytes]:
    return _members(lambda: _Zlib(_ZLIB_BITS), file)


def _read_bzip2(file: IO[bytes]) -> Iterator[bytes]:
    import bz2

    return _members(bz2.BZ2Decompressor, file)


def _write_bzip2(file: IO[bytes]) -> IO[bytes]:
    import bz2

    return bz2.BZ2File(file, "wb")


def _read_xz(file: IO[bytes]) -> Iterator[bytes]:
    import lzma

    return _members(lzma.LZMADecompressor, file)


def _write_xz(file: IO[bytes]) -> IO[bytes]:
    import lzma

    return lzma.LZMAFile(file, "wb")


def _read_zstandard(file: IO[bytes]) -> Iterator[bytes]:
    import zstandard

    data = file.read(_READ_BYTES)
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        while True:
            if plain := frame.decompress(data):
                yield plain
            if frame.eof:
                break
            data = file.read(_READ_BYTES)
            if not data:
                raise EOFError("it ends too early; it was truncated")
        data = frame.unused_data or file.read(_READ_BYTES)


def _write_zstandard(file: IO[bytes]) -> IO[bytes]:
    import zstandard

    writer: IO[bytes] = zstandard.ZstdCompressor().stream_writer(file, closefd=False)
    return writer


class _Deflating:
    """A file that writes one zlib stream into another."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._stream = zlib.compressobj()

    def write(self, data: bytes) -> int:
        self._file.write(self._stream.compress(data))
        return len(data)

    def close(self) -> None:
        self._file.write(self._stream.flush())


def _write_deflate(file: IO[bytes]) -> IO[bytes]:
    return _Deflating(file)  # type: ignore[return-value]


# -- Hadoop's blocks -------------------------------------------------------------------------------

_BLOCK_BYTES = 256 * 1024
_BLOCK_BYTES_MAX = 256 * 1024 * 1024
_LZ4_FRAME, _SNAPPY_FRAME = b"\x04\x22\x4d\x18", b"\xff\x06\x00\x00"


def _number(file: IO[bytes]) -> int:
    return _plausible(_exactly(file, 4))


def _plausible(data: bytes) -> int:
    number = int.from_bytes(data, "big")
    if number > _BLOCK_BYTES_MAX:
        raise ValueError(f"a block of {number} bytes cannot be; is it of this format?")
    return number


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = file.read(size - len(data))
        if not more:
            raise EOFError("it ends too early; it was truncated")
        data += more
    return data


def _blocks(
    file: IO[bytes], first: bytes, unpack: Callable[[bytes, int], bytes]
) -> Iterator[bytes]:
    """Yield Hadoop's blocks; `first` are the four bytes that were read already."""
    while first:
        left = _plausible(first + _exactly(file, 4 - len(first)))
        while left:
            plain = unpack(_exactly(file, _number(file)), left)
            if not plain:
                raise ValueError("a block is shorter than it says")
            left -= len(plain)
            yield plain
        first = file.read(4)


class _BlockWriter:
    """A file that writes Hadoop's blocks into another."""

    def __init__(self, file: IO[bytes], pack: Callable[[bytes], bytes]) -> None:
        self._file, self._pack = file, pack

    def write(self, data: bytes) -> int:
        for start in range(0, len(data), _BLOCK_BYTES):
            plain = data[start : start + _BLOCK_BYTES]
            packed = self._pack(plain)
            self._file.write(len(plain).to_bytes(4, "big") + len(packed).to_bytes(4, "big"))
            self._file.write(packed)
        return len(data)

    def close(self) -> None:
        return None


def _read_lz4(file: IO[bytes]) -> Iterator[bytes]:
    from lz4 import block, frame

    first = file.read(4)
    if first != _LZ4_FRAME:
        yield from _blocks(file, first, lambda data, size: block.decompress(data, size))
        return
    yield from _members(frame.LZ4FrameDecompressor, _Pushed(first, file))  # type: ignore[arg-type]


def _write_lz4(file: IO[bytes]) -> IO[bytes]:
    from lz4 import block

    return _BlockWriter(file, lambda data: block.compress(data, store_size=False))  # type: ignore[return-value]


def _read_snappy(file: IO[bytes]) -> Iterator[bytes]:
    from cramjam import snappy

    first = file.read(4)
    if first == _SNAPPY_FRAME:
        whole = first
        while more := file.read(_READ_BYTES):
            whole += more
        yield bytes(snappy.decompress(whole))
        return
    yield from _blocks(file, first, lambda data, size: bytes(snappy.decompress_raw(data)))


def _write_snappy(file: IO[bytes]) -> IO[bytes]:
    from cramjam import snappy

    return _BlockWriter(file, lambda data: bytes(snappy.compress_raw(data)))  # type: ignore[return-value]


class _Pushed:
    """A file with some bytes ahead of it."""

    def __init__(self, ahead: bytes, file: IO[bytes]) -> None:
        self._ahead, self._file = ahead, file

    def read(self, size: int) -> bytes:
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            return ahead
        return self._file.read(size)


_EXTRA = "the extra: pip install 'minimesos[fast]'"
_LIBRARIES = {
    ".zst": ("zstandard", _EXTRA),
    ".lz4": ("lz4", _EXTRA),
    ".snappy": ("cramjam", "a library: pip install cramjam"),
}
_GZIP = Codec("gzip", ".gz", _read_gzip, _write_gzip)
_DEFLATE = Codec("deflate", ".deflate", _read_deflate, _write_deflate)
_BZIP2 = Codec("bzip2", ".bz2", _read_bzip2, _write_bzip2, is_splittable=True)
_ZSTANDARD = Codec("zstd", ".zst", _read_zstandard, _write_zstandard)
_XZ = Codec("xz", ".xz", _read_xz, _write_xz)
_LZ4 = Codec("lz4", ".lz4", _read_lz4, _write_lz4)
_SNAPPY = Codec("snappy", ".snappy", _read_snappy, _write_snappy)
_BY_EXTENSION = {
    codec.extension: codec for codec in (_GZIP, _DEFLATE, _BZIP2, _ZSTANDARD, _XZ, _LZ4, _SNAPPY)
}
_BY_CLASS = {
    "GzipCodec": _GZIP,
    "BZip2Codec": _BZIP2,
    "DefaultCodec": _DEFLATE,
    "DeflateCodec": _DEFLATE,
    "Lz4Codec": _LZ4,
    "SnappyCodec": _SNAPPY,
    "ZStandardCodec": _ZSTANDARD,
}
