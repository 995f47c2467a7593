"""Codecs: which one is meant, and where it is not installed."""

from __future__ import annotations

import pytest

from minimesos.errors import MinimesosError
from minimesos.spark.io import compression
from minimesos.spark.io.compression import (
    LZ4,
    PLAIN,
    ZLIB,
    ZSTD,
    Codec,
    codec_of,
    compress,
    decompress,
    find_codec,
    pack,
    unpack,
)
from minimesos.spark.settings.storage import IO_COMPRESSION_CODEC, SHUFFLE_COMPRESS

WORDS = b"words " * 1000


@pytest.mark.parametrize(
    ("name", "number"),
    [("lz4", LZ4), ("snappy", LZ4), ("lzf", LZ4), ("zstd", ZSTD), ("zlib", ZLIB)],
)
def test_codecs_are_found_by_sparks_names(name: str, number: int) -> None:
    codec = codec_of({"spark.io.compression.codec": name}, SHUFFLE_COMPRESS)
    assert codec is not None
    assert codec.number == number
    found, compressed = compress(WORDS, codec)
    assert found == number
    assert len(compressed) < len(WORDS) / 10
    assert decompress(compressed, number) == WORDS


def test_codecs_are_found_by_the_names_of_sparks_classes() -> None:
    conf = {"spark.io.compression.codec": "org.apache.spark.io.ZStdCompressionCodec"}
    assert IO_COMPRESSION_CODEC.read(conf) == "zstd"
    with pytest.raises(ValueError, match="'gzip' is none of lz4, lzf"):
        IO_COMPRESSION_CODEC.read({"spark.io.compression.codec": "gzip"})


def test_compression_may_be_switched_off() -> None:
    assert codec_of({"spark.shuffle.compress": "false"}, SHUFFLE_COMPRESS) is None


def test_what_is_small_or_grows_is_left_as_it_is() -> None:
    assert compress(b"a" * 100, find_codec("zlib")) == (PLAIN, b"a" * 100)
    assert compress(WORDS, Codec(ZLIB, lambda data: bytes(data) + b"more")) == (PLAIN, WORDS)
    assert compress(WORDS, None) == (PLAIN, WORDS)


def test_a_pack_says_how_it_was_compressed() -> None:
    for codec in (None, find_codec("lz4"), find_codec("zstd")):
        assert bytes(unpack(pack(WORDS, codec))) == WORDS


def test_without_lz4_nothing_is_compressed_and_foreign_blocks_name_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packed = pack(WORDS, find_codec("lz4"))
    monkeypatch.setattr(compression, "_lz4", None)
    assert find_codec("lz4") is None
    with pytest.raises(MinimesosError, match=r"lz4, which is not installed.*minimesos\[fast\]"):
        unpack(packed)


def test_without_zstandard_nothing_is_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    assert find_codec("zstd") is None


@pytest.mark.parametrize("name", ["lz4", "zstd", "zlib"])
def test_damage_is_an_error_of_ours(name: str) -> None:
    codec = find_codec(name)
    assert codec is not None
    with pytest.raises(MinimesosError, match="a compressed block is damaged"):
        decompress(b"\xff" * 50, codec.number)
