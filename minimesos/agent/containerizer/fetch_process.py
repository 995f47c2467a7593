"""The process that copies a command's URIs into the sandbox before the command starts.

`fetcher` runs it with an order as JSON on stdin. It becomes the task's user, goes through the URIs
in order and stops at the first failure, which it prints with the URI before it exits with 1.

Absolute paths, file:// and paths below --frameworks_home only; it downloads, unpacks and caches
nothing.

Source: Mesos documentation "Fetcher".
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from typing import Any

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip", ".gz")
_FORBIDDEN_IN_NAMES = frozenset("\\'\"\0")
_EXECUTABLE_MODE = 0o755


class CannotFetch(Exception):
    """Says why, without the URI."""


def fetch(uri: dict[str, Any], sandbox: str, frameworks_home: str | None) -> str:
    """Bring a URI into the sandbox; returns its path there. Raises CannotFetch and OSError."""
    value: str = uri["value"].lstrip()
    source = local_path(value, frameworks_home)
    name = file_name(value, uri["output_file"])
    if uri["extract"] and not uri["executable"] and name.endswith(_ARCHIVES):
        raise CannotFetch("unpacking archives is not supported; set 'extract' to false")
    target = os.path.join(sandbox, name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(source, target)
    if uri["executable"]:
        os.chmod(target, _EXECUTABLE_MODE)
    return target


def local_path(value: str, frameworks_home: str | None) -> str:
    """Return the path that a URI denotes on this host."""
    scheme = _SCHEME.match(value)
    if scheme is not None and scheme[1].lower() != "file":
        raise CannotFetch(f"'{scheme[1]}' is not supported; known are paths and file://")
    path = value if scheme is None else value[scheme.end() :].removeprefix("localhost")
    if path.startswith("/"):
        return path
    if scheme is not None:
        raise CannotFetch("a file:// URI holds an absolute path of this host")
    if frameworks_home is None:
        raise CannotFetch("a relative path needs the agent's flag --frameworks_home")
    return os.path.join(frameworks_home, path)


def file_name(value: str, output_file: str) -> str:
    """Return the path below the sandbox that a URI is brought to."""
    if output_file:
        if os.path.isabs(output_file) or ".." in output_file.split("/"):
            raise CannotFetch(f"output_file '{output_file}' leads out of the sandbox")
        return output_file
    name = value.rpartition("/")[2]
    if not name or name in (".", ".."):
        raise CannotFetch("Malformed URI (missing path)")
    if not _FORBIDDEN_IN_NAMES.isdisjoint(name):
        raise CannotFetch("the file name holds a quote, a backslash or NUL")
    return name


def main() -> int:
    """Carry out the order on stdin; returns the exit code."""
    order = json.load(sys.stdin)
    if order["identity"] is not None:  # only now: that user may not be able to run this Python
        uid, gid, groups = order["identity"]
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o022)
    for uri in order["uris"]:
        try:
            target = fetch(uri, order["sandbox"], order["frameworks_home"])
        except (CannotFetch, OSError) as error:
            print(f"Failed to fetch '{uri['value']}': {error}", file=sys.stderr)
            return 1
        print(f"Fetched '{uri['value']}' to '{target}'", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
