"""`/files/browse`, `/files/read`, `/files/download`: look into sandboxes, and nowhere else.

Used by the agent's server. Paths are virtual: a `Locate` turns them into a sandbox directory and a
path below it. A task owns its sandbox and may plant symbolic links there, so whatever is opened is
checked, after it is open, to be below that very sandbox.

Source: Mesos 1.11 endpoints documentation, `/files/*`.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import mimetypes
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from minimesos.http.routing import Handler

READ_BYTES_MAX = 16 * 4096  # of one answer of /files/read
_CHUNK_BYTES = 256 * 1024
_LISTING_MAX = 10_000  # entries of one answer of /files/browse

Locate = Callable[[str], tuple[Path, str] | None]
"""Returns the sandbox that a virtual path leads to and the path below it, None if there is none."""


class Files:
    """The three endpoints over one `Locate`."""

    def __init__(self, locate: Locate) -> None:
        self._locate = locate

    def routes(self) -> dict[str, Handler]:
        """Return the handlers by the paths they serve."""
        return {
            "/files/browse": self.browse,
            "/files/read": self.read,
            "/files/download": self.download,
        }

    async def browse(self, request: web.Request, _: str) -> list[object]:
        """List a directory, sorted by name."""
        virtual = _required_path(request)
        with self._open(virtual) as descriptor:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise web.HTTPBadRequest(text=f"'{virtual}' is not a directory.")
            return await asyncio.to_thread(_listing, descriptor, virtual.rstrip("/"))

    async def read(self, request: web.Request, _: str) -> dict[str, object]:
        """Return a piece of a file as text; without an offset, only how long the file is."""
        virtual = _required_path(request)
        offset = _integer(request, "offset")
        length = _integer(request, "length")
        with self._open(virtual) as descriptor:
            size = _regular_file(descriptor, virtual).st_size
            if offset == -1:
                return {"data": "", "offset": size}
            length = READ_BYTES_MAX if length == -1 else min(length, READ_BYTES_MAX)
            data = await asyncio.to_thread(os.pread, descriptor, length, offset)
        return {"data": data.decode("utf-8", "replace"), "offset": offset}

    async def download(self, request: web.Request, _: str) -> web.StreamResponse:
        """Send a whole file, as long as it is when the download starts."""
        virtual = _required_path(request)
        name = os.path.basename(virtual.rstrip("/"))
        with self._open(virtual) as descriptor:
            left = _regular_file(descriptor, virtual).st_size
            response = web.StreamResponse()
            response.content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
            response.content_length = left
            # What a task wrote must never run as a page of ours.
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Content-Disposition"] = (
                f"attachment; filename*=UTF-8''{quote(name, safe='')}"
            )
            await response.prepare(request)
            while left > 0:
                chunk = await asyncio.to_thread(os.read, descriptor, min(left, _CHUNK_BYTES))
                if not chunk:
                    break  # it was truncated meanwhile; the length tells the client
                await response.write(chunk)
                left -= len(chunk)
        return response

    @contextlib.contextmanager
    def _open(self, virtual: str) -> Iterator[int]:
        """Open what a virtual path leads to. Raises 404 or 400 as an HTTP error."""
        found = self._locate(virtual)
        if found is None:
            raise web.HTTPNotFound(text=f"No such file: '{virtual}'.")
        root, rest = found[0].resolve(), found[1].lstrip("/")
        try:
            if not (root / rest).resolve().is_relative_to(root):
                raise web.HTTPBadRequest(text=f"'{virtual}' leads out of its sandbox.")
            # Not blocking: a named pipe that a task left there must not hang the server.
            descriptor = os.open(root / rest, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise web.HTTPNotFound(text=f"No such file: '{virtual}'.") from None
        except (OSError, ValueError) as error:
            raise web.HTTPBadRequest(text=f"Cannot open '{virtual}': {error}.") from error
        try:
            # Again, of what was really opened: the task may have been quicker than the check above.
            if not Path(os.readlink(f"/proc/self/fd/{descriptor}")).is_relative_to(root):
                raise web.HTTPBadRequest(text=f"'{virtual}' leads out of its sandbox.")
            yield descriptor
        finally:
            os.close(descriptor)


def _listing(descriptor: int, virtual: str) -> list[object]:
    entries: list[object] = []
    for name in sorted(os.listdir(descriptor))[:_LISTING_MAX]:
        try:
            facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except FileNotFoundError:
            continue
        entries.append(
            {
                "path": f"{virtual}/{name}",
                "nlink": facts.st_nlink,
                "size": facts.st_size,
                "mtime": facts.st_mtime,
                "mode": stat.filemode(facts.st_mode),
                "uid": _user(facts.st_uid),
                "gid": _group(facts.st_gid),
            }
        )
    return entries


def _regular_file(descriptor: int, virtual: str) -> os.stat_result:
    facts = os.fstat(descriptor)
    if stat.S_ISDIR(facts.st_mode):
        raise web.HTTPBadRequest(text=f"'{virtual}' is a directory.")
    if not stat.S_ISREG(facts.st_mode):
        raise web.HTTPBadRequest(text=f"'{virtual}' is not a regular file.")
    return facts


def _required_path(request: web.Request) -> str:
    path = request.query.get("path", "")
    if not path:
        raise web.HTTPBadRequest(text="Expecting 'path=value' in query.")
    return path


def _integer(request: web.Request, name: str) -> int:
    """Return a query value that is -1 or more, -1 if it is missing."""
    text = request.query.get(name, "-1")
    try:
        value = int(text)
    except ValueError:
        value = -2
    if not -1 <= value < 2**63:
        raise web.HTTPBadRequest(text=f"'{name}' must be a whole number, -1 or more.")
    return value


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
