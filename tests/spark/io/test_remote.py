"""Files by URL: on a server, and in a file system that is only in this process."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import fsspec
import pytest

from minimesos.spark import SparkContext
from minimesos.spark.errors import SparkException
from minimesos.spark.io import remote, splits
from minimesos.spark.settings import redacted

LINES = [f"line {number}" for number in range(1000)]


class _Server(SimpleHTTPRequestHandler):
    """Serves files, and parts of them if it is to."""

    def log_message(self, format: str, *args: Any) -> None:
        return

    has_ranges = True

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file() or not self.has_ranges:
            super().do_GET()
            return
        data = path.read_bytes()
        start, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last + 1 - start))
        self.end_headers()
        self.wfile.write(data[start : last + 1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The URL under which the files of `tmp_path` are served."""
    handler = partial(_Server, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


@pytest.fixture
def memory() -> Iterator[str]:
    """A directory of fsspec's own file system."""
    files = fsspec.filesystem("memory")
    yield "memory://top/out"
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def test_lines_of_a_server_are_read_in_splits(
    sc: SparkContext, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("\n".join(LINES))
    monkeypatch.setattr(splits, "BLOCK_BYTES", 2500)
    lines = sc.textFile(f"{server}/a.txt")
    assert lines.getNumPartitions() == 4
    assert lines.collect() == LINES


def test_a_server_that_sends_all_or_nothing_makes_one_split(
    sc: SparkContext, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("\n".join(LINES))
    monkeypatch.setattr(splits, "BLOCK_BYTES", 2500)
    monkeypatch.setattr(_Server, "has_ranges", False)
    lines = sc.textFile(f"{server}/a.txt")
    assert lines.getNumPartitions() == 1
    assert lines.collect() == LINES


def test_what_a_server_does_not_have_is_named(sc: SparkContext, server: str) -> None:
    with pytest.raises(SparkException, match=f"Input path does not exist: {server}/none.txt"):
        sc.textFile(f"{server}/none.txt").count()


def test_all_that_is_saved_is_read_back_by_url(sc: SparkContext, memory: str) -> None:
    sc.parallelize(LINES, 3).saveAsTextFile(memory, "GzipCodec")
    names = [name.rpartition("/")[2] for name in fsspec.filesystem("memory").find("/top")]
    assert names == ["_SUCCESS", "part-00000.gz", "part-00001.gz", "part-00002.gz"]
    assert sc.textFile(memory).collect() == LINES
    assert sc.textFile(f"{memory}/part-*[^0].gz").getNumPartitions() == 2
    whole = sc.wholeTextFiles(memory, 3)
    assert whole.keys().first() == f"{memory}/part-00000.gz"
    assert "".join(whole.values().collect()).splitlines() == LINES
    with pytest.raises(SparkException, match=f"Output directory {memory} already exists"):
        sc.parallelize([1]).saveAsTextFile(memory)


def test_the_other_formats_by_url(sc: SparkContext, memory: str) -> None:
    sc.parallelize(range(100), 3).saveAsPickleFile(memory)
    assert sc.pickleFile(memory).collect() == list(range(100))
    with fsspec.open("memory://top/records", "wb") as file:
        file.write(bytes(range(100)))
    assert sc.binaryRecords("memory://top/records", 10).collect()[3] == bytes(range(30, 40))
    assert sc.binaryFiles("memory://top/records").collect() == [
        ("memory://top/records", bytes(range(100)))
    ]


def test_a_failed_job_leaves_nothing_there_either(sc: SparkContext, memory: str) -> None:
    with pytest.raises(ZeroDivisionError):
        sc.parallelize([1, 0], 2).map(lambda x: 1 // x).saveAsTextFile(memory)
    assert fsspec.filesystem("memory").find("/") == []


def test_a_file_in_an_archive(sc: SparkContext, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("below/a.txt", "a\nb\n")
    assert sc.textFile(f"zip://below/a.txt::file://{tmp_path}/a.zip").collect() == ["a", "b"]


def test_a_scheme_that_means_nothing_is_named(sc: SparkContext) -> None:
    with pytest.raises(SparkException, match='No FileSystem for scheme "nonsense": nonsense://h/a'):
        sc.textFile("nonsense://h/a").count()


def test_without_fsspec_the_extra_is_named(
    sc: SparkContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "fsspec":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SparkException, match=r"s3://b/a needs the extra: .*minimesos\[fs\]"):
        sc.textFile("s3://b/a").count()


def test_options_are_settings_that_are_not_shown(start_context: Any) -> None:
    name = "spark.minimesos.fs.s3"
    conf = {f"{name}.key": "AKIA", f"{name}.client_kwargs": '{"region": "x"}', "spark.a": "b"}
    assert remote._options("s3", conf) == {"key": "AKIA", "client_kwargs": {"region": "x"}}
    assert remote._options("gs", conf) == {}
    assert "AKIA" not in str(redacted(conf))
    shown = remote.shown_url("https://user:secret@host/a?signature=secret")
    assert shown == "https://user:***@host/a?..."
