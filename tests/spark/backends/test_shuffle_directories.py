"""The directories of a shuffle service, and what user code may put into them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minimesos.spark.backends.shuffle_directories import (
    RECORD,
    SERVICE_DIRECTORY,
    CannotUseDirectory,
    Record,
    ShuffleDirectories,
)
from minimesos.spark.shuffle.service import Refused

FILE = "shuffle_0_0_7.data"
APP = Record("app", b"key", None)
OTHER = Record("other", b"other key", 60.0)
ME = os.getuid()


@pytest.fixture
def directories(tmp_path):
    directories = ShuffleDirectories([tmp_path])
    yield directories
    directories.close()


@pytest.fixture
def executor(directories) -> Path:
    """The directory of an executor that has written one map output."""
    path = Path(directories.make(0, APP, "0", ME))
    (path / FILE).write_bytes(b"data")
    return path


def read(directories, file=FILE, name="app", executor_id="0") -> bytes:
    with open(directories.open(0, name, executor_id, file), "rb") as opened:
        return opened.read()


def reopened(directories, tmp_path) -> ShuffleDirectories:
    directories.close()
    return ShuffleDirectories([tmp_path])


def test_an_executor_gets_a_directory_of_its_own_and_its_files_are_read(directories, executor):
    assert read(directories) == b"data"
    assert executor.stat().st_mode & 0o777 == 0o700
    assert Path(directories.make(0, APP, "1", ME)) != executor
    assert directories.make(0, APP, "0", ME) == str(executor)
    assert read(directories) == b"data"


@pytest.mark.parametrize(("name", "executor_id"), [("other", "0"), ("app", "1")])
def test_files_of_nobody_are_not_there(directories, executor, name, executor_id):
    with pytest.raises(FileNotFoundError):
        read(directories, name=name, executor_id=executor_id)
    with pytest.raises(FileNotFoundError):
        read(directories, "shuffle_0_0_8.data")


@pytest.mark.parametrize(
    "file", ["../../other/executor-0/" + FILE, "/etc/passwd", "broadcast_0", "..", "", RECORD]
)
def test_only_map_outputs_are_served(directories, executor, file):
    with pytest.raises(Refused, match="not the name of a map output"):
        read(directories, file)


def test_links_are_not_followed(directories, executor, tmp_path):
    (tmp_path / "private").write_bytes(b"private")
    (executor / "shuffle_1_1_1.data").symlink_to(tmp_path / "private")
    with pytest.raises(OSError, match="symbolic links"):
        read(directories, "shuffle_1_1_1.data")
    other = Path(directories.make(0, OTHER, "0", ME))
    (other / FILE).write_bytes(b"other's")
    executor.rename(executor.with_name("moved"))
    executor.symlink_to(other)
    with pytest.raises(OSError):  # noqa: PT011 (its text is the system's)
        read(directories)


def test_what_is_no_plain_file_is_not_served_and_does_not_block(directories, executor):
    os.mkfifo(executor / "shuffle_1_1_1.data")
    (executor / "shuffle_1_1_2.data").mkdir()
    for file in ("shuffle_1_1_1.data", "shuffle_1_1_2.data"):
        with pytest.raises(Refused, match="no plain file"):
            read(directories, file)


@pytest.mark.skipif(ME != 0, reason="needs the privilege to give files to another user")
def test_files_of_another_user_than_the_directorys_are_not_served(directories, executor):
    os.chown(executor / FILE, 12345, -1)
    with pytest.raises(Refused, match="no plain file of the executor's own"):
        read(directories)


@pytest.mark.skipif(ME != 0, reason="needs the privilege to give files to another user")
def test_the_directory_belongs_to_the_user_of_the_executor(directories):
    assert os.stat(directories.make(0, APP, "0", 12345)).st_uid == 12345


def test_without_that_privilege_only_its_own_user_is_served(directories, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CannotUseDirectory, match=r"runs as user 1000.*for user 2000"):
        directories.make(0, APP, "0", 2000)


def test_files_of_forgotten_shuffles_are_deleted(directories, executor):
    for name in ("shuffle_1_0_0.data", "shuffle_10_0_0.data", "shuffle_2_5_5.data", "other"):
        (executor / name).touch()
    directories.remove_shuffles(0, "app", "0", [1, 2])
    assert sorted(os.listdir(executor)) == ["other", FILE, "shuffle_10_0_0.data"]


def test_an_application_is_deleted_with_all_that_is_in_it(directories, executor, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (executor / "link").symlink_to(outside)
    aside = directories.set_aside(0, "app")
    with pytest.raises(FileNotFoundError):
        read(directories)
    directories.remove(0, aside)
    assert [path.name for path in (tmp_path / SERVICE_DIRECTORY).iterdir()] == [".lock"]
    assert (outside / "precious").exists()


def test_what_cannot_be_deleted_is_said(directories, executor, monkeypatch, caplog):
    monkeypatch.setattr("shutil.rmtree", lambda *arguments, **options: None)
    directories.remove(0, "app")
    assert "cannot delete all" in caplog.text


def test_a_later_service_finds_what_was_there(directories, executor, tmp_path):
    directories.make(0, APP, "1", ME)
    directories.make(0, OTHER, "0", ME)
    directories.write(0, APP._replace(lease_s=120.0))
    later = reopened(directories, tmp_path)
    found = {each.record.name: each for each in later.found()}
    assert found["app"].record == Record("app", b"key", 120.0)
    assert sorted(found["app"].executors) == ["0", "1"]
    assert found["other"].record == OTHER
    assert read(later) == b"data"
    later.close()


def test_it_deletes_what_a_crash_has_left(directories, executor, tmp_path, caplog):
    base = tmp_path / SERVICE_DIRECTORY
    directories.make(0, OTHER, "0", ME)
    directories.set_aside(0, "other")
    (base / "without a record").mkdir()
    for name, record in (("damaged", b"{"), ("renamed", APP.to_json()), ("odd", b"[]")):
        (base / name).mkdir()
        (base / name / RECORD).write_bytes(record)
    (base / "linked").symlink_to(executor.parent)
    later = reopened(directories, tmp_path)
    assert [each.record.name for each in later.found()] == ["app"]
    assert sorted(path.name for path in base.iterdir()) == [".lock", "app", "linked"]
    later.close()


def test_two_services_do_not_share_a_directory(directories, tmp_path):
    with pytest.raises(CannotUseDirectory, match="another shuffle service"):
        ShuffleDirectories([tmp_path])
    reopened(directories, tmp_path).close()


def test_a_directory_that_others_can_write_to_is_refused(tmp_path):
    (tmp_path / SERVICE_DIRECTORY).mkdir()
    (tmp_path / SERVICE_DIRECTORY).chmod(0o777)
    with pytest.raises(CannotUseDirectory, match="can be written by others"):
        ShuffleDirectories([tmp_path])


def test_a_place_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotUseDirectory, match="cannot keep map outputs in"):
        ShuffleDirectories([tmp_path / "file"])
    (tmp_path / SERVICE_DIRECTORY).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotUseDirectory):
        ShuffleDirectories([tmp_path])


def test_applications_prefer_the_file_systems_that_they_name(tmp_path):
    roots = [tmp_path / name for name in ("a", "b", "bb")]
    directories = ShuffleDirectories(roots)
    assert directories.preferred([str(tmp_path / "b"), "/elsewhere"]) == [1]
    assert directories.preferred([str(tmp_path / "bb" / "below"), str(tmp_path / "a")]) == [0, 2]
    assert directories.preferred([]) == []
    directories.close()
