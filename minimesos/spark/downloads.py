"""Brings what a driver is to ship from where a URL says to this host.

http and https need nothing but the standard library; other schemes are `io.remote`'s.

Source: Spark's `Utils.fetchFile`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from minimesos.spark.errors import SparkException
from minimesos.spark.io.filesystem import LOCAL, FileSystem, file_system_of, scheme_of, why
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.files import FILES_FETCH_TIMEOUT

_HTTP = ("http", "https")
_COPY_BYTES = 1024 * 1024


def shown(path: str) -> str:
    """Return a path or URL as users see it, without passwords."""
    if scheme_of(path) in (None, "file"):
        return LOCAL.shown(LOCAL.resolve(path))
    from minimesos.spark.io.remote import shown_url

    return shown_url(path)


@contextmanager
def on_this_host(path: str, directory: str, conf: Texts) -> Iterator[str]:
    """Return the local path of a file or directory; a copy, below `directory`, of a remote one.

    Copies go with the `with` block. Raises SparkException that names what cannot be had.
    """
    scheme = scheme_of(path)
    if scheme in (None, "file"):
        yield LOCAL.resolve(path)
        return
    named = unquote(urlsplit(path).path) if scheme in _HTTP else path.partition("::")[0]
    name = os.path.basename(named.rstrip("/"))
    if name in ("", ".", ".."):
        raise SparkException(f"{shown(path)} does not name a file")
    import tempfile

    with tempfile.TemporaryDirectory(prefix="download-", dir=directory) as below:
        target = os.path.join(below, name)
        try:
            if scheme in _HTTP:
                _download(path, target, FILES_FETCH_TIMEOUT.read(conf))
            else:
                _copy(file_system_of(path, conf), path, target)
        except FileNotFoundError as error:
            raise SparkException(f"File {shown(path)} does not exist") from error
        except OSError as error:
            raise SparkException(f"File {shown(path)} cannot be shipped: {why(error)}") from error
        yield target


def _download(url: str, target: str, timeout_s: float) -> None:
    import shutil
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=timeout_s) as answer, open(target, "wb") as file:
            shutil.copyfileobj(answer, file, _COPY_BYTES)
            # read() does not tell a connection that was cut from the end.
            length = answer.headers.get("Content-Length")
            if length is not None and file.tell() != int(length):
                raise OSError(f"{file.tell()} bytes came of {length}")
    except HTTPError as error:
        error.close()
        raise OSError(f"the server answers {error.code} {error.reason}") from error
    except HTTPException as error:
        raise OSError(f"what the server answers is no HTTP: {error!r}") from error


def _copy(system: FileSystem, path: str, target: str) -> None:
    """Copy a file, or a directory with all that is below."""
    found = system.find(path)
    if not found.is_directory:
        import shutil

        with system.open(path) as file, open(target, "wb") as copy:
            shutil.copyfileobj(file, copy, _COPY_BYTES)
        return
    os.mkdir(target)
    for child in system.children(path):
        name = os.path.basename(child.path.rstrip("/"))
        _copy(system, child.path, os.path.join(target, name))
