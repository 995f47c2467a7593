"""Blocks: batches of records as bytes, a list per column, in the cheapest codec that is correct.

Columns instead of pairs, because two lists of strings and integers load twice as fast as a list of
tuples. `marshal` is several times faster than pickle at dumping, but it silently turns a bytearray
or an array into bytes, so it is only taken for columns whose types, checked exactly and deeply,
are the plain builtin ones. Everything else is pickled, and what pickle does not know by name
(classes of the driver script) goes by cloudpickle.

A block is a header (codec, length) and its data; blocks follow each other without a gap. Both sides
run the same Python version, which the handshake between driver and executor has checked.
"""

from __future__ import annotations

import marshal
import pickle
import struct
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from minimesos.errors import MinimesosError
from minimesos.spark.io.compression import DEFAULT, Codec, compress, decompress
from minimesos.spark.io.serializers import dump_objects

Columns = tuple[list[Any], ...]

BLOCK_BYTES = 512 * 1024
"""Writers cut blocks near this size: large enough to be cheap, small against a worker's memory."""
_FIRST_BLOCK_RECORDS = 1024
_BLOCK_RECORDS_MAX = 64 * 1024

_HEADER = struct.Struct("<BQ")
HEADER_BYTES = _HEADER.size
_MARSHAL, _PICKLE = 0, 1
_COMPRESSION = 0x10  # by which the number of the compression's codec is multiplied

_SCALARS = frozenset({str, int, float, bool, bytes, complex, type(None)})
_CONTAINERS = frozenset({tuple, list, dict})
_PLAIN = _SCALARS | _CONTAINERS
_DEPTH_MAX = 4


def encode(columns: Columns, compression: Codec | None = DEFAULT) -> bytes:
    """Return columns of records as one block.

    Raises what pickling raises if a record cannot be pickled.
    """
    return _block(*_dump(columns), compression)


def _dump(columns: Columns) -> tuple[int, bytes]:
    if all(_is_plain(column) for column in columns):
        return _MARSHAL, marshal.dumps(columns)
    return _PICKLE, dump_objects(columns)


def _block(codec: int, data: bytes, compression: Codec | None) -> bytes:
    number, stored = compress(data, compression)
    return _HEADER.pack(codec + number * _COMPRESSION, len(stored)) + stored


def read_header(data: bytes) -> tuple[int, int]:
    """Return codec and length of the block whose header `data` begins with."""
    if len(data) < HEADER_BYTES:
        raise MinimesosError("shuffle data ends inside the header of a block")
    codec, length = _HEADER.unpack_from(data)
    return codec, length


def load(codec: int, data: bytes | memoryview) -> Columns:
    """Return the columns of one block's data."""
    number, codec = divmod(codec, _COMPRESSION)
    plain = decompress(data, number)
    loads = marshal.loads if codec == _MARSHAL else pickle.loads
    try:
        return loads(plain)  # type: ignore[no-any-return]
    except (EOFError, ValueError, TypeError, pickle.UnpicklingError) as error:
        raise MinimesosError(f"a block of shuffle data is damaged: {error}") from error


class BlockSize:
    """How many records make a block near a size; learns from the blocks encoded so far.

    The size is that before compression: what is well compressed is large, too, in a reader.
    """

    __slots__ = ("_block_bytes", "records")

    def __init__(self, block_bytes: int = BLOCK_BYTES) -> None:
        self.records = max(_FIRST_BLOCK_RECORDS * block_bytes // BLOCK_BYTES, 1)
        self._block_bytes = block_bytes

    def encode(self, records: int, columns: Columns, compression: Codec | None) -> bytes:
        """Return columns that hold so many records as one block, and learn from it."""
        codec, data = _dump(columns)
        # At most doubles, so that one odd block does no harm.
        wanted = records * self._block_bytes // len(data)
        self.records = max(1, min(wanted, 2 * self.records, _BLOCK_RECORDS_MAX))
        return _block(codec, data, compression)


def _is_plain(values: Iterable[Any], depth: int = _DEPTH_MAX) -> bool:
    """Say whether all values, and all that they contain, are of exactly the plain types."""
    kinds = set(map(type, values))
    if kinds <= _SCALARS:
        return True
    if depth == 0 or not kinds <= _PLAIN or not isinstance(values, Sequence):
        return False
    if dict in kinds:
        dicts = [value for value in values if type(value) is dict]
        if not _is_plain(list(chain.from_iterable(d.values() for d in dicts)), depth - 1):
            return False
    nested = [value for value in values if type(value) in _CONTAINERS]
    return _is_plain(list(chain.from_iterable(nested)), depth - 1)
