"""What a reduce task asks other hosts for, together and at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minimesos.spark.env import FetchFailed, Location, WorkerEnv
from minimesos.spark.shuffle import remote
from minimesos.spark.shuffle.blocks import encode
from minimesos.spark.shuffle.locations import Segment
from minimesos.spark.shuffle.remote import RemoteFailure, RemoteSegments, plan

A, B = (Location(name, f"host-{name}", f"host-{name}:1", f"/{name}") for name in "ab")
BLOCK = encode(([1, 2], [3, 4]))


def segment(map_index, location=A, length=10):
    return Segment(map_index, location, f"map-{map_index}", 1000 * map_index, length)


def indexes(requests):
    return [[each.map_index for each in request.segments] for request in requests]


def test_segments_of_one_peer_go_together():
    requests = plan([segment(0), segment(1, B), segment(2), segment(3, B)], 100)
    assert indexes(requests) == [[0, 2], [1, 3]]
    assert [request.location for request in requests] == [A, B]


def test_a_request_that_is_large_enough_is_followed_by_another():
    requests = plan([segment(index) for index in range(5)], 20)
    assert indexes(requests) == [[0, 1], [2, 3], [4]]
    assert [request.size_bytes for request in requests] == [20, 20, 10]
    assert indexes(plan([segment(0, A, 100), segment(1)], 20)) == [[0], [1]]


def test_a_request_has_no_more_segments_than_its_message_can_hold(monkeypatch):
    monkeypatch.setattr(remote, "SEGMENTS_MAX", 2)
    assert indexes(plan([segment(index) for index in range(5)], 1000)) == [[0, 1], [2, 3], [4]]


class Peers:
    """Begins fetches and lets the test say how they end."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.begun = []

    def begin_fetch(self, location, ranges):
        fetch = ScriptedFetch(self.directory / str(len(self.begun)), location, ranges)
        self.begun.append(fetch)
        return fetch

    def segments(self, count, in_flight):
        """Return the remote part of an input whose segments are each a request of their own."""
        self.wanted = [segment(index, A, len(BLOCK)) for index in range(count)]
        env = WorkerEnv("0", "here", str(self.directory), {}, None, None, self.begin_fetch)
        return RemoteSegments(self.wanted, env, in_flight)


class ScriptedFetch:
    """A fetch that is done when it is waited for, or when the test says so."""

    def __init__(self, path, location, ranges):
        self.path, self.location, self.ranges = path, location, ranges
        self.is_done = self.is_dropped = False
        self.fails_at = None

    def result(self):
        self.is_done = True
        if self.fails_at is not None:
            raise FetchFailed(self.location, self.fails_at, "gone")
        self.path.write_bytes(BLOCK * len(self.ranges))
        return str(self.path)

    def drop(self):
        self.is_dropped = True


@pytest.fixture
def peers(tmp_path):
    return Peers(tmp_path)


def read(segments, wanted):
    return [record for each in segments.read(wanted) for record in zip(*each, strict=True)]


def test_what_may_be_under_way_is_begun_at_once_and_the_rest_as_room_comes(peers):
    segments = peers.segments(8, in_flight=3 * len(BLOCK))
    assert len(peers.begun) == 3
    assert read(segments, peers.wanted[0]) == [(1, 3), (2, 4)]
    assert len(peers.begun) == 4
    peers.begun[1].is_done = peers.begun[2].is_done = True
    read(segments, peers.wanted[1])
    assert len(peers.begun) == 6
    for each in peers.wanted[2:]:
        read(segments, each)
    assert len(peers.begun) == 8
    segments.close()
    assert os.listdir(peers.directory) == []


def test_a_request_above_the_limit_goes_alone(peers):
    segments = peers.segments(3, in_flight=1)
    for number, each in enumerate(peers.wanted, 1):
        assert len(peers.begun) == number
        read(segments, each)
    segments.close()


def test_segments_are_found_in_the_file_of_their_request(peers):
    segments = peers.segments(10, in_flight=1000 * len(BLOCK))
    (fetch,) = peers.begun
    assert [tuple(each) for each in fetch.ranges] == [
        (each.name, each.offset, each.length) for each in peers.wanted
    ]
    assert 9 in segments
    assert 10 not in segments
    for each in peers.wanted:
        assert read(segments, each) == [(1, 3), (2, 4)]
    segments.close()
    assert os.listdir(peers.directory) == []


def test_the_segment_that_failed_is_named_and_not_the_first_of_its_request(peers):
    segments = peers.segments(3, in_flight=1000 * len(BLOCK))
    peers.begun[0].fails_at = "map-1"
    with pytest.raises(RemoteFailure) as caught:
        read(segments, peers.wanted[0])
    assert caught.value.segment == peers.wanted[1]
    assert str(caught.value) == "gone"
    segments.close()


def test_what_is_not_read_any_more_is_dropped(peers):
    segments = peers.segments(8, in_flight=3 * len(BLOCK))
    read(segments, peers.wanted[0])
    next(segments.read(peers.wanted[1]))
    segments.close()
    assert [fetch.is_dropped for fetch in peers.begun] == [False, False, True, True, True]
    assert os.listdir(peers.directory) == []
