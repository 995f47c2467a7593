"""Where tasks that read a shuffle run: near its map outputs, where that makes a difference."""

from __future__ import annotations

import random
from array import array

import pytest

from minimesos.spark.env import Location
from minimesos.spark.scheduler import map_output
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.map_output import MapOutputTracker


def tracker_with(*outputs):
    """Each is (host, sizes of the reduce partitions); one map task per output."""
    tracker = MapOutputTracker()
    for index, (host, sizes) in enumerate(outputs):
        offsets = array("Q", [0])
        for size in sizes:
            offsets.append(offsets[-1] + size)
        location = Location(f"executor-{index}", host, "", "")
        tracker.register(7, len(outputs), index, location, index, offsets)
    return tracker


def test_near_are_hosts_with_a_fifth_of_the_input_of_all_their_executors_together():
    tracker = tracker_with(("a", [10, 80, 0]), ("b", [70, 19, 0]), ("a", [20, 1, 0]))
    assert [sorted(hosts) for hosts in tracker.near(7)] == [["a", "b"], ["a"], []]


def test_outputs_that_come_and_go_change_what_is_near():
    tracker = tracker_with(("a", [10]), ("b", [1]))
    assert list(tracker.near(7)) == [["a"]]
    tracker.executors_lost({"executor-0"})
    assert list(tracker.near(7)) == []
    tracker.register(7, 2, 0, Location("executor-9", "c", "", ""), 9, array("Q", [0, 10]))
    assert list(tracker.near(7)) == [["c"]]


@pytest.mark.parametrize(("maps", "reduces"), [(3, 1), (1, 3)])
def test_nobody_looks_where_there_is_much_of_it(monkeypatch, maps, reduces):
    monkeypatch.setattr(map_output, "NEAR_BELOW", 3)
    assert not tracker_with(*[("a", [1] * reduces)] * maps).near(7)
    assert tracker_with(*[("a", [1] * 2)] * 2).near(7)


def groups(cluster, sizes):
    """Six partitions read a shuffle to which each map task has written 20 records of a size."""
    texts = cluster.parallelize(range(len(sizes)), len(sizes)).flatMap(
        lambda part: [
            (number, random.Random(number).randbytes(sizes[part])) for number in range(20)
        ]
    )
    return texts.partitionBy(6)


def place(task, items):
    assert list(items)
    return task.env.executor_id


def test_reduce_tasks_run_where_most_of_their_input_is(new_cluster):
    cluster = new_cluster(executors=3)
    cluster.duration = lambda stage, partition: 0.2
    places = cluster.run_job(groups(cluster, [1, 500]), place)
    assert len(set(places)) == 1
    assert cluster.launches(0) == {0: 1, 1: 1}
    assert cluster.now < 3, "no wait ran out"


def test_tasks_near_whose_input_is_no_core_go_elsewhere_after_a_while(new_cluster):
    cluster = new_cluster(executors=3)
    rdd = groups(cluster, [1, 500])
    (near,) = set(cluster.run_job(rdd, place))
    started_at_s = cluster.now
    cluster.duration = lambda stage, partition: 100.0 if stage == 2 else 0.5
    cluster.submit(rdd.mapPartitions(lambda items: items), place, [0])
    cluster.advance(0.1)
    places = cluster.run_job(rdd, place)
    assert near not in places
    assert 3 < cluster.now - started_at_s < 10


@pytest.mark.parametrize(
    ("sizes", "limits"),
    [([500, 500, 500], None), ([1, 500], Limits(prefers_map_outputs=False))],
    ids=["all hosts have a good part", "by the setting"],
)
def test_reduce_tasks_that_prefer_no_host_run_on_all(new_cluster, sizes, limits):
    cluster = new_cluster(executors=3, limits=limits)
    cluster.duration = lambda stage, partition: 0.5
    assert set(cluster.run_job(groups(cluster, sizes), place)) == {"0", "1", "2"}


def test_executors_of_one_host_are_all_as_near(new_cluster, monkeypatch):
    cluster = new_cluster(executors=0)
    for _ in range(3):
        cluster.add_executor(host="the only one")
    cluster.duration = lambda stage, partition: 0.5
    monkeypatch.setattr(MapOutputTracker, "near", None)  # nobody even looks
    assert set(cluster.run_job(groups(cluster, [1, 500]), place)) == {"0", "1", "2"}
