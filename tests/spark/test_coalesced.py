"""Which partitions become one: neighbours, or those near the same host, in balance."""

from __future__ import annotations

import math
from typing import Any

import pytest

from minimesos.spark import SparkContext
from minimesos.spark.coalesced import near_each_other, neighbours
from minimesos.spark.sources import RangeRDD


def test_neighbours_are_joined() -> None:
    assert neighbours(5, 3) == [[0], [1, 2], [3, 4]]
    assert neighbours(3, 3) == [[0], [1], [2]]


def test_partitions_near_one_host_are_put_together() -> None:
    groups = near_each_other([["a"], ["b"], ["a"], ["b"]] * 5, 2)
    assert sorted(map(sorted, groups)) == [list(range(0, 20, 2)), list(range(1, 20, 2))]


def test_a_popular_host_gets_more_groups() -> None:
    hosts = [["a"]] * 30 + [["b"]] * 10
    groups = near_each_other(hosts, 4)
    assert [len(group) for group in groups] == [10, 10, 10, 10]
    assert list(range(30, 40)) in groups


@pytest.mark.parametrize("wanted", [1, 3, 7, 40])
@pytest.mark.parametrize("near", [["a"], ["a", "b"], []])
def test_no_group_is_far_above_the_mean(wanted: int, near: list[str]) -> None:
    hosts = [near if index % 5 else ["c"] for index in range(100)]
    groups = near_each_other(hosts, wanted)
    assert max(map(len, groups)) <= math.ceil(1.1 * 100 / wanted)
    assert sorted(index for group in groups for index in group) == list(range(100))


class _OnHosts(RangeRDD):
    def preferred_locations(self, index: int) -> list[str]:
        return ["odd" if index % 2 else "even"]


def test_coalesce_asks_where_partitions_are_also_behind_other_steps(sc: SparkContext) -> None:
    rdd: Any = _OnHosts(sc, range(12), 12).map(lambda x: x).filter(lambda x: True)
    parts = rdd.coalesce(2).glom().collect()
    assert sorted(parts) == [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]
