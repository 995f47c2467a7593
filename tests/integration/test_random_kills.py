"""Random jobs while random processes are killed at random moments: the right result or a clear
error, never a hang, nothing left behind.

What is drawn is drawn from the seed; what it meets is real, so a seed need not fail twice. A job
that hangs is told with the stacks of all processes.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import cloudpickle
import psutil
import pytest

from minimesos.errors import MinimesosError
from minimesos.spark import SparkConf, SparkContext
from minimesos.testing.processes import ProcessCluster

pytestmark = pytest.mark.integration

JOBS = 3  # of one context
JOB_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 40.0
GONE_TIMEOUT_S = 15.0
KILL_EVERY_S = (0.1, 1.5)
STOPPED_S = (0.0, 0.5)

Job = Callable[[SparkContext], tuple[Any, Any]]
"""Runs a job; returns its result and the right one."""


def slowly(number: int) -> int:
    """Take about half a millisecond of a core."""
    sum(range(25_000))
    return number


def sums_by_key(rng: random.Random) -> Job:
    count, keys, maps, reduces = (
        rng.randrange(500, 3000),
        7,
        rng.randrange(1, 9),
        rng.randrange(1, 6),
    )
    right = Counter[int]()
    for number in range(count):
        right[number % keys] += number

    def run(sc: SparkContext) -> tuple[Any, Any]:
        pairs = sc.parallelize(range(count), maps).map(lambda n: (slowly(n) % keys, n))
        return pairs.reduceByKey(lambda a, b: a + b, reduces).collectAsMap(), dict(right)

    return run


def sorted_records(rng: random.Random) -> Job:
    numbers = [rng.randrange(10**6) for _ in range(rng.randrange(200, 2000))]
    slices = rng.randrange(1, 7)

    def run(sc: SparkContext) -> tuple[Any, Any]:
        rdd = sc.parallelize(numbers, slices).map(slowly)
        return rdd.sortBy(lambda n: n).collect(), sorted(numbers)

    return run


def joined_groups(rng: random.Random) -> Job:
    left, right, slices = rng.randrange(50, 400), rng.randrange(50, 400), rng.randrange(1, 5)

    def run(sc: SparkContext) -> tuple[Any, Any]:
        one = sc.parallelize(range(left), slices).map(lambda n: (slowly(n) % 10, 1)).groupByKey(3)
        other = sc.parallelize(range(right), slices).map(lambda n: (n % 10, slowly(n)))
        joined = one.mapValues(len).join(other, 4).map(lambda pair: pair[1][0] + pair[1][1])
        sizes = Counter(number % 10 for number in range(left))
        return joined.sum(), sum(sizes[n % 10] + n for n in range(right))

    return run


def cached_twice(rng: random.Random) -> Job:
    count, slices = rng.randrange(500, 2000), rng.randrange(2, 9)
    table = {number: str(number) for number in range(1000)}

    def run(sc: SparkContext) -> tuple[Any, Any]:
        shared = sc.broadcast(table)
        rdd = sc.parallelize(range(count), slices).map(slowly).map(lambda n: shared.value[n % 1000])
        rdd = rdd.cache()
        found = rdd.count(), rdd.distinct(3).count(), rdd.map(len).sum()
        rdd.unpersist()
        right = [str(number % 1000) for number in range(count)]
        return found, (count, len(set(right)), sum(map(len, right)))

    return run


def large_results(rng: random.Random) -> Job:
    size, slices = rng.randrange(10**5, 10**6), rng.randrange(2, 6)

    def run(sc: SparkContext) -> tuple[Any, Any]:
        records = sc.parallelize(range(slices), slices).map(lambda n: bytes([slowly(n)]) * size)
        return records.repartition(3).map(len).sum(), size * slices

    return run


KINDS_OF_MASTERS = ("local[2]", "local-cluster[2,2,512]", "mesos", "fine-grained mesos")
KINDS = (sums_by_key, sorted_records, joined_groups, cached_twice, large_results)


class Tormentor:
    """Kills processes of ours at random moments, from a thread of its own."""

    def __init__(
        self, rng: random.Random, cluster: ProcessCluster | None, others: Collection[psutil.Process]
    ) -> None:
        """Begin; `others` were there before and are none of ours, such as a browser of tests."""
        self._rng = rng
        self._cluster = cluster
        self._is_over = threading.Event()
        self._others = others
        self.seen: dict[int, psutil.Process] = {}
        self.story: list[str] = []
        self._thread = threading.Thread(target=self._run, name="tormentor")

    def __enter__(self) -> Tormentor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def look(self) -> list[psutil.Process]:
        """Return the processes that may be killed."""
        for process in psutil.Process().children(recursive=True):
            if process not in self._others:
                self.seen.setdefault(process.pid, process)
        return [each for each in self.seen.values() if each.is_running() and role(each)]

    def _run(self) -> None:
        while not self._is_over.wait(self._rng.uniform(*KILL_EVERY_S)):
            victims = self.look()
            if victims:
                self._kill(self._rng.choice(victims))

    def _kill(self, victim: psutil.Process) -> None:
        what = role(victim)
        self.story.append(f"{what} {victim.pid}")
        with suppress(psutil.NoSuchProcess):
            if self._rng.random() < 0.3:
                victim.suspend()
                self._is_over.wait(self._rng.uniform(*STOPPED_S))
            victim.kill()
        if what == "agent" and self._cluster is not None:
            self._cluster.start_agent()


def role(process: psutil.Process) -> str:
    """Say what a process is, "" if it is not to be killed."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        words = process.cmdline()
        if "minimesos_executor" in words:
            parent = process.parent()
            return "worker or zygote" if parent and parent.cmdline() == words else "executor"
        if "minimesos" in words and "agent" in words:
            return "agent"
    return ""


@contextmanager
def deadline(seconds: float, what: str, tormentor: Tormentor) -> Iterator[Callable[..., Any]]:
    """Give a function that calls another in a thread, and fails with all stacks if that hangs."""

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        done: Future[Any] = Future()

        def run() -> None:
            try:
                done.set_result(function(*arguments))
            except BaseException as error:  # noqa: BLE001 (for whoever waits)
                done.set_exception(error)

        threading.Thread(target=run, daemon=True, name=what).start()
        try:
            return done.result(seconds)
        except TimeoutError:
            if done.done():
                raise
            pytest.fail(f"{what} hangs after {tormentor.story}\n{stacks(tormentor)}")

    yield call


def stacks(tormentor: Tormentor) -> str:
    """Return what all processes are doing."""
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=os.path.dirname(sys.executable))
    told = []
    for process in (psutil.Process(), *tormentor.look()):
        command = [spy, "dump", "--pid", str(process.pid)] if spy else ["false"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        waits = Path(f"/proc/{process.pid}/wchan").read_text()
        told.append(f"{process} waits in {waits}\n{done.stdout}{done.stderr}")
    return "\n".join(told)


@contextmanager
def master(kind: str) -> Iterator[tuple[str, ProcessCluster | None]]:
    """Give a master URL, and the cluster behind it if it is ours."""
    if "mesos" not in kind:
        yield kind, None
        return
    with ProcessCluster(agents=2, cpus=2, mem_mb=1200) as cluster:
        yield cluster.url, cluster


@pytest.fixture(autouse=True)
def _shipped_by_value() -> Iterator[None]:
    """Executors cannot import this module."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.mark.seeds(1)
@pytest.mark.parametrize(
    "kind", ["local[2]", "local-cluster[2,2,512]", "mesos", "fine-grained mesos"]
)
def test_whatever_is_killed_jobs_end_right_or_say_why(kind: str, seed: int, tmp_path: Path) -> None:
    rng = random.Random(f"{kind} {seed}")
    conf = SparkConf(loadDefaults=False).set("spark.local.dir", str(tmp_path / "scratch"))
    conf.set("spark.executor.memory", "512m").set("spark.ui.showConsoleProgress", "false")
    conf.set("spark.minimesos.excludeOnFailure.maxFailuresPerAgent", "1000")
    conf.set("spark.mesos.coarse", str("fine" not in kind))
    if "PYTHONPATH" in os.environ:
        conf.set("spark.executorEnv.PYTHONPATH", os.environ["PYTHONPATH"])
    outcomes: Counter[str] = Counter()
    others = psutil.Process().children(recursive=True)
    with ExitStack() as held:
        url, cluster = held.enter_context(master(kind))
        sc = SparkContext(url, "torment", conf=conf)
        tormentor = Tormentor(rng, cluster, others)
        with deadline(JOB_TIMEOUT_S, "a job", tormentor) as call, tormentor:
            for _ in range(JOBS):
                job = rng.choice(KINDS)(rng)
                try:
                    found, right = call(job, sc)
                except MinimesosError as error:
                    outcomes[str(error)] += 1
                else:
                    assert found == right, tormentor.story
                    outcomes["right"] += 1
        tormentor.look()
        with deadline(STOP_TIMEOUT_S, "the stop", tormentor) as call:
            call(sc.stop)
    _, alive = psutil.wait_procs(tormentor.seen.values(), timeout=GONE_TIMEOUT_S)
    assert not alive, f"left behind after {tormentor.story}"
    assert list((tmp_path / "scratch").iterdir()) == []
    # No code of the user's raises; so an error may only be of what was killed.
    assert not [error for error in outcomes if "Traceback" in error], tormentor.story
    assert all(outcomes)
    print(kind, seed, [o.splitlines()[0] for o in outcomes.elements()], tormentor.story)
