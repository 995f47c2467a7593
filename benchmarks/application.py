"""One Spark application of ours doing one workload in a process of its own; started by on_mesos.py.

    python benchmarks/application.py WORKLOAD --master URL [--slots N] [--conf NAME=VALUE ...]

First it waits until `slots` workers have run tasks, so that what is measured is the work and not
the start of executors. Prints JSON lines: results, and what on_mesos.py waits for. Every result is
checked where it is made.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterable
from operator import add
from random import random

from minimesos.spark import SparkConf, SparkContext

PARTITIONS = 8
COUNTS = 200
DARTS = 100_000
DART_PARTITIONS = 100
JOBS = 200
START_TIMEOUT_S = 60.0
SHUFFLED_RECORDS = 40_000
RECORD_BYTES = 10_000
SHUFFLE_PARTITIONS = 8
SHUFFLES = 5


def say(**news: object) -> None:
    """Tell on_mesos.py something."""
    print(json.dumps(news), flush=True)


def hear() -> bool:
    """Wait for a line of on_mesos.py; False if there will be none."""
    return bool(sys.stdin.readline())


def pause(_: int) -> int:
    time.sleep(0.02)
    return os.getpid()


def warm_up(sc: SparkContext, slots: int) -> None:
    """Return once that many workers have run tasks, and know the count's code; 0: at once."""
    if not slots:
        return
    deadline = time.monotonic() + START_TIMEOUT_S
    while slots > len(set(sc.parallelize(range(8 * slots), 8 * slots).map(pause).collect())):
        if time.monotonic() > deadline:
            raise SystemExit(f"there are no {slots} workers after {START_TIMEOUT_S:g} s")
    for _ in range(20):
        count(sc)


def count(sc: SparkContext) -> None:
    """The walk-through's first job."""
    assert sc.parallelize(range(11), PARTITIONS).count() == 11


def counts(sc: SparkContext, _: str) -> None:
    """The count, again and again; the median, in ms."""
    times = []
    for _i in range(COUNTS):
        start = time.perf_counter()
        count(sc)
        times.append(time.perf_counter() - start)
    say(value=statistics.median(times) * 1e3, unit="ms")


def dart(_: int) -> int:
    x, y = random() * 2 - 1, random() * 2 - 1
    return 1 if x * x + y * y <= 1 else 0


def pi(sc: SparkContext, _: str) -> None:
    """The walk-through's pi.py 100, in seconds."""
    start = time.perf_counter()
    darts = DARTS * DART_PARTITIONS
    hits = sc.parallelize(range(darts), DART_PARTITIONS).map(dart).reduce(add)
    say(value=time.perf_counter() - start, unit="s")
    assert abs(4 * hits / darts - 3.1416) < 0.01


def words(sc: SparkContext, text: str) -> None:
    """The walk-through's word count, in seconds."""
    start = time.perf_counter()
    counted = (
        sc.textFile(text, PARTITIONS)
        .flatMap(lambda line: line.split())
        .map(lambda word: (word, 1))
        .reduceByKey(add)
    )
    distinct, total = counted.count(), counted.values().sum()
    say(value=time.perf_counter() - start, unit="s", result=[distinct, total])


def first_tasks(sc: SparkContext, _: str) -> None:
    """Whenever told to, a job while there is no executor: seconds until its first task runs."""
    say(ready=True)
    while hear():
        start = time.time()
        began = sc.parallelize([0], 1).map(lambda _: time.time()).first()
        say(value=began - start, unit="s")


def slowly(numbers: Iterable[int]) -> Iterable[tuple[int, int]]:
    time.sleep(0.02)
    return ((number % 3, number) for number in numbers)


def job(sc: SparkContext, number: int) -> None:
    """A job of two stages whose result depends on its number.

    Its tasks hold cores of the cluster for some time, and few of this machine's.
    """
    pairs = sc.parallelize(range(number, number + 40), 4).mapPartitions(slowly)
    sums = dict(pairs.reduceByKey(add, 2).collect())
    expected = {key: sum(n for n in range(number, number + 40) if n % 3 == key) for key in range(3)}
    assert sums == expected, f"job {number}: {sums} instead of {expected}"


def jobs(sc: SparkContext, _: str) -> None:
    """Once told to, many jobs; the times at which they ended."""
    say(ready=True)
    hear()
    ends = []
    for number in range(JOBS):
        job(sc, number)
        ends.append(time.time())
    say(ends=ends)
    hear()


def moment(_: int) -> int:
    time.sleep(0.1)
    return 1


def endless(sc: SparkContext, _: str) -> None:
    """Tasks that take a moment each, until this process is ended."""

    def work() -> None:
        while True:
            assert sc.parallelize(range(240), 240).map(moment).sum() == 240

    for _i in range(2):  # so that one job's tasks wait while those of the other run out
        threading.Thread(target=work, daemon=True).start()
    say(ready=True)
    hear()


def shuffle(sc: SparkContext, _: str) -> None:
    """Read map outputs of 400 MB that nobody has read yet; the median of some, in seconds."""
    times = []
    for _i in range(SHUFFLES):
        records = sc.parallelize(range(SHUFFLED_RECORDS), SHUFFLE_PARTITIONS)
        pairs = records.map(lambda n: (n, os.urandom(RECORD_BYTES)))  # cannot be compressed
        shuffled = pairs.partitionBy(SHUFFLE_PARTITIONS)
        sizes = sc.runJob(shuffled, size_of, [0])  # writes all the outputs, and reads a few
        start = time.perf_counter()
        sizes += sc.runJob(shuffled, size_of, range(1, SHUFFLE_PARTITIONS))
        times.append(time.perf_counter() - start)
        assert sum(sizes) == SHUFFLED_RECORDS * RECORD_BYTES
    say(value=statistics.median(times), unit="s")


def size_of(pairs: Iterable[tuple[int, bytes]]) -> Iterable[int]:
    return (sum(len(value) for _, value in pairs),)


WORKLOADS = {
    each.__name__: each for each in (counts, pi, words, first_tasks, jobs, endless, shuffle)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--master", required=True)
    parser.add_argument("--slots", type=int, default=0, help="workers to wait for")
    parser.add_argument("--conf", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--text", default="", help="a file whose words are counted")
    options = parser.parse_args()
    conf = SparkConf().setMaster(options.master).setAppName(options.workload)
    for setting in options.conf:
        name, _, value = setting.partition("=")
        conf.set(name, value)
    with SparkContext(conf=conf) as sc:
        warm_up(sc, options.slots)
        WORKLOADS[options.workload](sc, options.text)


if __name__ == "__main__":
    main()
