"""Mesos's routing rules over aiohttp: processes, delegation, longest prefix, jsonp.

The master's and the agent's servers build a `Router` from a table of paths to handlers. A handler
gets the request and what is left of the path behind its own; it returns a JSON value, a response,
or raises aiohttp's HTTP exceptions.

Source: Mesos 1.11 endpoints documentation; libprocess's rules for routes.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from minimesos.log import get_logger

Json = dict[str, object] | list[object]
Answer = Json | web.StreamResponse
Handler = Callable[[web.Request, str], Awaitable[Answer]]

BODY_BYTES_MAX = 16 * 2**20  # of a request
_CALLBACK = re.compile(r"[\w$.\[\]]{1,200}")  # what a jsonp callback may be called
_LINGER_S = 1.0  # how long answers under way may take when the server stops

_log = get_logger(__name__)


class Router:
    """Finds the handler of a path: `/state` and `/master/state/` are one if `delegate` is `master`.

    `routes` are full paths such as `/master/state` and `/metrics/snapshot`. `/` is a route of its
    own.
    """

    def __init__(self, delegate: str, routes: Mapping[str, Handler]) -> None:
        self._delegate = delegate
        self._routes = dict(routes)
        self._processes = {path.split("/")[1] for path in routes if path != "/"}

    def find(self, path: str) -> tuple[Handler, str] | None:
        """Return the handler with the longest matching prefix, and the rest of the path."""
        parts = [part for part in path.split("/") if part]
        if ".." in parts:
            return None
        if not parts:
            handler = self._routes.get("/")
            return (handler, "") if handler is not None else None
        if parts[0] not in self._processes:
            parts.insert(0, self._delegate)
        for length in range(len(parts), 0, -1):
            handler = self._routes.get("/" + "/".join(parts[:length]))
            if handler is not None:
                return handler, "/".join(parts[length:])
        return None

    async def runner(self) -> web.AppRunner:
        """Return a set-up aiohttp runner; its `server` makes the protocols of connections."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(
            app, access_log=None, logger=_server_log(), shutdown_timeout=_LINGER_S
        )
        await runner.setup()
        return runner

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        found = self.find(request.path)
        if found is None:
            raise web.HTTPNotFound(text="404 Not Found.")
        handler, rest = found
        try:
            answer = await handler(request, rest)
        except web.HTTPException:
            raise
        except Exception as error:
            _log.exception("An endpoint failed", path=request.path)
            raise web.HTTPInternalServerError(text="500 Internal Server Error.") from error
        return answer if isinstance(answer, web.StreamResponse) else json_response(request, answer)


def _server_log() -> logging.Logger:
    """Return the logger for aiohttp's server: garbage is answered with 400 and not worth a line."""
    log = logging.getLogger(f"{__name__}.server")
    log.addFilter(_is_our_fault)
    return log


def _is_our_fault(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


def json_response(request: web.Request, value: Json) -> web.Response:
    """Return `value` as JSON, wrapped in a call if the query asks for `jsonp`.

    Raises HTTPBadRequest for a callback that is no JavaScript name.
    """
    body = _dumps(value)
    callback = request.query.get("jsonp")
    if callback is None:
        return web.Response(text=body, content_type="application/json")
    if not _CALLBACK.fullmatch(callback):
        raise web.HTTPBadRequest(text="'jsonp' must be the name of a function.")
    return web.Response(text=f"{callback}({body})", content_type="text/javascript")


def _dumps(value: Json) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), default=float, allow_nan=False)
    except ValueError:  # a limit may be infinite, and a framework may send what it likes
        return json.dumps(_finite(value), separators=(",", ":"), default=float)


def _finite(value: object) -> object:
    """Return a value in which what JSON has no number for is text, as protobuf's JSON has it."""
    match value:
        case dict():
            return {name: _finite(member) for name, member in value.items()}
        case list():
            return [_finite(member) for member in value]
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
