"""File systems of other schemes than `file`, by fsspec: object stores, HDFS, HTTP and more.

Options of a scheme are settings: `spark.minimesos.fs.s3.endpoint_url`. Values that are JSON are
read as such, others are texts; they are never shown. Paths stay whole URLs, as users give them.
Needs the extra `fs`, and what fsspec needs for the scheme.

Source: fsspec's AbstractFileSystem.
"""

from __future__ import annotations

import json
import re
from typing import IO, Any

from minimesos.spark.errors import SparkException
from minimesos.spark.io.filesystem import Found, scheme_of
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.files import FILE_SYSTEM_PREFIX

_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/@]*@")
_QUERY = re.compile(r"\?.*")
_HTTP = ("http", "https")
_READ_AHEAD_BYTES = 4 * 1024 * 1024


class RemoteFiles:
    """What one URL's scheme and host mean to fsspec."""

    parallel_renames = 16

    def __init__(self, files: Any, start: str, end: str) -> None:
        self._files = files
        self._start, self._end = start, end
        """What fsspec leaves out of its own paths: `s3://`, or `zip://` and `::file:///a.zip`."""

    @classmethod
    def of(cls, url: str, conf: Texts) -> RemoteFiles:
        """Return the file system of a URL. Raises SparkException, which says what is missing."""
        scheme = scheme_of(url) or ""
        try:
            import fsspec
        except ImportError as error:
            raise SparkException(
                f'No FileSystem for scheme "{scheme}": {shown_url(url)} needs the extra: '
                "pip install 'minimesos[fs]'"
            ) from error
        try:
            files, path = fsspec.core.url_to_fs(url, **_options(scheme, conf))
        except (ImportError, ValueError) as error:
            raise SparkException(
                f'No FileSystem for scheme "{scheme}": {shown_url(url)}: {error}'
            ) from error
        outer, chain, below = url.rstrip("/").partition("::")
        start = outer[: -len(path)] if path and outer.endswith(path) else f"{scheme}://"
        return cls(files, start, chain + below)

    def _inner(self, path: str) -> str:
        stripped: str = self._files._strip_protocol(path.removesuffix(self._end))
        return stripped

    def _outer(self, path: str) -> str:
        return (path if path.startswith(self._start) else self._start + path) + self._end

    def resolve(self, path: str) -> str:
        return path

    def shown(self, path: str) -> str:
        return shown_url(path)

    def find(self, path: str) -> Found:
        found = self._found(self._files.info(self._inner(path)))
        if scheme_of(path) in _HTTP and found.size > 1 and not self._has_ranges(path, found.size):
            return found._replace(size=-1)
        return found

    def _has_ranges(self, path: str, size: int) -> bool:
        """Say whether a server sends parts of a file; few say so unasked."""
        with self._files.open(self._inner(path), "rb", block_size=1) as file:
            try:
                file.seek(size - 1)
                return len(file.read(1)) == 1
            except ValueError:
                return False

    def children(self, path: str) -> list[Found]:
        inner = self._inner(path)
        listed = self._files.ls(inner, detail=True)
        # Object stores may have an object with the name of the directory itself.
        return sorted(
            self._found(info) for info in listed if info["name"].rstrip("/") != inner.rstrip("/")
        )

    def _found(self, info: dict[str, Any]) -> Found:
        size = info.get("size")
        if size is None or info.get("partial") is False:
            size = -1  # a server that sends all or nothing
        is_directory = info.get("type") == "directory"
        return Found(self._outer(info["name"]), int(size), is_directory)

    def open(self, path: str) -> IO[bytes]:
        inner = self._inner(path)
        options = {"block_size": _READ_AHEAD_BYTES, "cache_type": "readahead"}
        if self.find(path).size < 0:
            options = {"block_size": 0}
        file: IO[bytes] = self._files.open(inner, "rb", **options)
        return file

    def size_of(self, file: IO[bytes]) -> int:
        size = getattr(file, "size", None)
        return -1 if size is None else int(size)

    def create(self, path: str) -> IO[bytes]:
        file: IO[bytes] = self._files.open(self._inner(path), "wb")
        return file

    def make_directory(self, path: str) -> None:
        self._files.makedirs(self._inner(path), exist_ok=True)

    def exists(self, path: str) -> bool:
        return bool(self._files.exists(self._inner(path)))

    def rename(self, path: str, target: str) -> None:
        self._files.mv(self._inner(path), self._inner(target))

    def remove(self, path: str) -> None:
        inner = self._inner(path)
        if self._files.exists(inner):
            self._files.rm(inner, recursive=True)

    def remove_if_empty(self, path: str) -> None:
        inner = self._inner(path)
        if self._files.exists(inner) and not self._files.ls(inner, detail=False):
            self._files.rmdir(inner)


def shown_url(url: str) -> str:
    """Return a URL without its password, and without a query, which may be a signature."""
    url = _PASSWORD.sub(r"\1:***@", url)
    return _QUERY.sub("?...", url) if url.startswith("http") else url


def _options(scheme: str, conf: Texts) -> dict[str, Any]:
    """Return the options that settings give for a scheme."""
    prefix = f"{FILE_SYSTEM_PREFIX}{scheme}."
    return {
        key.removeprefix(prefix): _value(text)
        for key, text in _items(conf)
        if key.startswith(prefix)
    }


def _items(conf: Any) -> list[tuple[str, str]]:
    return list(conf.getAll() if hasattr(conf, "getAll") else conf.items())


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
