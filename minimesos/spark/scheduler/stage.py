"""Stages: what can be computed without moving records, and the job that asks for it.

Made and owned by the DAG scheduler. `StageInputs` answers what a task of a stage needs from the
driver; it walks the stage's narrow lineage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from minimesos.spark.dependency import OneToOneDependency, ShuffleDependency
from minimesos.spark.local_properties import JOB_GROUP, JOB_TAGS, tags_of
from minimesos.spark.scheduler.block_locations import BlockLocations
from minimesos.spark.scheduler.map_output import MapOutputTracker
from minimesos.spark.scheduler.task import Action, Properties, encode_payload
from minimesos.spark.shuffle.locations import payload_key
from minimesos.spark.storage_level import copies_key
from minimesos.spark.stored_results import PickledResult

if TYPE_CHECKING:
    from minimesos.spark.env import Location
    from minimesos.spark.lineage import Lineage
    from minimesos.spark.scheduler.task_set import TaskSet


class Job:
    """An action: a function on some partitions of an RDD, and the results so far."""

    __slots__ = (
        "action",
        "group",
        "id",
        "name",
        "partitions",
        "properties",
        "rdd",
        "remaining",
        "result_bytes",
        "results",
        "stages",
        "started_at_s",
        "tags",
    )

    def __init__(
        self,
        id: int,
        rdd: Lineage[Any],
        action: Action,
        partitions: Sequence[int],
        properties: Properties | None = None,
        name: str = "",
    ) -> None:
        self.id = id
        self.rdd = rdd
        self.action = action
        self.partitions = partitions
        self.properties = properties
        self.name = name or rdd.call_site
        self.group = properties.get(JOB_GROUP) if properties else None
        self.tags = tags_of(properties.get(JOB_TAGS)) if properties else frozenset()
        self.results: list[PickledResult | None] = [None] * len(partitions)
        self.remaining = len(partitions)
        self.result_bytes = 0
        self.stages: set[Stage] = set()
        self.started_at_s = 0.0


class Status(Enum):
    """Where a stage is: it moves IDLE, WAITING (for parents), RUNNING, IDLE; or to FAILED."""

    IDLE = "idle"
    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"
    """Input was lost; it is submitted again when the resubmission timer fires."""


class Stage:
    """One stage; `attempt` counts its task sets. Compared by identity."""

    __slots__ = (
        "attempt",
        "closure",
        "failed_attempts",
        "first_valid",
        "id",
        "jobs",
        "rdd",
        "status",
        "task_set",
    )

    def __init__(self, id: int, rdd: Lineage[Any]) -> None:
        self.id = id
        self.rdd = rdd
        self.jobs: set[Job] = set()
        self.status = Status.IDLE
        self.attempt = 0
        """Number of the next task set."""
        self.failed_attempts: set[int] = set()
        """Attempts that could not fetch input, since the stage was last complete."""
        self.first_valid = 0
        """Of attempts before this one nothing counts any more: their input was written anew."""
        self.task_set: TaskSet | None = None
        """The current task set; older ones may still have running tasks."""
        self.closure: bytes | None = None

    @property
    def name(self) -> str:
        """Where in the user's program it comes from."""
        return self.rdd.call_site

    @property
    def priority(self) -> tuple[int, int]:
        """First in, first out: by job, then by stage."""
        return min((job.id for job in self.jobs), default=-1), self.id

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.id} ({self.name})"


class ShuffleMapStage(Stage):
    """Writes one shuffle."""

    __slots__ = ("dependency",)

    def __init__(self, id: int, dependency: ShuffleDependency) -> None:
        super().__init__(id, dependency.rdd)
        self.dependency = dependency

    @property
    def name(self) -> str:
        return self.dependency.call_site


class ResultStage(Stage):
    """Runs a job's function."""

    __slots__ = ("job",)

    def __init__(self, id: int, job: Job) -> None:
        super().__init__(id, job.rdd)
        self.job = job

    @property
    def name(self) -> str:
        return self.job.name


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the DAG scheduler remembers with a task set."""

    stage: Stage
    positions: Sequence[int]
    """Per slot, the index in the job's results or the map index."""
    epoch: int
    """Of the map outputs when the task set was submitted."""


def shuffle_inputs(rdd: Lineage[Any]) -> list[ShuffleDependency]:
    """Return the shuffles that a stage which ends in `rdd` reads, each once."""
    return list(
        {
            dependency.shuffle_id: dependency
            for step in rdd.narrow_lineage()
            for dependency in step.dependencies
            if isinstance(dependency, ShuffleDependency)
        }.values()
    )


def shuffles_read(jobs: Iterable[Job]) -> set[int]:
    """Return the shuffles that stages of these jobs read, and write for each other."""
    stages = {stage for job in jobs for stage in job.stages}
    return {each.shuffle_id for stage in stages for each in shuffle_inputs(stage.rdd)}


class StageInputs:
    """What each task of a stage is sent: slices of collections, locations of map outputs."""

    __slots__ = ("_blocks", "_cached", "_locate", "_outputs", "_rdd", "_shuffles", "_straight")

    def __init__(
        self,
        rdd: Lineage[Any],
        outputs: MapOutputTracker,
        blocks: BlockLocations,
        locate: Callable[[str], Location | None],
    ) -> None:
        """`locate` says where an executor's files are, if it is still there."""
        self._rdd = rdd
        self._outputs = outputs
        self._blocks = blocks
        self._locate = locate
        self._cached = {
            step.rdd_id
            for step in rdd.narrow_lineage()
            if step.is_cached and blocks.has_files(step.rdd_id)
        }
        self._shuffles = shuffle_inputs(rdd)
        self._straight = all(
            isinstance(dependency, OneToOneDependency | ShuffleDependency)
            for step in rdd.narrow_lineage()
            for dependency in step.dependencies
        )

    def payload(self, partition: int) -> bytes:
        """Return the payload of a partition's task, as the map outputs are now."""
        found: dict[Any, Any] = self._rdd.payload(partition)
        if self._shuffles:
            for shuffle_id, index in self._reads(partition):
                encoded = self._outputs.segments(shuffle_id, index)
                if encoded is not None:
                    found[payload_key(shuffle_id, index)] = encoded
        if self._cached:
            found.update(self._copies(partition))
        return encode_payload(found)

    def _copies(self, partition: int) -> Iterator[tuple[Any, list[Location]]]:
        """Yield where files of the cached partitions are that a task may read."""
        for step, index in steps_of(self._rdd, partition):
            if step.rdd_id in self._cached:
                places = map(self._locate, self._blocks.files(step.rdd_id, index))
                yield copies_key(step.rdd_id, index), [each for each in places if each]

    def _reads(self, partition: int) -> Iterator[tuple[int, int]]:
        """Yield (shuffle id, reduce partition) pairs that a task reads."""
        if self._straight:
            for shuffle in self._shuffles:
                yield shuffle.shuffle_id, partition
            return
        for rdd, index in steps_of(self._rdd, partition):
            for dependency in rdd.dependencies:
                if isinstance(dependency, ShuffleDependency):
                    yield dependency.shuffle_id, index


def steps_of(rdd: Lineage[Any], partition: int) -> Iterator[tuple[Lineage[Any], int]]:
    """Yield the (RDD, partition) pairs that a task computes: `rdd`'s, then those it needs."""
    steps = [(rdd, partition)]
    while steps:
        step, index = steps.pop()
        yield step, index
        steps += step.narrow_parents(index)
