"""One engine doing one list of workloads in a process of its own; started by run.py.

    python benchmarks/engines.py ENGINE WORKLOAD ... [--text FILE]

Prints one JSON line per workload: its name, seconds or rate as measured inside, and the checked
result. The line of `first_count` is timed by run.py from the start of this process, because what a
user waits for begins there. Every workload is the same function on every engine; an engine that
cannot express one leaves it out. How each peer runs at its best: see README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from operator import add
from typing import Any

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

    def count(self) -> int:
        result: int = self.sc.parallelize(range(11), PARTITIONS).count()
        return result

    def run_empty_tasks(self) -> int:
        rdd = self.sc.parallelize(range(self.empty_tasks), self.empty_tasks)
        return len(rdd.mapPartitions(nothing).collect())

    def word_count(self, path: str) -> tuple[int, int]:
        counts = (
            self.sc.textFile(path, PARTITIONS)
            .flatMap(lambda line: line.split())
            .map(lambda word: (word, 1))
            .reduceByKey(add)
        )
        return counts.count(), counts.values().sum()

    def stop(self) -> None:
        self.sc.stop()


class PySpark(Rdd):
    empty_tasks = EMPTY_TASKS_PYSPARK


def ours(master: str) -> Rdd:
    from minimesos.spark import SparkContext

    return Rdd(SparkContext(master, "bench"))


def pyspark(master: str) -> Rdd:
    import pyspark

    os.environ["SPARK_HOME"] = os.path.dirname(pyspark.__file__)
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    conf = pyspark.SparkConf().setMaster(master).setAppName("bench")
    conf.set("spark.ui.enabled", "false")
    conf.set("spark.python.unix.domain.socket.enabled", "true")
    conf.set("spark.log.level", "ERROR")
    return PySpark(pyspark.SparkContext(conf=conf))


class Dask:
    empty_tasks = EMPTY_TASKS

    def __init__(self) -> None:
        from distributed import Client, LocalCluster

        self.cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        self.client = Client(self.cluster)

    def count(self) -> int:
        futures = self.client.map(size, chunks(11, PARTITIONS), pure=False)
        return sum(self.client.gather(futures))

    def run_empty_tasks(self) -> int:
        futures = self.client.map(empty, range(EMPTY_TASKS), pure=False)
        return sum(result is not None for result in self.client.gather(futures))

    def stop(self) -> None:
        self.client.close()
        self.cluster.close()


class Ray:
    empty_tasks = EMPTY_TASKS

    def __init__(self) -> None:
        import ray

        self.ray = ray
        ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
        self.size = ray.remote(size)
        self.empty = ray.remote(empty)

    def count(self) -> int:
        return sum(self.ray.get([self.size.remote(chunk) for chunk in chunks(11, PARTITIONS)]))

    def run_empty_tasks(self) -> int:
        results = self.ray.get([self.empty.remote(i) for i in range(EMPTY_TASKS)])
        return sum(result is not None for result in results)

    def stop(self) -> None:
        self.ray.shutdown()


class Pool:
    empty_tasks = EMPTY_TASKS

    def __init__(self) -> None:
        import multiprocessing

        self.pool = multiprocessing.Pool(2)

    def count(self) -> int:
        return sum(self.pool.map(size, chunks(11, PARTITIONS), chunksize=1))

    def run_empty_tasks(self) -> int:
        results = self.pool.map(empty, range(EMPTY_TASKS), chunksize=1)
        return sum(result is not None for result in results)

    def stop(self) -> None:
        self.pool.terminate()
        self.pool.join()


ENGINES: dict[str, Callable[[], Any]] = {
    "ours-cluster": lambda: ours("local-cluster[2,1,1024]"),
    "ours-local": lambda: ours("local[2]"),
    "pyspark-cluster": lambda: pyspark("local-cluster[2,1,2048]"),
    "pyspark-local": lambda: pyspark("local[2]"),
    "dask": Dask,
    "ray": Ray,
    "pool": Pool,
}


def first_count(engine: Any, _: str) -> dict[str, Any]:
    assert engine.count() == 11
    return {}


def sequential_counts(engine: Any, _: str) -> dict[str, Any]:
    times = []
    for _i in range(SEQUENTIAL_COUNTS):
        start = time.perf_counter()
        assert engine.count() == 11
        times.append(time.perf_counter() - start)
    return {"value": statistics.median(times) * 1e3, "unit": "ms", "max": max(times) * 1e3}


def empty_tasks(engine: Any, _: str) -> dict[str, Any]:
    start = time.perf_counter()
    assert engine.run_empty_tasks() == 0
    return {"value": engine.empty_tasks / (time.perf_counter() - start), "unit": "tasks/s"}


def word_count(engine: Any, path: str) -> dict[str, Any]:
    start = time.perf_counter()
    distinct, total = engine.word_count(path)
    return {
        "value": time.perf_counter() - start,
        "unit": "s",
        "result": [distinct, total],
    }


WORKLOADS = {
    each.__name__: each for each in (first_count, sequential_counts, empty_tasks, word_count)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("workloads", nargs="+", choices=WORKLOADS)
    parser.add_argument("--text", default="")
    options = parser.parse_args()
    engine = ENGINES[options.engine]()
    for name in options.workloads:
        print(json.dumps({"workload": name} | WORKLOADS[name](engine, options.text)), flush=True)
    sys.stdin.read(1)  # run.py looks at the memory of the tree, then closes our input
    engine.stop()


if __name__ == "__main__":
    main()
