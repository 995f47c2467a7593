"""A small event loop for the executor of `local[N]`, where importing asyncio costs too much.

What the pool and its sockets need and no more: callbacks for descriptors, and timers.
"""

from __future__ import annotations

import heapq
import selectors
import time
from collections.abc import Callable
from itertools import count
from typing import Any


class DueCall:
    """A callback that is due once, unless it is cancelled."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[], Any]) -> None:
        self._callback: Callable[[], Any] | None = callback

    def cancel(self) -> None:
        self._callback = None

    def run(self) -> None:
        """Call back, unless cancelled."""
        if self._callback is not None:
            self._callback()


class SelectorReactor:
    """A `Reactor` of a selector and a heap of timers."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._callbacks: dict[int, dict[int, Callable[[], Any]]] = {}  # by descriptor and event
        self._timers: list[tuple[float, int, DueCall]] = []
        self._numbers = count()
        self._stopped = False

    def time(self) -> float:
        return time.monotonic()

    def add_reader(self, fd: int, callback: Callable[[], Any], /) -> None:
        self._set(fd, selectors.EVENT_READ, callback)

    def add_writer(self, fd: int, callback: Callable[[], Any], /) -> None:
        self._set(fd, selectors.EVENT_WRITE, callback)

    def remove_reader(self, fd: int, /) -> None:
        self._set(fd, selectors.EVENT_READ, None)

    def remove_writer(self, fd: int, /) -> None:
        self._set(fd, selectors.EVENT_WRITE, None)

    def call_later(self, delay: float, callback: Callable[[], Any], /) -> DueCall:
        call = DueCall(callback)
        heapq.heappush(self._timers, (self.time() + delay, next(self._numbers), call))
        return call

    def stop(self) -> None:
        """Make `run` return once the callbacks of this round have run."""
        self._stopped = True

    def run(self) -> None:
        """Call back until stopped."""
        while not self._stopped:
            timeout = max(self._timers[0][0] - self.time(), 0) if self._timers else None
            for key, ready in self._selector.select(timeout):
                for event in (selectors.EVENT_READ, selectors.EVENT_WRITE):
                    # An earlier callback of this round may have removed it.
                    callback = self._callbacks.get(key.fd, {}).get(event)
                    if ready & event and callback is not None:
                        callback()
            while self._timers and self._timers[0][0] <= self.time():
                heapq.heappop(self._timers)[2].run()

    def _set(self, fd: int, event: int, callback: Callable[[], Any] | None) -> None:
        callbacks = self._callbacks.setdefault(fd, {})
        before = sum(callbacks)
        if callback is None:
            callbacks.pop(event, None)
        else:
            callbacks[event] = callback
        after = sum(callbacks)
        if not after:
            del self._callbacks[fd]
        if before and after and before != after:
            self._selector.modify(fd, after)
        elif after and not before:
            self._selector.register(fd, after)
        elif before and not after:
            self._selector.unregister(fd)
