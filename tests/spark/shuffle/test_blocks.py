from __future__ import annotations

import array
import collections
import math

import pytest

from minimesos.errors import MinimesosError
from minimesos.spark.io.compression import find_codec
from minimesos.spark.shuffle.blocks import HEADER_BYTES, BlockSize, encode, load, read_header

Point = collections.namedtuple("Point", "x y")


class Text(str):
    pass


def codec_of(values):
    return encode((values,), None)[0]


def decode(data):
    while data:
        codec, length = read_header(data)
        end = HEADER_BYTES + length
        yield load(codec, data[HEADER_BYTES:end])
        data = data[end:]


def round_trip(*columns):
    (decoded,) = decode(encode(columns))
    return decoded


@pytest.mark.parametrize(
    "values",
    [
        ["a", "é", "\ud800", ""],
        [1, -1, 2**100, True, None, 1.5, math.inf, 1j, b"bytes"],
        [("a", 1), ("b", (2, [3, {"k": None}]))],
        [],
    ],
)
def test_plain_values_are_marshalled(values):
    assert codec_of(values) == 0
    assert round_trip(values) == (values,)


@pytest.mark.parametrize(
    "values",
    [
        [Point(1, 2)],
        [Text("a")],
        [bytearray(b"ab")],
        [array.array("i", [1, 2])],
        [("a", [bytearray(b"deep")])],
        [{"a": {1, 2}}],
        [{Point(1, 2): 1}],
        [[[[[[1]]]]]],
        [1, 2, range(3)],
    ],
)
def test_what_marshal_would_change_or_refuse_is_pickled(values):
    assert codec_of(values) == 1
    (decoded,) = round_trip(values)
    assert decoded == values
    assert list(map(type, decoded)) == list(map(type, values))


def test_a_class_of_the_driver_script_travels_by_value():
    kind = type("Local", (), {"__eq__": lambda self, other: vars(self) == vars(other)})
    value = kind()
    value.x = 1
    assert round_trip([value]) == ([value],)


def test_large_blocks_are_compressed_and_small_ones_are_not():
    words = ["word"] * 10_000
    assert len(encode((words,))) < len(encode((words,), None)) / 5
    assert encode((["a"],)) == encode((["a"],), None)
    assert round_trip(words) == (words,)


@pytest.mark.parametrize("name", ["lz4", "zstd", "zlib"])
def test_readers_need_not_know_how_a_block_was_compressed(name):
    words = ["word"] * 10_000
    block = encode((words,), find_codec(name))
    assert len(block) < 5000
    assert list(decode(block)) == [(words,)]


def test_blocks_follow_each_other():
    data = encode(([1], ["a"])) + encode(([2, 3], ["b", "c"]))
    assert list(decode(data)) == [([1], ["a"]), ([2, 3], ["b", "c"])]


@pytest.mark.parametrize("cut", [5, 12, 40])
def test_damaged_data_is_an_error_of_the_world(cut):
    data = encode((list(range(100)),), None)[:cut]
    with pytest.raises(MinimesosError):
        list(decode(data))


def test_block_sizes_follow_the_size_of_records():
    size = BlockSize()
    for _ in range(10):
        values = [f"{number:0100d}" for number in range(size.records)]
        size.encode(size.records, (values,), find_codec("zlib"))
    assert 4000 < size.records < 6000
    size.encode(1, (["x" * 10**7],), None)
    assert size.records == 1
