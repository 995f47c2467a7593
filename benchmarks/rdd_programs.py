"""RDD programs that ours and PySpark run to the letter; engines.py gives them a context.

Each takes the context and a directory with the input that `prepare` has written, and returns what
must be equal on all engines. Programs generate or read their input within the measured time, as
scripts do; generating is kept cheap. A smaller `scale` makes less data, for trying out.
"""

from __future__ import annotations

import os
import random
import signal
import sysconfig
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import Any

import psutil

PARTITIONS = 8
DAMPING = 0.85
PAGERANK_ITERATIONS = 10
KILL_AFTER = 0.3
"""When an executor is killed: this part of the job's undisturbed time."""
EXECUTOR_NAMES = ("CoarseGrainedExecutorBackend", "minimesos_executor", "minimesos-executor")


# --------------------------------------------------------------------------------- the input


def prepare(name: str, directory: Path, scale: float) -> None:
    """Write the files that a program reads."""
    if name == "word_count":
        write_text(directory / "text", int(200_000_000 * scale))
    elif name == "sort_by_key":
        write_records(directory / "records", int(2_000_000 * scale))
    elif name == "page_rank":
        write_edges(directory / "edges", int(50_000 * scale))


def write_text(path: Path, size: int) -> None:
    """Python source: the standard library, over and over."""
    sources = [
        source.read_bytes()
        for source in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
        if "site-packages" not in source.parts
    ]
    with path.open("wb") as out:
        while out.tell() < size:
            for source in sources:
                out.write(source)
                if out.tell() >= size:
                    break


def write_records(path: Path, count: int) -> None:
    """Lines of 100 bytes that begin with a random key of 10."""
    numbers = random.Random(7)
    filler = "x" * 75
    with path.open("w") as out:
        for i in range(count):
            out.write(f"{numbers.getrandbits(40):010x} {i:012d} {filler}\n")


def write_edges(path: Path, nodes: int) -> None:
    """Eight edges a node, most to few popular ones."""
    numbers = random.Random(7)
    with path.open("w") as out:
        for node in range(nodes):
            for _ in range(8):
                out.write(f"{node} {int(nodes * numbers.random() ** 2)}\n")


# ------------------------------------------------------------------------------- the programs


def pi(sc: Any, directory: Path, scale: float) -> int:
    """100 tasks that throw 100,000 darts each."""
    tasks = int(100 * scale)
    inside: int = sc.parallelize(range(tasks), tasks).map(darts_inside).reduce(add)
    assert abs(4 * inside / (tasks * 100_000) - 3.14159) < 0.01
    return inside


def darts_inside(seed: int) -> int:
    draw = random.Random(seed).random
    inside = 0
    for _ in range(100_000):
        x, y = draw(), draw()
        if x * x + y * y <= 1:
            inside += 1
    return inside


def word_count(sc: Any, directory: Path, scale: float) -> list[int]:
    counts = (
        sc.textFile(str(directory / "text"), PARTITIONS)
        .flatMap(lambda line: line.split())
        .map(lambda word: (word, 1))
        .reduceByKey(lambda a, b: a + b)
    )
    return [counts.count(), counts.values().sum()]


def sort_by_key(sc: Any, directory: Path, scale: float) -> list[Any]:
    pairs = sc.textFile(str(directory / "records"), PARTITIONS).map(
        lambda line: (line[:10], line[11:])
    )
    parts = pairs.sortByKey(numPartitions=PARTITIONS).mapPartitions(first_last_count).collect()
    for (_, last, _), (first, _, _) in pairwise(parts):
        assert last <= first
    return [parts[0][0], parts[-1][1], sum(count for _, _, count in parts)]


def first_last_count(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, int]]:
    keys = [key for key, _ in pairs]
    assert all(map(str.__le__, keys, keys[1:]))
    yield keys[0], keys[-1], len(keys)


def join(sc: Any, directory: Path, scale: float) -> list[int]:
    """500,000 pairs, a fifth of them with one key, and as many with distinct keys."""
    rows = int(500_000 * scale)
    each = rows // PARTITIONS
    left = sc.parallelize(range(PARTITIONS), PARTITIONS).flatMap(
        lambda part: skewed_pairs(part, each, rows)
    )
    right = sc.parallelize(range(rows), PARTITIONS).map(lambda key: (key, f"right {key}"))
    joined = left.join(right, PARTITIONS)
    return [
        joined.count(),
        joined.map(lambda row: row[0] + len(row[1][0]) + len(row[1][1])).sum(),
    ]


def skewed_pairs(part: int, count: int, keys: int) -> Iterator[tuple[int, str]]:
    draw = random.Random(part).random
    for i in range(count):
        key = 7 if i % 5 == 0 else int(keys * draw() ** 3)
        yield key, f"left {i}"


def page_rank(sc: Any, directory: Path, scale: float) -> list[Any]:
    links = (
        sc.textFile(str(directory / "edges"), PARTITIONS)
        .map(lambda line: tuple(line.split()))
        .distinct(PARTITIONS)
        .groupByKey(PARTITIONS)
        .cache()
    )
    ranks = links.mapValues(lambda _: 1.0)
    for _ in range(PAGERANK_ITERATIONS):
        contributions = links.join(ranks, PARTITIONS).flatMap(
            lambda page: contributions_of(page[1][0], page[1][1])
        )
        ranks = contributions.reduceByKey(add, PARTITIONS).mapValues(
            lambda rank: (1 - DAMPING) + DAMPING * rank
        )
    top, rank = ranks.max(key=lambda page: page[1])
    return [links.count(), top, round(rank, 6)]


def contributions_of(neighbours: Any, rank: float) -> Iterator[tuple[str, float]]:
    count = len(neighbours)
    for neighbour in neighbours:
        yield neighbour, rank / count


def broadcast(sc: Any, directory: Path, scale: float) -> int:
    """100 MB that 64 tasks look into."""
    value = sc.broadcast(random.Random(7).randbytes(int(100_000_000 * scale)))
    total: int = (
        sc.parallelize(range(64), 64).map(lambda i: len(value.value) + value.value[i]).sum()
    )
    return total


def repartition(sc: Any, directory: Path, scale: float) -> int:
    each = int(4_000_000 * scale) // PARTITIONS
    records = sc.parallelize(range(PARTITIONS), PARTITIONS).flatMap(
        lambda part: texts(part * each, each, 200)
    )
    count: int = records.repartition(PARTITIONS).count()
    assert count == each * PARTITIONS
    return count


def texts(start: int, count: int, width: int) -> Iterator[str]:
    filler = "x" * (width - 12)
    return (f"{i:012d}{filler}" for i in range(start, start + count))


def group_and_sort(sc: Any, directory: Path, scale: float) -> list[int]:
    """2 GB: 10 million values of 200 bytes, 100,000 keys."""
    each = int(10_000_000 * scale) // 64
    values = sc.parallelize(range(64), 64).flatMap(lambda part: texts(part * each, each, 200))
    groups = values.keyBy(lambda value: hash_of(int(value[:12]))).groupByKey(32)
    sorted_groups = groups.mapValues(sorted)
    counts = sorted_groups.map(lambda group: (len(group[1]), int(group[1][0][:12])))
    total: tuple[int, int] = counts.reduce(lambda a, b: (a[0] + b[0], a[1] + b[1]))
    return list(total)


def hash_of(number: int) -> int:
    return number * 2654435761 % 100_003


def collect(sc: Any, directory: Path, scale: float) -> int:
    """500 MB: 5 million texts of 100 bytes."""
    each = int(5_000_000 * scale) // 64
    values = sc.parallelize(range(64), 64).flatMap(lambda part: texts(part * each, each, 100))
    collected = values.collect()
    assert collected[0] < collected[-1]
    return len(collected)


def undisturbed(sc: Any, directory: Path, scale: float) -> int:
    """A job of two stages that keeps two cores busy for about a minute."""
    tasks = int(240 * scale)
    sums = sc.parallelize(range(tasks), tasks).map(busy).reduceByKey(add, PARTITIONS)
    total: int = sums.values().sum()
    assert total == tasks
    return total


def busy(number: int) -> tuple[int, int]:
    """Half a second of CPU time."""
    end = time.process_time() + 0.5
    while time.process_time() < end:
        pass
    return number % 100, 1


def executor_killed(sc: Any, directory: Path, scale: float) -> int:
    """The same while an executor gets SIGKILL on the way."""
    killed: list[int] = []
    timer = threading.Timer(60 * scale * KILL_AFTER, lambda: killed.append(kill_executor()))
    timer.start()
    total = undisturbed(sc, directory, scale)
    timer.join()
    assert killed
    assert not psutil.pid_exists(killed[0])
    return total


def kill_executor() -> int:
    """Kill an executor of this process's cluster, and see it dead."""
    executors = [
        child
        for child in psutil.Process().children(recursive=True)
        if any(name in " ".join(child.cmdline()) for name in EXECUTOR_NAMES)
    ]
    # Whose parent is none itself: the executor, not its workers.
    pids = {each.pid for each in executors}
    chosen = min((each for each in executors if each.ppid() not in pids), key=lambda each: each.pid)
    os.kill(chosen.pid, signal.SIGKILL)
    chosen.wait(timeout=10)
    return int(chosen.pid)


PROGRAMS: dict[str, Callable[[Any, Path, float], Any]] = {
    each.__name__: each
    for each in (
        pi,
        word_count,
        sort_by_key,
        join,
        page_rank,
        broadcast,
        repartition,
        group_and_sort,
        collect,
        undisturbed,
        executor_killed,
    )
}
