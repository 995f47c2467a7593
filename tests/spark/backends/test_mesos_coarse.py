"""The coarse-grained backend against real masters and agents."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

from minimesos.testing.processes import ProcessCluster

pytestmark = pytest.mark.integration

SCRIPT = """
import sys
from minimesos.spark import SparkContext, SparkConf
conf = SparkConf().set("spark.mesos.coarse.shutdownTimeout", "1h")
sc = SparkContext(sys.argv[1], "orphan", conf=conf)
print(sc.parallelize(range(10), 2).count(), flush=True)
sys.stdin.readline()
sc.stop()
print("stopped")
"""


def test_a_driver_whose_master_is_gone_does_not_wait_for_its_word() -> None:
    with ProcessCluster(agents=1) as cluster:
        driver = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, cluster.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert driver.stdout is not None
        assert driver.stdout.readline() == "10\n"
        cluster.master.stop(signal.SIGKILL)
        out, _ = driver.communicate("go\n", timeout=60)
        assert out == "stopped\n"


def test_executors_that_cannot_start_fail_the_job_and_say_why() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    warnings = [line for line in done.stderr.splitlines() if "Executor did not start" in line]
    assert len(warnings) == 2
    assert all("exited with status 127" in line for line in warnings)
    assert "no executor can be had" in done.stderr.splitlines()[-1]
    assert "exited with status 127" in done.stderr.splitlines()[-1]


HOMELESS = """
from minimesos.spark import SparkContext, SparkConf
conf = SparkConf().set("spark.mesos.executor.home", "/nowhere")
SparkContext("local-cluster[1,1,512]", "homeless", conf=conf).parallelize([1], 1).count()
"""


def test_a_job_that_needs_too_much_memory_fails_with_peak_and_limit_and_the_next_one_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GREEDY], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "failed 4 times" in done.stdout
    assert re.search(r"Memory limit exceeded: Requested: 448MB Maximum Used: \d+MB", done.stdout)
    assert done.stdout.splitlines()[-1] == "10"


GREEDY = """
from minimesos.spark import SparkContext
sc = SparkContext("local-cluster[1,1,32]", "greedy")
def devour(it):
    eaten = []
    while True:
        eaten.append(b"x" * 50_000_000)
try:
    sc.parallelize([1], 1).foreachPartition(devour)
except Exception as error:
    print(error)
print(sc.parallelize(range(10), 2).count())
"""


def test_a_master_that_cannot_be_reached_is_named_once_the_time_is_over() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNREACHABLE], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "no answer from the master at 127.0.0.1:1 for 0.1 s" in last


UNREACHABLE = """
from minimesos.spark import SparkContext, SparkConf
conf = SparkConf().set("spark.minimesos.registrationTimeout", "100ms")
SparkContext("mesos://127.0.0.1:1", "nowhere", conf=conf)
"""
