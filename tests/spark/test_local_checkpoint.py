"""What a local checkpoint cuts, depending on who can reach what it keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from minimesos.spark import SparkContext
from minimesos.spark.checkpoint import Checkpoints


def at_once(call: Callable[[], None]) -> bool:
    call()
    return True


@pytest.mark.parametrize(
    ("master", "parents"), [("local[2]", 0), ("local-cluster[2,1,512]", 1), ("mesos://m:5050", 1)]
)
def test_parents_are_kept_where_a_task_may_run_far_from_the_block(
    sc: SparkContext, master: str, parents: int
) -> None:
    sc._checkpoints = Checkpoints({"spark.master": master}, at_once)
    rdd = sc.parallelize(range(4), 2).map(str)
    rdd.localCheckpoint()

    assert rdd.count() == 4
    assert (rdd.isCheckpointed(), len(rdd.dependencies)) == (True, parents)
    sc._runner.env.blocks.drop_rdds([rdd.id()])  # type: ignore[union-attr]
    if parents:
        assert rdd.collect() == ["0", "1", "2", "3"]
