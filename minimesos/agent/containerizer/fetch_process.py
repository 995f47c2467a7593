"""The process that brings a command's URIs into the sandbox before the command starts.

`fetcher` runs it with an order as a line of JSON on stdin. It becomes the task's user, goes through
the URIs in order and stops at the first failure, which it prints with the URI before it exits with
1.

With an order for the agent's cache it brings one URI there: it opens it, prints its size, and
downloads it to the path that it is then told, if it is told one.

Source: Mesos documentation "Fetcher".
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from minimesos.agent.containerizer.fetch_source import (
    CannotFetch,
    Source,
    file_name,
    is_http,
    opened,
)
from minimesos.errors import CannotUnpack

SIZE_UNKNOWN = "unknown"

_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip", ".gz")
_EXECUTABLE_MODE = 0o755

Json = dict[str, Any]


def fetch(order: Json, uri: Json) -> str:
    """Bring a URI into the sandbox; returns its path there.

    Raises CannotFetch, CannotUnpack and OSError.

    With `uri["cached"]` it is taken from that file. An archive from the cache is only unpacked.
    """
    value, sandbox = uri["value"], order["sandbox"]
    name = file_name(value, uri["output_file"])
    path = os.path.join(sandbox, name)
    unpacks = is_unpacked(uri, name)
    if not (unpacks and uri["cached"]):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with opened(uri["cached"] or value, order["frameworks_home"], order["stall_s"]) as source:
            save(source, path)
    if unpacks:
        from minimesos.runtime.unpack import unpack

        unpack(uri["cached"] or path, name, sandbox)
        return str(sandbox)
    if uri["executable"]:
        os.chmod(path, _EXECUTABLE_MODE)
    return path


def is_unpacked(uri: Json, name: str) -> bool:
    """Say whether a URI of that file name is an archive that its task wants unpacked."""
    return uri["extract"] and not uri["executable"] and name.endswith(_ARCHIVES)


def save(source: Source, path: str) -> None:
    """Write all of a source to a file. Raises CannotFetch and OSError."""
    with open(path, "wb") as file:
        for chunk in source.chunks():
            file.write(chunk)


def fetch_all(order: Json) -> int:
    """Bring all URIs of an order into its sandbox; returns the exit code."""
    for uri in order["uris"]:
        value = uri["value"]
        try:
            target = fetch(order, uri)
        except (CannotFetch, CannotUnpack, OSError) as error:
            return _failed(value, error)
        print(f"Fetched '{value}' to '{target}'", file=sys.stderr)
    return 0


def fill_cache(order: Json) -> int:
    """Bring the one URI of an order to where the agent says; returns the exit code."""
    (uri,) = order["uris"]
    try:
        with opened(uri["value"], order["frameworks_home"], order["stall_s"]) as source:
            print(source.size_bytes or SIZE_UNKNOWN, flush=True)
            path = sys.stdin.readline().rstrip("\n")
            if path:
                save(source, path)
    except (CannotFetch, OSError) as error:
        return _failed(uri["value"], error)
    return 0


def _failed(value: str, error: Exception) -> int:
    why = " ".join(str(error).split())  # the agent tells the last line as the reason
    print(f"Failed to fetch '{value}': {why}", file=sys.stderr)
    return 1


def _import_what_is_needed(uris: Iterable[Json]) -> None:
    """Import it as the agent: the task's user may not be able to read this Python's files."""
    for uri in uris:
        if is_http(uri["value"]):
            import minimesos.agent.containerizer.http_source
        if (uri["output_file"] or uri["value"]).endswith(_ARCHIVES):
            import minimesos.runtime.unpack  # noqa: F401


def main() -> int:
    """Carry out the order on stdin; returns the exit code."""
    order = json.loads(sys.stdin.readline())
    _import_what_is_needed(order["uris"])
    if order["identity"] is not None:
        uid, gid, groups = order["identity"]
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o022)
    return fetch_all(order) if order["sandbox"] else fill_cache(order)


if __name__ == "__main__":
    raise SystemExit(main())
