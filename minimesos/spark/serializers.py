"""PySpark's serializers by name: objects to bytes, and streams of them.

Scripts name them when they make a context, and a few use them by hand. Data between our own
processes has formats of its own, and travels as pickles whatever is chosen here: every value that
Marshal can write, pickle can, too.

Frames are a four-byte length, most significant byte first, and so many bytes.
"""

from __future__ import annotations

import marshal
import pickle
import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import IO, Any

_LENGTH = struct.Struct("!i")


class Serializer:
    """How a stream of objects is written and read."""

    def dump_stream(self, iterator: Iterable[Any], stream: IO[bytes]) -> None:
        """Write all objects."""
        raise NotImplementedError

    def load_stream(self, stream: IO[bytes]) -> Iterator[Any]:
        """Yield the objects until the stream ends."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Serializer) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class FramedSerializer(Serializer):
    """One frame for each object."""

    def dumps(self, obj: Any) -> bytes:
        """Return an object as bytes."""
        raise NotImplementedError

    def loads(self, obj: bytes) -> Any:
        """Return the object that such bytes stand for."""
        raise NotImplementedError

    def dump_stream(self, iterator: Iterable[Any], stream: IO[bytes]) -> None:
        for item in iterator:
            data = self.dumps(item)
            stream.write(_LENGTH.pack(len(data)))
            stream.write(data)

    def load_stream(self, stream: IO[bytes]) -> Iterator[Any]:
        while header := stream.read(_LENGTH.size):
            yield self.loads(stream.read(*_LENGTH.unpack(header)))


class NoOpSerializer(FramedSerializer):
    """Bytes as they are."""

    def dumps(self, obj: Any) -> bytes:
        data: bytes = obj
        return data

    def loads(self, obj: bytes) -> Any:
        return obj


class PickleSerializer(FramedSerializer):
    """The standard library's pickle."""

    def dumps(self, obj: Any) -> bytes:
        return pickle.dumps(obj, pickle.HIGHEST_PROTOCOL)

    def loads(self, obj: bytes, encoding: str = "bytes") -> Any:
        return pickle.loads(obj, encoding=encoding)


class CloudPickleSerializer(PickleSerializer):
    """Pickle, with functions by value."""

    def dumps(self, obj: Any) -> bytes:
        from minimesos.spark import closure

        return closure.dumps(obj)


CPickleSerializer = PickleSerializer


class MarshalSerializer(FramedSerializer):
    """The standard library's marshal: plain types only."""

    def dumps(self, obj: Any) -> bytes:
        return marshal.dumps(obj)

    def loads(self, obj: bytes) -> Any:
        return marshal.loads(obj)


class AutoSerializer(FramedSerializer):
    """Marshal for the objects that it can write, pickle for the others."""

    def dumps(self, obj: Any) -> bytes:
        try:
            return b"M" + marshal.dumps(obj)
        except ValueError:
            return b"P" + pickle.dumps(obj, pickle.HIGHEST_PROTOCOL)

    def loads(self, obj: bytes) -> Any:
        kind, data = obj[:1], obj[1:]
        if kind not in (b"M", b"P"):
            raise ValueError(f"invalid serialization type: {kind!r}")
        return marshal.loads(data) if kind == b"M" else pickle.loads(data)


class CompressedSerializer(FramedSerializer):
    """Another serializer's bytes, deflated."""

    def __init__(self, serializer: FramedSerializer) -> None:
        self.serializer = serializer

    def dumps(self, obj: Any) -> bytes:
        return zlib.compress(self.serializer.dumps(obj), 1)

    def loads(self, obj: bytes) -> Any:
        return self.serializer.loads(zlib.decompress(obj))

    def __repr__(self) -> str:
        return f"CompressedSerializer({self.serializer})"


class BatchedSerializer(Serializer):
    """Lists of `batchSize` objects, or one of all, each written by another serializer."""

    UNLIMITED_BATCH_SIZE = -1
    UNKNOWN_BATCH_SIZE = 0

    def __init__(self, serializer: Serializer, batchSize: int = UNLIMITED_BATCH_SIZE) -> None:
        self.serializer = serializer
        self.batchSize = batchSize

    def dump_stream(self, iterator: Iterable[Any], stream: IO[bytes]) -> None:
        self.serializer.dump_stream(self._batched(iterator), stream)

    def load_stream(self, stream: IO[bytes]) -> Iterator[Any]:
        return chain.from_iterable(self.serializer.load_stream(stream))

    def _batched(self, iterator: Iterable[Any]) -> Iterator[list[Any]]:
        items = iter(iterator)
        size = None if self.batchSize == self.UNLIMITED_BATCH_SIZE else self.batchSize
        while batch := list(islice(items, size)):
            yield batch

    def __repr__(self) -> str:
        return f"BatchedSerializer({self.serializer}, {self.batchSize})"


class AutoBatchedSerializer(BatchedSerializer):
    """Lists that grow until each takes about `bestSize` bytes."""

    def __init__(self, serializer: FramedSerializer, bestSize: int = 1 << 16) -> None:
        super().__init__(serializer, self.UNKNOWN_BATCH_SIZE)
        self.bestSize = bestSize

    def dump_stream(self, iterator: Iterable[Any], stream: IO[bytes]) -> None:
        assert isinstance(self.serializer, FramedSerializer)
        items, size = iter(iterator), 1
        while batch := list(islice(items, size)):
            data = self.serializer.dumps(batch)
            stream.write(_LENGTH.pack(len(data)))
            stream.write(data)
            if len(data) < self.bestSize:
                size *= 2
            elif len(data) > self.bestSize * 10 and size > 1:
                size //= 2

    def __repr__(self) -> str:
        return f"AutoBatchedSerializer({self.serializer})"


class PairDeserializer(Serializer):
    """Pairs of the objects of two streams that are read as one, a batch of each in turn."""

    def __init__(self, key_ser: Serializer, val_ser: Serializer) -> None:
        self.key_ser = key_ser
        self.val_ser = val_ser

    def load_stream(self, stream: IO[bytes]) -> Iterator[Any]:
        keys, values = _batches(self.key_ser, stream), _batches(self.val_ser, stream)
        for left, right in zip(keys, values, strict=False):
            if len(left) != len(right):
                raise ValueError(
                    "Can not deserialize PairRDD with different number of items in batches: "
                    f"({len(left)}, {len(right)})"
                )
            yield from zip(left, right, strict=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key_ser}, {self.val_ser})"


class CartesianDeserializer(PairDeserializer):
    """All pairs of an object of one batch and one of another, batch by batch."""

    def load_stream(self, stream: IO[bytes]) -> Iterator[Any]:
        keys, values = _batches(self.key_ser, stream), _batches(self.val_ser, stream)
        for left, right in zip(keys, values, strict=False):
            yield from ((key, value) for key in left for value in right)


class UTF8Deserializer(Serializer):
    """Frames of text; bytes without `use_unicode`."""

    def __init__(self, use_unicode: bool = True) -> None:
        self.use_unicode = use_unicode

    def load_stream(self, stream: IO[bytes]) -> Iterator[Any]:
        frames = NoOpSerializer().load_stream(stream)
        return (frame.decode() for frame in frames) if self.use_unicode else frames

    def __repr__(self) -> str:
        return f"UTF8Deserializer({self.use_unicode})"


def _batches(serializer: Serializer, stream: IO[bytes]) -> Iterator[list[Any]]:
    if isinstance(serializer, BatchedSerializer):
        return serializer.serializer.load_stream(stream)
    return ([item] for item in serializer.load_stream(stream))
