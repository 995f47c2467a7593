from __future__ import annotations

import io

from minimesos.spark.scheduler.dag import StageProgress
from minimesos.spark.scheduler.progress import ConsoleProgress, render

SETTING = "spark.ui.showConsoleProgress"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_stage_shows_done_running_and_total():
    line = render([StageProgress(stage_id=3, done=5, running=2, total=10)], 40)
    assert line == "[Stage 3:=========>        (5 + 2) / 10]"
    assert len(line) == 40


def test_at_most_three_stages_share_the_line():
    stages = [StageProgress(stage, 1, 1, 2) for stage in range(5)]
    line = render(stages, 120)
    assert line.count("[Stage") == 3
    assert len(line) == 120


def test_a_finished_stage_fills_its_bar():
    assert render([StageProgress(0, 4, 0, 4)], 30) == "[Stage 0:=========(4 + 0) / 4]"


def test_the_line_is_drawn_in_place_and_wiped(monkeypatch):
    monkeypatch.setenv("COLUMNS", "41")
    terminal = Terminal()
    progress = ConsoleProgress(terminal)
    stage = StageProgress(3, 5, 2, 10)
    progress.draw([stage], now=0.0)
    progress.draw([stage], now=0.2)
    progress.clear()
    progress.clear()
    line = "[Stage 3:=========>        (5 + 2) / 10]"
    assert terminal.getvalue() == f"\r{line}\r{' ' * 40}\r"


def test_only_terminals_that_want_it_get_one():
    assert ConsoleProgress.is_wanted({}, Terminal())
    assert not ConsoleProgress.is_wanted({SETTING: "false"}, Terminal())
    assert not ConsoleProgress.is_wanted({SETTING: "true"}, io.StringIO())
