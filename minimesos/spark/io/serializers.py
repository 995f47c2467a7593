"""Objects in files: batches of records, each one length-prefixed pickle, one after another.

Used for cached partitions on disk, where batches may be compressed, and for pickle files. Shuffle
data has a format of its own.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, Any

from minimesos.spark.io.compression import Codec, compress, decompress

_LENGTH = struct.Struct(">Q")
_CODEC_SHIFT = 56  # bits of a length, above which the number of the codec is
_BATCH_BYTES = 256 * 1024
_BATCH_RECORDS_MAX = 64 * 1024


def dump_objects(value: object) -> bytes:
    """Pickle a value, by cloudpickle if it holds something that has no importable name."""
    try:
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        from minimesos.spark import closure

        return closure.dumps(value)


def write_batches(
    file: IO[bytes], items: Iterable[Any], batch_size: int = 0, compression: Codec | None = None
) -> None:
    """Write all items; `batch_size` items in a batch, 0 for batches near 256 KiB."""
    for piece in encode_batches(items, batch_size, compression):
        file.write(piece)


def encode_batches(
    items: Iterable[Any], batch_size: int = 0, compression: Codec | None = None
) -> Iterator[bytes]:
    """Yield what `write_batches` writes, batch by batch."""
    iterator = iter(items)
    records = batch_size or 1
    while batch := list(islice(iterator, records)):
        data = dump_objects(batch)
        number, stored = compress(data, compression)
        yield b"".join((_LENGTH.pack(number << _CODEC_SHIFT | len(stored)), stored))
        if not batch_size:
            wanted = records * _BATCH_BYTES // len(data)
            records = max(1, min(2 * records, wanted, _BATCH_RECORDS_MAX))


def read_batches(file: IO[bytes]) -> Iterator[list[Any]]:
    """Yield the batches that `write_batches` wrote; the caller trusts the file, it is pickle."""
    while header := file.read(_LENGTH.size):
        (length,) = _LENGTH.unpack(header)
        number = length >> _CODEC_SHIFT
        data = file.read(length ^ number << _CODEC_SHIFT)
        yield pickle.loads(decompress(data, number))


def decode_batch(encoded: bytes) -> list[Any]:
    """Return a batch that `encode_batches` has yielded; the caller trusts it, it is pickle."""
    (length,) = _LENGTH.unpack_from(encoded)
    data = memoryview(encoded)[_LENGTH.size :]
    batch: list[Any] = pickle.loads(decompress(data, length >> _CODEC_SHIFT))
    return batch
