"""Segments that a reduce task gets from other hosts: which are asked for together, and when.

Segments of one peer go into one request, up to a size, so that a reducer of many maps makes few
round trips, and several peers are busy at once. Requests are begun in the order in which their
first segments are needed. What has been asked for and is not there yet stays below
`spark.reducer.maxSizeInFlight`; what is there waits on the local disk.

Called by `reader`, in a worker process, inside a task.

Source: Spark's "Configuration" page; a fifth of the limit in each request is Spark's rule too.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import accumulate

from minimesos.errors import MinimesosError
from minimesos.spark.env import Fetch, FetchFailed, Location, Range, WorkerEnv
from minimesos.spark.shuffle.blocks import Columns
from minimesos.spark.shuffle.files import read_segment
from minimesos.spark.shuffle.locations import Segment

REQUESTS_IN_FLIGHT = 5
"""Requests are cut so that about so many are under way at once."""
SEGMENTS_MAX = 4096
"""In one request, which is a message of limited size."""


class RemoteFailure(MinimesosError):
    """A segment could not be had."""

    def __init__(self, segment: Segment, reason: str) -> None:
        super().__init__(reason)
        self.segment = segment
        self.reason = reason


class Request:
    """Segments of one peer that are fetched together, into one file."""

    __slots__ = ("descriptor", "fetch", "location", "segments", "size_bytes", "unread")

    def __init__(self, location: Location) -> None:
        self.location = location
        self.segments: list[Segment] = []
        self.size_bytes = 0
        self.unread = 0
        self.fetch: Fetch | None = None
        """Once it has begun."""
        self.descriptor: int | None = None
        """Of its file, once that is there and needed."""

    def add(self, segment: Segment) -> None:
        """Ask for one more segment."""
        self.segments.append(segment)
        self.size_bytes += segment.length
        self.unread += 1


def plan(segments: Sequence[Segment], request_bytes: int) -> list[Request]:
    """Return requests for segments, which are in the order of map tasks, by their first ones.

    A request is full once it has `request_bytes`.
    """
    requests: list[Request] = []
    not_full: dict[Location, Request] = {}
    for segment in segments:
        request = not_full.get(segment.location)
        if request is None:
            request = not_full[segment.location] = Request(segment.location)
            requests.append(request)
        request.add(segment)
        if request.size_bytes >= request_bytes or len(request.segments) == SEGMENTS_MAX:
            del not_full[segment.location]
    return requests


class RemoteSegments:
    """The remote part of one reduce task's input; begins to fetch at once. `close` it."""

    def __init__(self, segments: Sequence[Segment], env: WorkerEnv, in_flight_bytes: int) -> None:
        requests = plan(segments, in_flight_bytes // REQUESTS_IN_FLIGHT)
        self._env = env
        self._in_flight_bytes = in_flight_bytes
        self._waiting = deque(requests)
        self._begun: set[Request] = set()  # until all of them is read
        self._places: dict[int, tuple[Request, int]] = {}
        """By map index: the request, and where in its file the segment is."""
        for request in requests:
            starts = accumulate((each.length for each in request.segments), initial=0)
            for segment, start in zip(request.segments, starts, strict=False):
                self._places[segment.map_index] = request, start
        self._begin_some()

    def __contains__(self, map_index: object) -> bool:
        return map_index in self._places

    def read(self, segment: Segment) -> Iterator[Columns]:
        """Yield the blocks of a segment, waiting for it; to be called once for each, in order.

        Raises RemoteFailure, MinimesosError for damaged data, and OSError.
        """
        request, start = self._places[segment.map_index]
        yield from read_segment(self._opened(request), start, segment.length)
        request.unread -= 1
        if not request.unread:
            self._drop(request)

    def close(self) -> None:
        """Want no more."""
        self._waiting.clear()
        for request in list(self._begun):
            self._drop(request)

    def _opened(self, request: Request) -> int:
        """Return a descriptor of a request's file, once it is there."""
        if request.descriptor is None:
            self._begin_some()  # this one too: whatever comes before it has been read from
            assert request.fetch is not None
            try:
                path = request.fetch.result()
            except FetchFailed as failure:
                raise RemoteFailure(_segment(request, failure.path), failure.reason) from failure
            request.descriptor = os.open(path, os.O_RDONLY)
            os.unlink(path)
            self._begin_some()
        return request.descriptor

    def _begin_some(self) -> None:
        """Ask for as much as may be under way."""
        under_way = sum(
            request.size_bytes
            for request in self._begun
            if request.fetch is not None and not request.fetch.is_done
        )
        while self._waiting:
            request = self._waiting[0]
            if under_way and under_way + request.size_bytes > self._in_flight_bytes:
                return
            self._waiting.popleft()
            ranges = [Range(each.name, each.offset, each.length) for each in request.segments]
            request.fetch = self._env.begin_fetch(request.location, ranges)
            self._begun.add(request)
            under_way += request.size_bytes

    def _drop(self, request: Request) -> None:
        """Let go of what was or will be fetched."""
        self._begun.discard(request)
        if request.descriptor is not None:
            os.close(request.descriptor)
        elif request.fetch is not None:
            request.fetch.drop()


def _segment(request: Request, path: str) -> Segment:
    return next(segment for segment in request.segments if segment.name == path)
