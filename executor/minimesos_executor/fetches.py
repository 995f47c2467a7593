"""A worker's fetches of other executors' files, which its control process carries out.

Several can be under way while the task computes. A fetch ends in a file of this executor's
directory, which belongs to whoever waits for it; nobody may any more, when a task was cancelled or
has enough, and then the file is deleted when it comes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from minimesos.spark.env import FetchFailed, Location, Range
from minimesos_executor import messages


class Fetches:
    """All fetches of one worker.

    `send` sends a message to the control process. `wait` receives messages until a condition holds.
    Both raise KeyboardInterrupt when the running task has been cancelled.
    """

    def __init__(
        self,
        directory: str,
        send: Callable[..., None],
        wait: Callable[[Callable[[], bool]], None],
    ) -> None:
        self._directory = directory
        self._send = send
        self._wait = wait
        self._begun = 0
        self._under_way: dict[int, _Fetch] = {}

    def fetch(self, location: Location, path: str, offset: int, length: int) -> str:
        """Copy a range of a remote file; see `WorkerEnv.fetch`."""
        return self.begin(location, [Range(path, offset, length)]).result()

    def begin(self, location: Location, ranges: Sequence[Range]) -> _Fetch:
        """Begin to copy ranges of remote files; see `WorkerEnv.begin_fetch`."""
        handle, destination = tempfile.mkstemp(dir=self._directory, prefix=".fetch-")
        os.close(handle)
        self._begun += 1
        fetch = _Fetch(self._begun, location, ranges, destination, self._finish)
        self._under_way[fetch.number] = fetch
        paths, offsets, lengths = map(list, zip(*ranges, strict=True))
        owner = location.blocks_address, location.executor_id
        try:
            self._send(messages.FETCH, fetch.number, *owner, paths, offsets, lengths, destination)
        except KeyboardInterrupt:
            fetch.drop()
            raise
        return fetch

    def ended(self, number: int, reason: str, complete: int) -> None:
        """The control process is done with a fetch; `complete` ranges are there."""
        fetch = self._under_way.pop(number)
        fetch.outcome = reason, complete
        if fetch.is_dropped:
            os.unlink(fetch.destination)

    def _finish(self, fetch: _Fetch) -> None:
        try:
            self._wait(lambda: fetch.is_done)
        except KeyboardInterrupt:
            fetch.drop()
            raise


class _Fetch:
    """One fetch; see `env.Fetch`."""

    def __init__(
        self,
        number: int,
        location: Location,
        ranges: Sequence[Range],
        destination: str,
        finish: Callable[[_Fetch], Any],
    ) -> None:
        self.number = number
        self.destination = destination
        self.outcome: tuple[str, int] | None = None
        self.is_dropped = False
        self._location = location
        self._ranges = ranges
        self._finish = finish

    @property
    def is_done(self) -> bool:
        return self.outcome is not None

    def result(self) -> str:
        if self.outcome is None:
            self._finish(self)
            assert self.outcome is not None
        reason, complete = self.outcome
        if reason:
            self.drop()
            failed = self._ranges[min(complete, len(self._ranges) - 1)]
            raise FetchFailed(self._location, failed.path, reason)
        return self.destination

    def drop(self) -> None:
        if not self.is_dropped:
            self.is_dropped = True
            if self.is_done:
                os.unlink(self.destination)
