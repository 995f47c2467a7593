"""Where a URI's bytes come from, and what they are called in the sandbox.

Used by `fetch_process`. Absolute paths, file:// and paths below --frameworks_home are opened here,
http:// and https:// by `http_source`. Nothing is written.

Source: Mesos documentation "Fetcher".
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

CHUNK_BYTES = 2**20

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HTTP = ("http", "https")
_FORBIDDEN_IN_NAMES = frozenset("\\'\"\0")


class CannotFetch(Exception):
    """Says why, without the URI."""


class Source(NamedTuple):
    """An open file. `read` returns at most so many bytes, as soon as there are some."""

    read: Callable[[int], bytes]
    size_bytes: int | None

    def chunks(self) -> Iterator[bytes]:
        """Yield its bytes, of a file that grows those it had. Raises CannotFetch if some lack."""
        left = self.size_bytes
        while left != 0:
            chunk = self.read(CHUNK_BYTES if left is None else min(left, CHUNK_BYTES))
            if not chunk:
                break
            yield chunk
            left = None if left is None else left - len(chunk)
        if left:
            assert self.size_bytes is not None
            raise CannotFetch(f"only {self.size_bytes - left} of {self.size_bytes} bytes came")


@contextmanager
def opened(value: str, frameworks_home: str | None, stall_timeout_s: float) -> Iterator[Source]:
    """Open what a URI denotes. Raises CannotFetch and OSError, also while it is read."""
    if is_http(value):
        from minimesos.agent.containerizer.http_source import (
            requested,
        )  # takes longer than the rest

        with requested(value, stall_timeout_s) as source:
            yield source
        return
    path = local_path(value, frameworks_home)
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe, for one, could not even be opened
        raise CannotFetch("it is no regular file")
    with open(path, "rb") as file:
        # Files of the kernel's own say that they are empty.
        yield Source(file.read1, os.fstat(file.fileno()).st_size or None)


def is_http(value: str) -> bool:
    """Say whether a URI has to be downloaded."""
    scheme = _SCHEME.match(value)
    return scheme is not None and scheme[1].lower() in _HTTP


def local_path(value: str, frameworks_home: str | None) -> str:
    """Return the path that a URI denotes on this host. Raises CannotFetch."""
    scheme = _SCHEME.match(value)
    if scheme is not None and scheme[1].lower() != "file":
        known = ", ".join(f"{each}://" for each in _HTTP)
        raise CannotFetch(f"'{scheme[1]}' is not supported; known are {known}, file:// and paths")
    path = value if scheme is None else value[scheme.end() :].removeprefix("localhost")
    if path.startswith("/"):
        return path
    if scheme is not None:
        raise CannotFetch("a file:// URI holds an absolute path of this host")
    if frameworks_home is None:
        raise CannotFetch("a relative path needs the agent's flag --frameworks_home")
    return os.path.join(frameworks_home, path)


def file_name(value: str, output_file: str) -> str:
    """Return the path below the sandbox that a URI is brought to. Raises CannotFetch."""
    if output_file:
        if os.path.isabs(output_file) or ".." in output_file.split("/"):
            raise CannotFetch(f"output_file '{output_file}' leads out of the sandbox")
        return output_file
    scheme = _SCHEME.match(value)
    host_and_path = value if scheme is None else value[scheme.end() :]
    _, slash, name = host_and_path.rpartition("/")
    is_host = scheme is not None and not slash
    if is_host or not name or name in (".", ".."):
        raise CannotFetch("Malformed URI (missing path)")
    if not _FORBIDDEN_IN_NAMES.isdisjoint(name):
        raise CannotFetch("the file name holds a quote, a backslash or NUL")
    return name
