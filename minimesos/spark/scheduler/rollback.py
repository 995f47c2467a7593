"""What is void once a map stage writes other data than it did before.

Records that are dealt out in turn go elsewhere if they come in another order, and what a shuffle
gives has none. Such a stage is indeterminate, and so is what reads it: if any of it is to be
computed again all of it is, and with it all that was made from it. What an action has got cannot be
taken back, so its job fails.

Asked by the stage runner before it runs a map stage again.
"""

from __future__ import annotations

from collections.abc import Iterable

from minimesos.spark.dependency import Dependency, ShuffleDependency
from minimesos.spark.partitioner import Dealer
from minimesos.spark.scheduler.effects import JobAborted
from minimesos.spark.scheduler.stage import ShuffleMapStage, Stage, shuffle_inputs

_SAME, _UNORDERED, _OTHER = range(3)
"""What computing an RDD again gives: the same, the same in another order, other partitions."""


def is_indeterminate(shuffle: ShuffleDependency) -> bool:
    """Say whether a map task of a shuffle may write other data when it runs again."""
    levels: dict[int, int] = {}
    steps = [shuffle.rdd]
    while steps:
        step = steps[-1]
        parents = [dependency.rdd for dependency in step.dependencies]
        unknown = [parent for parent in parents if parent.rdd_id not in levels]
        steps += unknown
        if not unknown:
            steps.pop()
            levels[step.rdd_id] = max(
                (_level(each, levels[each.rdd.rdd_id]) for each in step.dependencies), default=_SAME
            )
    return _level(shuffle, levels[shuffle.rdd.rdd_id]) == _OTHER


def _level(dependency: Dependency, parent: int) -> int:
    """Return what reading a dependency again gives."""
    if not isinstance(dependency, ShuffleDependency):
        return parent
    partitioner = dependency.partitioner
    is_dealt = isinstance(partitioner, Dealer) and partitioner.numPartitions > 1
    return _OTHER if parent == _OTHER or (parent and is_dealt) else _UNORDERED


def made_from(stage: ShuffleMapStage) -> list[Stage]:
    """Return the stages of a map stage's jobs that read it, at once or by way of others."""
    stages = sorted({each for job in stage.jobs for each in job.stages}, key=lambda each: each.id)
    inputs = {each: {shuffle.shuffle_id for shuffle in shuffle_inputs(each.rdd)} for each in stages}
    shuffles = {stage.dependency.shuffle_id}
    found: list[Stage] = []
    while more := [
        each for each in stages if each not in found and not shuffles.isdisjoint(inputs[each])
    ]:
        found += more
        shuffles |= _written(more)
    return found


def _written(stages: Iterable[Stage]) -> set[int]:
    return {each.dependency.shuffle_id for each in stages if isinstance(each, ShuffleMapStage)}


def cannot_roll_back(stage: Stage) -> JobAborted:
    """Return the error of a job some of whose results come from data that are void."""
    return JobAborted(
        "Job aborted due to stage failure: A shuffle map stage with indeterminate output was "
        "failed and retried. However, Spark cannot rollback the "
        f"{stage} to re-process the input data, and has to fail this job. Please eliminate the "
        "indeterminacy by checkpointing the RDD before repartition and try again."
    )
