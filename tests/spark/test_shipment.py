"""How what a driver has shipped gets to workers, here and on other hosts."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minimesos.spark.env import DRIVER, FetchFailed, Location, WorkerEnv
from minimesos.spark.files import ShippedFiles, SparkFiles
from minimesos.spark.shipment import Shipment, receive
from minimesos.spark.taskcontext import TaskContext


class Application:
    """A driver's files, and executors whose fetches are counted."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "driver"
        self.root.mkdir()
        self.files = ShippedFiles(str(self.root), {"spark.files.overwrite": "true"})
        self.fetches: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, text: str = "") -> None:
        source = self.directory / name
        source.write_text(text)
        self.files.add_file(str(source))

    def worker(self, executor: str, host: str) -> WorkerEnv:
        local_dir = self.directory / f"executor-{executor}"
        local_dir.mkdir(exist_ok=True)

        def fetch(location: Location, path: str, offset: int, length: int) -> str:
            self.fetches[executor, path] += 1
            handle, copy = tempfile.mkstemp(dir=local_dir)
            try:
                with open(handle, "wb") as file:
                    file.write(Path(location.root, path).read_bytes())
            except OSError as error:
                os.unlink(copy)
                raise FetchFailed(location, path, str(error.strerror)) from error
            return copy

        blocks: Any = None
        return WorkerEnv(executor, host, str(local_dir), {}, blocks, fetch)

    def ship(self, *workers: WorkerEnv, host: str = "driver-host") -> None:
        driver = Location(DRIVER, host, f"{host}:1", str(self.root))
        for worker in workers:
            receive(Shipment(self.files.version, driver), worker)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    made = Application(tmp_path)
    yield made
    made.files.close()


def seen(worker: WorkerEnv, name: str) -> str:
    with TaskContext(env=worker).active():
        return Path(SparkFiles.get(name)).read_text()


@pytest.mark.parametrize(
    ("host", "driver"), [("h1", "h1"), ("localhost", "127.0.0.1"), ("h1", "localhost")]
)
def test_on_the_drivers_host_files_are_read_in_place(
    app: Application, host: str, driver: str
) -> None:
    app.add("a.txt", "a")
    worker = app.worker("0", host)
    app.ship(worker, host=driver)
    assert seen(worker, "a.txt") == "a"
    assert worker.files_root == app.files.root
    assert not app.fetches


def test_elsewhere_files_are_fetched_once_for_all_workers_of_an_executor(app: Application) -> None:
    app.add("a.txt", "a")
    workers = [app.worker("0", "h0"), app.worker("0", "h0"), app.worker("1", "h1")]
    app.ship(*workers)
    assert [seen(worker, "a.txt") for worker in workers] == ["a"] * 3
    assert {worker.files_root for worker in workers} == {
        os.path.join(app.directory, f"executor-{i}", "files") for i in (0, 1)
    }
    assert app.fetches["0", "files/a.txt"] == app.fetches["1", "files/a.txt"] == 1


def test_a_host_of_the_drivers_name_that_cannot_see_its_directory_fetches(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.add("a.txt", "a")
    worker = app.worker("0", "driver-host")
    elsewhere = app.root.rename(app.directory / "elsewhere")
    fetch = worker.fetch
    worker.fetch = lambda location, *wish: fetch(location._replace(root=str(elsewhere)), *wish)
    app.ship(worker)
    assert seen(worker, "a.txt") == "a"


def test_workers_of_an_executor_that_start_together_fetch_once(app: Application) -> None:
    for name in "abc":
        app.add(name, name)
    workers = [app.worker("0", "h0") for _ in range(8)]
    threads = [threading.Thread(target=app.ship, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {seen(worker, "c") for worker in workers} == {"c"}
    assert set(app.fetches.values()) == {1}


def test_only_what_is_new_is_fetched_later(app: Application) -> None:
    worker = app.worker("0", "h0")
    app.add("a", "old")
    app.add("b", "b")
    app.ship(worker)
    app.add("a", "new")
    app.add("c", "c")
    app.ship(worker)
    assert [seen(worker, name) for name in "abc"] == ["new", "b", "c"]
    assert [app.fetches["0", f"files/{name}"] for name in "abc"] == [2, 1, 1]


def test_an_older_shipment_or_the_same_costs_nothing(app: Application) -> None:
    worker = app.worker("0", "h0")
    app.add("a")
    old = app.files.version
    app.add("b")
    app.ship(worker)
    fetched = app.fetches.copy()
    app.ship(worker)
    receive(Shipment(old, Location(DRIVER, "driver-host", "", str(app.root))), worker)
    assert app.fetches == fetched


def test_a_worker_that_comes_later_finds_what_its_executor_has(app: Application) -> None:
    app.add("a", "a")
    app.ship(app.worker("0", "h0"))
    late = app.worker("0", "h0")
    app.ship(late)
    assert seen(late, "a") == "a"
    assert set(app.fetches.values()) == {1}


def test_a_file_that_the_driver_has_lost_is_named_and_the_others_are_kept(
    app: Application,
) -> None:
    worker = app.worker("0", "h0")
    app.add("a", "a")
    app.add("b", "b")
    Path(app.files.root, "b").unlink()
    with pytest.raises(FetchFailed, match=r"files/b from driver failed: No such file"):
        app.ship(worker)
    app.add("b", "again")
    app.ship(worker)
    assert (seen(worker, "a"), seen(worker, "b")) == ("a", "again")
    assert app.fetches["0", "files/a"] == 1


def test_directories_arrive_with_all_that_is_below_and_permissions(app: Application) -> None:
    top = app.directory / "top"
    (top / "empty").mkdir(parents=True)
    tool = top / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("tool")
    tool.chmod(0o750)
    app.files.add_file(str(top), recursive=True)
    worker = app.worker("0", "h0")
    app.ship(worker)
    there = Path(worker.files_root, "top")
    assert (there / "empty").is_dir()
    assert (there / "bin" / "tool").read_text() == "tool"
    assert (there / "bin" / "tool").stat().st_mode & 0o777 == 0o750


def test_archives_are_unpacked_where_they_arrive(app: Application) -> None:
    source = app.directory / "data.zip"
    worker = app.worker("0", "h0")
    for text in ("old", "new"):
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr("below/a", text)
        app.files.add_archive(f"{source}#data")
        app.ship(worker)
        assert seen(worker, "data/below/a") == text
    assert sorted(os.listdir(worker.local_dir)) == [
        "files",
        "shipped.json",
        "shipped.lock",
        "shipped_1.json",
        "shipped_2.json",
    ]


@pytest.mark.parametrize("host", ["driver-host", "h0"])
def test_modules_can_be_imported_ahead_of_those_installed(app: Application, host: str) -> None:
    (app.directory / "this_is_shipped.py").write_text("ANSWER = 42\n")
    app.files.add_py_file(str(app.directory / "this_is_shipped.py"))
    with zipfile.ZipFile(app.directory / "modules.zip", "w") as archive:
        archive.writestr("so_is_this.py", "ANSWER = 43\n")
    app.files.add_py_file(str(app.directory / "modules.zip"))
    app.files.close()  # what the driver imports is not what is asked here
    worker = app.worker("0", host)
    app.ship(worker)
    assert sys.path[:2] == [worker.files_root, os.path.join(worker.files_root, "modules.zip")]
    before = list(sys.path)
    app.add("more")
    app.ship(worker)
    assert sys.path == before


def test_without_shipments_there_is_a_directory_with_nothing_in_it(app: Application) -> None:
    worker = app.worker("0", "h0")
    with TaskContext(env=worker).active():
        root = SparkFiles.getRootDirectory()
    assert root == os.path.join(worker.local_dir, "files")
