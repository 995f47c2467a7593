"""Which stages a job consists of, and which of them have to run.

A stage is needed as long as a job needs it; what its shuffle has written is known for longer. So a
later job that reads the same shuffle gets a new stage only if some of the outputs are lost.

Belongs to the DAG scheduler, which runs the stages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minimesos.spark.dependency import ShuffleDependency
from minimesos.spark.scheduler.block_locations import BlockLocations
from minimesos.spark.scheduler.map_output import MapOutputTracker
from minimesos.spark.scheduler.stage import Job, ResultStage, ShuffleMapStage, Stage

if TYPE_CHECKING:
    from minimesos.spark.lineage import Lineage


class StageGraph:
    """Makes stages, at most one per shuffle at a time, and knows which jobs need them."""

    def __init__(self, outputs: MapOutputTracker, blocks: BlockLocations) -> None:
        self._outputs = outputs
        self._blocks = blocks
        self._map_stages: dict[int, ShuffleMapStage] = {}
        """By shuffle id."""
        self._next_id = 0

    def add_job(self, job: Job) -> ResultStage:
        """Make the stages of a job: map stages that have to run, parents first, and the last."""
        order: list[ShuffleDependency] = []
        seen: set[int] = set()
        steps = [(dependency, False) for dependency in self.missing_shuffles(job.rdd)]
        while steps:
            dependency, is_expanded = steps.pop()
            if is_expanded:
                order.append(dependency)
            elif dependency.shuffle_id not in seen:
                seen.add(dependency.shuffle_id)
                steps.append((dependency, True))
                steps += [(each, False) for each in self.missing_shuffles(dependency.rdd)]
        for dependency in order:
            _involve(self._map_stage(dependency), {job})
        stage = ResultStage(self._new_id(), job)
        _involve(stage, {job})
        return stage

    def remove_job(self, job: Job) -> list[Stage]:
        """Forget a job; return the stages that no other job needs."""
        orphans = []
        for stage in job.stages:
            stage.jobs.discard(job)
            if not stage.jobs:
                orphans.append(stage)
                if isinstance(stage, ShuffleMapStage):
                    del self._map_stages[stage.dependency.shuffle_id]
        return orphans

    def missing_parents(self, stage: Stage) -> list[ShuffleMapStage]:
        """Return the stages that have to run before this one can, by id."""
        parents = [self._map_stage(each) for each in self.missing_shuffles(stage.rdd)]
        for parent in parents:
            _involve(parent, stage.jobs)
        return sorted(parents, key=lambda parent: parent.id)

    def missing_shuffles(self, rdd: Lineage[Any]) -> list[ShuffleDependency]:
        """Return shuffles that a task of `rdd` may read and whose map outputs are not all there.

        Not looked for behind an RDD all of whose partitions are cached.
        """
        found: dict[int, ShuffleDependency] = {}
        seen = {rdd.rdd_id}
        steps = [rdd]
        while steps:
            step = steps.pop()
            if step.is_cached and self._blocks.count(step.rdd_id) == step.num_partitions:
                continue
            for dependency in step.dependencies:
                if isinstance(dependency, ShuffleDependency):
                    # What nobody writes, as there are no partitions, is complete.
                    if dependency.num_maps and not self._outputs.is_complete(dependency.shuffle_id):
                        found[dependency.shuffle_id] = dependency
                elif dependency.rdd.rdd_id not in seen:
                    seen.add(dependency.rdd.rdd_id)
                    steps.append(dependency.rdd)
        return list(found.values())

    def _map_stage(self, dependency: ShuffleDependency) -> ShuffleMapStage:
        stage = self._map_stages.get(dependency.shuffle_id)
        if stage is None:
            stage = ShuffleMapStage(self._new_id(), dependency)
            self._map_stages[dependency.shuffle_id] = stage
        return stage

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1


def _involve(stage: Stage, jobs: set[Job]) -> None:
    stage.jobs |= jobs
    for job in jobs:
        job.stages.add(stage)
