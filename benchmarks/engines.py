"""One engine doing one list of workloads in a process of its own; started by run.py.

    python benchmarks/engines.py ENGINE WORKLOAD ... [--directory DIR] [--scale S] [--conf K=V]

ENGINE is `ours:MASTER`, `pyspark:MASTER`, `dask`, `ray` or `pool`. Prints one JSON line when
a workload begins and one when it has ended, with seconds or a rate as measured inside, and the
checked result. `first_count` is timed by run.py from the start of this process, because what a user
waits for begins there. Every workload is the same function on every engine; an engine that cannot
express one leaves it out. How each peer runs at its best: see README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import rdd_programs
from rdd_programs import PROGRAMS, darts_inside

PARTITIONS = 8
SEQUENTIAL_COUNTS = 200
EMPTY_TASKS = 20_000
EMPTY_TASKS_PYSPARK = 2_000  # at 72 tasks/s more would take minutes


def nothing(_: Iterable[int]) -> Iterable[int]:
    return ()


def empty(_: int) -> None:
    return None


def size(numbers: Iterable[int]) -> int:
    return sum(1 for _ in numbers)


def chunks(total: int, parts: int) -> list[range]:
    return [range(total * i // parts, total * (i + 1) // parts) for i in range(parts)]


class Rdd:
    """Ours and PySpark: the same RDD program, to the letter."""

    empty_tasks = EMPTY_TASKS

    def __init__(self, sc: Any) -> None:
        self.sc = sc

    def warm_up(self) -> None:
        self.sc.addPyFile(rdd_programs.__file__)
        self.count()

    def count(self) -> int:
        result: int = self.sc.parallelize(range(11), PARTITIONS).count()
        return result

    def run_empty_tasks(self) -> int:
        rdd = self.sc.parallelize(range(self.empty_tasks), self.empty_tasks)
        return len(rdd.mapPartitions(nothing).collect())

    def run(self, program: str, directory: Path, scale: float) -> Any:
        return PROGRAMS[program](self.sc, directory, scale)

    def stop(self) -> None:
        self.sc.stop()


class PySpark(Rdd):
    empty_tasks = EMPTY_TASKS_PYSPARK


def ours(master: str, settings: dict[str, str]) -> Rdd:
    from minimesos.spark import SparkConf, SparkContext

    conf = SparkConf().setMaster(master).setAppName("bench").setAll(settings.items())
    return Rdd(SparkContext(conf=conf))


def pyspark(master: str, settings: dict[str, str]) -> Rdd:
    import pyspark

    os.environ["SPARK_HOME"] = os.path.dirname(pyspark.__file__)
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    conf = pyspark.SparkConf().setMaster(master).setAppName("bench")
    conf.set("spark.ui.enabled", "false")
    conf.set("spark.python.unix.domain.socket.enabled", "true")
    conf.set("spark.log.level", "ERROR")
    conf.setAll(list(settings.items()))
    return PySpark(pyspark.SparkContext(conf=conf))


class Dask:
    def __init__(self) -> None:
        from distributed import Client, LocalCluster

        self.cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        self.client = Client(self.cluster)

    def warm_up(self) -> None:
        self.count()

    def count(self) -> int:
        futures = self.client.map(size, chunks(11, PARTITIONS), pure=False)
        return sum(self.client.gather(futures))

    def run_empty_tasks(self) -> int:
        futures = self.client.map(empty, range(EMPTY_TASKS), pure=False)
        return sum(result is not None for result in self.client.gather(futures))

    def run(self, program: str, directory: Path, scale: float) -> int:
        assert program == "pi"
        futures = self.client.map(darts_inside, range(int(100 * scale)), pure=False)
        return sum(self.client.gather(futures))

    def stop(self) -> None:
        self.client.close()
        self.cluster.close()


class Ray:
    def __init__(self) -> None:
        import ray

        self.ray = ray
        ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
        self.size = ray.remote(size)
        self.empty = ray.remote(empty)

    def warm_up(self) -> None:
        self.count()

    def count(self) -> int:
        return sum(self.ray.get([self.size.remote(chunk) for chunk in chunks(11, PARTITIONS)]))

    def run_empty_tasks(self) -> int:
        results = self.ray.get([self.empty.remote(i) for i in range(EMPTY_TASKS)])
        return sum(result is not None for result in results)

    def run(self, program: str, directory: Path, scale: float) -> int:
        assert program == "pi"
        inside = self.ray.remote(darts_inside)
        return sum(self.ray.get([inside.remote(i) for i in range(int(100 * scale))]))

    def stop(self) -> None:
        self.ray.shutdown()


class Pool:
    """Two bare processes: a floor for what work costs, not an engine."""

    def __init__(self) -> None:
        import multiprocessing

        self.pool = multiprocessing.Pool(2)

    def warm_up(self) -> None:
        self.count()

    def count(self) -> int:
        return sum(self.pool.map(size, chunks(11, PARTITIONS), chunksize=1))

    def run_empty_tasks(self) -> int:
        results = self.pool.map(empty, range(EMPTY_TASKS), chunksize=1)
        return sum(result is not None for result in results)

    def run(self, program: str, directory: Path, scale: float) -> Any:
        if program == "pi":
            return sum(self.pool.map(darts_inside, range(int(100 * scale)), chunksize=1))
        assert program == "word_count"
        path = directory / "text"
        counts: dict[str, int] = {}
        parts = [(path, each) for each in chunks(path.stat().st_size, PARTITIONS)]
        for part in self.pool.imap_unordered(words_of, parts):
            for word, number in part.items():
                counts[word] = counts[word] + number if word in counts else number
        return [len(counts), sum(counts.values())]

    def stop(self) -> None:
        self.pool.close()


def words_of(part: tuple[Path, range]) -> dict[str, int]:
    """Count the words of the lines that begin in a part of a file, with word_count's lambdas."""
    path, wanted = part
    split: Callable[[str], list[str]] = lambda line: line.split()  # noqa: E731
    pair: Callable[[str], tuple[str, int]] = lambda word: (word, 1)  # noqa: E731
    plus: Callable[[int, int], int] = lambda a, b: a + b  # noqa: E731
    counts: dict[str, int] = {}
    with path.open("rb") as file:
        if wanted.start:
            file.seek(wanted.start - 1)
            file.readline()
        while file.tell() < wanted.stop:
            lines = file.readlines(min(1 << 20, wanted.stop - file.tell()))
            for line in b"".join(lines).decode("utf-8", "replace").splitlines():
                for word, one in map(pair, split(line)):
                    counts[word] = plus(counts[word], one) if word in counts else one
    return counts


PEERS: dict[str, Callable[[], Any]] = {"dask": Dask, "ray": Ray, "pool": Pool}
RDD_ENGINES = {"ours": ours, "pyspark": pyspark}


def first_count(engine: Any) -> dict[str, Any]:
    assert engine.count() == 11
    return {}


def sequential_counts(engine: Any) -> dict[str, Any]:
    times = []
    for _ in range(SEQUENTIAL_COUNTS):
        start = time.perf_counter()
        assert engine.count() == 11
        times.append((time.perf_counter() - start) * 1e3)
    p99 = statistics.quantiles(times, n=100)[98]
    return {"value": statistics.median(times), "unit": "ms", "p99": p99}


def empty_tasks(engine: Any) -> dict[str, Any]:
    start = time.perf_counter()
    assert engine.run_empty_tasks() == 0
    tasks = getattr(engine, "empty_tasks", EMPTY_TASKS)
    return {"value": tasks / (time.perf_counter() - start), "unit": "tasks/s"}


SMALL = {each.__name__: each for each in (first_count, sequential_counts, empty_tasks)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine")
    parser.add_argument("workloads", nargs="+", choices=[*SMALL, *PROGRAMS])
    parser.add_argument("--directory", type=Path, default=Path())
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--conf", action="append", default=[])
    options = parser.parse_args()
    kind, _, master = options.engine.partition(":")
    settings = dict(each.split("=", 1) for each in options.conf)
    engine = RDD_ENGINES[kind](master, settings) if master else PEERS[kind]()
    for name in options.workloads:
        if name not in SMALL:
            engine.warm_up()  # workers are up: what is measured is the program
        print(json.dumps({"begins": name}), flush=True)
        if name in SMALL:
            said = SMALL[name](engine)
        else:
            start = time.perf_counter()
            result = engine.run(name, options.directory, options.scale)
            said = {"value": time.perf_counter() - start, "unit": "s", "result": result}
        print(json.dumps({"workload": name} | said), flush=True)
    sys.stdin.read(1)  # run.py looks at the memory of the tree, then closes our input
    engine.stop()


if __name__ == "__main__":
    main()
