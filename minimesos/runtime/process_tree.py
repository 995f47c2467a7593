"""Which processes live below a process, and what the kernel says of each.

Used by supervisors, which must see every member of their container, by the agent's sampling and by
the command executor. It reads /proc with the standard library only: supervisors are forked from a
small process that must stay small. It signals nobody.

Source: proc(5); clock_getcpuclockid(3) for the clock of another process.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STOPPED = b"T"


def descendants(root: int) -> list[int]:
    """Return the processes below `root`, parents before children, zombies included.

    A process that is forked or ends meanwhile may be missing; who must be sure stops what there is
    and looks again.
    """
    children_of = children if _HAS_CHILDREN_FILES else _children_by_scan()
    found: list[int] = []
    frontier = [root]
    while frontier:
        below = [child for pid in frontier for child in children_of(pid)]
        found += below
        frontier = below
    return found


def children(pid: int) -> list[int]:
    """Return the children of a process; none if it is gone."""
    if not _HAS_CHILDREN_FILES:
        return _children_by_scan()(pid)
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            try:
                found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
            except OSError:
                continue  # that thread is gone
    except OSError:
        return found
    return found


class Stat(NamedTuple):
    """What a supervisor needs of /proc/<pid>/stat."""

    parent: int
    stopped: bool
    reaped_cpu_s: float  # of children it has waited for, and theirs


def read_stat(pid: int) -> Stat:
    """Raises OSError if the process is gone."""
    # The second field is the command's name, which may hold spaces and parentheses.
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    reaped_ticks = int(fields[13]) + int(fields[14])
    return Stat(int(fields[1]), fields[0] == _STOPPED, reaped_ticks / _TICKS_PER_S)


def cpu_s(pid: int) -> float:
    """Return the CPU time of all threads of a process, exactly. Raises OSError if it is gone."""
    # What clock_getcpuclockid(3) computes; a hundred times cheaper than parsing /proc/<pid>/stat,
    # and not rounded to its 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


class _children_by_scan:  # noqa: N801 (stands in for the function `children`)
    """`children` on kernels without CONFIG_PROC_CHILDREN: one pass over all processes."""

    def __init__(self) -> None:
        self._children: dict[int, list[int]] = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    self._children.setdefault(read_stat(int(name)).parent, []).append(int(name))
                except OSError:
                    continue

    def __call__(self, pid: int) -> list[int]:
        return self._children.get(pid, [])


_HAS_CHILDREN_FILES = os.path.exists(f"/proc/self/task/{os.getpid()}/children")
