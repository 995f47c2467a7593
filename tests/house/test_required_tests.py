"""Where everything is installed, a test that is skipped has failed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import REPOSITORY

TESTS = """
import pytest

@pytest.fixture
def lacking():
    pytest.skip("not installed")

def test_with_it(lacking): ...

@pytest.mark.skipif(True, reason="not here")
def test_elsewhere(): ...

@pytest.mark.xfail
def test_of_a_known_fault():
    assert False

def test_that_passes(): ...
"""


@pytest.mark.parametrize(
    ("required", "summary"),
    [("", "1 passed, 2 skipped, 1 xfailed"), ("1", "1 passed, 1 xfailed, 2 errors")],
)
def test_skipped_tests_fail_where_all_are_required(
    tmp_path: Path, required: str, summary: str
) -> None:
    shutil.copy(REPOSITORY / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_some.py").write_text(TESTS)

    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"],
        cwd=tmp_path,
        env=os.environ | {"MINIMESOS_REQUIRE_ALL": required},
        capture_output=True,
        text=True,
        check=False,
    )

    assert summary in outcome.stdout
    assert (outcome.returncode == 0) is (not required)
