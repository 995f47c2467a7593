"""Input that is broken, gone or out of reach: the error names the file, where and why."""

from __future__ import annotations

import bz2
import gzip
import os
import zlib
from errno import EACCES
from itertools import product
from pathlib import Path
from typing import NoReturn

import pytest

from minimesos.spark import SparkContext
from minimesos.spark.errors import SparkException
from minimesos.spark.io import codecs, text
from minimesos.spark.io.filesystem import LocalFiles
from minimesos.spark.io.splits import FileSplit

LINES = b"".join(b"%d is a line\n" % number for number in range(50_000))


def read(sc: SparkContext, path: Path) -> list[str]:
    return sc.textFile(str(path), 1).collect()


def test_a_truncated_gzip_file(sc: SparkContext, tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(LINES)[:-20])
    size = path.stat().st_size
    with pytest.raises(
        SparkException,
        match=rf"^file:{path} is broken: its gzip data .* before byte {size}: .*truncated$",
    ):
        read(sc, path)


@pytest.mark.parametrize(
    ("extension", "damage"),
    [
        *product([".gz", ".bz2", ".xz", ".zst", ".deflate", ".lz4"], ["cut short", "garbage"]),
        *product([".gz", ".bz2", ".xz", ".deflate"], ["a bit"]),  # the others have no checksum
    ],
)
def test_a_broken_file_of_any_codec(
    sc: SparkContext, tmp_path: Path, extension: str, damage: str
) -> None:
    path = tmp_path / f"broken{extension}"
    codec = codecs.codec_of(path.name)
    assert codec is not None
    assert codec.write is not None
    with path.open("wb") as file:
        packed = codec.write(file)
        packed.write(LINES)
        packed.close()
    data = path.read_bytes()
    if damage == "cut short":
        data = data[:-9]
    elif damage == "garbage":
        data = b"this is none of it" * 10
    else:
        data = (
            data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
        )
    path.write_bytes(data)
    with pytest.raises(SparkException, match=f"^file:{path} is broken: its {codec.name} data"):
        read(sc, path)


def test_a_broken_part_of_a_bzip2_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.bz2"
    data = bytearray(bz2.compress(LINES, 1))
    data[len(data) * 3 // 4] ^= 1
    path.write_bytes(data)
    half = len(data) // 2
    with pytest.raises(
        SparkException, match=f"^file:{path} is broken: its bzip2 .* byte {half} on"
    ):
        list(text.read_lines(FileSplit(str(path), half, len(data) - half), {}))


def test_zeros_after_a_member_are_padding(sc: SparkContext, tmp_path: Path) -> None:
    path = tmp_path / "padded.gz"
    path.write_bytes(gzip.compress(b"a\n") + b"\0" * 600 + gzip.compress(b"b\n") + b"\0" * 7)
    assert read(sc, path) == ["a", "b"]


def test_plain_data_that_ends_where_a_step_of_the_decompressor_does(
    sc: SparkContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codecs, "_PLAIN_BYTES_MAX", 10)
    path = tmp_path / "even.deflate"
    path.write_bytes(zlib.compress(b"123456789\n" * 3))
    assert read(sc, path) == ["123456789"] * 3


def test_a_codec_without_its_library_says_what_to_install(
    sc: SparkContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(codecs._LIBRARIES, ".snappy", ("no_such_module", "pip install cramjam"))
    path = tmp_path / "a.snappy"
    path.write_bytes(b"x")
    with pytest.raises(SparkException, match=f"^file:{path}: snappy needs pip install cramjam"):
        read(sc, path)
    with pytest.raises(SparkException, match=r"SnappyCodec: snappy needs pip install cramjam"):
        sc.parallelize([1]).saveAsTextFile(str(tmp_path / "out"), "SnappyCodec")


def test_a_file_that_shrinks_after_it_was_cut(sc: SparkContext, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a\nb\n")
    lines = sc.textFile(str(path), 2)
    assert lines.count() == 2
    path.write_bytes(b"a\nb\nc\nd\n")
    assert lines.collect() == ["a", "b", "c"]  # up to the line that starts at the planned end
    path.write_bytes(b"a\n")
    with pytest.raises(SparkException, match=f"^file:{path} has changed: .* and has 2 now"):
        lines.count()


def test_a_directory_with_something_that_cannot_be_read(sc: SparkContext, tmp_path: Path) -> None:
    (tmp_path / "good").write_text("a\n")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    assert read(sc, tmp_path) == ["a"]
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SparkException, match=f"^Cannot list file:{tmp_path}: .*symbolic links"):
        read(sc, tmp_path)
    (tmp_path / "loop").unlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SparkException, match=f"^Not a file: file:{tmp_path}/pipe"):
        read(sc, tmp_path)


def test_what_may_not_be_read(
    sc: SparkContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: LocalFiles, path: str) -> NoReturn:
        raise PermissionError(EACCES, "Permission denied", path)  # root may read everything

    path = tmp_path / "secret"
    path.write_text("a\n")
    monkeypatch.setattr(LocalFiles, "open", refuse)
    with pytest.raises(SparkException, match=f"^Cannot open file:{path}: Permission denied$"):
        read(sc, path)
    monkeypatch.setattr(LocalFiles, "children", refuse)
    with pytest.raises(SparkException, match=f"^Cannot list file:{tmp_path}: Permission denied$"):
        read(sc, tmp_path)


def test_undecodable_bytes_are_replaced_as_in_java(sc: SparkContext, tmp_path: Path) -> None:
    path = tmp_path / "data"
    # An encoded surrogate is one character to Java; a part of a sequence is, too.
    path.write_bytes(b"\xed\xa0\x80|\xe2\x82|\xff\xfe|\xc0\x80")
    assert read(sc, path) == ["\ufffd|\ufffd|\ufffd\ufffd|\ufffd\ufffd"]
    assert sc.wholeTextFiles(str(path)).values().collect() == read(sc, path)


def test_records_that_do_not_fit_their_file(sc: SparkContext, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"12345")
    with pytest.raises(
        SparkException, match=f"^file:{path} has 5 bytes, which is no multiple .* 2"
    ):
        sc.binaryRecords(str(path), 2).count()
    with pytest.raises(ValueError, match="above 0"):
        sc.binaryRecords(str(path), 0).count()


def test_a_file_that_is_no_pickle_file(sc: SparkContext, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"text, and much of it")
    with pytest.raises(SparkException, match=f"^file:{path} is no file of saveAsPickleFile"):
        sc.pickleFile(str(path)).collect()
