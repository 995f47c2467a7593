"""Makes the directory that an executor runs in, and reads there why it failed.

Called by the containerizer, in threads. Where sandboxes are is said in `minimesos.agent.sandbox`;
nothing here removes one.

Source: Mesos documentation "Sandbox".
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from minimesos.agent.containerizer.posix import Identity
from minimesos.agent.sandbox import latest_run_link
from minimesos.runtime.last_words import last_words

MODE = 0o750
OUTPUTS = ("stdout", "stderr")


def make_sandbox(path: str, owner: Identity | None) -> None:
    """Make the run directory with empty stdout and stderr, and let `runs/latest` point to it.

    Raises OSError, FileExistsError among others: no run has a sandbox of another.
    """
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    os.mkdir(path)
    for name in OUTPUTS:
        with open(os.path.join(path, name), "xb"):
            pass
    os.chmod(path, MODE)  # after mkdir, whose mode the umask cuts
    if owner is not None:
        for made in (path, *(os.path.join(path, name) for name in OUTPUTS)):
            os.chown(made, owner.uid, owner.gid)
    _point_latest_to(path)


def last_words_in(path: str) -> str:
    """Return the last line on the stderr of a sandbox that says anything; "" if there is none.

    The sandbox belongs to its user: a link there may point to a file that only agents may read,
    and a pipe would be waited for.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(os.path.join(path, "stderr"), flags)
    except OSError:
        return ""
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            return ""
        return last_words(file)


def _point_latest_to(path: str) -> None:
    link = latest_run_link(path)
    fresh = f"{link}.{os.path.basename(path)}"
    with suppress(FileNotFoundError):
        os.unlink(fresh)
    os.symlink(os.path.basename(path), fresh)
    os.replace(fresh, link)  # so that `latest` always is there
