"""The executor package: what is in it, and that it is the same each time."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import minimesos
from minimesos.spark.package import DEFAULT_NAME, CannotPackage, write_package

# Imports every module below the folder that it is given, and nothing of ours from elsewhere.
IMPORTER = """
import importlib, pathlib, sys
top = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(top))
for package in ("minimesos", "minimesos_executor", "cloudpickle"):
    for file in sorted(top.glob(f"{package}/**/*.py")):
        name = ".".join(file.relative_to(top).with_suffix("").parts).removesuffix(".__init__")
        if not name.endswith((".start", ".__main__", ".shell")):  # programs
            found = importlib.import_module(name).__file__
            assert pathlib.Path(found) == file, (name, found)
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / DEFAULT_NAME
    write_package(path)
    return path


def names_in(package: Path) -> list[str]:
    with tarfile.open(package) as tar:
        return tar.getnames()


def test_there_is_one_folder_named_as_the_file_and_the_version(package):
    assert package.name == f"minimesos-executor-{minimesos.__version__}.tgz"
    folders = {name.partition("/")[0] for name in names_in(package)}
    assert folders == {f"minimesos-executor-{minimesos.__version__}"}


def test_the_folder_follows_the_name_of_the_file(tmp_path):
    write_package(tmp_path / "mine.v2.tar.gz")
    assert {name.partition("/")[0] for name in names_in(tmp_path / "mine.v2.tar.gz")} == {"mine.v2"}


def test_it_has_our_packages_what_they_import_and_a_launcher_and_no_more(package):
    with tarfile.open(package) as tar:
        members = {member.name.partition("/")[2]: member for member in tar}
    assert {name.partition("/")[0] for name in members} == {
        "bin",
        "cloudpickle",
        "licenses",
        "minimesos",
        "minimesos_executor",
    }
    assert members["bin/minimesos-executor"].mode == 0o755
    assert "licenses/cloudpickle/LICENSE" in members
    assert "minimesos/spark/context.py" in members
    unwanted = ("test", "__pycache__", "minimesos/agent", "minimesos/master", "minimesos/console")
    assert [name for name in members if any(word in name for word in unwanted)] == []


def test_the_same_sources_give_the_same_bytes(package, tmp_path):
    again = tmp_path / "elsewhere" / DEFAULT_NAME
    again.parent.mkdir()
    os.utime(tmp_path, (0, 0))
    write_package(again)
    assert again.read_bytes() == package.read_bytes()
    with tarfile.open(package) as tar:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar} == {(0, 0, 0, "", "")}


@pytest.mark.parametrize("name", ["package.zip", "package", ".tgz"])
def test_a_name_that_agents_would_not_unpack_is_refused(tmp_path, name):
    with pytest.raises(CannotPackage, match=r"name it NAME\.tgz or NAME\.tar\.gz"):
        write_package(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_to_is_told_and_nothing_is_left(tmp_path):
    with pytest.raises(CannotPackage, match=r"cannot write '.*/nowhere/p.tgz': No such file"):
        write_package(tmp_path / "nowhere" / "p.tgz")
    (tmp_path / "p.tgz").mkdir()
    with pytest.raises(CannotPackage, match="Is a directory"):
        write_package(tmp_path / "p.tgz")
    assert os.listdir(tmp_path) == ["p.tgz"]


@pytest.mark.integration
def test_every_module_finds_all_it_imports_in_the_package(package, tmp_path):
    with tarfile.open(package) as tar:
        tar.extractall(tmp_path, filter="data")
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORTER, package.with_suffix("")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
