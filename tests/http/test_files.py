"""Files of sandboxes by HTTP, and that nothing else can be had that way."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from minimesos.http.files import READ_BYTES_MAX, Files
from minimesos.http.routing import Router

pytestmark = pytest.mark.integration

Client = TestClient


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    directory = tmp_path / "sandbox"
    directory.mkdir()
    (tmp_path / "secret").write_text("not for you")
    (directory / "stdout").write_text("hello\n")
    (directory / "logs").mkdir()
    return directory


@pytest_asyncio.fixture
async def client(sandbox: Path) -> AsyncIterator[Client]:
    def locate(virtual: str) -> tuple[Path, str] | None:
        head, _, rest = virtual.lstrip("/").partition("/")
        return (sandbox, rest) if head == "s" else None

    runner = await Router("x", Files(locate).routes()).runner()
    server = TestServer(runner.app)
    async with TestClient(server) as client:
        yield client
    await runner.cleanup()


async def get(client: Client, endpoint: str, **query: str) -> tuple[int, object]:
    async with client.get(f"/files/{endpoint}", params=query) as response:
        is_json = response.content_type == "application/json"
        return response.status, await (response.json() if is_json else response.text())


async def test_a_directory_is_listed_by_name_with_mode_and_size(client: Client) -> None:
    status, entries = await get(client, "browse", path="/s")

    assert status == 200
    assert isinstance(entries, list)
    assert [(e["path"], e["mode"][0]) for e in entries] == [("/s/logs", "d"), ("/s/stdout", "-")]
    assert entries[1]["size"] == 6


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({}, {"data": "", "offset": 6}),
        ({"offset": "-1", "length": "10"}, {"data": "", "offset": 6}),
        ({"offset": "0"}, {"data": "hello\n", "offset": 0}),
        ({"offset": "1", "length": "3"}, {"data": "ell", "offset": 1}),
        ({"offset": "3", "length": "0"}, {"data": "", "offset": 3}),
        ({"offset": "100"}, {"data": "", "offset": 100}),
    ],
)
async def test_a_file_is_read_in_pieces(
    client: Client, query: dict[str, str], answer: dict[str, object]
) -> None:
    assert await get(client, "read", path="/s/stdout", **query) == (200, answer)


async def test_one_answer_holds_no_more_than_its_limit(client: Client, sandbox: Path) -> None:
    (sandbox / "big").write_bytes(b"x" * (READ_BYTES_MAX + 1))
    _, answer = await get(client, "read", path="/s/big", offset="0", length="999999999")
    assert isinstance(answer, dict)
    assert len(answer["data"]) == READ_BYTES_MAX


async def test_a_download_has_all_bytes_and_is_saved_not_shown(
    client: Client, sandbox: Path
) -> None:
    (sandbox / "page é.html").write_bytes(b"<script>" * 100_000)
    async with client.get("/files/download", params={"path": "/s/page é.html"}) as response:
        assert await response.read() == b"<script>" * 100_000
        assert response.headers["Content-Disposition"] == (
            "attachment; filename*=UTF-8''page%20%C3%A9.html"
        )


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"path": "/s/nothing"}, 404),
        ({"path": "/elsewhere/stdout"}, 404),
        ({"path": "/s/stdout/below"}, 404),
        ({"path": "/s/logs"}, 400),
        ({"path": "/s/stdout", "offset": "-2"}, 400),
        ({"path": "/s/stdout", "offset": "x"}, 400),
        ({"path": "/s/std\x00out"}, 400),
    ],
)
async def test_bad_requests_are_refused(client: Client, query: dict[str, str], status: int) -> None:
    assert (await get(client, "read", **query))[0] == status


@pytest.mark.parametrize("path", ["/s/../secret", "/s/link", "/s/up/secret", "/s//etc/passwd"])
@pytest.mark.parametrize("endpoint", ["read", "download"])
async def test_no_path_leads_out_of_the_sandbox(
    client: Client, sandbox: Path, path: str, endpoint: str
) -> None:
    (sandbox / "link").symlink_to("../secret")
    (sandbox / "up").symlink_to("..")

    status, answer = await get(client, endpoint, path=path, offset="0")

    assert status in (400, 404)
    assert "not for you" not in str(answer)


async def test_a_named_pipe_neither_hangs_nor_is_read(client: Client, sandbox: Path) -> None:
    os.mkfifo(sandbox / "pipe")
    assert (await get(client, "read", path="/s/pipe", offset="0"))[0] == 400
