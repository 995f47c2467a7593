from __future__ import annotations

from array import array

from minimesos.spark.env import Location
from minimesos.spark.scheduler.map_output import MapOutputTracker
from minimesos.spark.shuffle.locations import segments

A = Location("a", "host-a", "", "/a")
B = Location("b", "host-b", "", "/b")


def tracker_with(*owners):
    tracker = MapOutputTracker()
    for index, owner in enumerate(owners):
        tracker.register(1, len(owners), index, owner, 100 + index, array("Q", (0, 10, 10, 35)))
    return tracker


def test_a_shuffle_is_complete_with_its_last_output():
    tracker = MapOutputTracker()
    assert tracker.missing(1, 2) == [0, 1]
    tracker.register(1, 2, 0, A, 100, array("Q", (0, 1)))
    assert not tracker.is_complete(1)
    assert tracker.segments(1, 0) is None
    tracker.register(1, 2, 1, B, 101, array("Q", (0, 1)))
    assert tracker.is_complete(1)


def test_a_reduce_task_is_told_the_ranges_that_are_not_empty():
    tracker = tracker_with(A, B)
    found = list(segments(1, tracker.segments(1, 2)))
    assert [(s.map_index, s.location, s.name, s.offset, s.length) for s in found] == [
        (0, A, "shuffle_1_0_100.data", 10, 25),
        (1, B, "shuffle_1_1_101.data", 10, 25),
    ]
    assert list(segments(1, tracker.segments(1, 1))) == []


def test_a_lost_executor_takes_its_outputs_along():
    tracker = tracker_with(A, B, A)
    assert tracker.executors_lost({"a"}) == {1}
    assert tracker.missing(1, 3) == [0, 2]
    assert tracker.executors_lost({"a"}) == set()


def test_a_lost_host_takes_along_the_outputs_of_all_its_executors():
    neighbour = Location("n", A.host, "", "/n")
    tracker = tracker_with(A, B, neighbour)
    assert tracker.on_host_of("a") == {"a", "n"}
    assert tracker.on_host_of("unknown") == {"unknown"}
    assert tracker.executors_lost(tracker.on_host_of("a")) == {1}
    assert tracker.missing(1, 3) == [0, 2]


def test_holders_are_the_executors_with_outputs_of_some_shuffles():
    tracker = tracker_with(A, B)
    tracker.register(2, 1, 0, B, 200, array("Q", (0, 1)))
    assert tracker.holders() == {"a", "b"}
    assert tracker.holders({2, 3}) == {"b"}
    tracker.unregister(1, 0, "a", tracker.epoch)
    assert tracker.holders() == {"b"}
    tracker.forget([1])
    assert tracker.holders() == {"b"}
    tracker.executors_lost({"b"})
    assert tracker.holders() == set()


def test_a_late_failure_does_not_drop_what_was_computed_again():
    tracker = tracker_with(A, B)
    reported_in = tracker.epoch
    tracker.unregister(1, 0, "a", reported_in)
    tracker.register(1, 2, 0, A, 200, array("Q", (0, 1, 1, 1)))
    tracker.unregister(1, 0, "a", reported_in)
    assert tracker.executors_lost({"a"}, reported_in) == set()
    assert tracker.is_complete(1)


def test_an_output_that_has_moved_is_not_dropped():
    tracker = tracker_with(A, B)
    tracker.unregister(1, 0, "b", tracker.epoch)
    assert tracker.is_complete(1)
