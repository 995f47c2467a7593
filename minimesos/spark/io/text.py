"""Text files as partitions: which files a path means, how they are cut, how lines are read.

Paths are listed and cut on the driver, lines are read in tasks. A line belongs to the split in
which it starts, as with Hadoop's line reader: a split leaves out what comes before its first line
break and goes on to the end of the line that crosses its own end. A line ends with a line feed, a
carriage return or both. Lines move in blocks: one read, one decoding and one C loop for some
thousands of them.

Source: Hadoop's FileInputFormat and LineRecordReader, in their documented behaviour.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO, Any, NamedTuple

from minimesos.spark.errors import SparkException
from minimesos.spark.io.serializers import read_batches

_SPLIT_BYTES_MAX = 32 * 1024 * 1024
_SPLIT_SLACK = 1.1
"""The last split may be this much longer than the others, before it is cut once more."""
_BLOCK_BYTES = 256 * 1024
_PROBE_BYTES = 64 * 1024
_LINE_BREAK = re.compile(rb"[\r\n]")
_BOM = b"\xef\xbb\xbf"
_BRACES = re.compile(r"\{([^{}]*)\}")
_HIDDEN = ("_", ".")


class FileSplit(NamedTuple):
    """A part of a file; a compressed file is one part."""

    path: str
    start: int
    length: int


def list_files(paths: str) -> list[tuple[str, int]]:
    """Return (path, size) of the files that comma-separated paths mean, sorted within each.

    A path is a file, a directory (its files, not what is below) or a pattern of * ? [] {a,b}.
    Names that start with _ or . are left out of directories and patterns.
    """
    return [file for path in _split_paths(paths) for file in _files_of(path)]


def local_path(path: str) -> str:
    """Return the path of a `file:` URI or plain path, absolute, as tasks run in other directories.

    Other schemes are refused.
    """
    if not re.match(r"[a-z][a-z0-9+.-]*:/", path, re.IGNORECASE):
        return os.path.abspath(path)
    from urllib.parse import unquote, urlsplit

    url = urlsplit(path)
    if url.scheme != "file":
        raise SparkException(f'No FileSystem for scheme "{url.scheme}": {path}')
    return os.path.abspath(unquote(url.path))


def _split_paths(paths: str) -> list[str]:
    """Split at commas, except those within braces."""
    return [part for part in re.split(r",(?![^{]*\})", paths) if part]


def _files_of(path: str) -> list[tuple[str, int]]:
    pattern = local_path(path)
    if re.search(r"[*?\[{]", pattern) and not os.path.exists(pattern):
        from glob import glob

        matches = sorted({name for one in _expanded(pattern) for name in glob(one)})
        matches = [name for name in matches if not _is_hidden(name)]
        if not matches:
            raise SparkException(f"Input Pattern {uri(pattern)} matches 0 files")
    else:
        matches = [pattern]
    return [file for match in matches for file in _below(match)]


def _expanded(pattern: str) -> list[str]:
    braces = _BRACES.search(pattern)
    if braces is None:
        return [pattern]
    head, tail = pattern[: braces.start()], pattern[braces.end() :]
    return [whole for choice in braces[1].split(",") for whole in _expanded(head + choice + tail)]


def _below(path: str) -> list[tuple[str, int]]:
    try:
        if not os.path.isdir(path):
            return [(path, os.path.getsize(path))]
        names = sorted(name for name in os.listdir(path) if not _is_hidden(name))
    except FileNotFoundError as error:
        raise SparkException(f"Input path does not exist: {uri(path)}") from error
    files = [os.path.join(path, name) for name in names]
    for file in files:
        if os.path.isdir(file):
            raise SparkException(f"Not a file: {uri(file)}")
    return [(file, os.path.getsize(file)) for file in files]


def _is_hidden(path: str) -> bool:
    return os.path.basename(path).startswith(_HIDDEN)


def uri(path: str) -> str:
    """Return an absolute path as `file:/...`."""
    return f"file:{path}"


def text_splits(paths: str, min_partitions: int) -> list[FileSplit]:
    """Cut files for `textFile`; empty ones give no split."""
    files = list_files(paths)
    goal = sum(size for _, size in files) // max(min_partitions, 1)
    split_size = max(1, min(goal, _SPLIT_BYTES_MAX))
    splits: list[FileSplit] = []
    for path, size in files:
        if not size:
            continue
        if _opener(path) is not None:
            splits.append(FileSplit(path, 0, size))
            continue
        start = 0
        while (size - start) / split_size > _SPLIT_SLACK:
            splits.append(FileSplit(path, start, split_size))
            start += split_size
        splits.append(FileSplit(path, start, size - start))
    return splits


def whole_file_splits(paths: str, min_partitions: int) -> list[list[str]]:
    """Pack whole files together, for `wholeTextFiles`, up to an even share of all bytes."""
    files = list_files(paths)
    share = -(-sum(size for _, size in files) // max(min_partitions, 1))
    packs: list[list[str]] = []
    packed_bytes = share
    for path, size in files:
        if packed_bytes >= share:
            packs.append([])
            packed_bytes = 0
        packs[-1].append(path)
        packed_bytes += size
    return packs


def pickle_splits(paths: str) -> list[str]:
    """Return the files that `pickleFile` reads, each one partition."""
    return [path for path, _ in list_files(paths)]


# What runs in tasks.


def read_lines(split: FileSplit) -> Iterator[str]:
    """Return an iterator over the lines of a split, without line ends, decoded as UTF-8."""
    return chain.from_iterable(_decoded_lines(_blocks(split)))


def read_raw_lines(split: FileSplit) -> Iterator[bytes]:
    """Return an iterator over the lines of a split as bytes, without line ends."""
    return chain.from_iterable(block.splitlines() for block in _blocks(split))


def read_whole_texts(paths: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (URI, content) of whole files."""
    for name, data in read_whole_files(paths):
        yield name, data.decode("utf-8", "replace")


def read_whole_files(paths: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (URI, content as bytes) of whole files, decompressed."""
    for path in paths:
        with _open(path) as file:
            yield uri(path), file.read()


def read_pickled(path: str) -> Iterator[Any]:
    """Yield the items of a file of pickled batches."""
    with open(path, "rb") as file:
        for batch in read_batches(file):
            yield from batch


def _decoded_lines(blocks: Iterator[bytes]) -> Iterator[list[str]]:
    for block in blocks:
        if b"\r" in block:
            # Only \n is a line end to str.split; str.splitlines knows too many.
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = block.decode("utf-8", "replace").split("\n")
        if not lines[-1]:
            lines.pop()
        yield lines


def _blocks(split: FileSplit) -> Iterator[bytes]:
    """Yield the lines of a split in blocks of whole lines."""
    with _open(split.path) as file:
        end = None
        if _opener(split.path) is None:
            start = _line_start(file, split.start) if split.start else 0
            end = _line_start(file, split.start + split.length)
            file.seek(start)
        yield from _whole_lines(file, end)


def _line_start(file: IO[bytes], position: int) -> int:
    """Return where the first line starts that does not begin at or before `position`."""
    file.seek(position)
    while block := file.read(_PROBE_BYTES):
        line_break = _LINE_BREAK.search(block)
        if line_break is None:
            position += len(block)
            continue
        found = position + line_break.end()
        if line_break[0] == b"\r":
            file.seek(found)
            return found + (file.read(1) == b"\n")
        return found
    return position


def _whole_lines(file: IO[bytes], end: int | None) -> Iterator[bytes]:
    """Yield the file up to `end` in blocks of whole lines; None: to its end.

    The last line may lack its line break. No block ends between \\r and \\n.
    """
    left = end - file.tell() if end is not None else None
    at_start = file.tell() == 0
    carry: list[bytes] = []
    while block := file.read(_BLOCK_BYTES if left is None else min(left, _BLOCK_BYTES)):
        if left is not None:
            left -= len(block)
        if at_start:
            block = block.removeprefix(_BOM)
            at_start = False
        cut = _last_break(block)
        if cut:
            yield b"".join((*carry, block[:cut])) if carry else block[:cut]
            carry = []
        if cut < len(block):
            carry.append(block[cut:])
    if carry:
        yield b"".join(carry)


def _last_break(block: bytes) -> int:
    """Return the position after the last line break that is complete; 0 if there is none."""
    line_feed = block.rfind(b"\n") + 1
    return line_feed or block.rfind(b"\r", 0, len(block) - 1) + 1


def _open(path: str) -> IO[bytes]:
    opener = _opener(path)
    return open(path, "rb", buffering=0) if opener is None else opener(path)


def _opener(path: str) -> Callable[[str], IO[bytes]] | None:
    """Return what opens a compressed file; None for a plain one."""
    return _OPENERS.get(os.path.splitext(path)[1])


def _gzip(path: str) -> Any:
    import gzip

    return gzip.open(path)


def _bzip2(path: str) -> Any:
    import bz2

    return bz2.open(path)


def _deflate(path: str) -> Any:
    import io
    import zlib

    with open(path, "rb") as file:
        return io.BytesIO(zlib.decompress(file.read()))


def _zstandard(path: str) -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise SparkException(f"{path}: reading .zst needs the extra: minimesos[fast]") from error
    return zstandard.open(path)


_OPENERS: dict[str, Callable[[str], Any]] = {
    ".gz": _gzip,
    ".bz2": _bzip2,
    ".deflate": _deflate,
    ".zst": _zstandard,
}
