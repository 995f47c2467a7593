"""Every example runs, and prints what its header promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

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
PROGRAMS = {
    "demo.py": ([], r"(?s).*/count\.py\n11\n.*/word_count\.py\n.* files, .* MB in .* s\n"),
    "two_frameworks.py": (
        ["--seconds", "2"],
        r".*dominant shares: ░ dev  █ prod +dev  prod\n"
        r" +\S+ +░+·* +\S+  0\.00   dev joins\n( +\S+ +░+·* +\S+  0\.00\n){3}"
        r" .*   prod joins\n(.*\n){7} +\S+ +░+█+·* +\S+  \S+\n"
        r" .*   prod ends\n(.*\n){3} +\S+ +░+·* +\S+  0\.00\n",
    ),
}


WITHOUT_MATPLOTLIB = """
import runpy, sys
sys.modules["matplotlib"] = None
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_driver_script(script: str) -> None:
    arguments, output = SCRIPTS[script]
    done = minimesos("submit", "--master", "local[2]", str(EXAMPLES / script), *arguments)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(output, done.stdout), done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program: str) -> None:
    arguments, output = PROGRAMS[program]
    done = run(str(EXAMPLES / program), *arguments)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(output, done.stdout), done.stdout


def test_two_frameworks_are_drawn_into_the_file_that_is_named(tmp_path: Path) -> None:
    picture = tmp_path / "shares.png"
    done = run(str(EXAMPLES / "two_frameworks.py"), "--seconds", "0.5", "--plot", str(picture))
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_plot_names_the_extra() -> None:
    done = run("-c", WITHOUT_MATPLOTLIB, str(EXAMPLES / "two_frameworks.py"), "--plot", "a.png")
    assert done.returncode == 1
    assert done.stderr == "--plot needs matplotlib: pip install 'minimesos[plot]'\n"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean_environment(),
        check=False,
    )


def test_there_is_no_example_without_a_test() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*SCRIPTS, *PROGRAMS}
