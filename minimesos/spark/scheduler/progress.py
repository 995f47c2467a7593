"""The console progress bar: `[Stage 3:=====>          (12 + 4) / 40]`, 12 done, 4 running.

Driven by the job runner, which asks the scheduler what runs; draws on a terminal's stderr and
nowhere else. Source: Spark's `spark.ui.showConsoleProgress`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import TextIO

from minimesos.spark.scheduler.dag import StageProgress
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.application import SHOW_CONSOLE_PROGRESS

FIRST_AFTER_S = 0.5
REFRESH_S = 0.2
_STAGES_MAX = 3
_SAME_TEXT_REDRAWN_S = 60.0


def render(stages: Sequence[StageProgress], width: int) -> str:
    """Return one line, at most `width` wide, that shows up to three running stages."""
    shown = stages[:_STAGES_MAX]
    return "".join(_bar(stage, width // len(shown)) for stage in shown)


def _bar(stage: StageProgress, width: int) -> str:
    head = f"[Stage {stage.stage_id}:"
    tail = f"({stage.done} + {stage.running}) / {stage.total}]"
    room = width - len(head) - len(tail)
    if room <= 0:
        return head + tail
    filled = room * stage.done // stage.total
    return f"{head}{('=' * filled + '>').ljust(room)[:room]}{tail}"


class ConsoleProgress:
    """One line on a terminal, drawn again and again in place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn = ""
        self._drawn_at_s = 0.0

    @staticmethod
    def is_wanted(conf: Texts, stream: TextIO) -> bool:
        """On a terminal, unless `spark.ui.showConsoleProgress` says no."""
        return SHOW_CONSOLE_PROGRESS.read(conf) and stream.isatty()

    def draw(self, stages: Sequence[StageProgress], now: float) -> None:
        """Show these stages; nothing is written if nothing has changed for a while."""
        width = int(os.environ.get("COLUMNS") or shutil.get_terminal_size((80, 24)).columns)
        line = render(stages, width - 1) if stages else ""
        if line == self._drawn and now < self._drawn_at_s + _SAME_TEXT_REDRAWN_S:
            return
        self._write("\r" + line.ljust(len(self._drawn)))
        self._drawn = line
        self._drawn_at_s = now

    def clear(self) -> None:
        """Wipe the line, if there is one."""
        if self._drawn:
            self._write("\r" + " " * len(self._drawn) + "\r")
            self._drawn = ""

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            pass  # the terminal is gone, or the stream closed; nobody sees the bar
