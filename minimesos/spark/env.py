"""What a worker process knows about itself and its executor, handed to tasks with their context.

Made by the worker once, before its first task; read by RDDs, broadcasts, shuffle readers and
writers through `TaskContext.env`. It is passed, never reached for as a global. Knows no transport:
`fetch` goes through the executor's control process, whatever that speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from minimesos.errors import MinimesosError
from minimesos.spark.errors import SparkException
from minimesos.spark.stored_results import ResultPlace

if TYPE_CHECKING:
    from minimesos.spark.storage import BlockStore

DRIVER = "driver"
"""The executor id of the driver, as in Spark."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Location(NamedTuple):
    """Where the files of one executor (or of the driver) are.

    A reader on `host` opens `root`/path itself; any other asks the Blocks service at
    `blocks_address` (host:port, empty in local mode), which is the owner's own or that of a shuffle
    service on its host.
    """

    executor_id: str
    host: str
    blocks_address: str
    root: str


class Range(NamedTuple):
    """A part of a file in a block directory; length 0 means to its end."""

    path: str
    offset: int
    length: int


class FetchFailed(MinimesosError):
    """A file of another executor could not be had: its owner is gone, or the file is."""

    def __init__(self, location: Location | None, path: str, reason: str) -> None:
        super().__init__(location, path, reason)
        self.location = location
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        owner = self.location.executor_id if self.location is not None else "nobody"
        return f"fetch of {self.path} from {owner} failed: {self.reason}"


class Fetch(Protocol):
    """A copy of ranges of remote files, under way or done."""

    @property
    def is_done(self) -> bool:
        """Whether it has ended, as far as the worker has heard."""
        ...

    def result(self) -> str:
        """Wait for its end; return a local file with the ranges one after another.

        The caller owns the file. Raises FetchFailed, with the path of the first range that is not
        there.
        """
        ...

    def drop(self) -> None:
        """Nobody wants its result. May be called again, and whenever."""
        ...


def _no_fetch(location: Location, ranges: Sequence[Range]) -> Fetch:
    raise FetchFailed(location, ranges[0].path, "there are no other executors here")


def _no_meeting(task_id: int, kind: int, message: str) -> list[str]:
    raise SparkException("there are no other tasks here")


@dataclass(slots=True)
class WorkerEnv:
    """One worker's surroundings; lives as long as the worker process."""

    executor_id: str
    host: str
    local_dir: str
    """Root of this executor's block directory, shared by its workers; `Location.root` to others."""
    conf: Mapping[str, str]
    """All spark.* settings of the application."""
    blocks: BlockStore
    """Cached partitions that live in this worker."""
    fetch: Callable[[Location, str, int, int], str]
    """`fetch(location, path, offset, length)`: copies a range of a remote file (length 0: to its
    end) to a local file and returns that file's path, which the caller owns. Raises FetchFailed."""
    begin_fetch: Callable[[Location, Sequence[Range]], Fetch] = _no_fetch
    """Begins to copy ranges of files of one remote directory; one of length 0 goes alone."""
    meet: Callable[[int, int, str], list[str]] = _no_meeting
    """`meet(task id, barrier.Call, message)`: waits for the answer to a call of a barrier task.
    Raises SparkException."""
    broadcasts: dict[int, Any] = field(default_factory=dict)
    """Values of broadcasts that this worker has loaded, by id; dropped upon a Cleanup."""
    results: ResultPlace = field(default_factory=ResultPlace)
    files_root: str = ""
    """Directory of the files that the driver has shipped; empty until it has shipped some."""
    shipment_version: int = 0
    """Of the latest shipment that this worker has received."""

    def shares_host_with(self, owner: Location) -> bool:
        """Say whether an owner's files may be here: nobody else reaches it by a loopback name."""
        return owner.host == self.host or owner.host in _LOOPBACK
