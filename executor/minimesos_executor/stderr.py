"""The file in the sandbox that an executor and its command share as stderr, read back.

Used by the command executor, to say why its command failed.
"""

from __future__ import annotations

import os
import stat

from minimesos.runtime.last_words import last_words

_STDERR = 2


def position() -> int | None:
    """Return where stderr ends at present, None if it is no file."""
    status = os.fstat(_STDERR)
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def said_since(start: int | None) -> str:
    """Return what others than this process said last after a position; "" if that is nothing."""
    if start is None:
        return ""
    with open(f"/proc/self/fd/{_STDERR}", "rb") as file:
        return last_words(file, start, besides_pid=os.getpid())
