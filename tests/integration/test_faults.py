"""Real processes die at bad moments; the job ends right on what is left, nothing stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from minimesos.testing.processes import ProcessCluster

from .conftest import clean_environment, eventually, state_of

pytestmark = pytest.mark.integration

# Tasks say who runs them, then wait until the test has done its worst.
SCRIPT = """
import os, sys, time
from pathlib import Path
from minimesos.spark import SparkContext

directory = Path(sys.argv[1])

def slowly(number):
    (directory / f"task-{number}-{os.getpid()}").touch()
    while not (directory / "go").exists():
        time.sleep(0.01)
    return number % 3, 1

with SparkContext(appName="faults") as sc:
    pairs = sc.parallelize(range(6), 6).map(slowly).reduceByKey(lambda a, b: a + b, 2)
    print(sorted(pairs.collect()))
"""
RESULT = "[(0, 2), (1, 2), (2, 2)]\n"


class Driver:
    """The script above, on its way."""

    def __init__(self, cluster: ProcessCluster, directory: Path, *conf: str) -> None:
        self.directory = directory
        script = directory / "script.py"
        script.write_text(SCRIPT)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "minimesos", "submit", "--master", cluster.url,
             *(f"--conf={setting}" for setting in conf), str(script), str(directory)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
        )  # fmt: skip

    def workers(self, at_least: int) -> list[psutil.Process]:
        """Wait until that many workers are in a task, and return them."""

        def running() -> list[psutil.Process]:
            pids = {int(path.name.split("-")[2]) for path in self.directory.glob("task-*")}
            found = [psutil.Process(pid) for pid in sorted(pids) if psutil.pid_exists(pid)]
            return found if len(found) >= at_least else []

        found: list[psutil.Process] = eventually(running, f"{at_least} workers in a task")
        return found

    def finish(self) -> str:
        """Let the tasks go on; returns what the script printed."""
        (self.directory / "go").touch()
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        return out


@pytest.fixture
def driver(cluster: ProcessCluster, tmp_path: Path) -> Driver:
    return Driver(cluster, tmp_path)


def executor_of(worker: psutil.Process) -> psutil.Process:
    """Return the control process of a worker: the first ancestor that runs our `spark` program."""
    return next(
        parent
        for parent in reversed(worker.parents())
        if "--driver-url" in parent.cmdline() and "spark" in parent.cmdline()
    )


def test_a_killed_worker_costs_only_its_task(driver: Driver) -> None:
    driver.workers(2)[0].kill()
    assert driver.finish() == RESULT


def test_a_killed_executor_is_replaced(driver: Driver) -> None:
    executor_of(driver.workers(2)[0]).kill()
    assert driver.finish() == RESULT


def test_a_job_ends_right_when_an_agent_is_killed_in_its_middle(
    cluster: ProcessCluster, driver: Driver
) -> None:
    driver.workers(2)
    cluster.agents[0].process.kill()
    cluster.agents[0].process.wait()
    assert driver.finish() == RESULT


def test_executors_of_a_killed_driver_are_gone_and_their_resources_free(
    cluster: ProcessCluster, driver: Driver
) -> None:
    workers = driver.workers(2)
    trees = [*workers, *map(executor_of, workers)]
    driver.process.kill()
    driver.process.communicate()
    gone, alive = psutil.wait_procs(trees, timeout=10)
    assert not alive
    assert len(gone) == len(set(trees))
    eventually(
        lambda: all(each["used_resources"]["cpus"] == 0 for each in state_of(cluster)["slaves"]),
        "the agents' resources are free",
    )


def test_tasks_of_a_killed_fine_grained_driver_are_gone_and_their_cores_free(
    cluster: ProcessCluster, tmp_path: Path
) -> None:
    fine = ("spark.mesos.coarse=false", "spark.mesos.mesosExecutor.cores=0")
    driver = Driver(cluster, tmp_path, *fine)
    workers = driver.workers(2)
    driver.process.kill()
    driver.process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    eventually(
        lambda: all(each["used_resources"]["cpus"] == 0 for each in state_of(cluster)["slaves"]),
        "the agents' resources are free",
    )


def test_an_application_that_waits_gets_the_cores_of_a_driver_that_was_killed(
    cluster: ProcessCluster, driver: Driver, tmp_path: Path
) -> None:
    driver.workers(2)
    directory = tmp_path / "second"
    directory.mkdir()
    second = Driver(cluster, directory)
    eventually(lambda: len(state_of(cluster)["frameworks"]) == 2, "the second one has subscribed")
    assert not list(directory.glob("task-*"))
    driver.process.kill()
    driver.process.communicate()
    second.workers(2)
    assert second.finish() == RESULT


def test_ctrl_c_ends_a_script_and_frees_the_cluster(
    cluster: ProcessCluster, driver: Driver
) -> None:
    driver.workers(2)
    driver.process.send_signal(signal.SIGINT)
    _, err = driver.process.communicate(timeout=20)
    assert "KeyboardInterrupt" in err
    assert driver.process.returncode in (1, 130, -signal.SIGINT)
    assert state_of(cluster)["frameworks"] == []


def test_garbage_on_the_masters_port_does_no_harm(cluster: ProcessCluster) -> None:
    host, port = cluster.address.split(":")
    for garbage in (os.urandom(4096), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(512), b""):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(garbage)
    assert len(state_of(cluster)["slaves"]) == 2
    assert cluster.master.process.poll() is None
