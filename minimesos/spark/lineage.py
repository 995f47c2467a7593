"""What makes something an RDD: five properties, and what follows from them alone.

Base of `RDD`, which adds the operations. The DAG scheduler reads the five properties on the driver;
tasks call `iterator` in a worker. Neither scheduling nor any particular RDD is here.

Source: Zaharia et al., "Resilient Distributed Datasets" (NSDI 2012), section 4, table 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from minimesos.spark import callsite, closure
from minimesos.spark.dependency import Dependency, NarrowDependency, ShuffleDependency
from minimesos.spark.errors import IllegalArgumentException, PySparkRuntimeError, PySparkTypeError
from minimesos.spark.storage_level import StorageLevel

if TYPE_CHECKING:
    from minimesos.spark.checkpoint import Mark
    from minimesos.spark.context import SparkContext
    from minimesos.spark.partitioner import Partitioner
    from minimesos.spark.profiler import Profiler
    from minimesos.spark.rdd import RDD
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")

_DRIVER_ONLY = ("_context", "_name", "_payload_free", "_call_site", "checkpoint_mark")
"""Attributes that a task has no use for, or must not have."""


class Lineage(Generic[T]):
    """An immutable, partitioned collection that knows how to compute each of its partitions.

    The five properties: a number of partitions; a function that computes one from its parents; the
    dependencies on parents; optionally, a partitioner that says where a key is; optionally, the
    hosts where a partition is best computed.
    """

    _context: SparkContext | None = None
    _name: str | None = None
    _payload_free: bool = True
    _call_site: str = ""
    _storage_level: StorageLevel = StorageLevel.NONE
    profiler: Profiler | None = None
    """What tasks run under that compute this RDD as the last of their stage."""
    cachings: ClassVar[int] = 0
    """How often any RDD of this process began or ceased to be kept: what is found out by looking
    at a whole lineage holds until it changes."""
    checkpoint_mark: Mark | None = None
    """Set if the lineage is to be cut after the next job, or was."""
    is_barrier: bool = False
    """Whether the tasks that compute it are launched together, and can wait for each other."""
    is_cached: bool = False
    """Whether partitions are kept: `persist` or `cache` was called and `unpersist` was not."""

    def __init__(
        self,
        context: SparkContext,
        dependencies: list[Dependency],
        num_partitions: int | None,
        partitioner: Partitioner | None = None,
    ) -> None:
        """Make an RDD; `num_partitions` None means that `_count_partitions` finds it when asked."""
        self._context = context
        self.rdd_id = context.next_rdd_id()
        self._call_site = callsite.short_form()
        self.dependencies = dependencies
        self._num_partitions = num_partitions
        self.partitioner = partitioner
        if context.is_profiling:
            for dependency in dependencies:
                if isinstance(dependency, ShuffleDependency):
                    context.profile_stage(dependency.rdd)
        if any(
            dependency.rdd.is_barrier
            for dependency in dependencies
            if isinstance(dependency, NarrowDependency)
        ):
            self.is_barrier = True
        self._payload_free = type(self)._add_payload is Lineage._add_payload and all(
            dependency.rdd._payload_free
            for dependency in dependencies
            if isinstance(dependency, NarrowDependency)
        )

    # The contract with the scheduler and with tasks.

    @property
    def num_partitions(self) -> int:
        """How many partitions there are; input files are first looked at when this is asked."""
        if self._num_partitions is None:
            self._num_partitions = self._count_partitions()
        return self._num_partitions

    def _count_partitions(self) -> int:
        raise NotImplementedError

    def compute(self, index: int, task: TaskContext) -> Iterator[T]:
        """Compute a partition in a task, from iterators over its parents."""
        raise NotImplementedError

    def iterator(self, index: int, task: TaskContext) -> Iterator[T]:
        """Return a partition's items in a task: cached ones if there are, else computed."""
        if self.is_cached:
            return task.env.blocks.get_or_compute(self, index, task)
        return self.compute(index, task)

    def preferred_locations(self, index: int) -> list[str]:
        """Return hosts on which the partition's input is local; none by default."""
        return []

    def payload(self, index: int) -> dict[tuple[int, int], Any]:
        """Return what a task for this partition must carry beside the stage's closure.

        That is the slices of driver-side collections in its narrow lineage, by RDD id and
        partition: a coalesced partition needs several of one RDD.
        """
        found: dict[tuple[int, int], Any] = {}
        steps: list[tuple[Lineage[Any], int]] = [(self, index)]
        while steps:
            rdd, position = steps.pop()
            if rdd._payload_free:
                continue
            rdd._add_payload(position, found)
            steps += rdd.narrow_parents(position)
        return found

    def _add_payload(self, index: int, found: dict[tuple[int, int], Any]) -> None:
        """Add this RDD's own part of the payload, if it has one."""

    def narrow_lineage(self) -> list[Lineage[Any]]:
        """Return this RDD and all that are computed in the same task, each once."""
        seen: dict[int, Lineage[Any]] = {self.rdd_id: self}
        steps: list[Lineage[Any]] = [self]
        while steps:
            for dependency in steps.pop().dependencies:
                parent = dependency.rdd if isinstance(dependency, NarrowDependency) else None
                if parent is not None and parent.rdd_id not in seen:
                    seen[parent.rdd_id] = parent
                    steps.append(parent)
        return list(seen.values())

    def narrow_parents(self, index: int) -> list[tuple[Lineage[Any], int]]:
        """Return the parents' partitions that are computed in the same task as partition `index`.

        Parents that only pass partitions on may be left out in favour of theirs.
        """
        return [
            (dependency.rdd, position)
            for dependency in self.dependencies
            if isinstance(dependency, NarrowDependency)
            for position in dependency.parents(index)
        ]

    # Travelling to tasks.

    def travelling_lineage(self) -> list[Lineage[Any]]:
        """Return this RDD and all that travel to a task with it, parents before children.

        Pickled in this order none of them holds one that the pickle has not got yet, however long
        the lineage is.
        """
        order: list[Lineage[Any]] = []
        seen: set[int] = set()
        steps: list[tuple[Lineage[Any], bool]] = [(self, False)]
        while steps:
            rdd, is_expanded = steps.pop()
            if is_expanded:
                order.append(rdd)
            elif rdd.rdd_id not in seen:
                seen.add(rdd.rdd_id)
                steps.append((rdd, True))
                steps += [
                    (dependency.rdd, False)
                    for dependency in rdd._travelling_dependencies()
                    if isinstance(dependency, NarrowDependency)
                ]
        return order

    def steps_within(self) -> int:
        """Return how many steps this RDD adds to the way of an item, for the depth of calls."""
        return 1

    def _travelling_dependencies(self) -> list[Dependency]:
        return self.dependencies

    def __reduce__(self) -> tuple[Any, ...]:
        closure.refuse_stray(self)
        return _arrive, (type(self), self._travelling_state())

    def _travelling_state(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in _DRIVER_ONLY:
            state.pop(name, None)
        state["dependencies"] = self._travelling_dependencies()
        return state

    def closure_parts(self) -> Iterable[tuple[str, Any]]:
        """Yield what travels in the stage's closure, with its role, for errors that name it.

        Of this RDD alone: parents in the same task have parts of their own.
        """
        for name, value in self._travelling_state().items():
            if name == "dependencies":
                for dependency in value:
                    if isinstance(dependency, ShuffleDependency):
                        yield f"the shuffle of {self._call_site}", dependency
            else:
                yield f"{name.strip('_')} of {self._call_site}", value

    # Identity, names and persistence.

    def id(self) -> int:
        """Return the number of this RDD, unique within its context."""
        return self.rdd_id

    @property
    def context(self) -> SparkContext:
        """The context that this RDD was made by; an error inside tasks."""
        if self._context is None:
            raise PySparkRuntimeError(
                "RDD operations can only be invoked by the driver, not inside of tasks.",
                "RDD_TRANSFORM_ONLY_VALID_ON_DRIVER",
            )
        return self._context

    @property
    def ctx(self) -> SparkContext:
        """The same as `context`."""
        return self.context

    @property
    def call_site(self) -> str:
        """Where the user's program made this RDD: `map at job.py:12`."""
        return self._call_site

    @property
    def storage_level(self) -> StorageLevel:
        """Whether and where partitions are kept once computed."""
        return self._storage_level

    @property
    def _rdd(self) -> RDD[T]:
        return cast("RDD[T]", self)

    def getNumPartitions(self) -> int:
        """Return the number of partitions."""
        return self.num_partitions

    def name(self) -> str | None:
        """Return the name given by `setName`, or None."""
        return self._name

    def setName(self, name: str) -> RDD[T]:
        """Name this RDD for people."""
        self._name = name
        return self._rdd

    def cache(self) -> RDD[T]:
        """Keep partitions in memory once they are computed (MEMORY_ONLY)."""
        return self.persist(StorageLevel.MEMORY_ONLY)

    def persist(self, storageLevel: StorageLevel = StorageLevel.MEMORY_ONLY) -> RDD[T]:
        """Keep partitions at this level once they are computed; the level cannot be changed."""
        if not isinstance(storageLevel, StorageLevel):
            raise PySparkTypeError(
                "storageLevel must be of type pyspark.StorageLevel", "NOT_STORAGE_LEVEL"
            )
        if self.is_cached and self._storage_level != storageLevel:
            raise IllegalArgumentException(
                "Cannot change storage level of an RDD after it was already assigned a level"
            )
        if not self.is_cached:
            self.context.forget_after(self._rdd, rdd_ids=[self.rdd_id])
        self._storage_level = storageLevel
        Lineage.cachings += 1
        self.is_cached = storageLevel.useMemory or storageLevel.useDisk
        return self._rdd

    def unpersist(self, blocking: bool = False) -> RDD[T]:
        """Forget kept partitions, here and in the workers."""
        if self.is_cached:
            self._storage_level = StorageLevel.NONE
            Lineage.cachings += 1
            self.is_cached = False
            self.context.forget_rdd(self.rdd_id)
        return self._rdd

    def cleanShuffleDependencies(self, blocking: bool = False) -> None:
        """Drop the shuffles behind this RDD, but for those behind kept RDDs; runs no job.

        They are computed again if a later job needs them.
        """
        shuffle_ids: set[int] = set()
        seen: set[int] = set()
        steps: list[Lineage[Any]] = [self]
        while steps:
            rdd = steps.pop()
            for dependency in rdd.dependencies:
                if isinstance(dependency, ShuffleDependency):
                    shuffle_ids.add(dependency.shuffle_id)
                parent = dependency.rdd
                if parent.rdd_id not in seen and not parent.is_cached:
                    seen.add(parent.rdd_id)
                    steps.append(parent)
        self.context.forget_shuffles(sorted(shuffle_ids))

    def getStorageLevel(self) -> StorageLevel:
        """Return the storage level."""
        return self._storage_level

    def checkpoint(self) -> None:
        """Write this RDD after the next job on it, and compute it from what was written then on.

        To be called before the first job; `SparkContext.setCheckpointDir` says where.
        """
        self.context.checkpoints.mark(self, is_local=False)

    def localCheckpoint(self) -> None:
        """Like `checkpoint`, to what executors keep: quicker, and lost with an executor."""
        if not self.is_cached:
            self.persist(StorageLevel.MEMORY_AND_DISK)
        self.context.checkpoints.mark(self, is_local=True)

    def isCheckpointed(self) -> bool:
        """Say whether this RDD was written and its lineage cut, in either way."""
        return self.checkpoint_mark is not None and self.checkpoint_mark.is_cut

    def isLocallyCheckpointed(self) -> bool:
        """Say whether this RDD is marked to be kept by executors, or is."""
        return self.checkpoint_mark is not None and self.checkpoint_mark.is_local

    def getCheckpointFile(self) -> str | None:
        """Return the URL where this RDD was written by `checkpoint`; None if it was not."""
        if self.checkpoint_mark is None or not self.checkpoint_mark.is_cut:
            return None
        return self.checkpoint_mark.shown_path

    def toDebugString(self) -> bytes:
        """Describe the lineage, one RDD a line, indented at each shuffle."""
        return "\n".join(_debug_lines(self)).encode()

    def __repr__(self) -> str:
        return f"{self._name or ''} {self._label()}".lstrip()

    def _label(self) -> str:
        return f"{type(self).__name__}[{self.rdd_id}] at {self._call_site}"


def _arrive(kind: type[Lineage[Any]], state: dict[str, Any]) -> Lineage[Any]:
    rdd = kind.__new__(kind)
    rdd.__dict__.update(state)
    return rdd


def _debug_lines(rdd: Lineage[Any]) -> Iterator[str]:
    """Yield lines as Spark prints them: `(n)` opens a stage, `+-` marks a shuffle, `|` goes on."""
    mark, rest = _stage_marks(rdd)
    yield f"{mark} {_described(rdd)}"
    unfinished = [_parents_lines(rdd, rest)]
    while unfinished:  # not by recursion, as lineages are long
        for line, parent, prefix in unfinished[-1]:
            yield line
            unfinished.append(_parents_lines(parent, prefix))
            break
        else:
            unfinished.pop()


def _parents_lines(rdd: Lineage[Any], prefix: str) -> Iterator[tuple[str, Lineage[Any], str]]:
    """Yield a line for each parent, with what the lines of its own parents begin with."""
    for position, dependency in enumerate(rdd.dependencies):
        parent = dependency.rdd
        if not isinstance(dependency, ShuffleDependency):
            yield f"{prefix}{_described(parent)}", parent, prefix
            continue
        mark, rest = _stage_marks(parent)
        margin = prefix.rstrip().removesuffix("|")
        is_last = position == len(rdd.dependencies) - 1
        line = f"{margin}+-{mark} {_described(parent)}"
        yield line, parent, f"{margin}{'  ' if is_last else '| '}{rest}"


def _stage_marks(rdd: Lineage[Any]) -> tuple[str, str]:
    """Return what opens a stage's first line, and what its other lines begin with."""
    mark = f"({rdd.num_partitions})"
    left = (len(mark) - 1) // 2
    return mark, f"{' ' * left}|{' ' * (len(mark) - left)}"


def _described(rdd: Lineage[Any]) -> str:
    level = str(rdd.storage_level) if rdd.is_cached else ""
    return f"{rdd!r} [{level}]"
