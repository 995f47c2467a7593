"""What agent and supervisor say to each other over a socketpair: length-prefixed marshal.

Agent to supervisor: `("launch", spec)` once, then `("destroy", grace_s)` and
`("limit", cpus or None)`. Supervisor to agent: `("started", pid of the first process, own pid)` or
`("failed", why)`, then `("exited", wait status)`. The end of the stream says that nothing of the
container runs any more.

marshal is builtin and fast; both ends are the same Python on one host and trust each other.
"""

from __future__ import annotations

import marshal
import struct
from typing import Any

_LENGTH = struct.Struct("!I")


def encode(message: tuple[Any, ...]) -> bytes:
    """Return a message as bytes."""
    payload = marshal.dumps(message)
    return _LENGTH.pack(len(payload)) + payload


class Decoder:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[tuple[Any, ...]]:
        """Return the messages that are complete now."""
        self._buffer += data
        messages: list[tuple[Any, ...]] = []
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            messages.append(marshal.loads(self._buffer[_LENGTH.size : end]))
            self._buffer = self._buffer[end:]
        return messages
