"""Cached partitions that outlive the executor that made them."""

from __future__ import annotations

import os
import threading

import psutil
import pytest

from minimesos.spark import SparkContext, StorageLevel

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0


def test_a_killed_executors_partitions_are_read_from_their_copies() -> None:
    with SparkContext("local-cluster[2,1,512]", "replicas") as sc:
        pause = threading.Event()
        while sc._running()._core._tasks.total_slots < 2:
            pause.wait(0.01)
        computed = sc.accumulator(0)

        def seen(number: int) -> int:
            computed.add(1)
            return number

        rdd = sc.parallelize(range(8), 4).map(seen).persist(StorageLevel.MEMORY_AND_DISK_2)
        assert rdd.sum() == 28
        blocks = sc._running()._core._stages.blocks
        for _ in range(int(PATIENCE_S * 100)):
            if all(len(blocks.files(rdd.id(), index)) == 2 for index in range(4)):
                break
            pause.wait(0.01)
        (pid,) = set(sc.parallelize([0], 1).map(lambda _: os.getppid()).collect())
        executor = psutil.Process(pid).parent()
        assert executor is not None
        executor.kill()
        executor.wait(10)

        assert rdd.sum() == 28
        assert rdd.map(lambda number: -number).sum() == -28
        assert computed.value == 8
