"""Waiting for real processes without sleeping: for a line they write, and for their end."""

from __future__ import annotations

import asyncio
import os
import select
from pathlib import Path

DEADLINE_S = 20.0


class Lines:
    """A named pipe that processes write lines to, and a test reads them from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # For reading and writing, so that neither side ever waits for the other or sees its end.
        self._pipe = open(os.open(path, os.O_RDWR), "rb", buffering=0)  # noqa: SIM115

    async def next(self) -> str:
        """Return the next line. Raises TimeoutError after DEADLINE_S without a byte."""
        return (await asyncio.to_thread(self._readline)).decode().strip()

    def close(self) -> None:
        """Close our ends."""
        self._pipe.close()

    def _readline(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([self._pipe], [], [], DEADLINE_S)[0]:
                raise TimeoutError(f"nobody wrote to {self.path}; so far: {line!r}")
            line += self._pipe.read(1)
        return line


async def ended(pid: int) -> bool:
    """Wait for a process to end; returns whether it did within DEADLINE_S."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ready, _, _ = await asyncio.to_thread(select.select, [descriptor], [], [], DEADLINE_S)
        return bool(ready)
    finally:
        os.close(descriptor)
