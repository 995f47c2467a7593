"""Large results: files in the driver's directory until it takes them, nothing afterwards."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from minimesos.spark import stored_results
from minimesos.spark.shuffle.files import DiskFull
from minimesos.spark.stored_results import (
    ResultPlace,
    ResultSink,
    StoredResult,
    dump_to,
    file_name,
    take_stored,
)

LARGE = [f"text {number}" for number in range(5000)]


def sink(place: ResultPlace) -> ResultSink:
    return ResultSink(place, 7)


def test_what_fits_into_a_frame_makes_no_file(tmp_path: Path) -> None:
    results = sink(ResultPlace(str(tmp_path), 1_000_000))
    dump_to(results, LARGE)
    assert pickle.loads(results.finish()) == LARGE
    assert not results.is_stored
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [LARGE, os.urandom(50_000), lambda: LARGE])
def test_a_large_result_is_a_file_until_it_is_taken(tmp_path: Path, value: object) -> None:
    results = sink(ResultPlace(str(tmp_path), 10))
    dump_to(results, value)
    assert results.finish() == b""
    assert results.is_stored
    assert os.listdir(tmp_path) == [file_name(7)]
    stored = take_stored(str(tmp_path), 7, b"answer")
    assert isinstance(stored, StoredResult)
    size = len(stored.content)
    loaded = stored.content.load()
    assert stored.content.load() is loaded
    assert len(stored.content) == size > 10
    assert (loaded() if callable(loaded) else loaded) == (value() if callable(value) else value)
    assert list(tmp_path.iterdir()) == []


def test_without_a_directory_all_goes_into_frames() -> None:
    results = sink(ResultPlace("", 10))
    dump_to(results, LARGE)
    assert pickle.loads(results.finish()) == LARGE


def test_beyond_what_the_driver_takes_it_only_counts(tmp_path: Path) -> None:
    results = sink(ResultPlace(str(tmp_path), 10, 1000))
    dump_to(results, LARGE)
    assert results.is_too_large
    assert results.size == len(pickle.dumps(LARGE, pickle.HIGHEST_PROTOCOL))
    results.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_cannot_be_pickled_leaves_no_file(tmp_path: Path) -> None:
    results = sink(ResultPlace(str(tmp_path), 10))
    with pytest.raises(pickle.PicklingError, match="generator"):
        dump_to(results, [LARGE, (each for each in ())])
    results.discard()
    assert list(tmp_path.iterdir()) == []


class _Reluctant(io.FileIO):
    """A file that takes a part of what it is given, as a file takes 2 GiB at most."""

    def write(self, data: Any) -> int:
        return super().write(data[:1000])


def test_what_the_system_writes_in_parts_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reluctant(path: str, mode: str, buffering: int) -> _Reluctant:
        return _Reluctant(path, mode)

    monkeypatch.setattr(stored_results, "open", reluctant, raising=False)
    results = sink(ResultPlace(str(tmp_path), 10))
    dump_to(results, LARGE)
    results.finish()
    assert pickle.loads((tmp_path / file_name(7)).read_bytes()) == LARGE


def test_a_full_disk_is_no_fault_of_the_result(tmp_path: Path) -> None:
    (tmp_path / file_name(7)).symlink_to("/dev/full")
    results = sink(ResultPlace(str(tmp_path), 10))
    with pytest.raises(DiskFull, match=f"no room in {tmp_path}: No space left on device"):
        dump_to(results, LARGE)
    results.discard()
    assert list(tmp_path.iterdir()) == []
