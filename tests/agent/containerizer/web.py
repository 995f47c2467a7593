"""A web server on loopback that answers as a test tells it to."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

Answer = Callable[[BaseHTTPRequestHandler], None]


class Web:
    """Pages by their paths; every request's path is in `requests`. With a certificate: HTTPS."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.requests: list[str] = []
        self._answers: dict[str, Answer] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}{path}"

    def page(
        self,
        path: str,
        body: bytes = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Answer a path with a page, whose length is told unless `headers` say something of it."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            given = {"Content-Length": str(len(body)), **(headers or {})}
            for name, value in given.items():
                if value:
                    request.send_header(name, value)
            request.end_headers()
            request.wfile.write(body)

        return self.answer(path, answer)

    def answer(self, path: str, answer: Answer) -> str:
        """Answer a path by a function; returns its URL."""
        self._answers[path] = answer
        return self.url(path)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.requests.append(self.path)
                answer = web._answers.get(self.path)
                if answer is None:
                    self.send_error(404)
                else:
                    answer(self)

            def handle(self) -> None:
                with suppress(OSError):  # a client that does not trust us hangs up
                    super().handle()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
