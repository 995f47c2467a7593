"""What a test must leave behind: nothing. Looks at all that it could, before and after.

Processes are found by descent, and by a mark in their environment where their parents are gone;
files by a temporary directory that belongs to this run of tests. What is just ending may take a
while: nothing is said of it before a deadline, and that costs time only where something is left.
"""

from __future__ import annotations

import fcntl
import gc
import os
import select
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import NamedTuple

import pytest

DEADLINE_S = 5.0
_MARK = "MINIMESOS_TEST_RUN"
_ROUND_S = 0.02
_LASTING_THREADS = ("minimesos-loop", "asyncio_", "scratch", "grpc")
"""Those of the process: its loop, its pools, and gRPC's, which are kept for ever."""
_LASTING_FDS = ("anon_inode:", "/dev/", "pipe:")
"""Of such loops; and what pytest's capturing opens."""


class Snapshot(NamedTuple):
    """What there is of each kind, by an identity that is not used twice, and in words."""

    processes: dict[object, str]
    descriptors: dict[object, str]
    files: dict[object, str]
    threads: dict[object, str]

    def since(self, earlier: Snapshot) -> list[str]:
        """Return in words what is here now and was not then."""
        return [
            now[key]
            for now, before in zip(self, earlier, strict=True)
            for key in now
            if key not in before
        ]


class Watch:
    """One run of tests, by its mark and its temporary directory."""

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="mm-")  # short: paths of sockets are in it
        os.chmod(self.directory, 0o1777)  # as /tmp is: tasks of other users run in tests
        self._mark = os.path.basename(self.directory)

    def look(self) -> Snapshot:
        return Snapshot(
            dict(_processes(f"{_MARK}={self._mark}".encode())),
            dict(_descriptors()),
            dict(_files(self.directory)) | dict(_shared_memory()),
            dict(_threads()),
        )

    @contextmanager
    def leaves_nothing(self) -> Iterator[None]:
        """Raise AssertionError that names what the block has left behind."""
        before = self.look()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(_MARK, self._mark)
            patch.setenv("TMPDIR", self.directory)
            patch.setattr(tempfile, "tempdir", self.directory)
            yield
        deadline = monotonic() + DEADLINE_S
        while left := self.look().since(before):
            if monotonic() > deadline:
                raise AssertionError("left behind:\n  " + "\n  ".join(left))
            gc.collect()  # what is garbage in a cycle is given up, too
            select.select((), (), (), _ROUND_S)

    def close(self) -> None:
        """Remove the temporary directory."""
        shutil.rmtree(self.directory, ignore_errors=True)


def _processes(mark: bytes) -> Iterator[tuple[object, str]]:
    """Yield children of this process, and orphans that bear the mark, unless they have ended.

    What a child has started itself ends with it, or becomes an orphan.
    """
    parents: dict[int, tuple[int, str, str]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", encoding="ascii") as file:
                head, _, rest = file.read().rpartition(")")
                fields = rest.split()
                if fields[0] not in "ZX":
                    parents[int(name)] = int(fields[1]), fields[19], head.partition("(")[2]
    us = os.getpid()
    for pid, (parent, started, command) in parents.items():
        is_orphan = pid != us and not _descends(pid, us, parents) and _bears(pid, mark)
        if parent == us or is_orphan:
            yield (pid, started), f"process {pid}: {_command_line(pid) or command}"


def _descends(pid: int, ancestor: int, parents: dict[int, tuple[int, str, str]]) -> bool:
    while pid in parents:
        pid = parents[pid][0]
        if pid == ancestor:
            return True
    return False


def _bears(pid: int, mark: bytes) -> bool:
    with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return mark in file.read().split(b"\0")
    return False


def _command_line(pid: int) -> str:
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def _descriptors() -> Iterator[tuple[object, str]]:
    """Yield open files and sockets, but for the standard streams, which pytest turns about."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}")
            if int(name) > 2 and not target.startswith(_LASTING_FDS):
                what = _socket(int(name)) if target.startswith("socket:") else target
                yield (name, target), f"descriptor {name}: {what}"


def _socket(descriptor: int) -> str:
    import socket

    with socket.socket(fileno=os.dup(descriptor)) as sock:
        names = [sock.getsockname()]
        with suppress(OSError):
            names.append(sock.getpeername())
        return f"{sock.family.name} socket {' - '.join(map(str, names))}"


def _files(directory: str) -> Iterator[tuple[object, str]]:
    """Yield what is right in the temporary directory, but for what the next program sweeps."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if _is_abandoned(entry.path):
                continue
            kind = "socket" if stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode) else "file"
            is_directory = entry.is_dir(follow_symlinks=False)
            inside = f" with {sorted(os.listdir(entry.path))[:8]}" if is_directory else ""
            yield entry.inode(), f"{'directory' if is_directory else kind} {entry.path}{inside}"


def _is_abandoned(directory: str) -> bool:
    """Say whether it is the scratch directory of a program that was killed."""
    try:
        lock = os.open(os.path.join(directory, ".owner"), os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(lock)


def _shared_memory() -> Iterator[tuple[object, str]]:
    with suppress(OSError), os.scandir("/dev/shm") as entries:
        for entry in entries:
            if "minimesos" in entry.name:
                yield entry.path, f"shared memory {entry.path}"


def _threads() -> Iterator[tuple[object, str]]:
    for thread in threading.enumerate():
        if not thread.name.startswith(_LASTING_THREADS):
            yield thread, f"thread {thread.name}"
