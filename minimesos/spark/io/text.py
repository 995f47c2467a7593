"""Lines of text files, as tasks read them.

A line belongs to the split in which it starts, as with Hadoop's line reader: a split leaves out
what comes before its first line break and goes on to the end of the line that crosses its own end.
A line ends with a line feed, a carriage return or both. Lines move in blocks: one read, one
decoding and one C loop for some thousands of them.

Source: Hadoop's LineRecordReader, in its documented behaviour.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import IO

from minimesos.spark.errors import SparkException
from minimesos.spark.io.codecs import codec_of, decompressed
from minimesos.spark.io.filesystem import FileSystem, failure, file_system_of
from minimesos.spark.io.splits import FileSplit
from minimesos.spark.setting_kinds import Texts

_BLOCK_BYTES = 256 * 1024
_PROBE_BYTES = 64 * 1024
_LINE_BREAK = re.compile(rb"[\r\n]")
_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_REPLACEMENT = "\ufffd".encode()


def read_lines(split: FileSplit, conf: Texts) -> Iterator[str]:
    """Return an iterator over the lines of a split, without line ends, decoded as UTF-8."""
    return chain.from_iterable(_decoded_lines(_blocks(split, conf)))


def read_raw_lines(split: FileSplit, conf: Texts) -> Iterator[bytes]:
    """Return an iterator over the lines of a split as bytes, without line ends."""
    return chain.from_iterable(block.splitlines() for block in _blocks(split, conf))


def decode(data: bytes) -> str:
    """Decode UTF-8; what cannot be decoded becomes U+FFFD, as many of them as in Java."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        # Java replaces an encoded surrogate by one, Python by three.
        return _SURROGATE.sub(_REPLACEMENT, data).decode("utf-8", "replace")


@contextmanager
def opened(system: FileSystem, path: str) -> Iterator[IO[bytes]]:
    """Open a file for a `with` block. Raises SparkException that names it."""
    shown = system.shown(path)
    try:
        file = system.open(path)
    except FileNotFoundError as error:
        raise SparkException(
            f"{shown} does not exist: it was there when the job was planned, or is elsewhere only"
        ) from error
    except OSError as error:
        raise failure("open", shown, error) from error
    with file:
        yield file


def check_size(system: FileSystem, file: IO[bytes], split: FileSplit) -> None:
    """Raise SparkException if a file has become shorter than its splits are.

    One that has grown is read as far as was planned, as logs do grow, and to the end of a line that
    starts there. Times are not compared: on several hosts there may be copies.
    """
    size = system.size_of(file)
    if 0 <= size < split.start + split.length:
        raise SparkException(
            f"{system.shown(split.path)} has changed: it had at least "
            f"{split.start + split.length} bytes when the job was planned, and has {size} now"
        )


def _decoded_lines(blocks: Iterable[bytes]) -> Iterator[list[str]]:
    for block in blocks:
        if b"\r" in block:
            # Only \n is a line end to str.split; str.splitlines knows too many.
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        decoded = decode(block)
        block = b""  # a line may fill memory by itself: of two copies at once, none is a third
        lines = decoded.split("\n")
        del decoded
        if not lines[-1]:
            lines.pop()
        yield lines


def _blocks(split: FileSplit, conf: Texts) -> Iterator[bytes]:
    """Yield the lines of a split in blocks of whole lines."""
    system = file_system_of(split.path, conf)
    codec = codec_of(split.path)
    with opened(system, split.path) as file:
        check_size(system, file, split)
        if codec is None:
            yield from _plain_blocks(system, file, split)
        elif split.start or 0 <= split.length < system.size_of(file):
            yield from _bzip2_blocks(system, file, split)
        else:
            yield from _whole_lines(decompressed(file, codec, system.shown(split.path)), True)


def _plain_blocks(system: FileSystem, file: IO[bytes], split: FileSplit) -> Iterator[bytes]:
    try:
        if split.length < 0:
            yield from _whole_lines(_read(file, None), True)
            return
        end = split.start + split.length
        start = _line_start(file, split.start, end) if split.start else 0
        if start is None:
            return  # it is within a line that started before
        after = _line_start(file, end)
        assert after is not None, "the search has no limit"
        file.seek(start)
        yield from _whole_lines(_read(file, after - start), not start)
    except OSError as error:
        raise failure("read", system.shown(split.path), error) from error


def _line_start(file: IO[bytes], position: int, limit: int | None = None) -> int | None:
    """Return where the first line starts that does not begin at or before `position`.

    None if the line that is there goes on to `limit` at least.
    """
    file.seek(position)
    while (limit is None or position < limit) and (block := file.read(_PROBE_BYTES)):
        line_break = _LINE_BREAK.search(block)
        if line_break is None:
            position += len(block)
            continue
        found = position + line_break.end()
        if line_break[0] == b"\r":
            file.seek(found)
            return found + (file.read(1) == b"\n")
        return found
    return position if limit is None else None


def _read(file: IO[bytes], left: int | None) -> Iterator[bytes]:
    """Yield so many bytes of a file; None: to its end."""
    if left is None:
        yield from iter(partial(file.read, _BLOCK_BYTES), b"")
        return
    while left > 0 and (block := file.read(min(left, _BLOCK_BYTES))):
        left -= len(block)
        yield block


def _whole_lines(pieces: Iterator[bytes], at_start: bool) -> Iterator[bytes]:
    """Yield what pieces hold in blocks of whole lines.

    The last line may lack its line break. No block ends between \\r and \\n.
    """
    carry: list[bytes] = []
    if at_start:
        pieces = _without_mark(pieces)
    for block in pieces:
        cut = _last_break(block)
        if cut:
            yield _taken(carry, block[:cut]) if carry else block[:cut]
        if cut < len(block):
            carry.append(block[cut:])
    if carry:
        yield _taken(carry, b"")


def _taken(carry: list[bytes], end: bytes) -> bytes:
    """Return all pieces as one, and let go of them."""
    carry.append(end)
    whole = b"".join(carry)
    carry.clear()
    return whole


def _without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Leave out a byte order mark, however the pieces were cut."""
    first = b""
    for piece in pieces:
        first += piece
        if len(first) >= len(_BOM):
            break
    return chain((first.removeprefix(_BOM),), pieces) if first else pieces


def _last_break(block: bytes) -> int:
    """Return the position after the last line break that is complete; 0 if there is none."""
    line_feed = block.rfind(b"\n") + 1
    return line_feed or block.rfind(b"\r", 0, len(block) - 1) + 1


# -- parts of bzip2 files --------------------------------------------------------------------------


def _bzip2_blocks(system: FileSystem, file: IO[bytes], split: FileSplit) -> Iterator[bytes]:
    """Yield the lines that start in the blocks of a split, and the one at their end."""
    from minimesos.spark.io.bzip2 import read_blocks

    try:
        blocks = read_blocks(file, split.start, split.start + split.length)
        yield from _whole_lines(_from_line_to_line(blocks, split.start > 0), not split.start)
    except (OSError, ValueError) as error:
        raise SparkException(
            f"{system.shown(split.path)} is broken: its bzip2 data cannot be read in the part of "
            f"{split.length} bytes from byte {split.start} on: {error}"
        ) from error


def _from_line_to_line(blocks: Iterator[tuple[bytes, bool]], skips_first: bool) -> Iterator[bytes]:
    """Yield plain data from the first line that starts in it to the end of the last such line.

    The first line of all but the first split is that of the split before.
    """
    skip = _after_break() if skips_first else None
    finish = None
    for data, is_inside in blocks:
        if not is_inside and finish is None:
            finish = _after_break()
        start = 0 if skip is None else skip(data)
        if start is not None:
            skip = None
        end = None if finish is None else finish(data)
        if start is not None and data[start:end]:
            yield data[start:end]
        if end is not None:
            return


def _after_break() -> Callable[[bytes], int | None]:
    """Return a function that takes data piece by piece, and says where its first line ends.

    It returns None while that is later, which it is too if a piece ends with \\r.
    """
    is_halfway = False

    def look(data: bytes) -> int | None:
        nonlocal is_halfway
        if is_halfway:
            return int(data.startswith(b"\n"))
        line_break = _LINE_BREAK.search(data)
        if line_break is None:
            return None
        end = line_break.end()
        if line_break[0] == b"\n":
            return end
        if end == len(data):
            is_halfway = True
            return None
        return end + data.startswith(b"\n", end)

    return look
