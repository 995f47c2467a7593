"""Which barrier stages may run, and when there are enough slots for one.

Source: Spark's barrier execution mode; its texts, SPARK-24819, SPARK-24820, SPARK-24821 and
SPARK-24942.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minimesos.spark.lineage import Lineage

DYNAMIC_ALLOCATION = (
    "[SPARK-24942]: Barrier execution mode does not support dynamic resource allocation for now. "
    "You can disable dynamic resource allocation by setting Spark conf "
    '"spark.dynamicAllocation.enabled" to "false".'
)
FINE_GRAINED = (
    "Barrier execution mode needs executors that last longer than a task: it is not supported in "
    "the fine-grained mode. You can choose the coarse-grained mode by setting "
    '"spark.mesos.coarse" to "true".'
)
TOO_FEW_SLOTS = (
    "[SPARK-24819]: Barrier execution mode does not allow run a barrier stage that requires more "
    "slots than the total number of slots in the cluster currently. Please init a new cluster with "
    "more resources(e.g. CPU, GPU) or repartition the input RDD(s) to reduce the number of slots "
    "required to run this barrier stage."
)
UNSUPPORTED_CHAIN = (
    "[SPARK-24820][SPARK-24821]: Barrier execution mode does not allow the following pattern of "
    "RDD chain within a barrier stage:\n"
    "1. Ancestor RDDs that have different number of partitions from the resulting RDD (e.g. "
    "union()/coalesce()/first()/take()/PartitionPruningRDD). A workaround for first()/take() can "
    "be barrierRdd.collect().head (scala) or barrierRdd.collect()[0] (python).\n"
    "2. An RDD that depends on multiple barrier RDDs (e.g. barrierRdd1.zip(barrierRdd2))."
)


def is_supported(rdd: Lineage[Any], tasks: int) -> bool:
    """Say whether a barrier stage of so many tasks has one task for each partition on its way."""
    return all(
        step.num_partitions == tasks
        and sum(dependency.rdd.is_barrier for dependency in step.dependencies) <= 1
        for step in rdd.narrow_lineage()
    )


class SlotChecks:
    """How often barrier stages have been found to need more slots than there are."""

    def __init__(self, interval_s: float, failures_max: int) -> None:
        self._interval_s = interval_s
        self._failures_max = failures_max
        self._failed: dict[int, tuple[int, float]] = {}
        """How often, and when to look again, by stage id."""

    def __bool__(self) -> bool:
        return bool(self._failed)

    def passed(self, stage_id: int) -> None:
        """There are enough, or nobody asks any more."""
        self._failed.pop(stage_id, None)

    def failed(self, stage_id: int, now: float) -> float | None:
        """There are not enough; returns when to look again, None if it was the last time.

        Looks ahead of that time, as when an executor comes, are not counted.
        """
        times, again_at_s = self._failed.get(stage_id, (0, now))
        if now >= again_at_s:
            times, again_at_s = times + 1, now + self._interval_s
        if times > self._failures_max:
            self.passed(stage_id)
            return None
        self._failed[stage_id] = times, again_at_s
        return again_at_s
