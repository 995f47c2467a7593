"""A barrier stage on several executors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from minimesos.spark import BarrierTaskContext, SparkConf, SparkContext

pytestmark = pytest.mark.integration


def test_executors_of_a_cluster_meet_through_the_driver(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    here = str(tmp_path / "here")

    def run(index: int, items: Iterator[int]) -> Iterator[tuple[list[str], list[str], int]]:
        task = BarrierTaskContext.get()
        Path(here, str(index)).touch()
        task.barrier()
        come = len(list(Path(here).iterdir()))
        gathered = task.allGather(str(index))
        return iter([(gathered, [info.address for info in task.getTaskInfos()], come)])

    conf = SparkConf(loadDefaults=False).set("spark.local.dir", tmp_path)
    with SparkContext("local-cluster[2,2,512]", "barriers", conf=conf) as sc:
        ends = sc.parallelize(range(8), 4).barrier().mapPartitionsWithIndex(run).collect()
    assert [end[0] for end in ends] == [["0", "1", "2", "3"]] * 4
    assert [end[2] for end in ends] == [4] * 4, "all have come before one goes on"
    assert len(ends[0][1]) == 4
    assert len(set(ends[0][1])) == 2
