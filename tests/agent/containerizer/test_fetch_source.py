"""Where a URI comes from, what it is called in the sandbox, and what is refused."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from minimesos.agent.containerizer.fetch_source import (
    CannotFetch,
    Source,
    file_name,
    is_http,
    local_path,
    opened,
)

from .web import Web


def read(value: str, stall_timeout_s: float = 10.0) -> bytes:
    with opened(value, None, stall_timeout_s) as source:
        return b"".join(source.chunks())


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("/data/f", "/data/f"),
        ("file:///data/f", "/data/f"),
        ("file://localhost/data/f", "/data/f"),
        ("FILE:///data/f", "/data/f"),
        ("data/f", "/home/data/f"),
    ],
)
def test_paths_and_file_uris_denote_files_of_this_host(value, path):
    assert local_path(value, "/home") == path
    assert not is_http(value)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("s3a://bucket/f", "'s3a' is not supported; known are http://, https://, file:// and"),
        ("data.txt", "frameworks_home"),
        ("file://host/data.txt", "absolute path of this host"),
    ],
)
def test_what_is_no_file_of_this_host_says_so(value, problem):
    with pytest.raises(CannotFetch, match=problem):
        local_path(value, None)


@pytest.mark.parametrize(
    ("value", "output_file", "name"),
    [
        ("/data/f.txt", "", "f.txt"),
        ("http://host/a/f.tgz", "", "f.tgz"),
        ("http://host/f.tgz?version=1", "", "f.tgz?version=1"),
        ("http://host/f?version=1", "f.tgz", "f.tgz"),
        ("f.txt", "", "f.txt"),
        ("/data/f.txt", "a/b/c", "a/b/c"),
    ],
)
def test_a_file_is_called_as_its_uri_ends_unless_output_file_says_otherwise(
    value, output_file, name
):
    assert file_name(value, output_file) == name


@pytest.mark.parametrize(
    ("value", "output_file", "problem"),
    [
        ("/tmp/", "", "missing path"),
        ("/tmp/..", "", "missing path"),
        ("http://host", "", "missing path"),
        ("http://host/", "", "missing path"),
        ("/tmp/a'b", "", "quote"),
        ("/tmp/a\\b", "", "backslash"),
        ("/tmp/f", "/etc/f", "leads out of the sandbox"),
        ("/tmp/f", "a/../../f", "leads out of the sandbox"),
    ],
)
def test_what_cannot_be_called_anything_in_the_sandbox_says_why(value, output_file, problem):
    with pytest.raises(CannotFetch, match=problem):
        file_name(value, output_file)


def test_a_file_that_is_not_there_is_an_error_of_the_system():
    with pytest.raises(FileNotFoundError):
        read("/no/such/file")


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CannotFetch, match="no regular file"):
        read(str(tmp_path / "pipe"))


def test_a_file_that_grows_gives_what_it_had(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"one")
    with opened(str(path), None, 10.0) as source:
        path.write_bytes(b"one two")
        assert b"".join(source.chunks()) == b"one"


def test_a_file_that_says_it_is_empty_is_read_all_the_same():
    assert read("/proc/self/status").startswith(b"Name:")


def test_bytes_that_lack_are_told():
    parts = [b"ab", b""]
    source = Source(lambda size: parts.pop(0), 5)
    with pytest.raises(CannotFetch, match="only 2 of 5 bytes came"):
        list(source.chunks())


@pytest.mark.integration
class TestHttp:
    def test_a_page_is_read_with_its_size(self, web):
        url = web.page("/f", b"x" * 3_000_000)
        with opened(url, None, 10.0) as source:
            assert source.size_bytes == 3_000_000
            assert sum(map(len, source.chunks())) == 3_000_000

    def test_a_page_without_a_length_is_read_to_its_end(self, web):
        url = web.page("/f", b"all of it", headers={"Content-Length": ""})
        with opened(url, None, 10.0) as source:
            assert source.size_bytes is None
            assert b"".join(source.chunks()) == b"all of it"

    def test_redirects_are_followed(self, web):
        web.page("/there", b"contents")
        web.page("/moved", status=301, headers={"Location": "/there"})
        url = web.page("/here", status=302, headers={"Location": web.url("/moved")})
        assert read(url) == b"contents"
        assert web.requests == ["/here", "/moved", "/there"]

    @pytest.mark.parametrize(
        ("location", "problem"),
        [
            ("/here", "infinite loop"),
            ("file:///etc/passwd", "not allowed"),
            ("ftp://host/f", "unknown url type"),
        ],
    )
    def test_redirects_that_lead_nowhere_are_refused(self, web, location, problem):
        url = web.page("/here", status=302, headers={"Location": location})
        with pytest.raises(CannotFetch, match=problem):
            read(url)

    @pytest.mark.parametrize(
        ("status", "problem"), [(404, "404 Not Found"), (204, "204 No Content"), (503, "503")]
    )
    def test_an_answer_that_is_no_page_says_so(self, web, status, problem):
        with pytest.raises(CannotFetch, match=f"the server answered {problem}"):
            read(web.page("/f", status=status))

    def test_a_download_that_breaks_says_how_much_came(self, web):
        url = web.page("/f", b"half", headers={"Content-Length": "8"})
        with pytest.raises(CannotFetch, match="only 4 of 8 bytes came"):
            read(url)

    @pytest.mark.parametrize("begun", [False, True])
    def test_a_silent_server_is_given_up(self, web, begun):
        over = threading.Event()

        def answer(request):
            if begun:
                request.send_response(200)
                request.send_header("Content-Length", "8")
                request.end_headers()
                request.wfile.write(b"half")
            over.wait(20.0)

        try:
            with pytest.raises(
                CannotFetch, match=r"nothing came for 0.1 s .*fetcher_stall_timeout"
            ):
                read(web.answer("/f", answer), stall_timeout_s=0.1)
        finally:
            over.set()

    def test_a_server_that_does_not_speak_http_is_told_of(self, web):
        url = web.answer("/f", lambda request: request.wfile.write(b"hello there\r\n"))
        with pytest.raises(CannotFetch, match="BadStatusLine"):
            read(url)

    def test_a_server_that_cannot_be_reached_is_told_of(self):
        with Web() as gone:
            url = gone.url("/f")
        with pytest.raises(CannotFetch, match="Connection refused"):
            read(url)

    @pytest.mark.parametrize(
        ("url", "problem"), [("http:///f", "no host"), ("http://127.0.0.1:x/f", "nonnumeric port")]
    )
    def test_an_address_that_is_none_is_told_of(self, url, problem):
        with pytest.raises(CannotFetch, match=problem):
            read(url)

    def test_https_needs_a_certificate_that_somebody_trusts(self, tmp_path, monkeypatch):
        certificate = make_certificate(tmp_path)
        with Web(certificate) as web:
            url = web.page("/f", b"contents")
            with pytest.raises(CannotFetch, match="certificate verify failed"):
                read(url)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            assert read(url) == b"contents"


def make_certificate(directory: Path) -> Path:
    """Make a file with a private key and a certificate of 127.0.0.1 that is its own authority."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-newkey", "ec"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "1"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    both = directory / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
