"""How files become partitions: cut into splits, or packed together. Runs on the driver.

Source: Hadoop's FileInputFormat and CombineFileInputFormat, and Spark's formats on top of them, in
their documented behaviour.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from minimesos.spark.errors import IllegalArgumentException, SparkException
from minimesos.spark.io.codecs import codec_of
from minimesos.spark.io.filesystem import Found, file_system_of
from minimesos.spark.io.paths import Below, list_files
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.files import FILES_MAX_PARTITION_BYTES, FILES_OPEN_COST

BLOCK_BYTES = 32 * 1024 * 1024
"""What Hadoop takes for the block size of local files and of object stores."""
_SLACK = 1.1
"""The last split may be this much longer than the others, before it is cut once more."""


class FileSplit(NamedTuple):
    """A part of a file."""

    path: str
    start: int
    length: int
    """-1 if the size of the file is not known: all of it."""


def text_splits(paths: str, min_partitions: int, conf: Texts) -> list[FileSplit]:
    """Cut files for `textFile`; empty ones give no split."""
    files = [file for file in list_files(paths, conf) if file.size]
    goal = sum(file.size for file in files) // max(min_partitions, 1)
    split_bytes = max(1, min(goal, BLOCK_BYTES))
    splits: list[FileSplit] = []
    for file in files:
        codec = codec_of(file.path)
        is_whole = file.size < 0 or (codec is not None and not codec.is_splittable)
        splits += [FileSplit(file.path, 0, file.size)] if is_whole else _cut(file, split_bytes)
    return splits


def record_splits(paths: str, record_bytes: int, conf: Texts) -> list[FileSplit]:
    """Cut files for `binaryRecords` between records; empty ones give no split."""
    if record_bytes < 1:
        raise IllegalArgumentException(f"The record length must be above 0, not {record_bytes}")
    splits: list[FileSplit] = []
    for file in list_files(paths, conf):
        shown = file_system_of(file.path, conf).shown(file.path)
        if codec_of(file.path) is not None:
            raise SparkException(f"{shown} is compressed, and so has no records of fixed length")
        if file.size % record_bytes:
            raise SparkException(
                f"{shown} has {file.size} bytes, which is no multiple of the record length "
                f"{record_bytes}"
            )
        if file.size:
            block = max(BLOCK_BYTES // record_bytes, 1) * record_bytes
            splits += _cut(file, block)
    return splits


def _cut(file: Found, split_bytes: int) -> Iterator[FileSplit]:
    start = 0
    while (file.size - start) / split_bytes > _SLACK:
        yield FileSplit(file.path, start, split_bytes)
        start += split_bytes
    yield FileSplit(file.path, start, file.size - start)


def whole_file_splits(paths: str, min_partitions: int, conf: Texts) -> list[list[str]]:
    """Pack whole files together, for `wholeTextFiles`, up to an even share of all bytes."""
    files = list_files(paths, conf, Below.SKIPPED)
    share = -(-sum(max(file.size, 0) for file in files) // max(min_partitions, 1))
    return _packed(files, share)


def binary_splits(paths: str, parallelism: int, conf: Texts) -> list[list[str]]:
    """Pack whole files together, for `binaryFiles`: few large ones, or many small."""
    files = list_files(paths, conf, Below.SKIPPED)
    open_cost = FILES_OPEN_COST.read(conf)
    cost = sum(max(file.size, 0) + open_cost for file in files)
    share = max(open_cost, cost // max(parallelism, 1))
    return _packed(files, min(FILES_MAX_PARTITION_BYTES.read(conf), share))


def _packed(files: list[Found], share: int) -> list[list[str]]:
    """Begin a pack whenever one has its share."""
    packs: list[list[str]] = []
    packed_bytes = share
    for file in files:
        if packed_bytes >= share:
            packs.append([])
            packed_bytes = 0
        packs[-1].append(file.path)
        packed_bytes += max(file.size, 0)
    return packs


def pickle_splits(paths: str, conf: Texts) -> list[str]:
    """Return the files that `pickleFile` reads, each one partition."""
    return [file.path for file in list_files(paths, conf)]
