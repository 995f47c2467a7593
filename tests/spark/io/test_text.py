"""Text files: which files a path means, how they are cut, and that each line is read once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from minimesos.spark.errors import SparkException
from minimesos.spark.io import paths, splits, text
from minimesos.spark.io.codecs import codec_of
from minimesos.spark.io.splits import FileSplit


def compress(path: Path, data: bytes) -> None:
    codec = codec_of(str(path))
    assert codec is not None
    assert codec.write is not None
    with path.open("wb") as file:
        packed = codec.write(file)
        packed.write(data)
        packed.close()


def text_splits(path: str, min_partitions: int) -> list[FileSplit]:
    return splits.text_splits(path, min_partitions, {})


def read_lines(split: FileSplit) -> list[str]:
    return list(text.read_lines(split, {}))


def read_raw_lines(split: FileSplit) -> list[bytes]:
    return list(text.read_raw_lines(split, {}))


def list_files(names: str) -> list[str]:
    return [file.path for file in paths.list_files(names, {})]


def sizes(path: Path, min_partitions: int) -> list[int]:
    return [split.length for split in text_splits(str(path), min_partitions)]


def lines_of(path: Path, min_partitions: int) -> list[str]:
    return [line for split in text_splits(str(path), min_partitions) for line in read_lines(split)]


def test_files_are_cut_evenly_and_the_last_split_may_be_a_tenth_longer(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"x" * 100)
    assert sizes(path, 2) == [50, 50]
    assert sizes(path, 3) == [33, 33, 34]
    assert sizes(path, 7) == [14] * 7 + [2]
    assert sizes(path, 1) == [100]


def test_no_split_is_longer_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "BLOCK_BYTES", 30)
    path = tmp_path / "data"
    path.write_bytes(b"x" * 100)
    assert sizes(path, 1) == [30, 30, 30, 10]


def test_empty_files_give_no_partition(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "full").write_text("a\n")
    assert sizes(tmp_path, 2) == [1, 1]
    assert text_splits(str(tmp_path / "empty"), 2) == []


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 7, 64 * 1024])
@pytest.mark.parametrize("seed", range(20))
def test_however_a_file_is_cut_each_line_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, block_bytes: int
) -> None:
    chosen = random.Random(seed)
    breaks = chosen.choice([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]])
    words = ["", "", "a", "bc", "déf", "\u2028x\x0b", "long" * 5]
    content = "".join(chosen.choice(words) + chosen.choice(breaks) for _ in range(12))
    content += chosen.choice(["", "end"])
    path = tmp_path / "data"
    path.write_bytes(content.encode())
    expected = [line.decode() for line in content.encode().splitlines()]
    monkeypatch.setattr(text, "_BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(text, "_PROBE_BYTES", block_bytes)
    for min_partitions in (1, 2, 3, 5, len(content) + 1):
        assert lines_of(path, min_partitions) == expected
        found = text_splits(str(path), min_partitions)
        raw = [line.decode() for split in found for line in read_raw_lines(split)]
        assert raw == expected


def test_a_line_belongs_to_the_split_it_starts_in(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("aa\nbb\ncc\n")
    # The second split starts just where a line does: that line is still the first split's.
    assert list(read_lines(FileSplit(str(path), 0, 3))) == ["aa", "bb"]
    assert list(read_lines(FileSplit(str(path), 3, 6))) == ["cc"]


def test_a_byte_order_mark_and_undecodable_bytes(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"\xef\xbb\xbfa\nb\xffc\n\xe2\nd")
    assert lines_of(path, 1) == ["a", "b\ufffdc", "\ufffd", "d"]


@pytest.mark.parametrize("extension", [".gz", ".deflate", ".xz", ".zst", ".lz4"])
def test_most_compressed_files_are_one_partition(tmp_path: Path, extension: str) -> None:
    content = "".join(f"line {i}\n" for i in range(1000))
    path = tmp_path / f"a{extension}"
    compress(path, content.encode())
    assert len(text_splits(str(path), 10)) == 1
    assert lines_of(path, 10) == content.splitlines()


def test_paths_may_be_files_directories_patterns_and_uris(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.csv", "_hidden", ".hidden"):
        (tmp_path / name).write_text(name)

    def names(means: str) -> list[str]:
        return [Path(path).name for path in list_files(means)]

    assert names(str(tmp_path)) == ["a.txt", "b.txt", "c.csv"]
    assert names(f"{tmp_path}/*.txt") == ["a.txt", "b.txt"]
    assert names(f"{tmp_path}/[bc].*") == ["b.txt", "c.csv"]
    assert names(f"{tmp_path}/{{c,a}}.{{txt,csv}}") == ["a.txt", "c.csv"]
    assert names(f"{tmp_path}/c.csv,{tmp_path}/a.txt") == ["c.csv", "a.txt"]
    assert names((tmp_path / "a.txt").as_uri()) == ["a.txt"]
    assert names(f"file:{tmp_path}/a.txt") == ["a.txt"]
    assert names(str(tmp_path / "_hidden")) == ["_hidden"]


def test_relative_paths_are_the_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").write_text("a\n")
    monkeypatch.chdir(tmp_path)
    (split,) = text_splits("here", 1)
    monkeypatch.chdir("/")
    assert list(read_lines(split)) == ["a"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "sub" / "subsub").mkdir(parents=True)
    with pytest.raises(SparkException, match=f"Input path does not exist: file:{tmp_path}/none"):
        list_files(f"{tmp_path}/none")
    with pytest.raises(SparkException, match="matches 0 files"):
        list_files(f"{tmp_path}/*.none")
    with pytest.raises(SparkException, match="Not a file"):
        list_files(str(tmp_path / "sub"))
    with pytest.raises(SparkException, match='No FileSystem for scheme "hdfs"'):
        list_files("hdfs://host/path")


def test_whole_files_are_packed_up_to_an_even_share(tmp_path: Path) -> None:
    for name, size in (("a", 10), ("b", 30), ("c", 5), ("d", 35)):
        (tmp_path / name).write_bytes(b"x" * size)
    packs = splits.whole_file_splits(str(tmp_path), 2, {})
    assert [[Path(path).name for path in pack] for pack in packs] == [["a", "b"], ["c", "d"]]


def test_patterns_are_hadoops(tmp_path: Path) -> None:
    for name in ("a1", "a2", "b1", "x*y", "d/e/f.txt", "d/g/f.txt", "_d/e/f.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def names(pattern: str) -> list[str]:
        return [str(Path(path).relative_to(tmp_path)) for path in list_files(pattern)]

    assert names(f"{tmp_path}/[^a]?") == ["b1"]
    assert names(f"{tmp_path}/[a-b]1") == ["a1", "b1"]
    assert names(f"{tmp_path}/{{a{{1,2}},b1}}") == ["a1", "a2", "b1"]
    assert names(f"{tmp_path}/x\\*y") == ["x*y"]
    assert names(f"{tmp_path}/*/*/f.txt") == ["d/e/f.txt", "d/g/f.txt"]
    assert names(f"{tmp_path}/d/{{e,none}}/f.txt") == ["d/e/f.txt"]
    assert names(f"{tmp_path}/d/[eg]") == ["d/e/f.txt", "d/g/f.txt"]


def test_directories_in_directories_are_read_if_that_is_set(tmp_path: Path) -> None:
    for name in ("a/b/one", "a/two"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    setting = "spark.hadoop.mapreduce.input.fileinputformat.input.dir.recursive"
    found = paths.list_files(str(tmp_path), {setting: "true"})
    assert [Path(file.path).name for file in found] == ["one", "two"]


def test_a_long_line_is_searched_for_its_end_by_one_split_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "_PROBE_BYTES", 100)
    path = tmp_path / "data"
    path.write_bytes(b"x" * 10_000 + b"\nlast\n")
    with path.open("rb") as file:
        assert text._line_start(file, 1000, 2000) is None
        assert text._line_start(file, 9000, 10_001) == 10_001
    assert [len(line) for line in lines_of(path, 10)] == [10_000, 4]
