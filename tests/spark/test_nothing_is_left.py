"""What a killed driver leaves behind, and what is dropped while a driver lives on: nothing."""

from __future__ import annotations

import gc
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from minimesos.spark import SparkConf, SparkContext, StorageLevel, TaskContext
from minimesos.testing.spark_executors import wait_for_end

pytestmark = pytest.mark.integration

DEADLINE_S = 20.0
_ROUND_S = 0.02

DOOMED = """
import os, sys, threading
from minimesos.spark import SparkConf, SparkContext
conf = SparkConf().set("spark.local.dir", sys.argv[2])
sc = SparkContext(sys.argv[1], "doomed", conf=conf)
shared = sc.broadcast([1])
pairs = sc.parallelize(range(8), 4).map(lambda n: (n % 2, shared.value)).groupByKey(4).cache()
pids = pairs.map(lambda _: (os.getpid(), os.getppid())).collect()
print(*{pid for both in pids for pid in both}, flush=True)
sc.parallelize(range(2), 2).foreach(lambda _: threading.Event().wait())
"""


def until(is_so: Callable[[], bool]) -> None:
    deadline = monotonic() + DEADLINE_S
    while not is_so():
        assert monotonic() < deadline
        select.select((), (), (), _ROUND_S)


@pytest.mark.parametrize("master", ["local[2]", "local-cluster[2,1,512]"])
def test_a_driver_that_is_killed_takes_executors_and_files_with_it(
    master: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", DOOMED, master, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        pids = [int(pid) for pid in driver.stdout.readline().split()]
        assert len(pids) > 1
        assert os.listdir(tmp_path) != []
        driver.send_signal(signal.SIGKILL)
    for pid in pids:
        wait_for_end(pid)
    until(lambda: os.listdir(tmp_path) == [])


@pytest.fixture(scope="module")
def sc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkContext]:
    conf = SparkConf(loadDefaults=False).set("spark.local.dir", tmp_path_factory.mktemp("scratch"))
    with SparkContext("local-cluster[2,1,512]", "dropping", conf=conf) as context:
        parents = context.parallelize(range(8), 8).map(lambda _: os.getppid())
        until(lambda: len(set(parents.collect())) == 2)  # both executors are there
        yield context


def drop_broadcast(sc: SparkContext) -> object:
    shared = sc.broadcast(list(range(1000)))
    used = sc.parallelize(range(4), 4).map(lambda n: shared.value[n])
    assert used.collect() == [0, 1, 2, 3]
    return used


def drop_shuffle(sc: SparkContext) -> object:
    sums = sc.parallelize(range(100), 4).map(lambda n: (n % 10, n)).reduceByKey(lambda a, b: a + b)
    assert sums.count() == 10
    return sums


def drop_cached(sc: SparkContext) -> object:
    cached = sc.parallelize(range(100), 4).persist(StorageLevel.DISK_ONLY)
    assert cached.count() == 100
    return cached


@pytest.mark.parametrize("make", [drop_broadcast, drop_shuffle, drop_cached])
@pytest.mark.parametrize("is_in_cycle", [False, True])
def test_what_nobody_refers_to_leaves_no_file_on_any_disk(
    sc: SparkContext, make: Callable[[SparkContext], object], is_in_cycle: bool
) -> None:
    assert sc._runner is not None
    drivers = sc._runner.driver_location.root

    def files(_: Any) -> set[str]:
        task = TaskContext.get()
        assert task is not None
        roots = (drivers, task.env.local_dir)
        found = (os.path.join(root, name) for root in roots for name in os.listdir(root))
        return {path for path in found if os.path.isfile(path)}

    look = sc.parallelize(range(8), 8).map(files)
    before = set().union(*look.collect())
    holder: dict[str, Any] = {"made": make(sc)}
    if is_in_cycle:
        holder["itself"] = holder
    assert set().union(*look.collect()) > before
    del holder
    gc.collect()
    until(lambda: set().union(*look.collect()) <= before)
