"""A headless Chromium that tests drive by its DevTools protocol, and nothing else.

One browser serves many tests; each opens pages of its own, so that no test sees another's. Waiting
is done in the page: `until` returns as soon as a condition holds there.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = shutil.which("chromium")
DEADLINE_S = 30.0
FLAGS = (
    "--headless",
    "--no-sandbox",  # tests may run as root, in a container
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
_LISTENING = re.compile(rb"DevTools listening on (ws://\S+)")
_POLL_MS = 20
_LEFT = ("Inspected target navigated or closed", "Execution context was destroyed",
         "Cannot find context with specified id")  # fmt: skip


class LeftPage(AssertionError):
    """The page went elsewhere before it had answered."""


Json = dict[str, Any]


_WAIT = f"""new Promise((resolve, reject) => {{
    const end = performance.now() + {DEADLINE_S * 1000};
    const look = () => {{
        let value;
        try {{ value = %(condition)s; }} catch {{ value = false; }} // half loaded
        if (value) resolve(value);
        else if (performance.now() < end) setTimeout(look, {_POLL_MS});
        else reject(new Error("never came true; the page says: "
                              + document.body?.innerText.slice(0, 2000)));
    }};
    look();
}})"""


class Page:
    """One tab. `errors` are what it logged as errors and exceptions that nobody caught."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.errors: list[str] = []

    async def call(self, method: str, **parameters: Any) -> Json:
        return await self._browser.call(method, self._session, **parameters)

    async def open(self, url: str) -> None:
        """Go to an address, and wait until the document has been read."""
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def evaluate(self, expression: str) -> Any:
        """Return the JSON value of an expression, or of what it promises."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"].get("exception", {}).get("description")
            raise AssertionError(f"{expression}\n{thrown}")
        return answer["result"].get("value")

    async def until(self, condition: str) -> Any:
        """Wait for an expression to be true, here or where the page goes; returns its value."""
        async with asyncio.timeout(DEADLINE_S + 5):
            while True:
                with contextlib.suppress(LeftPage):
                    return await self.evaluate(_WAIT % {"condition": condition})

    async def text(self, selector: str = "main") -> str:
        """Return what a person reads there."""
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    async def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Show the page as a screen of this size does."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a PNG of what is seen, or of the whole page."""
        picture = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))


class Browser:
    """The browser's process and the socket to it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._pages: dict[str, Page] = {}

    async def call(self, method: str, session: str | None = None, /, **parameters: Any) -> Json:
        """Make one call of the protocol."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(message | ({"sessionId": session} if session else {}))
        async with asyncio.timeout(DEADLINE_S + 5):
            return await answer

    @contextlib.asynccontextmanager
    async def page(self, script: str = "") -> AsyncIterator[Page]:
        """Open a tab with storage of its own; `script` runs in each document before its own."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        if script:
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        try:
            yield page
        finally:
            await self.call("Target.disposeBrowserContext", browserContextId=context)

    async def listen(self) -> None:
        """Hand out answers and events until the browser hangs up."""
        async for message in self._socket:
            received = message.json()
            answer = self._waiting.pop(received.get("id", 0), None)
            if answer is None:
                self._note(received)
            elif answer.cancelled():
                pass
            elif "error" in received:
                words = received["error"]["message"]
                kind = LeftPage if words in _LEFT else AssertionError
                answer.set_exception(kind(words))
            else:
                answer.set_result(received["result"])

    def _note(self, event: Json) -> None:
        page = self._pages.get(event.get("sessionId", ""))
        if page is None:
            return
        match event["method"], event["params"]:
            case "Runtime.exceptionThrown", {"exceptionDetails": details}:
                page.errors.append(json.dumps(details))
            case "Log.entryAdded", {"entry": {"level": "error"} as entry}:
                page.errors.append(f"{entry['text']} {entry.get('url', '')}")


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser; nothing of it is left afterwards."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(DEADLINE_S):
                address, log = await _address(process)
            drain = asyncio.ensure_future(log.read())
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(address, max_msg_size=0) as socket,
            ):
                browser = Browser(socket)
                listening = asyncio.ensure_future(browser.listen())
                yield browser
                with contextlib.suppress(ConnectionError):
                    await browser.call("Browser.close")
                await listening
            await drain
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> tuple[str, asyncio.StreamReader]:
    log = process.stderr
    assert log is not None
    seen = b""
    while line := await log.readline():
        seen += line
        if match := _LISTENING.search(line):
            return match[1].decode(), log
    raise AssertionError(f"chromium did not start: {seen.decode(errors='replace')}")
