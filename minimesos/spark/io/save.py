"""RDDs into directories of files: one part a partition, all of them or none.

Each task writes a file of its attempt under `_temporary` and renames it to its part there; when all
tasks are done, the driver moves the parts up and writes `_SUCCESS`. So a retried or doubled task
leaves nothing behind, and a reader never sees half a job.

Source: the directory layout is Hadoop's FileOutputCommitter's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from minimesos.spark.errors import SparkException
from minimesos.spark.io.serializers import write_batches
from minimesos.spark.io.text import local_path, uri
from minimesos.spark.settings.scheduling import VALIDATE_OUTPUT_SPECS

if TYPE_CHECKING:
    from minimesos.spark.rdd import RDD
    from minimesos.spark.taskcontext import TaskContext

_LINES_AT_ONCE = 8192
_CODEC_PREFIX = "org.apache.hadoop.io.compress."

Write = Callable[[IO[bytes], Iterable[Any]], None]


def save_as_text(rdd: RDD[Any], path: str, codec: str | None) -> None:
    """Write lines: text as UTF-8, bytes as they are, anything else as `str` says."""
    _save(rdd, path, _write_lines, codec)


def save_as_pickle(rdd: RDD[Any], path: str, batch_size: int) -> None:
    """Write pickled batches."""
    _save(rdd, path, partial(_write_pickles, batch_size), None)


def _save(rdd: RDD[Any], path: str, write: Write, codec: str | None) -> None:
    suffix = _suffix(codec)
    directory = local_path(path)
    if os.path.exists(directory) and VALIDATE_OUTPUT_SPECS.read(rdd.context.getConf()):
        raise SparkException(f"Output directory {uri(directory)} already exists")
    temporary = os.path.join(directory, "_temporary")
    os.makedirs(temporary, exist_ok=True)
    try:
        parts = rdd.context.run_job(rdd, partial(_write_part, temporary, suffix, write), None)
        for part in parts:
            os.replace(os.path.join(temporary, part), os.path.join(directory, part))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    with open(os.path.join(directory, "_SUCCESS"), "wb"):
        pass


def _suffix(codec: str | None) -> str:
    if codec is None:
        return ""
    suffix = _SUFFIXES.get(codec.removeprefix(_CODEC_PREFIX))
    if suffix is None:
        known = ", ".join(_CODEC_PREFIX + name for name in _SUFFIXES)
        raise SparkException(f"Class {codec} not found; the codecs here are {known}")
    return suffix


# What runs in tasks.


def _write_part(
    temporary: str, suffix: str, write: Write, task: TaskContext, items: Iterator[Any]
) -> str:
    """Write one partition; returns the name of its file in `temporary`."""
    part = f"part-{task.partitionId():05d}{suffix}"
    attempt = os.path.join(temporary, f"{task.taskAttemptId()}-{os.getpid()}-{part}")
    # An executor on another host has only its own view of the directory.
    os.makedirs(temporary, exist_ok=True)
    with _WRITERS[suffix](attempt) as file:
        write(file, items)
    os.replace(attempt, os.path.join(temporary, part))
    return part


def _write_lines(file: IO[bytes], items: Iterable[Any]) -> None:
    iterator = iter(items)
    while batch := list(islice(iterator, _LINES_AT_ONCE)):
        lines = map(_line, batch)
        file.write(b"\n".join(lines))
        file.write(b"\n")


def _line(item: Any) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()


def _write_pickles(batch_size: int, file: IO[bytes], items: Iterable[Any]) -> None:
    write_batches(file, items, batch_size)


def _plain(path: str) -> Any:
    return open(path, "wb")


def _gzip(path: str) -> Any:
    import gzip

    return gzip.open(path, "wb", compresslevel=6)


def _bzip2(path: str) -> Any:
    import bz2

    return bz2.open(path, "wb")


_WRITERS: dict[str, Callable[[str], Any]] = {"": _plain, ".gz": _gzip, ".bz2": _bzip2}
_SUFFIXES = {"GzipCodec": ".gz", "BZip2Codec": ".bz2"}
