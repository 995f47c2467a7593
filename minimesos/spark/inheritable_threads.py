"""Threads whose jobs have the local properties of the thread that started them, as in PySpark."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from minimesos.spark.context import SparkContext

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["InheritableThread", "inheritable_thread_target"]


def inheritable_thread_target(f: F) -> F:
    """Wrap a thread's target: it gets a copy of the local properties that are set here and now.

    Those are the job group, description and tags, the pool, and whatever `setLocalProperty` set.
    """
    context = SparkContext._active_spark_context
    inherited = context.local_properties() if context is not None else {}

    @functools.wraps(f)
    def run(*arguments: Any, **keywords: Any) -> Any:
        if context is not None:
            context.inherit_properties(inherited)
        return f(*arguments, **keywords)

    return run  # type: ignore[return-value]


class InheritableThread(threading.Thread):
    """A thread that gets a copy of the local properties that are set where it is made."""

    def __init__(self, target: Callable[..., Any], **keywords: Any) -> None:
        super().__init__(target=inheritable_thread_target(target), **keywords)
