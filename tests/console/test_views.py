"""The console's pages are self-contained and served with headers that keep them so."""

from __future__ import annotations

import re
from importlib import resources

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from minimesos.console import views

ROUTES = views.routes("master.html", "master")
STATIC = resources.files("minimesos.console") / "static"
FILES = sorted(entry.name for entry in STATIC.iterdir())


async def get(path: str, rest: str = "") -> web.Response:
    answer = await ROUTES[path](make_mocked_request("GET", path), rest)
    assert isinstance(answer, web.Response)
    return answer


async def test_the_page_is_served_with_a_policy_that_allows_only_our_own_files() -> None:
    page = await get("/")

    assert page.content_type == "text/html"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]


async def test_every_file_is_served_and_whatever_it_refers_to_exists() -> None:
    for name in FILES:
        text = (await get("/assets", name)).text or ""
        referred = re.findall(r'(?:"/assets/|from "\./)([^"]+)"', text)
        assert set(referred) <= set(FILES), name


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_loaded_from_elsewhere_and_no_markup_is_made_from_text(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")

    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(|style=", text)
    assert not re.search(r"(src|href|from|import)\s*[=(]?\s*[\"'`](https?:)?//", text)
    assert not re.search(r"<script>(?!</script>)|\son\w+=", text)


@pytest.mark.parametrize("name", FILES)
def test_files_are_as_small_as_the_python_ones(name: str) -> None:
    lines = (STATIC / name).read_text(encoding="utf-8").splitlines()

    assert len(lines) <= 250
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", ["../views.py", "views.py", "", ".html", "no.js", "a/b.js"])
async def test_nothing_else_is_served(name: str) -> None:
    with pytest.raises(web.HTTPNotFound):
        await get("/assets", name)


async def test_a_path_below_the_page_is_not_the_page() -> None:
    with pytest.raises(web.HTTPNotFound):
        await get("/master", "nothing")
