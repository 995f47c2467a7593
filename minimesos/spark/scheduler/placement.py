"""Where tasks would rather run: with the worker that has cached their input, or near their files.

What reads a shuffle prefers hosts that hold a good part of its input, if not all do.

Asked by the DAG scheduler when it submits a task set; the task set then holds tasks back for those
that they prefer. Preferences for executors and hosts that are not there are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minimesos.spark.dependency import ShuffleDependency
from minimesos.spark.lineage import Lineage
from minimesos.spark.scheduler.block_locations import BlockLocations
from minimesos.spark.scheduler.map_output import MapOutputTracker
from minimesos.spark.scheduler.preferences import Preferences
from minimesos.spark.scheduler.stage import steps_of
from minimesos.spark.scheduler.task_set import TaskSet

if TYPE_CHECKING:
    from minimesos.spark.scheduler.executor import Executor


def preferences(
    rdd: Lineage[Any],
    partitions: Sequence[int],
    blocks: BlockLocations,
    outputs: MapOutputTracker | None,
    executors: Mapping[str, Executor],
    waits_s: tuple[float, float],
    now: float,
) -> Preferences | None:
    """Return what the tasks that compute these partitions prefer; None if all go anywhere.

    Without `outputs` they do not mind where shuffles are that they read.
    """
    steps = rdd.narrow_lineage()
    shuffled = _near_outputs(steps, outputs, executors) if outputs is not None else {}
    if not shuffled and not any(blocks.count(step.rdd_id) or _names_hosts(step) for step in steps):
        return None
    hosts = {executor.host for executor in executors.values()}
    preferred = Preferences(waits_s, now)
    for slot, partition in enumerate(partitions):
        for step, index in steps_of(rdd, partition):
            block = blocks.find(step.rdd_id, index)
            if block is not None and block.executor_id in executors:
                preferred.prefer_worker(slot, block.executor_id, block.worker)
                preferred.prefer_host(slot, executors[block.executor_id].host)
                break
            near: Collection[str] = step.preferred_locations(index)
            if step.rdd_id in shuffled:
                near = shuffled[step.rdd_id][index]
            if near:
                for host in near if not hosts.issubset(near) else ():
                    preferred.prefer_host(slot, host, host in hosts)
                break
    return preferred


def _near_outputs(
    steps: Iterable[Lineage[Any]], outputs: MapOutputTracker, executors: Mapping[str, Executor]
) -> dict[int, Sequence[Collection[str]]]:
    """Return, by RDD that reads a shuffle, the hosts that each partition's input is near to."""
    shuffles = [
        (step.rdd_id, dependency.shuffle_id)
        for step in steps
        for dependency in reversed(step.dependencies)
        if isinstance(dependency, ShuffleDependency)
    ]
    if not shuffles or len({executor.host for executor in executors.values()}) < 2:
        return {}
    found = {rdd_id: outputs.near(shuffle_id) for rdd_id, shuffle_id in shuffles}
    return {rdd_id: near for rdd_id, near in found.items() if any(near)}


def local_tasks(task_sets: Iterable[TaskSet]) -> dict[str, int]:
    """Count tasks that wait by the hosts where their files are, also where no executor is."""
    counts: Counter[str] = Counter()
    for task_set in task_sets:
        rdd = task_set.owner.stage.rdd
        if any(map(_names_hosts, rdd.narrow_lineage())):
            for slot in task_set.pending_slots():
                steps = steps_of(rdd, task_set.partitions[slot])
                named = (step.preferred_locations(index) for step, index in steps)
                counts.update(next(filter(None, named), ()))
    return dict(counts)


def _names_hosts(rdd: Lineage[Any]) -> bool:
    return type(rdd).preferred_locations is not Lineage.preferred_locations
