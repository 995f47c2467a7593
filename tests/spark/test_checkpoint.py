"""Lineages that are cut, with real workers."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimesos.spark import SparkConf, SparkContext, StorageLevel
from minimesos.spark.errors import SparkException

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkContext]:
    conf = SparkConf(loadDefaults=False).set("spark.local.dir", tmp_path_factory.mktemp("scratch"))
    conf.set("spark.cleaner.referenceTracking.cleanCheckpoints", "true")
    with SparkContext("local[2]", "checkpoints", conf=conf) as context:
        with pytest.raises(SparkException, match="Checkpoint directory has not been set"):
            context.parallelize([1]).checkpoint()
        context.setCheckpointDir(str(tmp_path_factory.mktemp("checkpoints")))
        yield context


def test_a_checkpoint_is_written_after_the_first_job_and_read_then_on(sc: SparkContext) -> None:
    computed = sc.accumulator(0)

    def seen(number: int) -> tuple[int, int]:
        computed.add(1)
        return number % 3, number

    rdd = sc.parallelize(range(12), 4).map(seen).reduceByKey(lambda a, b: a + b, 3)
    rdd.checkpoint()
    assert (rdd.isCheckpointed(), rdd.getCheckpointFile()) == (False, None)
    sums = {0: 18, 1: 22, 2: 26}
    assert rdd.collectAsMap() == sums
    seen_so_far = computed.value

    assert rdd.isCheckpointed()
    assert not rdd.isLocallyCheckpointed()
    path = rdd.getCheckpointFile()
    assert path is not None
    assert path.startswith(f"{sc.getCheckpointDir()}/rdd-")
    names = {each.name for each in Path(path.removeprefix("file:")).iterdir()}
    assert names == {"part-00000", "part-00001", "part-00002", "_SUCCESS"}
    assert rdd.collectAsMap() == sums
    assert rdd.mapValues(lambda value: -value).collectAsMap() == {k: -v for k, v in sums.items()}
    assert (rdd.getNumPartitions(), computed.value) == (3, seen_so_far)
    assert rdd.partitioner is not None
    assert b"ShuffledRDD" not in rdd.toDebugString()


def test_what_is_made_of_it_does_not_go_back_beyond_it(sc: SparkContext) -> None:
    first = sc.parallelize(range(6), 2).map(lambda n: n + 1)
    middle = first.map(lambda n: n * 2)
    last = middle.filter(lambda n: n > 4)
    middle.checkpoint()

    assert last.collect() == [6, 8, 10, 12]
    assert middle.isCheckpointed()
    assert not last.isCheckpointed()
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None
    assert last.collect() == [6, 8, 10, 12]


def test_its_files_go_when_nobody_refers_to_it_if_so_set(sc: SparkContext) -> None:
    rdd = sc.parallelize(range(6), 2)
    rdd.checkpoint()
    rdd.count()
    path = Path((rdd.getCheckpointFile() or "").removeprefix("file:"))
    assert path.is_dir()

    del rdd
    gc.collect()

    assert not path.exists()


def test_a_local_checkpoint_keeps_what_workers_have(sc: SparkContext) -> None:
    computed = sc.accumulator(0)

    def seen(number: int) -> int:
        computed.add(1)
        return number

    rdd = sc.parallelize(range(10), 5).map(seen)
    rdd.localCheckpoint()
    assert rdd.isLocallyCheckpointed()
    assert not rdd.isCheckpointed()
    assert rdd.take(1) == [0]

    assert rdd.isCheckpointed()
    assert rdd.getCheckpointFile() is None
    assert rdd.getStorageLevel() == StorageLevel.MEMORY_AND_DISK
    assert [rdd.sum() for _ in range(3)] == [45, 45, 45]
    assert computed.value == 10


def test_a_lineage_that_is_cut_ever_again_stays_short(sc: SparkContext) -> None:
    rdd = sc.parallelize(range(8), 2)
    for step in range(1, 61):
        rdd = rdd.map(lambda n: n + 1)
        if step % 10 == 0:
            rdd.checkpoint()
            assert rdd.count() == 8
    assert rdd.collect() == list(range(60, 68))
    assert len(rdd.toDebugString().splitlines()) == 1
