"""Tracebacks of failed jobs that show the user's own frames, and of ours only the action's.

What the engine did on the way to a job helps nobody whose function failed. Frames cannot be left
out while an exception passes through them; so an action lets it start anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import CodeType, FunctionType
from typing import ParamSpec, TypeVar

from minimesos.spark.errors import SparkException

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")


def short_traceback(action: Callable[P, R]) -> Callable[P, R]:
    """Let errors of jobs that `action` runs have no frames from below it."""

    @wraps(action)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return action(*arguments, **options)
        except SparkException as error:
            raise error.with_traceback(None)  # noqa: B904 - it is the same error

    # Call sites and tracebacks take names from code objects.
    code: CodeType = run.__code__  # type: ignore[attr-defined]
    named = code.replace(co_name=action.__name__, co_qualname=action.__qualname__)
    run.__code__ = named  # type: ignore[attr-defined]
    return run


def short_tracebacks(kind: type[C]) -> type[C]:
    """Do so for all public methods of a class itself."""
    for name, member in list(vars(kind).items()):
        if isinstance(member, FunctionType) and not name.startswith("_"):
            setattr(kind, name, short_traceback(member))
    return kind
