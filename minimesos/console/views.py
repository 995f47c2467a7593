"""Serves the console's pages: plain HTML, CSS and JavaScript that read the same JSON as programs.

Used by the master's and the agent's HTTP servers. The pages load nothing from elsewhere, run no
inline script and never build markup from text, so what frameworks and tasks call themselves is
harmless; the headers make the browser insist on it.
"""

from __future__ import annotations

from importlib import resources

from aiohttp import web

from minimesos.http.routing import Handler

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_STATIC = resources.files("minimesos.console") / "static"


def routes(page: str, delegate: str) -> dict[str, Handler]:
    """Return the routes of a console whose page is `page`; `/` and `/delegate` both lead to it."""

    async def index(request: web.Request, rest: str) -> web.Response:
        if rest:
            raise web.HTTPNotFound(text="404 Not Found.")
        return _file(page)

    async def asset(request: web.Request, name: str) -> web.Response:
        return _file(name)

    return {"/": index, f"/{delegate}": index, "/assets": asset}


def _file(name: str) -> web.Response:
    suffix = name[name.rfind(".") :]
    if "/" in name or suffix not in _TYPES:
        raise web.HTTPNotFound(text="404 Not Found.")
    try:
        text = (_STATIC / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise web.HTTPNotFound(text="404 Not Found.") from None
    return web.Response(text=text, content_type=_TYPES[suffix], headers=HEADERS)
