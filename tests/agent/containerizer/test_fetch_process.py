"""What becomes of a URI in the sandbox: a copy, a program, what an archive held."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minimesos.agent.containerizer import fetch_process
from minimesos.agent.containerizer.fetch_source import CannotFetch

WORDS = gzip.compress(b"words")


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    (tmp_path / "sandbox").mkdir()
    return tmp_path / "sandbox"


@pytest.fixture
def order(sandbox: Path) -> Callable[..., dict[str, Any]]:
    """Make an order of one URI with given fields."""

    def order(value: object, **fields: Any) -> dict[str, Any]:
        uri = {"executable": False, "extract": True, "output_file": "", "cached": None}
        return {
            "sandbox": str(sandbox),
            "frameworks_home": None,
            "stall_s": 10.0,
            "identity": None,
            "uris": [{**uri, "value": str(value), **fields}],
        }

    return order


@pytest.fixture
def fetch(order: Callable[..., dict[str, Any]]) -> Callable[..., str]:
    """Fetch one URI; returns its path in the sandbox."""

    def fetch(value: object, **fields: Any) -> str:
        given = order(value, **fields)
        return fetch_process.fetch(given, given["uris"][0])

    return fetch


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A file that is an archive."""
    path = tmp_path / "words.gz"
    path.write_bytes(WORDS)
    return path


def test_a_file_is_copied_under_its_name_and_is_not_executable(fetch, sandbox, tmp_path):
    (tmp_path / "run").write_text("contents")
    (tmp_path / "run").chmod(0o755)
    assert fetch(tmp_path / "run") == str(sandbox / "run")
    assert (sandbox / "run").read_text() == "contents"
    assert not (sandbox / "run").stat().st_mode & 0o111


def test_an_executable_is_executable_and_never_unpacked(fetch, sandbox, words):
    fetch(words, executable=True)
    assert os.listdir(sandbox) == ["words.gz"]
    assert (sandbox / "words.gz").stat().st_mode & 0o777 == 0o755


def test_output_file_may_name_a_subdirectory(fetch, sandbox, tmp_path):
    (tmp_path / "f").write_text("contents")
    assert fetch(tmp_path / "f", output_file="a/b/c") == str(sandbox / "a" / "b" / "c")
    assert (sandbox / "a" / "b" / "c").read_text() == "contents"


def test_an_archive_is_unpacked_beside_itself(fetch, sandbox, words):
    assert fetch(words) == str(sandbox)
    assert sorted(os.listdir(sandbox)) == ["words", "words.gz"]


def test_an_archive_is_copied_when_it_should_not_be_unpacked(fetch, sandbox, words):
    fetch(words, extract=False)
    assert os.listdir(sandbox) == ["words.gz"]


@pytest.mark.parametrize(("output_file", "made"), [("f.gz", ["f", "f.gz"]), ("plain", ["plain"])])
def test_the_name_in_the_sandbox_says_whether_it_is_an_archive(
    fetch, sandbox, words, output_file, made
):
    fetch(words, output_file=output_file)
    assert sorted(os.listdir(sandbox)) == made


@pytest.mark.integration
def test_a_download_is_unpacked_too(fetch, sandbox, web):
    fetch(web.page("/words.gz", WORDS))
    assert (sandbox / "words").read_text() == "words"


def test_what_the_cache_has_is_not_read_from_elsewhere(fetch, sandbox, words):
    fetch("http://nowhere.invalid/f", cached=str(words))
    assert (sandbox / "f").read_bytes() == WORDS


def test_an_archive_of_the_cache_is_not_copied(fetch, sandbox, words):
    fetch("http://nowhere.invalid/f.gz", cached=str(words))
    assert os.listdir(sandbox) == ["f"]


def test_the_first_failure_ends_it_and_is_told_last_with_its_uri(order, sandbox, words, capfd):
    bad = order("/no/such/file")["uris"]
    given = order(words)
    given["uris"] += bad + order(words, output_file="never")["uris"]
    assert fetch_process.fetch_all(given) == 1
    assert sorted(os.listdir(sandbox)) == ["words", "words.gz"]
    assert capfd.readouterr().err.splitlines() == [
        f"Fetched '{words}' to '{sandbox}'",
        "Failed to fetch '/no/such/file': [Errno 2] No such file or directory: '/no/such/file'",
    ]


def test_what_cannot_be_fetched_leaves_nothing(fetch, sandbox):
    with pytest.raises(CannotFetch, match="'s3a' is not supported"):
        fetch("s3a://bucket/f")
    assert os.listdir(sandbox) == []


# -- the cache's orders ---------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [True, False])
def test_the_agent_hears_the_size_and_says_where_to(
    order, words, tmp_path, monkeypatch, capfd, wanted
):
    path = tmp_path / "c1"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{path if wanted else ''}\n"))
    assert fetch_process.fill_cache(order(words)) == 0
    assert capfd.readouterr().out == f"{len(WORDS)}\n"
    assert path.exists() is wanted


def test_a_size_that_is_not_known_is_told_as_such(order, web, monkeypatch, capfd):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    url = web.page("/f", b"contents", headers={"Content-Length": ""})
    assert fetch_process.fill_cache(order(url)) == 0
    assert capfd.readouterr().out == "unknown\n"


def test_what_cannot_be_brought_to_the_cache_says_why(order, capfd):
    assert fetch_process.fill_cache(order("/no/such/file")) == 1
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith("Failed to fetch '/no/such/file': ")
