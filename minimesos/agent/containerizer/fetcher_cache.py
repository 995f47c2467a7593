"""What an agent keeps of what it has fetched, so that many tasks need one download.

Used by `fetcher`, which downloads. An entry belongs to a URI and the user who may read it; it is
never fetched anew while it is here, and it goes when others need its room, least recently used
first. Entries in use stay. What is too large, or of unknown size, is not kept at all. The cache
lives as long as its agent: it starts empty, and what agents left that were killed is removed.

Source: Mesos documentation "Fetcher" and "Fetcher Cache Internals".
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from minimesos.agent.containerizer.posix import Identity
from minimesos.errors import MinimesosError
from minimesos.log import get_logger
from minimesos.runtime.scratch import Scratch

_log = get_logger(__name__)

Reserve = Callable[[int], Awaitable[str | None]]
"""Makes room for so many bytes; returns the path to write them to, None if they are not kept."""
Download = Callable[[Reserve], Awaitable[None]]
"""Opens what is wanted, reserves room, and writes it there."""


class CannotUseCache(MinimesosError):
    """The cache's directory cannot be written to; says why and what to do."""


class _Entry:
    __slots__ = ("filling", "path", "size_bytes", "uri", "user", "users")

    def __init__(self, user: int | None, uri: str) -> None:
        self.user = user
        self.uri = uri
        self.path = ""  # until there is room, and for what is not kept
        self.size_bytes = 0
        self.users = 0  # those that wait for it or copy it
        self.filling: asyncio.Task[None]


class FetcherCache:
    """A cache of at most so many bytes, in a directory of its own below `directory`."""

    def __init__(self, directory: Path, capacity_bytes: int) -> None:
        """Raises CannotUseCache."""
        try:
            self._scratch = Scratch(str(directory), "fetch")
            os.chmod(self._scratch.path, 0o711)  # users pass to directories of their own
        except OSError as error:
            raise CannotUseCache(
                f"cannot write to the fetcher's cache {directory}: {error.strerror or error};"
                " choose another with --fetcher_cache_dir"
            ) from error
        self._capacity_bytes = capacity_bytes
        self._numbers = itertools.count(1)
        self._entries: dict[tuple[int | None, str], _Entry] = {}  # least recently used first
        self._fillings: set[asyncio.Task[None]] = set()

    @property
    def used_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self._entries.values())

    @asynccontextmanager
    async def use(
        self, uri: str, identity: Identity | None, download: Download
    ) -> AsyncIterator[str | None]:
        """Hold a URI's file, downloaded now if need be; gives its path, None if it is not kept.

        Who comes while it is being downloaded waits for that. Raises what `download` raises.
        """
        key = (None if identity is None else identity.uid, uri)
        entry = self._entries.pop(key, None)
        if entry is None or (entry.filling.done() and not os.path.exists(entry.path)):
            entry = _Entry(*key)
            entry.filling = asyncio.ensure_future(self._fill(entry, identity, download))
            entry.filling.add_done_callback(self._filled)
            self._fillings.add(entry.filling)
        self._entries[key] = entry
        entry.users += 1
        try:
            await asyncio.shield(entry.filling)
            yield entry.path or None
        finally:
            entry.users -= 1
            if not entry.users and not entry.filling.done():  # nobody waits for it any more
                self._forget(entry)
                entry.filling.cancel()

    async def close(self) -> None:
        """Remove it; nothing may be in use any more."""
        await asyncio.gather(*self._fillings, return_exceptions=True)
        await asyncio.to_thread(self._scratch.remove)

    async def _fill(self, entry: _Entry, identity: Identity | None, download: Download) -> None:
        async def reserve(size_bytes: int) -> str | None:
            return await self._reserve(entry, size_bytes, identity)

        try:
            await download(reserve)
        except BaseException:
            self._forget(entry)
            if entry.path:
                _unlink([entry.path])
            raise
        if entry.path:
            _log.info("Fetched into the cache", uri=entry.uri, size_bytes=entry.size_bytes)
        else:
            self._forget(entry)
            _log.info("Not kept in the cache", uri=entry.uri)

    def _filled(self, filling: asyncio.Task[None]) -> None:
        self._fillings.discard(filling)
        if not filling.cancelled():
            filling.exception()  # has been told to all who waited

    async def _reserve(
        self, entry: _Entry, size_bytes: int, identity: Identity | None
    ) -> str | None:
        idle = [each for each in self._entries.values() if not each.users]
        lacking = self.used_bytes + size_bytes - self._capacity_bytes
        if lacking > sum(each.size_bytes for each in idle):
            return None
        evicted = []
        while lacking > 0:
            oldest = idle.pop(0)
            lacking -= oldest.size_bytes
            self._forget(oldest)
            evicted.append(oldest.path)
            _log.info("Evicted from the cache", uri=oldest.uri, size_bytes=oldest.size_bytes)
        entry.size_bytes = size_bytes
        directory = os.path.join(
            self._scratch.path, "own" if entry.user is None else f"{entry.user}"
        )
        entry.path = os.path.join(directory, f"c{next(self._numbers)}")
        await asyncio.to_thread(_unlink, evicted)
        await asyncio.to_thread(_make_directory, directory, identity)
        return entry.path

    def _forget(self, entry: _Entry) -> None:
        key = (entry.user, entry.uri)
        if self._entries.get(key) is entry:  # there may be a newer one
            del self._entries[key]


def _unlink(paths: list[str]) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _make_directory(path: str, owner: Identity | None) -> None:
    with suppress(FileExistsError):
        os.mkdir(path, mode=0o700)
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)
