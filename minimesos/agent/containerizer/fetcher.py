"""Runs the processes that fetch commands' URIs.

Processes of their own, because they must read with the rights of the task's user, and so that a
container which is destroyed meanwhile need not wait. Called by the containerizer on the agent's
loop; the work and its rules are in `fetch_process`, what is kept for other tasks in
`fetcher_cache`.

Source: Mesos documentation "Fetcher".
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from minimesos.agent.containerizer.fetch_process import SIZE_UNKNOWN
from minimesos.agent.containerizer.fetcher_cache import FetcherCache, Reserve
from minimesos.agent.containerizer.posix import CannotLaunch, Identity
from minimesos.proto.mesos.v1 import mesos_pb2

STALL_TIMEOUT_S = 60.0

# Enough to start Python and to get out of this network; the rest is the agent's own business.
_INHERITED = ("PATH", "PYTHONPATH", "SSL_CERT_DIR", "SSL_CERT_FILE")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")  # also in capitals

Uris = Sequence[mesos_pb2.CommandInfo.URI]


class Fetcher:
    """Fetches for all containers of an agent; without a `cache` nothing is kept."""

    def __init__(
        self,
        *,
        frameworks_home: str | None = None,
        stall_timeout_s: float = STALL_TIMEOUT_S,
        cache: FetcherCache | None = None,
    ) -> None:
        self._frameworks_home = frameworks_home
        self._stall_timeout_s = stall_timeout_s
        self._cache = cache

    async def fetch(self, uris: Uris, sandbox: str, identity: Identity | None) -> None:
        """Bring all of `uris` into the sandbox; its stderr tells what was fetched.

        Raises CannotLaunch for the first that fails. Cancelling it ends the fetching.
        """
        if not uris:
            return
        async with AsyncExitStack() as held:  # what is taken from the cache stays there meanwhile
            cached = [await self._cached(uri, identity, held) for uri in uris]
            order = self._order(uris, cached, identity, sandbox)
            async with _fetch_process() as process:
                _, report = await process.communicate(order)
        await asyncio.to_thread(_append, os.path.join(sandbox, "stderr"), report)
        _raise_if_failed(process, report)

    async def close(self) -> None:
        """Remove the cache; nothing is fetched any more. May be called again."""
        cache, self._cache = self._cache, None
        if cache is not None:
            await cache.close()

    async def _cached(
        self, uri: mesos_pb2.CommandInfo.URI, identity: Identity | None, held: AsyncExitStack
    ) -> str | None:
        """Return where the cache has a URI as long as it is held, None if it is not to be there."""
        if not uri.cache or self._cache is None:
            return None

        async def download(reserve: Reserve) -> None:
            async with _fetch_process() as process:
                await self._download(process, self._order([uri], [None], identity), reserve)

        return await held.enter_async_context(
            self._cache.use(uri.value.lstrip(), identity, download)
        )

    async def _download(self, process: Process, order: bytes, reserve: Reserve) -> None:
        """Have one URI brought to where the cache wants it, if it does. Raises CannotLaunch."""
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(order)
        size = (await process.stdout.readline()).decode().strip()
        is_known = size not in ("", SIZE_UNKNOWN)
        path = await reserve(int(size)) if is_known else None
        _, report = await process.communicate(f"{path or ''}\n".encode())
        _raise_if_failed(process, report)

    def _order(
        self,
        uris: Uris,
        cached: Sequence[str | None],
        identity: Identity | None,
        sandbox: str | None = None,
    ) -> bytes:
        """Return what a process is to do; without a sandbox, to bring one URI into the cache."""
        order = {
            "sandbox": sandbox,
            "frameworks_home": self._frameworks_home,
            "stall_s": self._stall_timeout_s,
            "identity": identity and (identity.uid, identity.gid, identity.groups),
            "uris": [
                {
                    "value": uri.value.lstrip(),
                    "executable": uri.executable,
                    "extract": uri.extract,
                    "output_file": uri.output_file,
                    "cached": path,
                }
                for uri, path in zip(uris, cached, strict=True)
            ],
        }
        return json.dumps(order).encode() + b"\n"


@asynccontextmanager
async def _fetch_process() -> AsyncIterator[Process]:
    """Start the process; if it still runs in the end, it is killed."""
    names = (*_INHERITED, *_PROXIES, *(name.upper() for name in _PROXIES))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "minimesos.agent.containerizer.fetch_process"),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
        cwd="/",
        env={name: os.environ[name] for name in names if name in os.environ},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _raise_if_failed(process: Process, report: bytes) -> None:
    if process.returncode != 0:
        lines = report.decode(errors="replace").splitlines()
        raise CannotLaunch(lines[-1] if lines else "the fetcher was killed")


def _append(path: str, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)
