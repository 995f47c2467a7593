"""Every example runs, and prints what its header promises."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from .conftest import REPOSITORY, clean_environment, minimesos

pytestmark = pytest.mark.integration
EXAMPLES = REPOSITORY / "examples"

SCRIPTS = {
    "count.py": ([], r"11\n"),
    "pi.py": (["3"], r"Pi is roughly 3\.\d+\n"),
    "word_count.py": (
        [str(REPOSITORY / "LICENSE")],
        r"(?: *[\d,]+  \S+\n){20}1 files, 0\.0 MB in \d+\.\d s\n",
    ),
}
PROGRAMS = {"demo.py": r"(?s).*/count\.py\n11\n.*/word_count\.py\n.* files, .* MB in .* s\n"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_driver_script(script: str) -> None:
    arguments, output = SCRIPTS[script]
    done = minimesos("submit", "--master", "local[2]", str(EXAMPLES / script), *arguments)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(output, done.stdout), done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / program)],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(PROGRAMS[program], done.stdout), done.stdout


def test_there_is_no_example_without_a_test() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*SCRIPTS, *PROGRAMS}
