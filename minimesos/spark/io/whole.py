"""Whole files, records of fixed length and pickled batches, as tasks read them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import IO, Any

from minimesos.spark.errors import SparkException
from minimesos.spark.io.codecs import codec_of, decompressed
from minimesos.spark.io.filesystem import failure, file_system_of
from minimesos.spark.io.serializers import read_batches
from minimesos.spark.io.splits import FileSplit
from minimesos.spark.io.text import check_size, decode, opened
from minimesos.spark.setting_kinds import Texts

_RECORDS_AT_ONCE_BYTES = 1024 * 1024


def read_whole_texts(paths: list[str], conf: Texts) -> Iterator[tuple[str, str]]:
    """Yield (URI, content) of whole files, decompressed and decoded as UTF-8."""
    for name, data in read_raw_texts(paths, conf):
        yield name, decode(data)


def read_raw_texts(paths: list[str], conf: Texts) -> Iterator[tuple[str, bytes]]:
    """Yield (URI, content as bytes) of whole files, decompressed."""
    for path in paths:
        system = file_system_of(path, conf)
        shown, codec = system.shown(path), codec_of(path)
        with opened(system, path) as file:
            if codec is None:
                yield shown, _all_of(file, shown)
            else:
                yield shown, b"".join(decompressed(file, codec, shown))


def read_files(paths: list[str], conf: Texts) -> Iterator[tuple[str, bytes]]:
    """Yield (URI, content) of whole files, as they are."""
    for path in paths:
        system = file_system_of(path, conf)
        with opened(system, path) as file:
            yield system.shown(path), _all_of(file, system.shown(path))


def _all_of(file: IO[bytes], shown: str) -> bytes:
    try:
        return file.read()
    except OSError as error:
        raise failure("read", shown, error) from error


def read_records(record_bytes: int, split: FileSplit, conf: Texts) -> Iterator[bytes]:
    """Return an iterator over the records of a split."""
    return chain.from_iterable(_records(record_bytes, split, conf))


def _records(record_bytes: int, split: FileSplit, conf: Texts) -> Iterator[list[bytes]]:
    system = file_system_of(split.path, conf)
    piece_bytes = max(_RECORDS_AT_ONCE_BYTES // record_bytes, 1) * record_bytes
    with opened(system, split.path) as file:
        check_size(system, file, split)
        file.seek(split.start)
        for start in range(0, split.length, piece_bytes):
            wanted = min(piece_bytes, split.length - start)
            data = _exactly(file, wanted, system.shown(split.path))
            yield [data[at : at + record_bytes] for at in range(0, wanted, record_bytes)]


def _exactly(file: IO[bytes], size: int, shown: str) -> bytes:
    pieces = []
    while size:
        try:
            piece = file.read(size)
        except OSError as error:
            raise failure("read", shown, error) from error
        if not piece:
            raise SparkException(f"{shown} has changed: it ends before a record does")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def read_pickled(path: str, conf: Texts) -> Iterator[Any]:
    """Yield the items of a file of pickled batches; the caller trusts it."""
    system = file_system_of(path, conf)
    with opened(system, path) as file:
        batches = read_batches(file)
        while True:
            try:
                batch = next(batches, None)
            except Exception as error:  # unpickling raises whatever it likes
                raise SparkException(
                    f"{system.shown(path)} is no file of saveAsPickleFile, or broken: {error!r}"
                ) from error
            if batch is None:
                return
            yield from batch
