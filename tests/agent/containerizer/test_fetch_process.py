"""Where a URI comes from, what it is called in the sandbox, and what is refused."""

from __future__ import annotations

import os
from typing import Any

import pytest

from minimesos.agent.containerizer.fetch_process import CannotFetch, fetch


def uri(value: str, **fields: Any) -> dict[str, Any]:
    return {"value": value, "executable": False, "extract": True, "output_file": "", **fields}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "sandbox").mkdir()
    path = tmp_path / "home" / "data.txt"
    path.write_text("contents")
    path.chmod(0o640)
    return path


@pytest.mark.parametrize(
    "template", ["{0}", "  {0}", "file://{0}", "file://localhost{0}", "FILE://{0}"]
)
def test_paths_and_file_uris_are_copied_under_their_own_name(source, tmp_path, template):
    target = fetch(uri(template.format(source)), str(tmp_path / "sandbox"), None)
    assert target == str(tmp_path / "sandbox" / "data.txt")
    with open(target) as copy:
        assert copy.read() == "contents"
    assert not os.access(target, os.X_OK) or os.geteuid() == 0


def test_a_relative_path_is_below_frameworks_home(source, tmp_path):
    home = str(source.parent)
    assert fetch(uri("data.txt"), str(tmp_path / "sandbox"), home).endswith("data.txt")


def test_an_executable_is_executable_and_never_unpacked(source, tmp_path):
    program = source.with_name("program.zip")
    source.rename(program)
    target = fetch(uri(str(program), executable=True), str(tmp_path / "sandbox"), None)
    assert os.stat(target).st_mode & 0o777 == 0o755


def test_output_file_may_name_a_subdirectory(source, tmp_path):
    target = fetch(uri(str(source), output_file="a/b/c"), str(tmp_path / "sandbox"), None)
    assert target == str(tmp_path / "sandbox" / "a" / "b" / "c")


def test_an_archive_is_copied_when_it_should_not_be_unpacked(source, tmp_path):
    archive = source.with_name("a.tar.gz")
    source.rename(archive)
    assert fetch(uri(str(archive), extract=False), str(tmp_path / "sandbox"), None)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (uri("http://host/f"), "'http' is not supported"),
        (uri("s3a://bucket/f"), "'s3a' is not supported"),
        (uri("data.txt"), "frameworks_home"),
        (uri("file://host/data.txt"), "absolute path of this host"),
        (uri("/tmp/"), "missing path"),
        (uri("/tmp/.."), "missing path"),
        (uri("/tmp/a'b"), "quote"),
        (uri("/tmp/a\\b"), "backslash"),
        (uri("/tmp/f", output_file="/etc/f"), "leads out of the sandbox"),
        (uri("/tmp/f", output_file="a/../../f"), "leads out of the sandbox"),
        (uri("/tmp/f.tgz"), "unpacking archives is not supported"),
    ],
)
def test_what_cannot_be_fetched_says_why(tmp_path, bad, problem):
    with pytest.raises(CannotFetch, match=problem):
        fetch(bad, str(tmp_path), None)
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        fetch(uri("/no/such/file"), str(tmp_path), None)
