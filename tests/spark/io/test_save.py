"""Output directories: complete or not there, and read back as they were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minimesos.spark import SparkContext
from minimesos.spark.errors import SparkException


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_text_is_written_a_part_per_partition(sc: SparkContext, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sc.parallelize(["ü", b"raw \xc3\xbc", 7, ""], 2).saveAsTextFile(str(out))
    assert names(out) == ["_SUCCESS", "part-00000", "part-00001"]
    assert (out / "part-00000").read_bytes() == "ü\nraw ü\n".encode()
    assert (out / "part-00001").read_bytes() == b"7\n\n"
    assert sc.textFile(str(out), 1).collect() == ["ü", "raw ü", "7", ""]
    assert sc.textFile(str(out), 1, use_unicode=False).first() == "ü".encode()


def test_an_empty_partition_is_an_empty_file(sc: SparkContext, tmp_path: Path) -> None:
    out = tmp_path / "out"
    sc.parallelize(["a"], 2).saveAsTextFile(out.as_uri())
    assert (out / "part-00000").read_bytes() == b""
    assert (out / "part-00001").read_bytes() == b"a\n"


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("GzipCodec", ".gz"),
        ("BZip2Codec", ".bz2"),
        ("DefaultCodec", ".deflate"),
        ("DeflateCodec", ".deflate"),
        ("Lz4Codec", ".lz4"),
        ("ZStandardCodec", ".zst"),
    ],
)
def test_codecs_round_trip(sc: SparkContext, tmp_path: Path, codec: str, suffix: str) -> None:
    out = tmp_path / "out"
    name = f"org.apache.hadoop.io.compress.{codec}"
    sc.parallelize(["x", "y"], 1).saveAsTextFile(str(out), compressionCodecClass=name)
    assert names(out) == ["_SUCCESS", f"part-00000{suffix}"]
    assert sc.textFile(str(out)).collect() == ["x", "y"]


def test_an_unknown_codec_or_an_existing_directory_is_refused_before_the_job(
    sc: SparkContext, runner: Any, tmp_path: Path
) -> None:
    with pytest.raises(SparkException, match=r"Class no\.such\.Codec not found"):
        sc.parallelize([1]).saveAsTextFile(str(tmp_path / "out"), "no.such.Codec")
    with pytest.raises(SparkException, match=f"Output directory file:{tmp_path} already exists"):
        sc.parallelize([1]).saveAsTextFile(str(tmp_path))
    assert runner.jobs == []


def test_a_failed_job_leaves_no_part(sc: SparkContext, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ZeroDivisionError):
        sc.parallelize([1, 0], 2).map(lambda x: 1 // x).saveAsTextFile(str(out))
    assert not out.exists()


def test_pickle_files_keep_types(sc: SparkContext, tmp_path: Path) -> None:
    items = [1, "two", (3.0, None), {"four": [4]}]
    for batch_size in (0, 1, 10):
        out = tmp_path / str(batch_size)
        sc.parallelize(items, 2).saveAsPickleFile(str(out), batch_size)
        assert sc.pickleFile(str(out)).collect() == items


def test_whole_files_come_with_their_uri(sc: SparkContext, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\ntwo")
    (tmp_path / "b.txt").write_bytes(b"\xff")
    assert sc.wholeTextFiles(str(tmp_path)).collect() == [
        (f"file:{tmp_path}/a.txt", "one\ntwo"),
        (f"file:{tmp_path}/b.txt", "\ufffd"),
    ]
    assert sc.binaryFiles(str(tmp_path)).values().collect() == [b"one\ntwo", b"\xff"]


def test_input_is_looked_at_when_partitions_are_asked_for(sc: SparkContext, tmp_path: Path) -> None:
    path = tmp_path / "later"
    lines = sc.textFile(str(path)).map(str.upper)
    with pytest.raises(SparkException, match="Input path does not exist"):
        lines.count()
    path.write_text("a\nb\n")
    assert lines.collect() == ["A", "B"]
    path.unlink()
    with pytest.raises(SparkException, match=f"file:{path} does not exist: it was there when"):
        lines.count()
