"""Clusters of real processes for the tests of this folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minimesos.testing.processes import ProcessCluster

REPOSITORY = Path(__file__).parents[2]
DEADLINE_S = 60.0
POLL_S = 0.05


@pytest.fixture
def cluster() -> Iterator[ProcessCluster]:
    """A master and two agents with one cpu each."""
    with ProcessCluster(agents=2, cpus=1, mem_mb=2048) as running:
        yield running


def state_of(cluster: ProcessCluster) -> dict[str, Any]:
    """Read the master's /state, as the console does."""
    with urllib.request.urlopen(f"http://{cluster.address}/state", timeout=10) as response:
        found: dict[str, Any] = json.load(response)
        return found


def minimesos(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a minimesos command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "minimesos", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=clean_environment(),
        check=False,
        **options,
    )


def clean_environment() -> dict[str, str]:
    """The environment without settings that the tests' caller may have."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MESOS_", "SPARK_", "PYSPARK_")) and name != "MASTER"
    }


def eventually(holds: Callable[[], Any], what: str) -> Any:
    """Poll another process's state until it holds; fails with `what` after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(POLL_S)
