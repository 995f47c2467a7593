"""Cached partitions: what fits stays, what does not is dropped or goes to disk, by level."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minimesos.spark import StorageLevel
from minimesos.spark.env import WorkerEnv
from minimesos.spark.shuffle.files import DiskFull
from minimesos.spark.storage import BlockStore, estimate_bytes
from minimesos.spark.taskcontext import TaskContext

ITEMS = list(range(1000, 2000))
ITEMS_BYTES = estimate_bytes(ITEMS)


class Counted:
    """Stands in for an RDD: counts how often its partitions are computed."""

    def __init__(self, rdd_id: int, level: StorageLevel) -> None:
        self.rdd_id = rdd_id
        self.storage_level = level
        self.computed = 0

    def compute(self, index: int, task: TaskContext) -> Iterator[int]:
        self.computed += 1
        return iter(ITEMS)


class Worker:
    """A block store and what a task needs of a worker."""

    def __init__(self, directory: Path, blocks_max: float) -> None:
        self.blocks = BlockStore(int(blocks_max * ITEMS_BYTES), str(directory))
        self.env: Any = WorkerEnv("0", "localhost", str(directory), {}, self.blocks, None)  # type: ignore[arg-type]

    def read(self, rdd: Any, index: int = 0) -> TaskContext:
        """Read a partition in a task of its own; returns the task."""
        task = TaskContext(env=self.env)
        assert list(self.blocks.get_or_compute(rdd, index, task)) == ITEMS
        return task


def test_a_block_is_kept_and_the_task_says_so(tmp_path: Path) -> None:
    worker = Worker(tmp_path, 3)
    rdd = Counted(5, StorageLevel.MEMORY_ONLY)
    assert worker.read(rdd, 1).stored_blocks == [(5, 1)]
    assert worker.read(rdd, 1).stored_blocks == []
    assert rdd.computed == 1
    assert (5, 1) in worker.blocks
    assert worker.blocks.memory_bytes == ITEMS_BYTES


def test_the_least_recently_used_block_of_another_rdd_makes_room(tmp_path: Path) -> None:
    worker = Worker(tmp_path, 2.5)
    first, second, third = (Counted(i, StorageLevel.MEMORY_ONLY) for i in range(3))
    worker.read(first)
    worker.read(second)
    worker.read(first)
    worker.read(third)
    assert (0, 0) in worker.blocks
    assert (1, 0) not in worker.blocks
    assert (2, 0) in worker.blocks


def test_blocks_of_one_rdd_do_not_push_each_other_out(tmp_path: Path) -> None:
    worker = Worker(tmp_path, 2.5)
    rdd = Counted(0, StorageLevel.MEMORY_ONLY)
    for index in range(3):
        worker.read(rdd, index)
    assert [(0, index) in worker.blocks for index in range(3)] == [True, True, False]
    assert worker.read(rdd, 2).stored_blocks == []


def test_with_disk_an_evicted_block_is_read_back(tmp_path: Path) -> None:
    worker = Worker(tmp_path, 1.5)
    first = Counted(0, StorageLevel.MEMORY_AND_DISK)
    worker.read(first)
    worker.read(Counted(1, StorageLevel.MEMORY_AND_DISK))
    assert (tmp_path / "rdd_0_0").exists()
    worker.read(first)
    assert first.computed == 1


def test_a_block_larger_than_memory_goes_to_disk_or_is_not_kept(tmp_path: Path) -> None:
    worker = Worker(tmp_path, 0.5)
    spilling = Counted(0, StorageLevel.MEMORY_AND_DISK)
    assert worker.read(spilling).stored_blocks == [(0, 0)]
    worker.read(spilling)
    assert spilling.computed == 1
    dropping = Counted(1, StorageLevel.MEMORY_ONLY)
    assert worker.read(dropping).stored_blocks == []
    worker.read(dropping)
    assert dropping.computed == 2


def test_blocks_on_disk_serve_all_workers_of_an_executor(tmp_path: Path) -> None:
    one, other = Worker(tmp_path, 2), Worker(tmp_path, 2)
    rdd = Counted(0, StorageLevel.DISK_ONLY)
    one.read(rdd)
    other.read(rdd)
    assert rdd.computed == 1
    assert one.blocks.memory_bytes == 0


def test_dropping_an_rdd_forgets_memory_and_disk(tmp_path: Path) -> None:
    worker = Worker(tmp_path, 3)
    worker.read(Counted(1, StorageLevel.MEMORY_ONLY))
    worker.read(Counted(2, StorageLevel.DISK_ONLY))
    worker.read(Counted(12, StorageLevel.DISK_ONLY))
    worker.blocks.drop_rdds([1, 2])
    assert worker.blocks.memory_bytes == 0
    assert [path.name for path in tmp_path.iterdir()] == ["rdd_12_0"]


def test_a_partition_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    class Failing(Counted):
        def compute(self, index: int, task: TaskContext) -> Iterator[int]:
            yield 1
            raise RuntimeError("half way")

    worker = Worker(tmp_path, 3)
    for level in (StorageLevel.MEMORY_ONLY, StorageLevel.DISK_ONLY):
        with pytest.raises(RuntimeError, match="half way"):
            worker.read(Failing(0, level))
    assert (0, 0) not in worker.blocks
    assert list(tmp_path.iterdir()) == []


def test_the_limit_is_a_workers_share_of_the_executors_memory(tmp_path: Path) -> None:
    store = BlockStore.of({"spark.executor.memory": "2348m"}, 4, str(tmp_path))
    assert store._limit_bytes == int(2048 * 1024 * 1024 * 0.6 / 4)


def test_estimates_look_into_containers() -> None:
    flat = estimate_bytes(["x" * 100] * 1000)
    nested = estimate_bytes([{"key": ["x" * 100, ("y" * 100,)]}] * 1000)
    assert 100_000 < flat < 200_000
    assert 250_000 < nested < 1_000_000


def test_levels_print_as_in_pyspark() -> None:
    assert repr(StorageLevel.MEMORY_AND_DISK) == "StorageLevel(True, True, False, False, 1)"
    assert str(StorageLevel.MEMORY_AND_DISK_2) == "Disk Memory Serialized 2x Replicated"
    assert str(StorageLevel.MEMORY_AND_DISK_DESER) == "Disk Memory Deserialized 1x Replicated"
    assert StorageLevel(False, True, False, False) == StorageLevel.MEMORY_ONLY


def test_a_worker_that_runs_one_task_only_keeps_nothing_in_its_memory(tmp_path: Path) -> None:
    worker = Worker(tmp_path, 0)
    worker.blocks = BlockStore.of({"spark.python.worker.reuse": "false"}, 1, str(tmp_path))
    in_memory, on_disk_too = (
        Counted(number, level)
        for number, level in enumerate((StorageLevel.MEMORY_ONLY, StorageLevel.MEMORY_AND_DISK))
    )
    assert worker.read(in_memory).stored_blocks == []
    assert worker.read(on_disk_too).stored_blocks == [(1, 0)]
    worker.read(on_disk_too)
    assert on_disk_too.computed == 1


def test_blocks_on_disk_are_compressed_if_that_is_set(tmp_path: Path) -> None:
    class Words(Counted):
        def compute(self, index: int, task: TaskContext) -> Iterator[Any]:
            return iter(["word"] * 50_000)

    sizes = []
    for switch in ("true", "false"):
        directory = tmp_path / switch
        worker = Worker(directory, 0)
        worker.blocks = BlockStore.of({"spark.rdd.compress": switch}, 1, str(directory))
        rdd: Any = Words(1, StorageLevel.DISK_ONLY)
        for _ in range(2):
            task = TaskContext(env=worker.env)
            assert len(list(worker.blocks.get_or_compute(rdd, 0, task))) == 50_000
        sizes.append((directory / "rdd_1_0").stat().st_size)
    assert sizes[0] < sizes[1] / 3


def test_off_heap_keeps_bytes_in_memory_and_reads_them_back(tmp_path: Path) -> None:
    worker = Worker(tmp_path, 3)
    rdd = Counted(0, StorageLevel.OFF_HEAP)
    assert worker.read(rdd).stored_blocks == [(0, 0)]
    worker.read(rdd)
    assert rdd.computed == 1
    assert 0 < worker.blocks.memory_bytes < ITEMS_BYTES / 4
    assert list(tmp_path.iterdir()) == []


def test_a_setting_has_all_levels_keep_bytes_but_for_those_that_are_deserialized(
    tmp_path: Path,
) -> None:
    worker = Worker(tmp_path, 0)
    settings = {"spark.minimesos.cache.serialized": "true"}
    worker.blocks = BlockStore.of(settings, 1, str(tmp_path))
    worker.read(Counted(0, StorageLevel.MEMORY_ONLY))
    as_bytes = worker.blocks.memory_bytes
    worker.read(Counted(1, StorageLevel.MEMORY_AND_DISK_DESER))
    assert as_bytes < ITEMS_BYTES / 4
    assert worker.blocks.memory_bytes == as_bytes + ITEMS_BYTES


@pytest.mark.parametrize("level", [StorageLevel.OFF_HEAP, StorageLevel.MEMORY_AND_DISK])
def test_a_partition_that_does_not_fit_goes_on_where_unrolling_stopped(
    tmp_path: Path, level: StorageLevel
) -> None:
    many = list(range(100_000))

    class Many(Counted):
        def compute(self, index: int, task: TaskContext) -> Iterator[int]:
            self.computed += 1
            return iter(many)

    worker = Worker(tmp_path, 10)
    rdd: Any = Many(0, level)
    for _ in range(2):
        assert list(worker.blocks.get_or_compute(rdd, 0, TaskContext(env=worker.env))) == many
    assert rdd.computed == 1
    assert worker.blocks.memory_bytes == 0
    assert (tmp_path / "rdd_0_0").exists()


def test_a_second_copy_outlives_the_worker_that_made_the_block(tmp_path: Path) -> None:
    one, other = Worker(tmp_path, 3), Worker(tmp_path, 3)
    rdd = Counted(0, StorageLevel.MEMORY_ONLY_2)
    one.read(rdd)
    assert one.blocks.memory_bytes == ITEMS_BYTES
    other.read(rdd)
    assert rdd.computed == 1


def test_a_partition_that_is_read_in_part_is_kept_whole(tmp_path: Path) -> None:
    worker = Worker(tmp_path, 3)
    rdd: Any = Counted(0, StorageLevel.MEMORY_ONLY)
    assert next(worker.blocks.get_or_compute(rdd, 0, TaskContext(env=worker.env))) == ITEMS[0]
    worker.read(rdd)
    assert rdd.computed == 1


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    worker = Worker(tmp_path, 1)
    (tmp_path / f"rdd_1_0.{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(DiskFull, match=f"no room in {tmp_path}"):
        worker.read(Counted(1, StorageLevel.DISK_ONLY))
    assert list(tmp_path.iterdir()) == []
