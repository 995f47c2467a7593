"""Long pickles in pieces."""

from __future__ import annotations

import io
import os
import pickle

import pytest

from minimesos.errors import MinimesosError
from minimesos.spark.io.compression import DEFAULT, Codec, find_codec
from minimesos.spark.io.pieces import PieceWriter, load_pieces

TEXT = [f"word {number}" for number in range(20_000)]


def written(
    value: object, piece_bytes: int = 10_000, codec: Codec | None = DEFAULT, checked: bool = True
) -> bytes:
    file = io.BytesIO()
    pieces = PieceWriter(file, piece_bytes, codec, checked)
    pickle.dump(value, pieces)  # type: ignore[arg-type] # it can be written to
    pieces.finish()
    return file.getvalue()


@pytest.mark.parametrize("codec", [None, find_codec("lz4"), find_codec("zstd"), find_codec("zlib")])
@pytest.mark.parametrize("value", [None, TEXT, os.urandom(100_000), bytes(100_000)])
def test_what_was_written_is_loaded(value: object, codec: Codec | None) -> None:
    for piece_bytes in (1000, 10**9):
        for checked in (True, False):
            data = written(value, piece_bytes, codec, checked)
            assert load_pieces(io.BytesIO(data)) == value


def test_text_is_compressed_and_noise_is_not_tried_twice() -> None:
    assert len(written(TEXT)) < len(written(TEXT, codec=None)) / 2
    tried = []

    def compress(data: bytes | memoryview) -> bytes:
        tried.append(len(data))
        return bytes(data)

    written(os.urandom(100_000), codec=Codec(1, compress))
    assert len(tried) == 1


def test_damage_is_noticed() -> None:
    data = bytearray(written(os.urandom(100_000)))
    data[50_000] ^= 1
    with pytest.raises(MinimesosError, match="checksum of a piece is wrong"):
        load_pieces(io.BytesIO(data))


@pytest.mark.parametrize("cut", [5, 5000])
def test_a_file_that_was_cut_is_noticed(cut: int) -> None:
    with pytest.raises(MinimesosError, match="the data ends"):
        load_pieces(io.BytesIO(written(os.urandom(100_000))[:cut]))
