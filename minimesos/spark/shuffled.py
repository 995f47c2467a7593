"""RDDs that read shuffles: one parent's pairs repartitioned or aggregated, or several cogrouped.

The shuffle's files are the business of `shuffle`; here is only what a partition reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from minimesos.spark.dependency import (
    Aggregator,
    Dependency,
    OneToOneDependency,
    ShuffleDependency,
)
from minimesos.spark.narrow import ElementwiseRDD
from minimesos.spark.rdd import RDD

if TYPE_CHECKING:
    from minimesos.spark.partitioner import Partitioner
    from minimesos.spark.taskcontext import TaskContext

K = TypeVar("K")
C = TypeVar("C")

Groups = tuple[list[Any], ...]


class ShuffledRDD(RDD[tuple[K, C]]):
    """The parent's pairs at the partitions of their keys; combined if there is an aggregator."""

    def __init__(
        self, parent: RDD[Any], partitioner: Partitioner, aggregator: Aggregator | None = None
    ) -> None:
        shuffle = ShuffleDependency(
            parent,
            partitioner,
            parent.context.next_shuffle_id(),
            aggregator,
            map_side_combine=aggregator is not None,
        )
        super().__init__(parent.context, [shuffle], partitioner.numPartitions, partitioner)
        self.context.forget_after(self, shuffle_ids=[shuffle.shuffle_id])

    def compute(self, index: int, task: TaskContext) -> Iterator[tuple[K, C]]:
        from minimesos.spark.shuffle import reader

        dependency = self.dependencies[0]
        assert isinstance(dependency, ShuffleDependency)
        return reader.read(dependency, index, task)


class CoGroupedRDD(RDD[tuple[K, Groups]]):
    """For each key the lists of its values in each parent.

    Parents that are partitioned like the result are read in place; all others together go through
    one shuffle.
    """

    def __init__(self, parents: list[RDD[Any]], partitioner: Partitioner) -> None:
        context = parents[0].context
        tagged: list[RDD[Any]] = [
            ElementwiseRDD(parent, partial(_tag, i)) for i, parent in enumerate(parents)
        ]
        moved = [
            pairs
            for pairs, parent in zip(tagged, parents, strict=True)
            if parent.partitioner != partitioner
        ]
        dependencies: list[Dependency] = [
            OneToOneDependency(pairs) for pairs in tagged if pairs not in moved
        ]
        if moved:
            shuffle_id = context.next_shuffle_id()
            union = context.union(moved)
            dependencies.append(ShuffleDependency(union, partitioner, shuffle_id))
            context.forget_after(self, shuffle_ids=[shuffle_id])
        super().__init__(context, dependencies, partitioner.numPartitions, partitioner)
        self._sides = len(parents)

    def compute(self, index: int, task: TaskContext) -> Iterator[tuple[K, Groups]]:
        from minimesos.spark.shuffle import reader
        from minimesos.spark.shuffle.memory import MemoryLimit
        from minimesos.spark.shuffle.merge import Merger

        aggregator = Aggregator(partial(_first_of_key, self._sides), _add_to_group, _join_groups)
        merger = Merger(aggregator, task.env.local_dir, MemoryLimit.of(task.env.conf))
        for dependency in self.dependencies:
            if isinstance(dependency, ShuffleDependency):
                pairs = reader.read(dependency, index, task)
            else:
                pairs = dependency.rdd.iterator(index, task)
            merger.merge_values(pairs)
        return merger.items()


def _tag(side: int, pairs: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, tuple[int, Any]]]:
    return ((key, (side, value)) for key, value in pairs)


def _first_of_key(sides: int, tagged: tuple[int, Any]) -> Groups:
    return _add_to_group(tuple([] for _ in range(sides)), tagged)


def _add_to_group(groups: Groups, tagged: tuple[int, Any]) -> Groups:
    side, value = tagged
    groups[side].append(value)
    return groups


def _join_groups(groups: Groups, others: Groups) -> Groups:
    for group, other in zip(groups, others, strict=True):
        group += other
    return groups
