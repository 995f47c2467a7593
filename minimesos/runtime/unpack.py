"""Unpacks archives into a directory, and refuses those that would write elsewhere.

Used for what an agent fetches into a sandbox and for what a driver ships to its tasks. A member
whose path or link leads out of the directory, and one that is neither file, directory nor link,
ends the unpacking with an error that names it. What came before it stays.

Source: Mesos documentation "Fetcher"; the rules for members are those of Python's `tarfile` filter
`data`, except that absolute paths are refused.
"""

from __future__ import annotations

import bz2  # noqa: F401  (the next three: tarfile imports them late, when it may not read files)
import encodings.cp437  # noqa: F401  (names in old zip files)
import gzip
import lzma  # noqa: F401
import os
import shutil
import stat
import tarfile
import zipfile
from contextlib import suppress

from minimesos.errors import MinimesosError

_UNIX = 3  # of a zip member's `create_system`: its attributes hold a file mode
_LINK_BYTES_MAX = 4096
_CHUNK_BYTES = 2**20
_ZIPS = (".zip", ".jar")


class CannotUnpack(MinimesosError):
    """Says why, without the archive's name."""


def unpack(archive: str, name: str, directory: str) -> None:
    """Unpack a file by the suffix of its `name`: a `.gz` to the name without it, others as they say.

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
    except tarfile.FilterError as error:
        raise CannotUnpack(f"refused to unpack it: {error}") from error
    except Exception as error:  # the formats' libraries raise many kinds for what is broken
        why = " ".join(str(error).split()) or type(error).__name__
        raise CannotUnpack(
            f"cannot unpack it, it is no archive of its kind or broken: {why}"
        ) from error


def _untar(archive: str, directory: str) -> None:
    with tarfile.open(archive, errorlevel=2) as tar:
        tar.extractall(directory, filter=_checked)


def _checked(member: tarfile.TarInfo, directory: str) -> tarfile.TarInfo:
    """Return a member as it may be unpacked. Raises CannotUnpack and tarfile.FilterError."""
    if os.path.isabs(member.name):
        raise CannotUnpack(f"refused to unpack it: member '{member.name}' has an absolute path")
    return tarfile.data_filter(member, directory)


def _gunzip(archive: str, name: str, directory: str) -> None:
    if not name:
        raise CannotUnpack("there is no name to unpack it to")
    with gzip.open(archive) as packed, open(os.path.join(directory, name), "wb") as plain:
        shutil.copyfileobj(packed, plain, _CHUNK_BYTES)


def _unzip(archive: str, directory: str) -> None:
    with zipfile.ZipFile(archive) as zipped:
        for entry in zipped.infolist():
            member = _checked(_as_tar_member(zipped, entry), directory)
            path = os.path.join(directory, member.name)
            if member.isdir():
                os.makedirs(path, exist_ok=True)
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with suppress(FileNotFoundError):
                os.unlink(path)
            if member.issym():
                os.symlink(member.linkname, path)
                continue
            with zipped.open(entry) as packed, open(path, "xb") as plain:
                shutil.copyfileobj(packed, plain, _CHUNK_BYTES)
            os.chmod(path, member.mode)


def _as_tar_member(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tarfile.TarInfo:
    """Describe a zip's member in the words of tar, so that one rule holds for both."""
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
