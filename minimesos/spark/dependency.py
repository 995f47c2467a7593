"""How a partition of an RDD depends on partitions of its parents: narrowly, or through a shuffle.

Narrow ones are computed within one task; the DAG scheduler cuts stages at `ShuffleDependency`.
Nothing here computes or schedules.

Source: Zaharia et al., "Resilient Distributed Datasets" (NSDI 2012), section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minimesos.spark import callsite

if TYPE_CHECKING:
    from minimesos.spark.lineage import Lineage
    from minimesos.spark.partitioner import Partitioner


def identity(value: Any) -> Any:
    """Return `value`; as `Aggregator.create_combiner` it means that a value is its combiner."""
    return value


@dataclass(frozen=True, slots=True)
class Aggregator:
    """How the values of one key become one combiner."""

    create_combiner: Callable[[Any], Any]
    merge_value: Callable[[Any, Any], Any]
    """(combiner, value) -> combiner; may change the combiner in place."""
    merge_combiners: Callable[[Any, Any], Any]


class Dependency:
    """A dependency of one RDD on `rdd`."""

    __slots__ = ("rdd",)

    def __init__(self, rdd: Lineage[Any]) -> None:
        self.rdd = rdd


class NarrowDependency(Dependency):
    """Each partition needs few partitions of `rdd`, and is computed in one task with them."""

    __slots__ = ()

    def parents(self, index: int) -> list[int]:
        """Return the partitions of `rdd` that partition `index` of the child reads."""
        raise NotImplementedError


class OneToOneDependency(NarrowDependency):
    """Partition i needs partition i."""

    __slots__ = ()

    def parents(self, index: int) -> list[int]:
        return [index]


class RangeDependency(NarrowDependency):
    """`length` partitions from `in_start` on are the child's from `out_start` on (union)."""

    __slots__ = ("in_start", "length", "out_start")

    def __init__(self, rdd: Lineage[Any], in_start: int, out_start: int, length: int) -> None:
        super().__init__(rdd)
        self.in_start = in_start
        self.out_start = out_start
        self.length = length

    def parents(self, index: int) -> list[int]:
        offset = index - self.out_start
        return [self.in_start + offset] if 0 <= offset < self.length else []


class ManyToOneDependency(NarrowDependency):
    """Partition i needs the partitions `groups[i]` (coalesce)."""

    __slots__ = ("groups",)

    def __init__(self, rdd: Lineage[Any], groups: list[list[int]]) -> None:
        super().__init__(rdd)
        self.groups = groups

    def parents(self, index: int) -> list[int]:
        return self.groups[index]


class ShuffleDependency(Dependency):
    """Each partition needs records of every partition of `rdd`, which holds (key, value) pairs.

    The map side sends a pair to reduce partition `partitioner(key)`. With an aggregator the reader
    yields (key, combiner), each key once; `map_side_combine` says that map tasks send combiners
    already. Without one it yields all pairs as they come.

    Pickled without `rdd`: a reading task must not carry the lineage behind the shuffle, and a map
    task's closure holds its RDD beside the dependency. `call_site` is what users called to shuffle;
    `rdd` may have been made far from there.
    """

    __slots__ = (
        "aggregator",
        "call_site",
        "map_side_combine",
        "num_maps",
        "partitioner",
        "shuffle_id",
    )

    def __init__(
        self,
        rdd: Lineage[Any],
        partitioner: Partitioner,
        shuffle_id: int,
        aggregator: Aggregator | None = None,
        map_side_combine: bool = False,
    ) -> None:
        super().__init__(rdd)
        self.partitioner = partitioner
        self.shuffle_id = shuffle_id
        self.aggregator = aggregator
        self.map_side_combine = map_side_combine and aggregator is not None
        self.num_maps = rdd.num_partitions
        self.call_site = callsite.short_form()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "aggregator": self.aggregator,
            "map_side_combine": self.map_side_combine,
            "num_maps": self.num_maps,
            "partitioner": self.partitioner,
            "shuffle_id": self.shuffle_id,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
