"""An executor on which tasks fail, on a real cluster: they succeed on the other one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from minimesos.spark import SparkConf, SparkContext
from minimesos.spark.taskcontext import TaskContext

pytestmark = pytest.mark.integration


def test_no_task_is_tried_again_on_the_executor_where_it_has_failed(tmp_path: Path) -> None:
    bad, failed = tmp_path / "bad", tmp_path / "failed"

    def place(partition: int) -> str:
        task = TaskContext.get()
        assert task is not None
        executor_id = task.env.executor_id
        claim = tmp_path / f"claim-{task.taskAttemptId()}"
        claim.write_text(executor_id)
        with suppress(FileExistsError):
            os.link(claim, bad)
        if bad.read_text() == executor_id:
            with failed.open("a") as file:
                file.write(f"{partition} ")
            raise ValueError("the executor that was first is no good")
        return executor_id

    conf = SparkConf(loadDefaults=False).set("spark.excludeOnFailure.enabled", "true")
    # Where there is only one executor a task that failed there may run nowhere.
    conf.set("spark.cores.max", "2").set("spark.scheduler.minRegisteredResourcesRatio", "1.0")
    with SparkContext("local-cluster[2,1,512]", "excluding", conf=conf) as sc:
        places = sc.parallelize(range(6), 6).map(place).collect()

    partitions = failed.read_text().split()
    assert 1 <= len(partitions) == len(set(partitions))
    assert len(set(places)) == 1
    assert bad.read_text() not in places
