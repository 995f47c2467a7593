"""Why a worker died, for people: what its wait status means, and whether memory was short."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import NamedTuple

_MIB = 2**20


class Exit(NamedTuple):
    """How a process ended."""

    status: int
    """As `wait` returns it."""
    peak_bytes: int = 0
    """The most memory that it has held; 0 if not known."""


def explain(exit: Exit, oom_kills_before: int = 0, hung_up: bool = False) -> str:
    """Say what ended a worker, in words that follow its name.

    `oom_kills_before` is what `oom_kills` said when it was started; `hung_up` says that it had
    closed its connection, and so was killed by us.
    """
    code = os.waitstatus_to_exitcode(exit.status)
    if code >= 0:
        return f"called os._exit, or was ended, with exit code {code}"
    name = _name(-code)
    if -code != signal.SIGKILL:
        return f"was killed by {name}"
    if hung_up:
        return "closed its connection to the executor; it was ended"
    if oom_kills() > oom_kills_before:
        return f"was killed by {name}, as the system was out of memory{_memory(exit.peak_bytes)}"
    return (
        f"was killed by {name} (by hand, or by the system for want of memory)"
        f"{_memory(exit.peak_bytes)}"
    )


def _name(signum: int) -> str:
    try:
        return signal.Signals(signum).name
    except ValueError:  # one of those for real time
        return f"signal {signum}"


def _memory(peak_bytes: int) -> str:
    if not peak_bytes:
        return ""
    return f"; its memory has peaked at {peak_bytes / _MIB:.0f} MiB{_limit()}"


def _limit() -> str:
    """Say how much there is for all, as far as this process can see."""
    with suppress(OSError, ValueError), open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
        return f", {int(file.read()) / _MIB:.0f} MiB are for the whole container"
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f", the machine has {total / _MIB:.0f} MiB"


def oom_kills() -> int:
    """Return how many processes the kernel has killed for want of memory, on the whole machine."""
    with suppress(OSError, ValueError), open("/proc/vmstat", encoding="ascii") as file:
        for line in file:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
