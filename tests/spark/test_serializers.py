"""PySpark's serializers, for scripts that name them."""

from __future__ import annotations

import io
from typing import Any

import pytest

from minimesos.spark.serializers import (
    AutoBatchedSerializer,
    AutoSerializer,
    BatchedSerializer,
    CartesianDeserializer,
    CloudPickleSerializer,
    CompressedSerializer,
    CPickleSerializer,
    MarshalSerializer,
    NoOpSerializer,
    PairDeserializer,
    Serializer,
    UTF8Deserializer,
)


def _written(serializer: Serializer, items: list[Any]) -> io.BytesIO:
    stream = io.BytesIO()
    serializer.dump_stream(iter(items), stream)
    stream.seek(0)
    return stream


@pytest.mark.parametrize(
    "serializer",
    [
        CPickleSerializer(),
        CloudPickleSerializer(),
        MarshalSerializer(),
        AutoSerializer(),
        CompressedSerializer(CPickleSerializer()),
        BatchedSerializer(CPickleSerializer(), 3),
        BatchedSerializer(MarshalSerializer()),
        AutoBatchedSerializer(CPickleSerializer()),
    ],
    ids=repr,
)
def test_what_is_written_is_read(serializer: Serializer) -> None:
    items = [1, "two", 3.0, None, (4, [5])] * 20
    assert list(serializer.load_stream(_written(serializer, items))) == items


def test_auto_takes_pickle_where_marshal_does_not_do() -> None:
    assert AutoSerializer().dumps(1)[:1] == b"M"
    assert AutoSerializer().dumps(ValueError)[:1] == b"P"
    assert AutoSerializer().loads(AutoSerializer().dumps(ValueError)) is ValueError


def test_frames_of_text_are_text_or_bytes() -> None:
    written = _written(NoOpSerializer(), ["ä".encode(), b"b"]).getvalue()
    assert list(UTF8Deserializer().load_stream(io.BytesIO(written))) == ["ä", "b"]
    assert list(UTF8Deserializer(False).load_stream(io.BytesIO(written))) == ["ä".encode(), b"b"]


def test_two_streams_in_turn_are_pairs() -> None:
    batches = BatchedSerializer(CPickleSerializer(), 2)
    stream = _written(batches, [1, 2, "a", "b"]).getvalue()
    paired = PairDeserializer(batches, batches).load_stream(io.BytesIO(stream))
    assert list(paired) == [(1, "a"), (2, "b")]
    crossed = CartesianDeserializer(batches, batches).load_stream(io.BytesIO(stream))
    assert list(crossed) == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]


def test_equal_ones_are_equal() -> None:
    assert BatchedSerializer(CPickleSerializer(), 2) == BatchedSerializer(CPickleSerializer(), 2)
    assert BatchedSerializer(CPickleSerializer(), 2) != BatchedSerializer(CPickleSerializer(), 3)
