"""Fewer partitions without moving records: which of the parent's partitions become one.

Where the parent's partitions are near certain hosts (files are), those near one host are put
together as far as that leaves the groups balanced; else neighbours are joined.

Source: Spark's DefaultPartitionCoalescer, for the slack; groups are chosen without chance here.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from minimesos.spark.dependency import ManyToOneDependency, NarrowDependency
from minimesos.spark.lineage import Lineage
from minimesos.spark.rdd import RDD

if TYPE_CHECKING:
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")

_SLACK = 0.10
"""By what part a group may be above the mean for the sake of nearness."""


class CoalescedRDD(RDD[T]):
    """Fewer partitions, each one some of the parent's."""

    def __init__(self, parent: RDD[T], num_partitions: int) -> None:
        count = parent.num_partitions
        wanted = min(num_partitions, count)
        groups = neighbours(count, wanted)
        if any(map(_names_hosts, parent.narrow_lineage())):
            hosts = [_hosts_of(parent, index) for index in range(count)]
            groups = near_each_other(hosts, wanted) if any(hosts) else groups
        super().__init__(parent.context, [ManyToOneDependency(parent, groups)], len(groups))

    def compute(self, index: int, task: TaskContext) -> Iterator[T]:
        dependency = self.dependencies[0]
        assert isinstance(dependency, NarrowDependency)
        parent = dependency.rdd
        return chain.from_iterable(parent.iterator(i, task) for i in dependency.parents(index))


def neighbours(count: int, wanted: int) -> list[list[int]]:
    """Cut `count` partitions into groups of neighbours that differ by one at most."""
    return [list(range(i * count // wanted, (i + 1) * count // wanted)) for i in range(wanted)]


def near_each_other(hosts: Sequence[Sequence[str]], wanted: int) -> list[list[int]]:
    """Group partitions by the hosts that each is near to; a partition may be near none.

    A group grows to a tenth above the mean for the sake of nearness; the rest goes where least is.
    """
    groups: list[list[int]] = [[] for _ in range(wanted)]
    near: dict[str, list[int]] = {}
    for group, host in zip(range(wanted), _in_turn(hosts), strict=False):
        near.setdefault(host, []).append(group)
    most = math.ceil(len(hosts) / wanted * (1 + _SLACK))
    rest = []
    for partition, names in enumerate(hosts):
        at_hand = [groups[group] for name in names for group in near.get(name, ())]
        nearest = min(at_hand, key=len, default=None)
        if nearest is None or len(nearest) >= most:
            rest.append(partition)
        else:
            nearest.append(partition)
    by_size = [(len(group), index) for index, group in enumerate(groups)]
    heapq.heapify(by_size)
    for partition in rest:
        size, index = by_size[0]
        groups[index].append(partition)
        heapq.heapreplace(by_size, (size + 1, index))
    return [sorted(group) for group in groups if group]


def _in_turn(hosts: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield hosts for ever, those with more partitions more often."""
    shares = Counter(chain.from_iterable(hosts))
    waiting = [(-float(count), host) for host, count in shares.items()]
    heapq.heapify(waiting)
    given: Counter[str] = Counter()
    while True:
        host = waiting[0][1]
        yield host
        given[host] += 1
        heapq.heapreplace(waiting, (-shares[host] / (given[host] + 1), host))


def _hosts_of(rdd: Lineage[Any], index: int) -> list[str]:
    steps = [(rdd, index)]
    while steps:
        step, position = steps.pop()
        hosts = step.preferred_locations(position)
        if hosts:
            return hosts
        steps += step.narrow_parents(position)
    return []


def _names_hosts(rdd: Lineage[Any]) -> bool:
    return type(rdd).preferred_locations is not Lineage.preferred_locations
