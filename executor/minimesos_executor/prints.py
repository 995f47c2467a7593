"""What tasks print, on its way to the driver's terminal: whole lines that say whose they are.

In a worker `Capture` replaces `sys.stdout` and `sys.stderr`: what Python code prints in the task's
thread goes with the results, in order. What comes otherwise (threads, children, C code) goes to the
descriptors, of which the control process reads the other ends. So much of either is passed on in a
second; of a flood the rest is left out, and that is said.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

BURST_BYTES = 2**22
RATE_BYTES_PER_S = 2**20
LINE_BYTES_MAX = 2**16


class PrintedLines:
    """Cuts what is written to one stream into lines, with a prefix each."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._rest = b""  # of a line that has not ended
        self._allowed_bytes = float(BURST_BYTES)
        self._allowed_at_s = clock()
        self._left_out_bytes = 0

    def add(self, data: bytes | memoryview, prefix: str) -> str:
        """Take what was written; returns the lines that it completes, as far as is allowed."""
        if len(data) > BURST_BYTES:
            self._left_out_bytes += len(data) - BURST_BYTES
            data = data[:BURST_BYTES]
        whole = self._rest + data
        end = whole.rfind(b"\n") + 1
        if not end and len(whole) >= LINE_BYTES_MAX:
            end = len(whole)
        self._rest = whole[end:]
        return self._pass_on(whole[:end], prefix) if end else ""

    @property
    def has_rest(self) -> bool:
        """Whether there is anything that `end` would return."""
        return bool(self._rest or self._left_out_bytes)

    def end(self, prefix: str) -> str:
        """Return what is left: a line without an end, and how much was left out."""
        rest, self._rest = self._rest, b""
        return self._pass_on(rest, prefix) + self._told(prefix)

    def _pass_on(self, data: bytes, prefix: str) -> str:
        now = self._clock()
        earned = (now - self._allowed_at_s) * RATE_BYTES_PER_S
        self._allowed_bytes = min(self._allowed_bytes + earned, BURST_BYTES)
        self._allowed_at_s = now
        told = ""
        if self._left_out_bytes:
            if self._allowed_bytes < BURST_BYTES / 2:  # or every other line would be left out
                self._left_out_bytes += len(data)
                return ""
            told = self._told(prefix)
        if len(data) > self._allowed_bytes:
            kept = data.rfind(b"\n", 0, int(self._allowed_bytes)) + 1
            self._left_out_bytes += len(data) - kept
            data = data[:kept]
        self._allowed_bytes -= len(data)
        return told + _with_prefix(data, prefix)

    def _told(self, prefix: str) -> str:
        left_out, self._left_out_bytes = self._left_out_bytes, 0
        return f"{prefix}... {left_out:,} bytes of output left out\n" if left_out else ""


def _with_prefix(data: bytes, prefix: str) -> str:
    lines = data.decode(errors="replace").split("\n")
    if not lines[-1]:
        lines.pop()
    return "".join(f"{prefix}{line}\n" for line in lines)


class _Captured(io.RawIOBase):
    """The raw end of a stream: to `printed` in the task's own thread, else to the descriptor."""

    def __init__(self, fd: int, printed: Callable[[int, memoryview], None]) -> None:
        self._fd = fd
        self._printed = printed
        self._pid = os.getpid()
        self._thread = threading.get_ident()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def write(self, data: Any, /) -> int:
        view = memoryview(data)
        if os.getpid() == self._pid and threading.get_ident() == self._thread:
            self._printed(self._fd, view)
            return len(view)
        return os.write(self._fd, view)


class _Stream(io.TextIOWrapper):
    """One of several tasks, so none of them closes it."""

    def close(self) -> None:
        with suppress(OSError, ValueError):
            self.flush()


class Capture:
    """The streams of this process, replaced. To be made by the thread in which tasks run."""

    def __init__(self, printed: Callable[[int, memoryview], None]) -> None:
        self._streams = [
            _Stream(
                io.BufferedWriter(_Captured(fd, printed)),
                "utf-8",
                "backslashreplace",
                line_buffering=True,
            )
            for fd in (1, 2)
        ]
        sys.__stdout__, sys.__stderr__ = self._streams  # type: ignore[misc] # final, but for us
        self.restore()

    def restore(self) -> None:
        """Undo what a task has left in their place."""
        sys.stdout, sys.stderr = self._streams


def flush() -> None:
    """Flush the streams; user code may have closed or replaced them."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()


def write_log(fd: int, data: bytes) -> None:
    """Write to a stream of this process's own, if anybody is there."""
    view = memoryview(data)
    with suppress(OSError):
        while view:
            view = view[os.write(fd, view) :]
