"""Unpacks archives into a directory, and refuses those that would write elsewhere.

Used for what an agent fetches into a sandbox, and for what a driver ships to its tasks. A member
ends the unpacking with an error that names it if its path or link leads out of the directory, if
it lies below a link, or if it is neither file, directory nor link. What came before it stays.
Owners and the modes of directories are not taken over.

Own rules, for tar and zip alike: Pythons that are still in use have no filters for the one and none
has them for the other.

Source: Mesos documentation "Fetcher".
"""

from __future__ import annotations

import bz2  # noqa: F401  (tarfile imports these when it needs them, and may not be able to then)
import encodings.cp437  # noqa: F401  (names in old zip files; the same)
import gzip
import itertools
import lzma  # noqa: F401
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO

from minimesos.errors import CannotUnpack

_MODES = 0o755  # what a file may allow of
_OWNERS_MODES = 0o600  # and always does
_UNIX = 3  # of a zip member's `create_system`: its attributes hold a file mode
_ZIPS = (".zip", ".jar")
_CHUNK_BYTES = 2**20
_LINK_BYTES_MAX = 4096


def unpack(archive: str, name: str, directory: str) -> None:
    """Unpack a file by the suffix of its `name`; a `.gz` comes out under the name without it.

    Raises CannotUnpack and OSError.
    """
    try:
        if name.endswith(_ZIPS):
            _unzip(archive, directory)
        elif name.endswith(".gz") and not name.endswith(".tar.gz"):
            _gunzip(archive, os.path.basename(name).removesuffix(".gz"), directory)
        else:
            _untar(archive, directory)
    except (OSError, CannotUnpack):
        raise
    except Exception as error:  # the formats' libraries raise many kinds for what is broken
        why = " ".join(str(error).split()) or type(error).__name__
        raise CannotUnpack(f"cannot unpack it: {why}") from error


def _untar(archive: str, directory: str) -> None:
    try:
        tar = tarfile.open(archive)  # noqa: SIM115  (closed below)
    except tarfile.ReadError as error:  # which says of each compression why it is not that
        raise CannotUnpack("cannot unpack it: it is no tar archive") from error
    with tar:
        for member in tar:
            path = _place(member, partial(tar.extractfile, member), directory)
            if member.isreg():
                os.utime(path, (member.mtime, member.mtime))  # Python's bytecode files rely on it


def _unzip(archive: str, directory: str) -> None:
    with zipfile.ZipFile(archive) as zipped:
        for entry in zipped.infolist():
            member = _as_tar_member(zipped, entry)
            _place(member, partial(zipped.open, entry), directory)


def _gunzip(archive: str, name: str, directory: str) -> None:
    if not name:
        raise CannotUnpack("there is no name to unpack it to")
    with gzip.open(archive) as packed, open(os.path.join(directory, name), "wb") as plain:
        shutil.copyfileobj(packed, plain, _CHUNK_BYTES)


def _place(
    member: tarfile.TarInfo, contents: Callable[[], IO[bytes] | None], directory: str
) -> str:
    """Make a member in the directory, in place of what has its name; returns its path there."""
    problem = _problem(member, directory)
    if problem is not None:
        raise CannotUnpack(f"refused to unpack it: member '{member.name}' {problem}")
    path = os.path.join(directory, member.name)
    if member.isdir():
        os.makedirs(path, exist_ok=True)
        return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with suppress(FileNotFoundError):
        os.unlink(path)
    if member.issym():
        os.symlink(member.linkname, path)
    elif member.islnk():
        os.link(os.path.join(directory, member.linkname), path, follow_symlinks=False)
    else:
        packed = contents()
        assert packed is not None, "only files get here"
        with packed, open(path, "xb") as plain:
            shutil.copyfileobj(packed, plain, _CHUNK_BYTES)
        os.chmod(path, member.mode & _MODES | _OWNERS_MODES)
    return path


def _problem(member: tarfile.TarInfo, directory: str) -> str | None:
    """Say why a member must not be unpacked, None if it may."""
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        return "is neither file, directory nor link"
    if _leads_out(member.name, directory):
        return "lies outside the directory or below a link"
    if member.islnk() and _leads_out(member.linkname, directory):
        return f"is a link to '{member.linkname}', outside the directory or below a link"
    if member.issym() and _points_out(member):
        return f"is a link to '{member.linkname}', outside the directory"
    return None


def _leads_out(name: str, directory: str) -> bool:
    """Say whether a name leads out of the directory, or may do so because a link is on its way."""
    parts = name.split("/")
    parents = (os.path.join(directory, *parts[:depth]) for depth in range(1, len(parts)))
    return os.path.isabs(name) or ".." in parts or any(map(os.path.islink, parents))


def _points_out(link: tarfile.TarInfo) -> bool:
    """Say whether a symbolic link leads out of the directory, or may by way of others."""
    target = os.path.normpath(os.path.join(os.path.dirname(link.name), link.linkname))
    downwards = itertools.dropwhile(lambda part: part == "..", link.linkname.split("/"))
    return os.path.isabs(target) or target.split("/")[0] == ".." or ".." in downwards


def _as_tar_member(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tarfile.TarInfo:
    """Describe a zip's member in the words of tar."""
    member = tarfile.TarInfo(entry.filename.rstrip("/"))
    mode = entry.external_attr >> 16 if entry.create_system == _UNIX else 0
    member.mode = stat.S_IMODE(mode) or 0o644
    kind = stat.S_IFMT(mode)
    if entry.is_dir():
        member.type = tarfile.DIRTYPE
    elif kind == stat.S_IFLNK:
        member.type = tarfile.SYMTYPE
        with zipped.open(entry) as packed:
            member.linkname = os.fsdecode(packed.read(_LINK_BYTES_MAX))
    elif kind not in (0, stat.S_IFREG):
        member.type = tarfile.CHRTYPE  # no file, whichever of the others it is
    return member
