"""What a program said last on stderr: for people, mostly why it failed.

Used by the command executor and by agents, to put it into the message of a task's status.
"""

from __future__ import annotations

import os
import re
from typing import BinaryIO

LENGTH_MAX = 300
"""Characters that are told of a line."""

_TAIL_BYTES = 8192
_LOG_PREFIX = re.compile(r"([IWEF])\d{4} [\d:.]+ +(\d+) [^\]]+\] ")
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def last_words(file: BinaryIO, start: int = 0, besides_pid: int | None = None) -> str:
    """Return the last line of a file that says anything, without a log line's prefix; "" if none.

    Only what comes after `start` is looked at, and no log line of the process `besides_pid`, nor
    one at INFO, which tells of what went well. The line is printable and of bounded length.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(max(start, end - _TAIL_BYTES))
    text = file.read(_TAIL_BYTES).decode(errors="replace")
    for line in reversed(text.splitlines()):
        logged = _LOG_PREFIX.match(line)
        if logged is not None and (logged[1] == "I" or int(logged[2]) == besides_pid):
            continue
        words = _printable(line if logged is None else line[logged.end() :])
        if any(map(str.isalnum, words)):
            return words if len(words) <= LENGTH_MAX else f"{words[:LENGTH_MAX]}..."
    return ""


def _printable(line: str) -> str:
    plain = _TERMINAL_CODE.sub("", line)
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())
