"""Whatever a file holds and however it is cut, its lines are those of one split."""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from minimesos.spark.io import bzip2, text
from minimesos.spark.io.codecs import codec_of
from minimesos.spark.io.splits import FileSplit, record_splits, text_splits
from minimesos.spark.io.whole import read_records

PIECES = st.sampled_from(
    [b"\n", b"\r\n", b"\r", b"", b"a", b"\xc3\xa9", b"\xff", b"\x85", b"long" * 9]
)
CONTENT = st.lists(PIECES | st.binary(max_size=4), max_size=30).map(b"".join)
CUTS = st.lists(st.floats(0, 1), max_size=6)
BOM = b"\xef\xbb\xbf"


@contextmanager
def written(name: str, data: bytes) -> Iterator[str]:
    with TemporaryDirectory() as directory:
        path = Path(directory, name)
        path.write_bytes(data)
        yield str(path)


def cut(path: str, cuts: list[float]) -> list[FileSplit]:
    """Cut a file anywhere."""
    size = Path(path).stat().st_size
    bounds = [0, *sorted(int(size * cut) for cut in cuts), size]
    return [
        FileSplit(path, a, b - a) for a, b in pairwise(bounds) if b > a
    ]  # fmt: skip


def raw_lines(splits: list[FileSplit]) -> list[bytes]:
    return [line for split in splits for line in text.read_raw_lines(split, {})]


@given(content=CONTENT, cuts=CUTS, block_bytes=st.integers(1, 12))
@settings(max_examples=300, deadline=None)
def test_plain_files(content: bytes, cuts: list[float], block_bytes: int) -> None:
    blocks = patch.multiple(text, _BLOCK_BYTES=block_bytes, _PROBE_BYTES=block_bytes)
    with written("data", content) as path, blocks:
        splits = cut(path, cuts)
        expected = content.removeprefix(BOM).splitlines()
        assert raw_lines(splits) == expected
        lines = [line for split in splits for line in text.read_lines(split, {})]
        assert lines == [text.decode(line) for line in expected]


@given(parts=st.lists(CONTENT, min_size=1, max_size=5), cuts=CUTS, read_bytes=st.integers(20, 90))
@settings(max_examples=200, deadline=None)
def test_bzip2_files_in_parts(parts: list[bytes], cuts: list[float], read_bytes: int) -> None:
    # Streams one after another, each with a block, stand for the blocks of 900,000 bytes.
    content = b"".join(parts)
    packed = b"".join(map(bz2.compress, parts))
    with written("data.bz2", packed) as path, patch.object(bzip2, "_READ_BYTES", read_bytes):
        assert raw_lines(cut(path, cuts)) == content.removeprefix(BOM).splitlines()


def test_bzip2_blocks_begin_at_any_bit(tmp_path: Path) -> None:
    lines = [b"%d is line %d" % (number * number, number) for number in range(60_000)]
    path = tmp_path / "data.bz2"
    path.write_bytes(bz2.compress(b"\n".join(lines), 1))
    splits = text_splits(str(path), 5, {})
    assert len(splits) >= 5
    shares = [list(text.read_raw_lines(split, {})) for split in splits]
    assert all(shares)
    assert [line for share in shares for line in share] == lines


@given(
    content=CONTENT,
    members=st.integers(1, 4),
    extension=st.sampled_from([".gz", ".bz2", ".xz", ".zst", ".deflate", ".lz4"]),
)
@settings(max_examples=100, deadline=None)
def test_compressed_files_of_several_members(content: bytes, members: int, extension: str) -> None:
    codec = codec_of(f"data{extension}")
    assert codec is not None
    assert codec.write is not None
    with written(f"data{extension}", b"") as path:
        for _ in range(members):
            with Path(path).open("ab") as file:
                member = codec.write(file)
                member.write(content)
                member.close()
        whole = FileSplit(path, 0, Path(path).stat().st_size)
        assert raw_lines([whole]) == (content * members).removeprefix(BOM).splitlines()


@given(data=st.binary(max_size=200), record_bytes=st.integers(1, 7))
@settings(max_examples=100, deadline=None)
def test_records_of_fixed_length(data: bytes, record_bytes: int) -> None:
    data = data[: len(data) // record_bytes * record_bytes]
    with (
        written("data", data) as path,
        patch("minimesos.spark.io.splits.BLOCK_BYTES", 16),
        patch("minimesos.spark.io.whole._RECORDS_AT_ONCE_BYTES", 5),
    ):
        splits = record_splits(path, record_bytes, {})
        records = [each for split in splits for each in read_records(record_bytes, split, {})]
        assert b"".join(records) == data
        assert {len(record) for record in records} <= {record_bytes}


@given(st.binary(max_size=12))
def test_what_is_text_is_decoded_as_it_was_encoded(data: bytes) -> None:
    decoded = text.decode(data)
    if "\ufffd" not in decoded:
        assert decoded.encode() == data
