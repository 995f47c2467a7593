"""The environment an executor was started with, and the secrets in it.

A task's environment is what Mesos defines and nothing else, so it comes from `at_exec`. A secret is
read once with `take`, and gone before user code runs: taking a variable out of `os.environ` leaves
it in the memory that /proc/PID/environ shows, of this process and of all that it forks, so that
memory is overwritten too.
"""

from __future__ import annotations

import os


def at_exec() -> dict[str, str]:
    """Return the variables that this process was given.

    `os.environ` has more: Python sets LC_CTYPE if no locale is given, and libraries set theirs.
    """
    with open("/proc/self/environ", "rb") as variables:
        given = variables.read().split(b"\0")
    pairs = (os.fsdecode(pair).partition("=") for pair in given if pair)
    return {name: value for name, _, value in pairs}


def take(name: str) -> str | None:
    """Remove a variable from the environment; returns its value, None if it is not set."""
    import ctypes  # the command executor, whose start is part of each task's, does without

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
