"""RDDs that read shuffles: one parent's pairs moved or combined, its items dealt, several grouped.

The shuffle's files are the business of `shuffle`; here is only what a partition reads.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, TypeVar

from minimesos.spark.dependency import (
    Aggregator,
    Dependency,
    OneToOneDependency,
    ShuffleDependency,
)
from minimesos.spark.narrow import UnionRDD
from minimesos.spark.partitioner import Dealer
from minimesos.spark.rdd import RDD

if TYPE_CHECKING:
    from minimesos.spark.partitioner import Partitioner
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")
K = TypeVar("K")
C = TypeVar("C")

Values = Collection[Any]


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


class DealtRDD(RDD[T]):
    """The parent's items, dealt out evenly to `num_partitions` partitions."""

    def __init__(self, parent: RDD[T], num_partitions: int) -> None:
        context = parent.context
        shuffle = ShuffleDependency(parent, Dealer(num_partitions), context.next_shuffle_id())
        super().__init__(context, [shuffle], num_partitions)
        context.forget_after(self, shuffle_ids=[shuffle.shuffle_id])

    def compute(self, index: int, task: TaskContext) -> Iterator[T]:
        from minimesos.spark.shuffle import reader

        dependency = self.dependencies[0]
        assert isinstance(dependency, ShuffleDependency)
        blocks = reader.read_blocks(dependency, index, task)
        return chain.from_iterable(items for _, (items,) in blocks)


class CoGroupedRDD(RDD[tuple[K, tuple[Values, ...]]]):
    """For each key its values in each parent.

    Parents that are partitioned like the result are read in place; all others together go through
    one shuffle, of whose map tasks each works for one parent.
    """

    def __init__(self, parents: list[RDD[Any]], partitioner: Partitioner) -> None:
        context = parents[0].context
        self._sides = len(parents)
        self._sides_in_place = [
            side for side, parent in enumerate(parents) if parent.partitioner == partitioner
        ]
        self._moved_sides = [
            side for side in range(self._sides) if side not in self._sides_in_place
        ]
        moved = [parents[side] for side in self._moved_sides]
        self._map_ends = list(accumulate(parent.num_partitions for parent in moved))
        dependencies: list[Dependency] = [
            OneToOneDependency(parents[side]) for side in self._sides_in_place
        ]
        if moved:
            shuffle_id = context.next_shuffle_id()
            together = moved[0] if len(moved) == 1 else UnionRDD(context, moved)
            dependencies.append(ShuffleDependency(together, partitioner, shuffle_id))
            context.forget_after(self, shuffle_ids=[shuffle_id])
        super().__init__(context, dependencies, partitioner.numPartitions, partitioner)

    def compute(self, index: int, task: TaskContext) -> Iterator[tuple[K, tuple[Values, ...]]]:
        from minimesos.spark.shuffle import reader
        from minimesos.spark.shuffle.groups import Groups
        from minimesos.spark.shuffle.memory import MemoryLimit

        groups = Groups(self._sides, task.env.local_dir, MemoryLimit.of(task))
        for side, dependency in zip(self._sides_in_place, self.dependencies, strict=False):
            groups.add_pairs(side, dependency.rdd.iterator(index, task))
        if self._moved_sides:
            dependency = self.dependencies[-1]
            assert isinstance(dependency, ShuffleDependency)
            for map_index, (keys, values) in reader.read_blocks(dependency, index, task):
                side = self._moved_sides[bisect_right(self._map_ends, map_index)]
                groups.add_values(side, keys, values)
        return groups.items()
