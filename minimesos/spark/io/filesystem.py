"""Where files are, by their paths: the file system of this host, or what a URL's scheme means.

`file_system_of` picks one; everything that lists, reads or writes a user's files goes through it.
Other schemes than `file` are those of fsspec, in `remote`.
"""

from __future__ import annotations

import os
import re
import stat
from typing import IO, NamedTuple, Protocol

from minimesos.spark.errors import SparkException
from minimesos.spark.setting_kinds import Texts

_URL = re.compile(r"([a-z][a-z0-9+.-]*):/", re.IGNORECASE)
_REMOVALS_MAX = 3


class Found(NamedTuple):
    """A file or directory."""

    path: str
    size: int
    """Bytes of a file; -1 where that cannot be known before all is read."""
    is_directory: bool = False
    is_readable: bool = True
    """False of what is neither file nor directory, such as a pipe."""


class FileSystem(Protocol):
    """What reading and writing needs. Paths are those of `resolve`.

    Methods raise FileNotFoundError of what is missing, and other OSErrors.
    """

    parallel_renames: int
    """How many renames at once pay."""

    def resolve(self, path: str) -> str:
        """Return a user's path as all others take it, also those of other processes."""
        ...

    def shown(self, path: str) -> str:
        """Return a path as users see it: a URI without passwords."""
        ...

    def find(self, path: str) -> Found:
        """Say what a path is."""
        ...

    def children(self, path: str) -> list[Found]:
        """Return what is in a directory, sorted by name."""
        ...

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading."""
        ...

    def size_of(self, file: IO[bytes]) -> int:
        """Return the size that an open file has now; -1 if that is not known."""
        ...

    def create(self, path: str) -> IO[bytes]:
        """Write a file, in a directory that exists."""
        ...

    def make_directory(self, path: str) -> None:
        """Make a directory and those above it; it may exist."""
        ...

    def exists(self, path: str) -> bool:
        """Say whether there is a file or directory."""
        ...

    def rename(self, path: str, target: str) -> None:
        """Move a file, in place of what is at `target`."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, or a directory with all that is in it; nothing if there is none."""
        ...

    def remove_if_empty(self, path: str) -> None:
        """Remove a directory in which nothing is."""
        ...


class LocalFiles:
    """The file system of this host, by absolute paths."""

    parallel_renames = 1

    def resolve(self, path: str) -> str:
        if scheme_of(path) is None:
            return os.path.abspath(path)
        from urllib.parse import unquote, urlsplit

        return os.path.abspath(unquote(urlsplit(path).path))

    def shown(self, path: str) -> str:
        return f"file:{path}"

    def find(self, path: str) -> Found:
        return _found(path, os.stat(path))

    def children(self, path: str) -> list[Found]:
        found = []
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    found.append(_found(entry.path, entry.stat()))
                except FileNotFoundError:
                    continue  # it went while the directory was read, or is a link to nothing
        return sorted(found)

    def open(self, path: str) -> IO[bytes]:
        return open(path, "rb", buffering=0)

    def size_of(self, file: IO[bytes]) -> int:
        return os.fstat(file.fileno()).st_size

    def create(self, path: str) -> IO[bytes]:
        return open(path, "wb")

    def make_directory(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def rename(self, path: str, target: str) -> None:
        os.replace(path, target)

    def remove(self, path: str) -> None:
        if not os.path.isdir(path):
            if os.path.lexists(path):
                os.unlink(path)
            return
        import shutil

        for _ in range(_REMOVALS_MAX):  # an attempt that nobody waits for may just make a file
            shutil.rmtree(path, ignore_errors=True)
            if not os.path.exists(path):
                return

    def remove_if_empty(self, path: str) -> None:
        try:
            os.rmdir(path)
        except OSError:
            return


def _found(path: str, status: os.stat_result) -> Found:
    is_directory = stat.S_ISDIR(status.st_mode)
    return Found(path, status.st_size, is_directory, is_directory or stat.S_ISREG(status.st_mode))


LOCAL = LocalFiles()


def scheme_of(path: str) -> str | None:
    """Return the scheme of a URL in small letters; None for a plain path."""
    url = _URL.match(path)
    return None if url is None else url[1].lower()


def file_system_of(path: str, conf: Texts) -> FileSystem:
    """Return what a path or URL is on. Raises SparkException of a scheme that means nothing."""
    scheme = scheme_of(path)
    if scheme is None or (scheme == "file" and "::" not in path):
        return LOCAL
    from minimesos.spark.io.remote import RemoteFiles

    return RemoteFiles.of(path, conf)


def local_path(path: str) -> str:
    """Return the absolute path of a `file:` URI or plain path. Other schemes are refused."""
    scheme = scheme_of(path)
    if scheme not in (None, "file"):
        raise SparkException(f'No FileSystem for scheme "{scheme}": {path}')
    return LOCAL.resolve(path)


def why(error: OSError) -> str:
    """Return what the world said, without the path, which messages name themselves."""
    return error.strerror or str(error) or type(error).__name__


def failure(doing: str, shown: str, error: OSError) -> SparkException:
    """Return an error that names the file; raise it from `error`."""
    return SparkException(f"Cannot {doing} {shown}: {why(error)}")
