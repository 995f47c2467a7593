"""The RDD layer with real workers: what depends on processes, their memory and their files."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimesos.spark import SparkConf, SparkContext, SparkFiles, StorageLevel, TaskContext

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkContext]:
    scratch = tmp_path_factory.mktemp("scratch")
    conf = SparkConf(loadDefaults=False).set("spark.local.dir", scratch)
    with SparkContext("local[2,4]", "workers", conf=conf) as context:
        yield context
    assert list(scratch.iterdir()) == []


def test_words_of_files_are_counted_and_saved(sc: SparkContext, tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text("the cat\r\nthe dog\n" * 1000)
    counts = (
        sc.textFile(f"{tmp_path}/*.txt", 7)
        .flatMap(lambda line: line.split())
        .map(lambda word: (word, 1))
        .reduceByKey(lambda a, b: a + b)
        .cache()
    )
    assert counts.collectAsMap() == {"the": 6000, "cat": 3000, "dog": 3000}
    counts.sortBy(lambda pair: (-pair[1], pair[0])).saveAsTextFile(str(tmp_path / "out"))
    lines = sc.textFile(str(tmp_path / "out")).collect()
    assert lines == ["('the', 6000)", "('cat', 3000)", "('dog', 3000)"]


def test_cached_partitions_are_read_where_they_are(sc: SparkContext) -> None:
    computed = sc.accumulator(0)

    def seen(x: int) -> tuple[int, int]:
        computed.add(1)
        return x, os.getpid()

    for level in (StorageLevel.MEMORY_ONLY, StorageLevel.DISK_ONLY):
        rdd = sc.parallelize(range(8), 4).map(seen).persist(level)
        first = rdd.collect()
        assert rdd.collect() == first
        assert computed.value == 8
        rdd.unpersist()
        rdd.count()
        assert computed.value == 16
        computed.value = 0


def test_workers_agree_on_the_hashes_of_strings(
    sc: SparkContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")  # too late to change this process's own hashes
    words = [f"word{i}" for i in range(50)]
    rdd = sc.parallelize(words * 4, 8).map(lambda word: (word, 1))
    assert dict(rdd.groupByKey(5).mapValues(len).collect()) == dict.fromkeys(words, 4)
    parted = rdd.partitionBy(5)
    assert parted.lookup("word7") == [1] * 4


def test_broadcasts_and_files_reach_workers(sc: SparkContext, tmp_path: Path) -> None:
    (tmp_path / "shipped.txt").write_text("shipped")
    sc.addFile(str(tmp_path / "shipped.txt"))
    table = sc.broadcast({i: str(i) for i in range(1000)})
    rdd = sc.parallelize(range(4), 4).map(
        lambda i: table.value[i] + Path(SparkFiles.get("shipped.txt")).read_text()
    )
    assert rdd.collect() == [f"{i}shipped" for i in range(4)]
    table.unpersist()
    assert rdd.count() == 4


def test_modules_added_later_are_found(sc: SparkContext, tmp_path: Path) -> None:
    (tmp_path / "added_later.py").write_text("def double(x):\n    return 2 * x\n")
    sc.addPyFile(str(tmp_path / "added_later.py"))

    def use(x: int) -> int:
        from added_later import double

        return int(double(x))

    assert sc.parallelize([1, 2]).map(use).collect() == [2, 4]


def test_a_failed_attempt_adds_nothing_and_the_next_one_does(sc: SparkContext) -> None:
    total = sc.accumulator(0)

    def fail_once(x: int) -> int:
        task = TaskContext.get()
        assert task is not None
        total.add(x)
        if task.attemptNumber() == 0:
            raise ValueError("the first time")
        return x

    assert sc.parallelize([1, 2, 3], 3).map(fail_once).collect() == [1, 2, 3]
    assert total.value == 6


def test_an_unpicklable_closure_fails_before_any_task(sc: SparkContext, tmp_path: Path) -> None:
    lock = threading.Lock()

    def leave_a_trace(x: int) -> int:
        (tmp_path / "ran").touch()
        return x if lock else 0

    with pytest.raises(pickle.PicklingError, match="variable 'lock' of function"):
        sc.parallelize([1]).map(leave_a_trace).collect()
    assert not (tmp_path / "ran").exists()


def test_an_interrupt_cancels_the_job_and_the_context_lives_on(
    sc: SparkContext, tmp_path: Path
) -> None:
    driver = os.getpid()

    def interrupt_and_wait(_: int) -> None:
        os.kill(driver, signal.SIGINT)
        threading.Event().wait(60)

    with pytest.raises(KeyboardInterrupt):
        sc.parallelize([1], 1).foreach(interrupt_and_wait)
    assert sc.parallelize(range(4)).count() == 4


def test_a_task_may_make_a_context_if_its_configuration_says_so(
    sc: SparkContext, tmp_path: Path
) -> None:
    def total(_: int) -> int:
        conf = SparkConf(loadDefaults=False).set("spark.executor.allowSparkContext", "true")
        conf.set("spark.local.dir", tmp_path)
        with SparkContext("local[1]", "inner", conf=conf) as inner:
            return int(inner.parallelize([1, 2, 3]).sum())

    assert sc.parallelize([0], 1).map(total).collect() == [6]
    assert list(tmp_path.iterdir()) == []
