"""A driver dies, and another one takes over its framework: nothing of the old one stays behind."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from minimesos.testing.processes import ProcessCluster

from .conftest import clean_environment, eventually, state_of

pytestmark = pytest.mark.integration

SCRIPT = """
import sys
from minimesos.spark import SparkConf, SparkContext

conf = SparkConf().set("spark.mesos.driver.failoverTimeout", "60")
for framework_id in sys.argv[2:]:
    conf.set("spark.mesos.driver.frameworkId", framework_id)
with SparkContext(sys.argv[1], "app", conf=conf) as sc:
    print(sc.applicationId, sc.parallelize(range(10), 2).count(), flush=True)
    sys.stdin.readline()
"""


class Driver:
    """The script above; `framework_id` once it has run its job."""

    def __init__(self, cluster: ProcessCluster, *framework_id: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, cluster.url, *framework_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
        assert self.process.stdout is not None
        self.framework_id, count = self.process.stdout.readline().split()
        assert count == "10"

    def executors(self) -> list[psutil.Process]:
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if process.info["cmdline"]
            and self.framework_id in process.info["cmdline"]
            and "--executor-id" in process.info["cmdline"]
            and "-c" not in process.info["cmdline"]
        ]


def test_a_new_driver_takes_a_dead_ones_framework_over_and_ends_its_executors(
    cluster: ProcessCluster,
) -> None:
    first = Driver(cluster)
    old = first.executors()
    assert len(old) >= 2
    old[0].suspend()  # it will not notice the end of its driver
    first.process.kill()
    first.process.communicate()

    second = Driver(cluster, first.framework_id)
    assert second.framework_id == first.framework_id
    gone, alive = psutil.wait_procs(old, timeout=20)
    assert (len(gone), alive) == (len(old), [])

    def running() -> set[str]:
        (framework,) = state_of(cluster)["frameworks"]
        return {task["id"] for task in framework["tasks"] if task["state"] == "TASK_RUNNING"}

    eventually(lambda: len(running()) == 2, "two new executors run")
    assert running().isdisjoint({"0", "1"})
    second.process.communicate("go on\n", timeout=20)
    assert state_of(cluster)["frameworks"] == []
    assert second.executors() == []
    assert all(each["used_resources"]["cpus"] == 0 for each in state_of(cluster)["slaves"])
