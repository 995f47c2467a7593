"""A program's scratch directory, and those that its killed likes have left behind.

Made and removed by SparkContext, by the agent's fetcher, and by master and agent for their sockets.
The owner locks a file in its directory for as long as it lives. Where nobody holds that lock the
owner was killed before it could tidy up, so the next of its kind with the same base directory
removes what it left.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
from contextlib import suppress

_LOCK = ".owner"


class Scratch:
    """A directory of its own below `base`, which is made if need be. Raises OSError.

    `kind` says whose: those who sweep remove the directories of their own kind only.
    """

    def __init__(self, base: str, kind: str) -> None:
        self.path = ""
        while not os.path.exists(self.path):  # one that sweeps may have been faster
            self.path = os.path.join(os.path.abspath(base), f"{kind}-{os.urandom(16).hex()}")
            os.makedirs(self.path, mode=0o700)
            self._lock = os.open(os.path.join(self.path, _LOCK), os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        left = _left_behind(os.path.abspath(base), kind)
        if left:
            threading.Thread(target=_remove, args=(left,), name="scratch", daemon=True).start()

    def remove(self) -> None:
        """Delete it with all that is in it; to be called once."""
        _remove({self.path: self._lock})


def remove_if_abandoned(path: str) -> None:
    """Delete a scratch directory if its owner was killed, for those who have outlived it."""
    lock = _lock_of_the_dead(path)
    if lock is not None:
        _remove({path: lock})


def _left_behind(base: str, kind: str) -> dict[str, int]:
    """Lock all directories whose owners are gone; returns the descriptors of the locks."""
    name = re.compile(re.escape(kind) + "-[0-9a-f]{32}")
    with os.scandir(base) as entries:
        paths = [entry.path for entry in entries if name.fullmatch(entry.name)]
    locks = ((path, _lock_of_the_dead(path)) for path in paths)
    return {path: lock for path, lock in locks if lock is not None}


def _lock_of_the_dead(path: str) -> int | None:
    """Lock a directory whose owner is gone; None if that cannot be said of it."""
    try:
        lock = os.open(os.path.join(path, _LOCK), os.O_RDWR)
    except OSError:
        return None  # it has just been made, or removed, or is another user's
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _remove(locked: dict[str, int]) -> None:
    import shutil

    for path, lock in locked.items():
        with suppress(FileNotFoundError):  # another was faster
            with os.scandir(path) as entries:
                directories = [
                    entry.path for entry in entries if entry.is_dir(follow_symlinks=False)
                ]
            for directory in directories:  # first: while the lock is there, others can take over
                shutil.rmtree(directory, ignore_errors=True)
            shutil.rmtree(path, ignore_errors=True)
        os.close(lock)
