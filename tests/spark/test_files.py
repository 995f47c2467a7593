"""What a driver ships, as the driver keeps it."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread

import fsspec
import pytest

from minimesos.spark.errors import SparkException
from minimesos.spark.files import ShippedFiles
from minimesos.spark.shipment import Item


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "driver"
    made.mkdir()
    return made


@pytest.fixture
def shipped(directory: Path) -> Iterator[ShippedFiles]:
    files = ShippedFiles(str(directory), {})
    yield files
    files.close()


@pytest.fixture
def overwriting(tmp_path: Path) -> Iterator[ShippedFiles]:
    directory = tmp_path / "overwriting"
    directory.mkdir()
    files = ShippedFiles(str(directory), {"spark.files.overwrite": "true"})
    yield files
    files.close()


def content(files: ShippedFiles, name: str) -> str:
    return Path(files.root, name).read_text()


def made(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def zipped(path: Path, **members: str) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/"), text)
    return str(path)


def test_a_file_is_copied_once(shipped: ShippedFiles, tmp_path: Path) -> None:
    source = made(tmp_path / "a.txt", "first")
    shipped.add_file(source)
    made(tmp_path / "a.txt", "second")
    shipped.add_file(f"file://{source}")
    assert content(shipped, "a.txt") == "first"
    assert (shipped.files, shipped.version) == ([f"file:{source}"], 1)


def test_a_file_is_replaced_if_that_is_wanted(overwriting: ShippedFiles, tmp_path: Path) -> None:
    overwriting.add_file(made(tmp_path / "a.txt", "first"))
    overwriting.add_file(made(tmp_path / "a.txt", "second"))
    assert content(overwriting, "a.txt") == "second"
    assert (overwriting.files, overwriting.version) == ([f"file:{tmp_path}/a.txt"], 2)


def test_a_directory_is_copied_with_all_that_is_below(
    shipped: ShippedFiles, tmp_path: Path
) -> None:
    top = tmp_path / "top"
    (top / "below").mkdir(parents=True)
    made(top / "below" / "b.txt", "b")
    with pytest.raises(SparkException, match="is a directory and recursive is not turned on"):
        shipped.add_file(str(top))
    shipped.add_file(f"{top}/", recursive=True)
    assert content(shipped, "top/below/b.txt") == "b"
    assert shipped.files == [f"file:{top}"]


def test_what_is_missing_is_named_and_leaves_no_trace(
    shipped: ShippedFiles, tmp_path: Path
) -> None:
    for add in (shipped.add_file, shipped.add_py_file, shipped.add_archive):
        with pytest.raises(SparkException, match=f"^File file:{tmp_path}/none.zip does not exist$"):
            add(str(tmp_path / "none.zip"))
    assert (shipped.files, shipped.archives, shipped.version) == ([], [], 0)


def test_all_that_the_configuration_names_and_cannot_be_shipped_is_reported_at_once(
    shipped: ShippedFiles, tmp_path: Path
) -> None:
    broken = made(tmp_path / "broken.zip", "no archive")
    with pytest.raises(SparkException) as caught:
        shipped.add_all([str(tmp_path / "m.py"), broken], [str(tmp_path / "f")], [broken])
    reports = str(caught.value).splitlines()
    assert [report.split()[1].rpartition("/")[2] for report in reports] == [
        "m.py",
        "broken.zip",
        "f",
        "broken.zip",
    ]


def test_files_that_cannot_be_read_or_named_are_refused(
    shipped: ShippedFiles, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SparkException, match=r"pipe cannot be shipped: .*named pipe"):
        shipped.add_file(str(tmp_path / "pipe"))
    unnameable = os.fsdecode(b"\xff.txt")
    with pytest.raises(SparkException, match=r"cannot be shipped: .*surrogates not allowed"):
        shipped.add_file(made(tmp_path / unnameable, "x"))
    with pytest.raises(SparkException, match="no plain name"):
        shipped.add_archive("/")
    assert shipped.version == 0


@pytest.mark.parametrize("suffix", [".zip", ".egg", ".whl"])
def test_archives_of_modules_are_imported_from_and_stay_files(
    shipped: ShippedFiles, tmp_path: Path, suffix: str
) -> None:
    name = f"shipped_in_{suffix[1:]}"
    source = zipped(tmp_path / f"modules{suffix}", **{f"{name}.py": "ANSWER = 42\n"})
    shipped.add_py_file(source)
    assert import_module(name).ANSWER == 42
    assert zipfile.is_zipfile(os.path.join(shipped.root, f"modules{suffix}"))
    assert shipped.files == [f"file:{source}"]


def test_a_closed_one_is_imported_from_no_more(directory: Path, tmp_path: Path) -> None:
    before = list(sys.path)
    files = ShippedFiles(str(directory), {})
    files.add_py_file(zipped(tmp_path / "m.zip", **{"m.py": ""}))
    assert len(sys.path) == len(before) + 2
    files.close()
    assert sys.path == before


def test_what_is_no_archive_of_modules_is_refused(shipped: ShippedFiles, tmp_path: Path) -> None:
    with pytest.raises(SparkException, match=r"m\.zip is no zip archive of modules"):
        shipped.add_py_file(made(tmp_path / "m.zip", "text"))


def test_an_archive_is_unpacked_to_its_name_or_to_another(
    shipped: ShippedFiles, tmp_path: Path
) -> None:
    source = zipped(tmp_path / "data.zip", below__a="a")
    shipped.add_archive(source)
    shipped.add_archive(f"{source}#other")
    assert content(shipped, "data.zip/below/a") == content(shipped, "other/below/a") == "a"
    assert shipped.archives == [f"file:{source}"] * 2
    assert shipped.files == []


def test_a_tar_is_unpacked_with_permissions_and_links(
    shipped: ShippedFiles, tmp_path: Path
) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    (tmp_path / "link").symlink_to("tool")
    with tarfile.open(tmp_path / "env.tar.gz", "w:gz") as archive:
        archive.add(tool, "bin/tool")
        archive.add(tmp_path / "link", "bin/link")
    shipped.add_archive(f"{tmp_path}/env.tar.gz#env")
    assert os.access(os.path.join(shipped.root, "env/bin/tool"), os.X_OK)
    assert os.readlink(os.path.join(shipped.root, "env/bin/link")) == "tool"


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/etc"])
def test_an_archive_is_not_unpacked_to_anywhere(
    shipped: ShippedFiles, tmp_path: Path, name: str
) -> None:
    with pytest.raises(SparkException, match=f"cannot be shipped as '{name}'"):
        shipped.add_archive(f"{zipped(tmp_path / 'a.zip', a='')}#{name}")


@pytest.mark.parametrize("member", ["../escaped", "/tmp/escaped"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_that_would_leave_their_directory_are_refused(
    shipped: ShippedFiles, tmp_path: Path, kind: str, member: str
) -> None:
    source = tmp_path / f"evil.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(source, "w") as archive:
            archive.writestr("good", "")
            archive.writestr(member, "")
    else:
        with tarfile.open(source, "w") as tar:
            tar.addfile(tarfile.TarInfo(member), io.BytesIO())
    with pytest.raises(SparkException, match=f"evil.{kind} cannot be shipped: refused to unpack"):
        shipped.add_archive(str(source))
    assert os.listdir(shipped.root) == []
    assert not list(tmp_path.rglob("escaped"))


def test_a_broken_archive_is_refused_and_can_be_added_once_it_is_mended(
    shipped: ShippedFiles, tmp_path: Path
) -> None:
    with pytest.raises(SparkException, match=r"a\.zip cannot be shipped: .*not a zip file"):
        shipped.add_archive(made(tmp_path / "a.zip", "text"))
    shipped.add_archive(zipped(tmp_path / "a.zip", a="mended"))
    assert content(shipped, "a.zip/a") == "mended"


def test_an_archive_replaces_all_of_an_older_one(overwriting: ShippedFiles, tmp_path: Path) -> None:
    overwriting.add_archive(zipped(tmp_path / "a.zip", old="1", both="1"))
    overwriting.add_archive(zipped(tmp_path / "a.zip", both="2"))
    assert os.listdir(os.path.join(overwriting.root, "a.zip")) == ["both"]
    assert content(overwriting, "a.zip/both") == "2"


def test_each_item_has_the_version_that_brought_it(
    overwriting: ShippedFiles, tmp_path: Path
) -> None:
    overwriting.add_file(made(tmp_path / "a", ""))
    overwriting.add_file(made(tmp_path / "b", ""))
    overwriting.add_file(made(tmp_path / "a", ""))
    versions = {item.path: item.version for item in overwriting._items.values()}
    assert versions == {"a": 3, "b": 2}
    assert all(isinstance(item, Item) for item in overwriting._items.values())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The URL under which the files of `tmp_path` are served."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


def test_what_a_server_has_is_shipped_by_its_name(
    shipped: ShippedFiles, server: str, tmp_path: Path, directory: Path
) -> None:
    made(tmp_path / "a b.txt", "a")
    zipped(tmp_path / "m.zip", **{"from_a_server.py": "ANSWER = 42\n"})
    shipped.add_file(f"{server}/a%20b.txt?signature=secret")
    shipped.add_py_file(f"{server}/m.zip")
    shipped.add_archive(f"{server}/m.zip#unpacked")
    assert content(shipped, "a b.txt") == "a"
    assert import_module("from_a_server").ANSWER == 42
    assert content(shipped, "unpacked/from_a_server.py") == "ANSWER = 42\n"
    assert shipped.files == [f"{server}/a%20b.txt?...", f"{server}/m.zip"]
    assert not [name for name in os.listdir(directory) if name.startswith("download")]


def test_what_a_server_does_not_have_is_named(shipped: ShippedFiles, server: str) -> None:
    with pytest.raises(SparkException, match=f"^File {server}/none cannot be shipped: .* 404 "):
        shipped.add_file(f"{server}/none")
    with pytest.raises(SparkException, match="does not name a file"):
        shipped.add_file(f"{server}/")


def test_directories_of_other_file_systems_are_shipped(shipped: ShippedFiles) -> None:
    files = fsspec.filesystem("memory")
    try:
        files.pipe({"/model/below/a": b"a", "/model/b": b"b"})
        with pytest.raises(SparkException, match="recursive is not turned on"):
            shipped.add_file("memory://model")
        shipped.add_file("memory://model", recursive=True)
        assert content(shipped, "model/below/a") + content(shipped, "model/b") == "ab"
    finally:
        files.store.clear()
        files.pseudo_dirs[:] = [""]


@pytest.mark.parametrize("suffix", ["tar", "tgz", "tbz2", "txz", "tar.gz", "tar.bz2", "tar.xz"])
def test_tars_of_all_kinds_are_unpacked(shipped: ShippedFiles, tmp_path: Path, suffix: str) -> None:
    mode = {"t": "w:", "g": "w:gz", "b": "w:bz2", "x": "w:xz"}[
        suffix.removeprefix("tar.").removeprefix("t")[0] if suffix != "tar" else "t"
    ]
    made(tmp_path / "a", "a")
    with tarfile.open(tmp_path / f"data.{suffix}", mode) as archive:  # type: ignore[call-overload]
        archive.add(tmp_path / "a", "a")
    shipped.add_archive(str(tmp_path / f"data.{suffix}"))
    assert content(shipped, f"data.{suffix}/a") == "a"
