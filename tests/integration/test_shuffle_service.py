"""Map outputs in the care of agents outlive executors, but not the application."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from minimesos.spark.backends.shuffle_directories import SERVICE_DIRECTORY
from minimesos.testing.processes import ProcessCluster

from .conftest import clean_environment, eventually

pytestmark = pytest.mark.integration

# Leaves a file for each map task that has run, says when all have, and waits before it reads again.
SCRIPT = """
import os, sys, time, uuid
from pathlib import Path
from minimesos.spark import SparkContext

directory = Path(sys.argv[1])

def leave_trace(number):
    (directory / f"map-{uuid.uuid4()}").touch()
    return number % 3, number

with SparkContext(appName="outlives") as sc:
    sums = sc.parallelize(range(6), 6).map(leave_trace).reduceByKey(lambda a, b: a + b, 4)
    sums.count()
    (directory / "mapped").touch()
    while not (directory / "go").exists():
        time.sleep(0.01)
    print(sorted(sums.collect()))
"""
SETTINGS = {
    "spark.shuffle.service.enabled": "true",
    "spark.shuffle.readHostLocalDisk": "false",  # so that the services are asked
    "spark.executor.heartbeatInterval": "100ms",
    "spark.storage.blockManagerHeartbeatTimeoutMs": "1s",
}


@pytest.fixture
def cluster() -> Iterator[ProcessCluster]:
    """Two agents of one cpu, with a shuffle service each."""
    flags = ["--shuffle_service", "--shuffle_service_port=0"]
    flags.append("--shuffle_service_cleaner_interval=100ms")
    with ProcessCluster(agents=2, cpus=1, mem_mb=2048, agent_flags=flags) as running:
        yield running


@pytest.fixture
def driver(cluster: ProcessCluster, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The script above, when its map tasks have run."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    conf = [word for name, value in SETTINGS.items() for word in ("--conf", f"{name}={value}")]
    process = subprocess.Popen(
        [sys.executable, "-m", "minimesos", "submit", "--master", cluster.url, *conf,
         str(script), str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
    )  # fmt: skip
    eventually((tmp_path / "mapped").exists, "all map tasks have run")
    yield process
    process.kill()
    process.communicate()


def executors(cluster: ProcessCluster) -> list[psutil.Process]:
    """Return the control processes of all Spark executors; zygotes and workers are their forks."""
    agents = [psutil.Process(agent.process.pid) for agent in cluster.agents]
    found = {}
    for process in [each for agent in agents for each in agent.children(recursive=True)]:
        with suppress(psutil.Error):  # it has just ended
            if "--driver-url" in process.cmdline():
                found[process.pid] = process, process.ppid()
    return [process for process, parent in found.values() if parent not in found]


def outputs(cluster: ProcessCluster) -> list[str]:
    """Return the names of the map outputs that services keep."""
    directories = cluster.work_dir.glob(f"*/{SERVICE_DIRECTORY}/*/executor-*")
    return sorted(path.name for each in directories for path in each.glob("shuffle_*.data"))


def test_map_outputs_of_killed_executors_are_read_and_not_computed_again(
    cluster: ProcessCluster, driver: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert len(outputs(cluster)) == 6
    killed = executors(cluster)
    assert killed  # the second may be late
    for process in killed:
        process.kill()
    psutil.wait_procs(killed)
    (tmp_path / "go").touch()
    printed, errors = driver.communicate(timeout=60)
    assert (printed, driver.returncode) == ("[(0, 3), (1, 5), (2, 7)]\n", 0), errors
    assert len(list(tmp_path.glob("map-*"))) == 6
    assert "FetchFailed" not in errors
    assert outputs(cluster) == []  # since the application has ended


def test_map_outputs_of_a_killed_driver_are_deleted_when_its_lease_has_run_out(
    cluster: ProcessCluster, driver: subprocess.Popen[str]
) -> None:
    assert len(outputs(cluster)) == 6
    driver.kill()
    driver.communicate()
    eventually(lambda: not outputs(cluster), "the map outputs are deleted")
    eventually(
        lambda: any(
            "not heard of any more" in line for each in cluster.agents for line in each.log
        ),
        "a service says why",
    )
