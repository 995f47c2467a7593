"""Ctrl-C on the driver: the jobs of all threads are cancelled, then Python's interrupt follows."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


def cancel_upon_interrupt(cancel: Callable[[], Any]) -> Callable[[], None]:
    """Call `cancel` upon SIGINT, before KeyboardInterrupt; returns what undoes that.

    Only in the main thread, and only where the program has no handler of its own.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        return _nothing

    def interrupted(number: int, frame: FrameType | None) -> None:
        cancel()
        signal.default_int_handler(number, frame)

    def release() -> None:
        is_here = threading.current_thread() is threading.main_thread()
        if is_here and signal.getsignal(signal.SIGINT) is interrupted:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, interrupted)
    return release


def _nothing() -> None:
    """No handler was set."""
