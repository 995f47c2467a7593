"""Where in the user's program an operation was called, for stage names and error texts."""

from __future__ import annotations

import os
import sys

_PACKAGE = os.path.dirname(__file__) + os.sep


def short_form() -> str:
    """Return `operation at file:line` of the innermost frame outside this package."""
    frame = sys._getframe(1)
    operation = frame.f_code.co_name
    while frame.f_code.co_filename.startswith(_PACKAGE):
        operation = frame.f_code.co_name
        if frame.f_back is None:
            break
        frame = frame.f_back
    return f"{operation} at {frame.f_code.co_filename}:{frame.f_lineno}"
