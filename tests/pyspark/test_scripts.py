"""Whole scripts, written for PySpark, print on ours what they print on the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from .engines import Engine

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_prints_the_same_on_both(script: Path, ours: Engine, real: Engine) -> None:
    wanted = real.run_script(script, "an", "argument")
    assert wanted.exit_code == 0, wanted.errors
    assert wanted.output

    printed = ours.run_script(script, "an", "argument")

    assert printed.exit_code == 0, printed.errors
    assert printed.output.splitlines() == wanted.output.splitlines()
