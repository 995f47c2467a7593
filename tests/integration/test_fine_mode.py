"""The fine-grained mode on real clusters: results, losses, and who uses which cores."""

from __future__ import annotations

import fcntl
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from minimesos.spark import SparkConf, SparkContext
from minimesos.testing.processes import ProcessCluster

from .conftest import clean_environment, eventually, state_of

pytestmark = pytest.mark.integration

ANSWER_S = 60.0
FINE = {"spark.mesos.coarse": "false", "spark.executor.memory": "100m"}


@pytest.fixture(scope="module")
def three_cores() -> Iterator[ProcessCluster]:
    """Two agents, each of which can hold an executor and two tasks."""
    with ProcessCluster(agents=2, cpus=3, mem_mb=2048) as running:
        yield running


def context(cluster: ProcessCluster, name: str, conf: dict[str, str]) -> SparkContext:
    settings = SparkConf(loadDefaults=False).setMaster(cluster.url).setAppName(name)
    return SparkContext(conf=settings.setAll(conf.items()))


def cpus_used(cluster: ProcessCluster) -> float:
    return sum(each["used_resources"]["cpus"] for each in state_of(cluster)["slaves"])


def test_jobs_of_all_kinds_come_to_their_results_and_idle_executors_hold_no_task_cores(
    three_cores: ProcessCluster,
) -> None:
    with context(three_cores, "kinds", FINE) as sc:
        assert sc.defaultParallelism == 8
        assert sc.parallelize(range(11), 8).count() == 11
        pairs = sc.parallelize(range(100), 8).map(lambda number: (number % 3, 1))
        assert sorted(pairs.reduceByKey(lambda a, b: a + b, 4).collect()) == [
            (0, 34), (1, 33), (2, 33)]  # fmt: skip
        words = sc.broadcast(["a", "b", "c"])
        seen = sc.accumulator(0)

        def look_up(number: int) -> str:
            seen.add(1)
            return words.value[number % 3]

        assert sc.parallelize(range(6), 3).map(look_up).collect() == ["a", "b", "c"] * 2
        assert seen.value == 6
        with pytest.raises(Exception, match="ZeroDivisionError"):
            sc.parallelize([1, 0], 2).map(lambda number: 1 / number).collect()
        eventually(lambda: cpus_used(three_cores) == 2, "only the executors' own cores are used")
    eventually(lambda: cpus_used(three_cores) == 0, "all cores are free")


def test_results_and_inputs_that_no_status_could_hold_arrive(three_cores: ProcessCluster) -> None:
    size = 5_000_000
    with context(three_cores, "large", FINE) as sc:
        results = sc.parallelize(range(3), 3).map(lambda number: bytes([number]) * size).collect()
        assert [(each[0], len(each)) for each in results] == [(n, size) for n in range(3)]
        inputs = [bytes([number]) * size for number in range(3)]
        assert sc.parallelize(inputs, 3).map(len).collect() == [size] * 3


def test_the_tasks_of_a_killed_executor_run_again(
    three_cores: ProcessCluster, tmp_path: Path
) -> None:
    started, gate = tmp_path / "started", tmp_path / "gate"
    started.mkdir()

    def wait(number: int) -> int:
        import fcntl
        import os

        (started / f"{number}-{os.getpid()}").touch()
        with open(gate) as held:
            fcntl.flock(held, fcntl.LOCK_SH)
        return number

    with open(gate, "w") as held, context(three_cores, "killed", FINE) as sc:
        fcntl.flock(held, fcntl.LOCK_EX)
        numbers = sc.parallelize(range(6), 6)
        assert numbers.count() == 6
        cached = numbers.map(lambda number: (number % 2, number)).groupByKey(2).cache()
        assert cached.count() == 2
        job = _in_thread(lambda: numbers.map(wait).collect())
        eventually(lambda: len(list(started.iterdir())) >= 4, "four tasks run")
        executor_of(next(started.iterdir())).kill()
        fcntl.flock(held, fcntl.LOCK_UN)
        assert job() == list(range(6))
        assert sorted(map(len, cached.values().collect())) == [3, 3]  # its map outputs came back


def test_tasks_of_a_cancelled_job_are_killed_and_their_executors_go_on(
    three_cores: ProcessCluster, tmp_path: Path
) -> None:
    gate, started = tmp_path / "gate", tmp_path / "started"
    started.mkdir()

    def wait(number: int) -> None:
        import fcntl
        import os

        (started / f"{number}-{os.getpid()}").touch()
        with open(gate) as held:
            fcntl.flock(held, fcntl.LOCK_SH)

    with open(gate, "w") as held, context(three_cores, "cancelled", FINE) as sc:
        fcntl.flock(held, fcntl.LOCK_EX)
        job = _in_thread(lambda: sc.parallelize(range(4), 4).foreach(wait))
        eventually(lambda: len(list(started.iterdir())) == 4, "all tasks run")
        executors = {executor_of(mark) for mark in started.iterdir()}
        sc.cancelAllJobs()
        with pytest.raises(Exception, match="cancelled"):
            job()
        killed = ["TASK_KILLED"] * 4
        eventually(lambda: states_of_tasks(three_cores, "cancelled") == killed, "all are killed")
        assert sc.parallelize(range(4), 4).count() == 4
        assert all(executor.is_running() for executor in executors)
    assert len(executors) == 2


def states_of_tasks(cluster: ProcessCluster, name: str) -> list[str]:
    (framework,) = [each for each in state_of(cluster)["frameworks"] if each["name"] == name]
    return [task["state"] for task in (*framework["tasks"], *framework["completed_tasks"])]


def executor_of(mark: Path) -> psutil.Process:
    """Return the control process of the worker that has left a mark."""
    worker = psutil.Process(int(mark.name.partition("-")[2]))
    return next(
        parent
        for parent in reversed(worker.parents())
        if "--driver-url" in parent.cmdline() and "fine" in parent.cmdline()
    )


MEETINGS = """
import sys, time
from pathlib import Path
from minimesos.spark import SparkConf, SparkContext

conf = SparkConf(loadDefaults=False).setMaster(sys.argv[1]).setAppName("meetings")
sc = SparkContext(conf=conf.setAll(setting.split("=") for setting in sys.argv[2:]))

def meet(path, tasks, number):
    place = Path(path)
    (place / str(number)).touch()
    while sum(1 for _ in place.iterdir()) < tasks:
        time.sleep(0.01)

print(sc.parallelize(range(2), 2).count(), flush=True)
for line in sys.stdin:
    path, tasks = line.split()
    tasks = int(tasks)
    sc.parallelize(range(tasks), tasks).foreach(lambda number: meet(path, tasks, number))
    print("met", flush=True)
sc.stop()
"""


class Meetings:
    """An application whose jobs end only once all their tasks have run at the same time."""

    def __init__(self, cluster: ProcessCluster, directory: Path, conf: dict[str, str]) -> None:
        directory.mkdir()
        self._directory = directory
        self._process = subprocess.Popen(
            [sys.executable, "-c", MEETINGS, cluster.url, *map("=".join, conf.items())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=clean_environment(),
        )
        assert self.said() == "2"

    def call(self, tasks: int) -> Path:
        """Start a job; returns where its tasks leave their marks."""
        place = Path(tempfile.mkdtemp(dir=self._directory))
        assert self._process.stdin is not None
        print(place, tasks, file=self._process.stdin, flush=True)
        return place

    def said(self) -> str:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], ANSWER_S)
        assert ready, f"no word for {ANSWER_S:g} s"
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Meetings:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate(timeout=60)


def test_each_of_two_applications_uses_the_cores_that_the_other_does_not(
    three_cores: ProcessCluster, tmp_path: Path
) -> None:
    conf = {**FINE, "spark.mesos.mesosExecutor.cores": "0"}
    with (
        Meetings(three_cores, tmp_path / "first", conf) as first,
        Meetings(three_cores, tmp_path / "second", conf) as second,
    ):
        for application in (first, second, first):
            application.call(tasks=6)
            assert application.said() == "met"


def test_in_the_coarse_mode_they_do_not(three_cores: ProcessCluster, tmp_path: Path) -> None:
    conf = {"spark.executor.memory": "100m", "spark.executor.cores": "1", "spark.cores.max": "3"}
    with (
        Meetings(three_cores, tmp_path / "first", conf) as first,
        Meetings(three_cores, tmp_path / "second", conf),
    ):
        eventually(lambda: cpus_used(three_cores) == 6, "both have what they may")
        place = first.call(tasks=6)
        eventually(lambda: sum(1 for _ in place.iterdir()) == 3, "three tasks run")
        assert cpus_used(three_cores) == 6  # the other's are idle
        for number in range(6):
            (place / str(number)).touch()
        assert first.said() == "met"


def _in_thread(job: Callable[[], Any]) -> Callable[[], Any]:
    """Run a job in a thread; returns what waits for its result."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(job)
    pool.shutdown(wait=False)
    return lambda: future.result(60)
