"""A browser, and masters that say what a test tells them to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from minimesos.console import views
from minimesos.http.routing import Answer, Router

from . import states
from .browser import PROGRAM, Browser, chromium

Json = dict[str, Any]


class FakeMaster:
    """Serves the real pages and made-up JSON. `answer` makes it misbehave."""

    def __init__(self) -> None:
        self.state: Json = states.state([], [])
        self.weights: dict[str, float] = {}
        self.answer = "well"
        self.reads = 0

    async def read_state(self, request: web.Request, rest: str) -> Answer:
        self.reads += 1
        return await self._behave(self.state)

    async def read_roles(self, request: web.Request, rest: str) -> Answer:
        return await self._behave(states.roles(self.state, self.weights))

    async def _behave(self, value: Json) -> Answer:
        match self.answer:
            case "well":
                return value
            case "refuses":
                raise web.HTTPServiceUnavailable(text="No leader elected")
            case "nonsense":
                return web.Response(text="<html>a proxy's page</html>")
            case "another layout":
                return {"state": "fine"}
        await asyncio.Event().wait()  # never answers
        raise AssertionError


@contextlib.asynccontextmanager
async def serve(master: FakeMaster) -> AsyncIterator[str]:
    """Serve it; gives the address to open."""
    routes = views.routes("master.html", "master") | {
        "/master/state": master.read_state,
        "/master/roles": master.read_roles,
    }
    runner = await Router("master", routes).runner()
    assert runner.server is not None
    server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        await runner.cleanup()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    if PROGRAM is None:
        pytest.skip("chromium is not installed")
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def master() -> FakeMaster:
    return FakeMaster()


@pytest_asyncio.fixture(loop_scope="session")
async def url(master: FakeMaster) -> AsyncIterator[str]:
    """Where `master` listens."""
    async with serve(master) as address:
        yield address
