"""Secrets in the environment: read once, and gone before user code runs.

Taking a variable out of `os.environ` leaves it in the memory that /proc/PID/environ shows, of this
process and of all that it forks. So that memory is overwritten too.
"""

from __future__ import annotations

import ctypes
import os


def take(name: str) -> str | None:
    """Remove a variable from the environment; returns its value, None if it is not set."""
    value = os.environ.get(name)
    if value is None:
        return None
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    address = libc.getenv(os.fsencode(name))
    if address:
        ctypes.memset(address, 0, len(os.fsencode(value)))
    del os.environ[name]
    return value
