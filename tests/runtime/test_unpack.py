"""Archives: what comes out of them, and what they may not do."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesos.errors import CannotUnpack
from minimesos.runtime.unpack import unpack

TARS = {
    "a.tar": "w",
    "a.tgz": "w:gz",
    "a.tar.gz": "w:gz",
    "a.tbz2": "w:bz2",
    "a.tar.bz2": "w:bz2",
    "a.txz": "w:xz",
    "a.tar.xz": "w:xz",
}


def member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def zipped(*members: tuple[str, bytes, int]) -> bytes:
    """Zip members of (name, data, mode); a mode of 0 leaves it out."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in members:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.create_system = 3 if mode else 0  # Unix, or DOS
            archive.writestr(entry, data)
    return packed.getvalue()


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    path = tmp_path / "sandbox"
    path.mkdir()
    return path


@pytest.fixture
def unpacked(sandbox: Path) -> Callable[[str, bytes], Path]:
    """Unpack an archive of a name; returns the sandbox."""

    def unpacked(name: str, archive: bytes) -> Path:
        (sandbox / name).write_bytes(archive)
        unpack(str(sandbox / name), name, str(sandbox))
        return sandbox

    return unpacked


@pytest.mark.parametrize("name", TARS)
def test_a_tar_comes_out_with_modes_and_links_and_the_archive_stays(unpacked, name):
    sandbox = unpacked(
        name,
        tar(
            member("top/run", b"#!/bin/sh\n", mode=0o755),
            member("top/data", b"data", mode=0o600),
            member("top/link", type=tarfile.SYMTYPE, linkname="data"),
            member("top/same", type=tarfile.LNKTYPE, linkname="top/data"),
            mode=TARS[name],
        ),
    )
    assert sorted(os.listdir(sandbox)) == sorted([name, "top"])
    assert os.access(sandbox / "top" / "run", os.X_OK)
    assert (sandbox / "top" / "link").read_text() == "data"
    assert (sandbox / "top" / "same").stat().st_ino == (sandbox / "top" / "data").stat().st_ino


def test_a_zip_comes_out_with_modes_and_links_and_the_archive_stays(unpacked):
    sandbox = unpacked(
        "a.zip",
        zipped(
            ("top/", b"", 0),
            ("top/run", b"#!/bin/sh\n", 0o755),
            ("top/data", b"data", 0),
            ("top/link", b"data", stat.S_IFLNK | 0o777),
        ),
    )
    assert sorted(os.listdir(sandbox)) == ["a.zip", "top"]
    assert stat.S_IMODE((sandbox / "top" / "run").stat().st_mode) == 0o755
    assert stat.S_IMODE((sandbox / "top" / "data").stat().st_mode) == 0o644
    assert os.readlink(sandbox / "top" / "link") == "data"


def test_of_two_members_of_a_name_the_later_one_stays(unpacked):
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = zipped(("f", b"first", 0), ("f", b"second", 0))
    assert (unpacked("a.zip", archive) / "f").read_bytes() == b"second"


def test_a_gz_comes_out_under_the_name_without_it(unpacked):
    sandbox = unpacked("words.txt.gz", gzip.compress(b"words"))
    assert (sandbox / "words.txt").read_bytes() == b"words"
    assert (sandbox / "words.txt.gz").exists()


def test_an_archive_of_the_cache_comes_out_in_the_sandbox(sandbox, tmp_path):
    (tmp_path / "c1").write_bytes(gzip.compress(b"words"))
    unpack(str(tmp_path / "c1"), "sub/words.gz", str(sandbox))
    assert os.listdir(sandbox) == ["words"]


def test_rights_that_others_should_not_have_are_not_given(unpacked):
    sandbox = unpacked("a.tar", tar(member("f", mode=0o6777)))
    assert stat.S_IMODE((sandbox / "f").stat().st_mode) == 0o755


# -- what would land elsewhere --------------------------------------------------------------------

HOSTILE = [
    ("/etc/evil", {}),
    ("../outside/evil", {}),
    ("a/../../outside/evil", {}),
    ("evil", {"type": tarfile.SYMTYPE, "linkname": "/etc"}),
    ("evil", {"type": tarfile.SYMTYPE, "linkname": "../outside"}),
    ("evil", {"type": tarfile.LNKTYPE, "linkname": "../outside/f"}),
    ("evil", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}),
    ("evil", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
    ("evil", {"type": tarfile.BLKTYPE, "devmajor": 8}),
    ("evil", {"type": tarfile.FIFOTYPE}),
]


def assert_refused(unpacked: Callable[[str, bytes], Path], archive: bytes, name: str) -> None:
    with pytest.raises(CannotUnpack, match="refused to unpack it") as caught:
        unpacked("a.tar" if name != "a.zip" else name, archive)
    assert "evil" in str(caught.value)


@pytest.mark.parametrize(("name", "fields"), HOSTILE)
def test_a_tar_that_would_write_elsewhere_is_refused(unpacked, tmp_path, name, fields):
    assert_refused(unpacked, tar(member("good", b"ok"), member(name, **fields)), "a.tar")
    assert os.listdir(tmp_path / "outside") == []


@pytest.mark.parametrize(
    ("name", "data", "mode"),
    [
        ("/etc/evil", b"", 0),
        ("../outside/evil", b"", 0),
        ("../outside/evil/", b"", 0),
        ("a/../../outside/evil", b"", 0),
        ("evil", b"/etc", stat.S_IFLNK | 0o777),
        ("evil", b"../outside", stat.S_IFLNK | 0o777),
        ("evil", b"", stat.S_IFCHR | 0o666),
        ("evil", b"", stat.S_IFIFO | 0o666),
    ],
)
def test_a_zip_that_would_write_elsewhere_is_refused(unpacked, tmp_path, name, data, mode):
    assert_refused(unpacked, zipped(("good", b"ok", 0), (name, data, mode)), "a.zip")
    assert os.listdir(tmp_path / "outside") == []


def test_a_link_that_is_there_already_leads_no_member_out(unpacked, sandbox, tmp_path):
    os.symlink("../outside", sandbox / "way")
    assert_refused(unpacked, tar(member("way/evil", b"x")), "a.tar")
    assert_refused(unpacked, zipped(("way/evil", b"x", 0)), "a.zip")
    assert os.listdir(tmp_path / "outside") == []


def test_links_in_a_row_lead_no_farther_than_each(unpacked):
    archive = tar(
        member("d/up", type=tarfile.SYMTYPE, linkname=".."),
        member("evil", type=tarfile.SYMTYPE, linkname="d/up/.."),
    )
    assert_refused(unpacked, archive, "a.tar")


def test_a_file_takes_the_place_of_a_link_rather_than_going_where_it_points(unpacked, sandbox):
    (sandbox / "kept").write_text("kept")
    archive = tar(member("f", type=tarfile.SYMTYPE, linkname="kept"), member("f", b"new"))
    assert (unpacked("a.tar", archive) / "f").read_text() == "new"
    assert (sandbox / "kept").read_text() == "kept"


# -- what is no archive ---------------------------------------------------------------------------

GOOD = {
    **{name: tar(member("f", b"data" * 5000), mode=mode) for name, mode in TARS.items()},
    "a.zip": zipped(("f", b"data" * 5000, 0o644)),
    "a.gz": gzip.compress(b"data" * 5000),
}
BROKEN = [
    *((name, data[: len(data) // 2]) for name, data in GOOD.items()),
    *((name, b"<html>404</html>") for name in GOOD),
    *((name, b"") for name in GOOD if name != "a.gz"),  # nothing, compressed, may be nothing
]


@pytest.mark.parametrize(("name", "data"), BROKEN)
def test_what_is_no_archive_of_its_kind_says_so_in_a_line(unpacked, name, data):
    with pytest.raises((CannotUnpack, OSError)) as caught:
        unpacked(name, data)
    assert str(caught.value)
    assert "\n" not in str(caught.value)


@given(name=st.sampled_from(sorted(GOOD)), data=st.data())
def test_a_damaged_archive_does_no_harm(name, data):
    packed = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as directory:
        sandbox = Path(directory, "sandbox")
        sandbox.mkdir()
        (sandbox / name).write_bytes(packed)
        try:
            unpack(str(sandbox / name), name, str(sandbox))
        except (CannotUnpack, OSError):
            pass
        assert os.listdir(directory) == ["sandbox"]
