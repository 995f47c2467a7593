"""RDDs whose partitions are computed from few partitions of their parents, within one task.

Steps over elements are C iterators (`map`, `filter`, `chain`) around the user's function wherever
that is possible: no Python frame of ours runs per record. Made by the operations of `RDD`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate, chain, repeat
from typing import TYPE_CHECKING, Any, TypeVar, cast

from minimesos.spark.dependency import (
    Dependency,
    NarrowDependency,
    OneToOneDependency,
    RangeDependency,
)
from minimesos.spark.errors import STOP_ITERATION
from minimesos.spark.lineage import Lineage
from minimesos.spark.rdd import RDD

if TYPE_CHECKING:
    from minimesos.spark.context import SparkContext
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")
U = TypeVar("U")

Step = Callable[[Iterator[Any]], Iterator[Any]]
"""An operation over elements; if it is a partial, the user's function is its last argument."""


def flat(f: Callable[[Any], Iterable[Any]], items: Iterator[Any]) -> Iterator[Any]:
    """The step of `flatMap`."""
    return chain.from_iterable(map(f, items))


def over_values(f: Callable[[Any], Any], items: Iterator[Any]) -> Iterator[Any]:
    """The step of `mapValues`."""
    try:
        for key, value in items:
            yield key, f(value)
    except StopIteration as error:
        raise RuntimeError(f"{STOP_ITERATION}: {error}") from error


def flat_over_values(f: Callable[[Any], Iterable[Any]], items: Iterator[Any]) -> Iterator[Any]:
    """The step of `flatMapValues`."""
    return chain.from_iterable(zip(repeat(key), values) for key, values in over_values(f, items))


def with_key(f: Callable[[Any], Any], items: Iterator[Any]) -> Iterator[Any]:
    """The step of `keyBy`."""
    try:
        for item in items:
            yield f(item), item
    except StopIteration as error:
        raise RuntimeError(f"{STOP_ITERATION}: {error}") from error


class _EndOfInput(Iterator[Any]):
    """Tells the end of the input from a StopIteration that a user's function raised.

    Comes last in the input, so it is only asked for an item once the input is at its end. `check`,
    last in the output, is asked when the steps say that they are done.
    """

    __slots__ = ("reached",)

    def __init__(self) -> None:
        self.reached = False

    def __next__(self) -> Any:
        self.reached = True
        raise StopIteration

    def check(self) -> Iterator[Any]:
        if not self.reached:
            raise RuntimeError(STOP_ITERATION)
        yield from ()


class ElementwiseRDD(RDD[U]):
    """Steps over the elements of the parent, one after the other.

    On the driver each operation is an RDD of its own with one step; on the way to a task, runs of
    them become one, so neither a long chain's pickle nor its iterators nest.
    """

    def __init__(self, parent: RDD[T], step: Step, preserves_partitioning: bool = False) -> None:
        super().__init__(
            parent.context,
            [OneToOneDependency(parent)],
            parent._num_partitions,
            parent.partitioner if preserves_partitioning else None,
        )
        self._steps = [step]

    def compute(self, index: int, task: TaskContext) -> Iterator[U]:
        parent, steps = self._run_of_steps()
        end = _EndOfInput()
        items: Iterator[Any] = chain(parent.iterator(index, task), end)
        for step in steps:
            items = step(items)
        return chain(items, end.check())

    def _run_of_steps(self) -> tuple[Lineage[Any], list[Step]]:
        """Return the nearest ancestor with more to it than steps, and the steps from it to here."""
        runs = [self._steps]
        parent = self.dependencies[0].rdd
        while isinstance(parent, ElementwiseRDD) and not parent.is_cached:
            runs.append(parent._steps)
            parent = parent.dependencies[0].rdd
        return parent, [step for run in reversed(runs) for step in run]

    def steps_within(self) -> int:
        return len(self._run_of_steps()[1])

    def _travelling_dependencies(self) -> list[Dependency]:
        return [OneToOneDependency(self._run_of_steps()[0])]

    def _travelling_state(self) -> dict[str, Any]:
        return super()._travelling_state() | {"_steps": self._run_of_steps()[1]}

    def closure_parts(self) -> Iterable[tuple[str, Any]]:
        parent: Lineage[Any] = self
        while isinstance(parent, ElementwiseRDD) and (parent is self or not parent.is_cached):
            for step in parent._steps:
                yield f"what was given to {parent._call_site}", _function_of(step)
            parent = parent.dependencies[0].rdd

    def _count_partitions(self) -> int:
        return _count_like_parent(self)


def _function_of(step: Step) -> Any:
    return step.args[-1] if isinstance(step, partial) else step


PartitionFunction = Callable[[int, Iterator[Any], "TaskContext"], Iterable[Any]]


class PartitionsRDD(RDD[U]):
    """A function of whole partitions of the parent: (index, items, task) -> items."""

    def __init__(
        self, parent: RDD[T], function: PartitionFunction, preserves_partitioning: bool = False
    ) -> None:
        super().__init__(
            parent.context,
            [OneToOneDependency(parent)],
            parent._num_partitions,
            parent.partitioner if preserves_partitioning else None,
        )
        self._function = function

    def compute(self, index: int, task: TaskContext) -> Iterator[U]:
        items = self.dependencies[0].rdd.iterator(index, task)
        return iter(self._function(index, items, task))

    def closure_parts(self) -> Iterable[tuple[str, Any]]:
        yield f"what was given to {self._call_site}", _function_of(self._function)  # type: ignore[arg-type]

    def _count_partitions(self) -> int:
        return _count_like_parent(self)


def _count_like_parent(rdd: Lineage[Any]) -> int:
    """Ask the nearest ancestor that is not one-to-one; without recursion, as chains are long."""
    while rdd._num_partitions is None and isinstance(rdd, ElementwiseRDD | PartitionsRDD):
        rdd = rdd.dependencies[0].rdd
    return rdd.num_partitions


class UnionRDD(RDD[T]):
    """The partitions of all parents, one parent after the other.

    On the driver a union of unions is what the user wrote; on the way to a task, and when parents
    are looked up, it is one union.
    """

    _flat: tuple[int, list[Dependency], list[int]] = (-1, [], [])

    def __init__(self, context: SparkContext, parents: list[RDD[T]]) -> None:
        dependencies, total = _side_by_side(parents)
        super().__init__(context, [*dependencies], total)

    def compute(self, index: int, task: TaskContext) -> Iterator[T]:
        ((parent, position),) = self.narrow_parents(index)
        return parent.iterator(position, task)

    def narrow_parents(self, index: int) -> list[tuple[Lineage[Any], int]]:
        _, dependencies, starts = self._flattened()
        # Parents without partitions start where the next one does; the last of equals has it.
        which = bisect_right(starts, index) - 1
        return [(dependencies[which].rdd, index - starts[which])]

    def _travelling_dependencies(self) -> list[Dependency]:
        return self._flattened()[1]

    def _flattened(self) -> tuple[int, list[Dependency], list[int]]:
        """Return (when found, parents with no union among them, their first partitions).

        Found anew when other RDDs are kept than before: a kept union is not looked through.
        """
        if self._flat[0] != Lineage.cachings:
            parents: list[RDD[Any]] = []
            steps = self.dependencies[::-1]
            while steps:
                parent = cast("RDD[Any]", steps.pop().rdd)
                if isinstance(parent, UnionRDD) and not parent.is_cached:
                    steps += parent.dependencies[::-1]
                else:
                    parents.append(parent)
            dependencies, _ = _side_by_side(parents)
            starts = [dependency.out_start for dependency in dependencies]
            self._flat = Lineage.cachings, list(dependencies), starts
        return self._flat

    def _travelling_state(self) -> dict[str, Any]:
        state = super()._travelling_state()
        state.pop("_flat", None)
        return state


def _side_by_side(parents: list[RDD[Any]]) -> tuple[list[RangeDependency], int]:
    """Return dependencies on all partitions of all parents, and how many those are."""
    counts = [parent.num_partitions for parent in parents]
    starts = list(accumulate(counts, initial=0))
    total = starts.pop()
    dependencies = [
        RangeDependency(parent, 0, start, count)
        for parent, start, count in zip(parents, starts, counts, strict=True)
    ]
    return dependencies, total


class AlignedUnionRDD(RDD[T]):
    """Partition i of all parents together, which are partitioned by equal partitioners."""

    def __init__(self, context: SparkContext, parents: list[RDD[T]]) -> None:
        super().__init__(
            context,
            [OneToOneDependency(parent) for parent in parents],
            parents[0].num_partitions,
            parents[0].partitioner,
        )

    def compute(self, index: int, task: TaskContext) -> Iterator[T]:
        parents = [dependency.rdd for dependency in self.dependencies]
        return chain.from_iterable(parent.iterator(index, task) for parent in parents)


class ZippedRDD(RDD[tuple[Any, Any]]):
    """Pairs of the items at the same place of two RDDs; unequal lengths fail the task."""

    def __init__(self, left: RDD[Any], right: RDD[Any]) -> None:
        super().__init__(
            left.context,
            [OneToOneDependency(left), OneToOneDependency(right)],
            left.num_partitions,
        )

    def compute(self, index: int, task: TaskContext) -> Iterator[tuple[Any, Any]]:
        left, right = (dependency.rdd.iterator(index, task) for dependency in self.dependencies)
        end = _EndOfInput()
        return chain(zip(chain(left, end), right, strict=False), _both_ended(end, right))


def _both_ended(left_end: _EndOfInput, right: Iterator[Any]) -> Iterator[Any]:
    """Asked when a zip is over: its left side is at its end, and the right one must be, too."""
    if not left_end.reached or next(right, right_end := object()) is not right_end:
        raise ValueError("Can only zip RDDs with same number of elements in each partition")
    yield from ()


class _QuotientDependency(NarrowDependency):
    """The left side of a product: partition i needs i // count."""

    __slots__ = ("count",)

    def __init__(self, rdd: Lineage[Any], count: int) -> None:
        super().__init__(rdd)
        self.count = count

    def parents(self, index: int) -> list[int]:
        return [index // self.count]


class _RemainderDependency(_QuotientDependency):
    """The right side of a product: partition i needs i % count."""

    __slots__ = ()

    def parents(self, index: int) -> list[int]:
        return [index % self.count]


class CartesianRDD(RDD[tuple[Any, Any]]):
    """All pairs of an item of one RDD and an item of another.

    The right partition is held, in a spill file if it is large.
    """

    def __init__(self, left: RDD[Any], right: RDD[Any]) -> None:
        count = right.num_partitions
        super().__init__(
            left.context,
            [_QuotientDependency(left, count), _RemainderDependency(right, count)],
            left.num_partitions * count,
        )

    def compute(self, index: int, task: TaskContext) -> Iterator[tuple[Any, Any]]:
        from minimesos.spark.shuffle.groups import hold, pairs_of_few

        left, right = self.dependencies
        assert isinstance(left, _QuotientDependency)
        assert isinstance(right, _QuotientDependency)
        held = hold(right.rdd.iterator(right.parents(index)[0], task), task)
        items = left.rdd.iterator(left.parents(index)[0], task)
        if type(held) is list:
            return chain.from_iterable(zip(repeat(item), held) for item in items)
        return pairs_of_few(items, held)
