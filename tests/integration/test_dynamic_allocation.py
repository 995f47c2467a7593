"""Executors come by need and go when idle; what they wrote for a shuffle outlives them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimesos.testing.processes import ProcessCluster

from .conftest import clean_environment, eventually, state_of

pytestmark = pytest.mark.integration

EXECUTORS = 4
SETTINGS = {
    "spark.executor.cores": "1",
    "spark.executor.memory": "128m",
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.schedulerBacklogTimeout": "100ms",
    "spark.dynamicAllocation.executorIdleTimeout": "200ms",
    "spark.shuffle.service.enabled": "true",
    "spark.shuffle.readHostLocalDisk": "false",  # so that the services are asked
}

# A map task ends once all of them run at the same time. The same shuffle is read twice.
SCRIPT = f"""
import sys, time
from operator import add
from pathlib import Path
from minimesos.spark import SparkContext

directory = Path(sys.argv[1])

def meet(number):
    runs.add(1)
    (directory / f"task-{{number}}").touch()
    while len(list(directory.glob("task-*"))) < {EXECUTORS}:
        time.sleep(0.01)
    return number % 2, 1

with SparkContext(appName="elastic") as sc:
    runs = sc.accumulator(0)
    pairs = sc.parallelize(range({EXECUTORS}), {EXECUTORS}).map(meet)
    counts = pairs.reduceByKey(add, 2)
    print(sorted(counts.collect()), runs.value)
    (directory / "counted").touch()
    while not (directory / "go").exists():
        time.sleep(0.01)
    print(sorted(counts.collect()), runs.value)
"""


@pytest.fixture
def cluster() -> Iterator[ProcessCluster]:
    """A master and two agents with shuffle services, each with room for two executors."""
    flags = ["--shuffle_service", "--shuffle_service_port=0"]
    with ProcessCluster(agents=2, cpus=2, mem_mb=2048, agent_flags=flags) as running:
        yield running


@pytest.fixture
def driver(cluster: ProcessCluster, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The script above, on its way."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    settings = [word for pair in SETTINGS.items() for word in ("--conf", "=".join(pair))]
    process = subprocess.Popen(
        [sys.executable, "-m", "minimesos", "submit", "--master", cluster.url, *settings,
         str(script), str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def states_of_executors(cluster: ProcessCluster) -> list[str]:
    (framework,) = state_of(cluster)["frameworks"]
    return [task["state"] for task in (*framework["tasks"], *framework["completed_tasks"])]


def test_a_job_reads_what_executors_wrote_that_are_gone(
    cluster: ProcessCluster, driver: subprocess.Popen[str], tmp_path: Path
) -> None:
    eventually((tmp_path / "counted").exists, "as many executors as tasks")
    eventually(lambda: states_of_executors(cluster) == ["TASK_KILLED"] * EXECUTORS, "none is left")
    (tmp_path / "go").touch()
    out, err = driver.communicate(timeout=60)
    assert (driver.returncode, out.splitlines()) == (0, ["[(0, 2), (1, 2)] 4"] * 2), err
