"""The private cluster of `local-cluster[n,cores,mem]`."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

FORGETFUL = """
from minimesos.spark import SparkContext
sc = SparkContext("local-cluster[1,1,512]", "forgetful")
print(sc.parallelize(range(10), 4).count())
"""


def test_a_script_that_does_not_stop_its_context_ends_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORGETFUL], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "10\n", "")
