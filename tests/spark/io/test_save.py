"""Output directories: complete or not there, and read back as they were written."""

from __future__ import annotations

import gzip
from errno import ENOSPC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minimesos.spark import SparkContext
from minimesos.spark.errors import SparkException
from minimesos.spark.io.filesystem import LocalFiles


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


def test_of_two_attempts_one_is_kept_whole(
    sc: SparkContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    real = sc.run_job

    def run_twice(*arguments: Any) -> Any:
        results = real(*arguments)
        real(*arguments)  # a copy of each task, which ends later
        (job,) = (out / "_temporary").iterdir()
        assert len(names(job)) == 4
        (job / "999-part-00001").write_bytes(b"an attempt that was killed in the mid")
        return results

    monkeypatch.setattr(sc, "run_job", run_twice)
    sc.parallelize(["a", "b"], 2).saveAsTextFile(str(out))
    assert names(out) == ["_SUCCESS", "part-00000", "part-00001"]
    assert (out / "part-00001").read_bytes() == b"b\n"


def test_an_attempt_that_outlives_its_job_leaves_nothing(
    sc: SparkContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    late: list[Any] = []
    real = sc.run_job

    def remember(*arguments: Any) -> Any:
        late.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(sc, "run_job", remember)
    sc.parallelize(["a"], 1).saveAsTextFile(str(out))
    with pytest.raises(SparkException, match="its directory is not there"):
        real(*late[0])
    assert names(out) == ["_SUCCESS", "part-00000"]


@pytest.mark.parametrize("ends_by", [KeyboardInterrupt, SparkException("Job 0 cancelled")])
def test_a_job_that_is_given_up_leaves_nothing(
    sc: SparkContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends_by: Any
) -> None:
    def give_up(*arguments: Any) -> Any:
        raise ends_by

    out = tmp_path / "out"
    monkeypatch.setattr(sc, "run_job", give_up)
    with pytest.raises((KeyboardInterrupt, SparkException)):
        sc.parallelize(["a"], 1).saveAsTextFile(str(out))
    assert names(tmp_path) == []


def test_a_commit_that_fails_takes_back_what_it_moved(
    sc: SparkContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LocalFiles.rename

    def fill_up(self: LocalFiles, path: str, target: str) -> None:
        if target.endswith("1"):
            raise OSError(ENOSPC, "No space left on device")
        real(self, path, target)

    out = tmp_path / "out"
    monkeypatch.setattr(LocalFiles, "rename", fill_up)
    with pytest.raises(SparkException, match=f"file:{out}: No space left on device$"):
        sc.parallelize(["a", "b"], 2).saveAsTextFile(str(out))
    assert names(tmp_path) == []


def test_a_full_disk_names_the_file(
    sc: SparkContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(self: LocalFiles, path: str) -> IO[bytes]:
        return Path("/dev/full").open("wb")

    monkeypatch.setattr(LocalFiles, "create", create)
    out = tmp_path / "out"
    for item in ("short", "long" * 100_000):
        with pytest.raises(SparkException, match=f"^Cannot write file:{out}/_temp.*No space left"):
            sc.parallelize([item], 1).saveAsTextFile(str(out))
    assert names(tmp_path) == []


def test_a_failure_of_the_users_own_is_not_taken_for_one_of_the_disk(
    sc: SparkContext, tmp_path: Path
) -> None:
    def fail(item: int) -> int:
        raise OSError(ENOSPC, "the user's")

    with pytest.raises(OSError, match="the user's"):
        sc.parallelize([1], 1).map(fail).saveAsTextFile(str(tmp_path / "out"))


def test_a_directory_that_cannot_be_written_is_named_before_the_job(
    sc: SparkContext, runner: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SparkException, match=f"^Cannot write to output .*:{tmp_path}/file/out: "):
        sc.parallelize([1]).saveAsTextFile(f"{tmp_path}/file/out")
    with pytest.raises(SparkException, match="empty string"):
        sc.parallelize([1]).saveAsTextFile("")
    assert runner.jobs == []


def test_parts_are_added_to_a_directory_where_that_is_allowed(
    start_context: Any, tmp_path: Path
) -> None:
    sc = start_context(settings={"spark.hadoop.validateOutputSpecs": "false"})
    (tmp_path / "part-00000").write_text("old\n")
    (tmp_path / "other").touch()
    sc.parallelize(["new"], 1).saveAsTextFile(str(tmp_path))
    assert names(tmp_path) == ["_SUCCESS", "other", "part-00000"]
    assert (tmp_path / "part-00000").read_text() == "new\n"
    with pytest.raises(ZeroDivisionError):
        sc.parallelize([0], 1).map(lambda x: 1 // x).saveAsTextFile(str(tmp_path))
    assert names(tmp_path) == ["_SUCCESS", "other", "part-00000"]


@given(
    items=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\ufeff"))
    ),
    codec=st.sampled_from([None, "GzipCodec", "BZip2Codec", "DeflateCodec", "Lz4Codec"]),
    parts=st.integers(1, 4),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_saved_is_read_back(
    sc: SparkContext, items: list[str], codec: str | None, parts: int
) -> None:
    with TemporaryDirectory() as directory:
        out = f"{directory}/out"
        sc.parallelize(items, parts).saveAsTextFile(out, codec)
        assert sc.textFile(out, parts).collect() == items


def test_records_of_fixed_length_are_read(sc: SparkContext, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"".join(b"%04d" % number for number in range(100)))
    records = sc.binaryRecords(str(tmp_path), 4)
    assert records.map(int).collect() == list(range(100))


def test_many_small_files_are_packed_by_what_opening_them_costs(
    start_context: Any, tmp_path: Path
) -> None:
    for number in range(10):
        (tmp_path / f"{number}").write_bytes(b"x" * 10)
    assert start_context().binaryFiles(str(tmp_path)).getNumPartitions() == 1
    SparkContext._active_spark_context.stop()  # type: ignore[union-attr]
    sc = start_context(2, {"spark.files.openCostInBytes": "20"})
    # 300 bytes with the costs, on two cores: 150 for each, of which files of 10 bytes fill 100.
    assert sc.binaryFiles(str(tmp_path)).getNumPartitions() == 1
    assert sc.binaryFiles(str(tmp_path), 6).getNumPartitions() == 2


def test_compressed_files_come_plain_as_texts_and_as_they_are_as_binary(
    sc: SparkContext, tmp_path: Path
) -> None:
    packed = gzip.compress("ü".encode())
    (tmp_path / "a.gz").write_bytes(packed)
    (tmp_path / "below").mkdir()
    assert sc.wholeTextFiles(str(tmp_path)).values().collect() == ["ü"]
    assert sc.wholeTextFiles(str(tmp_path), use_unicode=False).values().first() == "ü".encode()
    assert sc.binaryFiles(str(tmp_path)).values().collect() == [packed]
