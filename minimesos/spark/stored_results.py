"""Large results of tasks as files in the driver's directory, for workers that can write there.

A worker on the driver's host pickles a result in pieces, and what does not fit into a frame goes to
a file; only its size travels. The driver maps the file, so that the bytes are written once and
copied by nobody, and deletes its name at once. From elsewhere results come whole, in frames.

Source: `spark.task.maxDirectResultSize` of Spark's "Configuration" page; there the block manager is
the way.
"""

from __future__ import annotations

import mmap
import os
import pickle
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

from minimesos.spark.settings.scheduling import TASK_MAX_DIRECT_RESULT_SIZE


@dataclass(frozen=True, slots=True)
class ResultPlace:
    """Where a worker puts large results."""

    directory: str = ""
    """The driver's; empty if it is not on this host."""
    direct_bytes: int = TASK_MAX_DIRECT_RESULT_SIZE.default
    """What still goes into a frame."""
    bytes_max: int = 0
    """What the driver takes at most; 0: anything."""


class StoredContent:
    """A pickled result in a mapped file, which goes when it is loaded."""

    __slots__ = ("_mapped", "_size", "_value")

    def __init__(self, mapped: mmap.mmap) -> None:
        self._mapped: mmap.mmap | None = mapped
        self._size = len(mapped)
        self._value: Any = None

    def __len__(self) -> int:
        """How many bytes the pickle has."""
        return self._size

    def load(self) -> Any:
        """Return the result, unpickled once. Raises what unpickling raises."""
        if self._mapped is not None:
            self._value = pickle.loads(self._mapped)
            self._mapped.close()
            self._mapped = None
        return self._value


PickledResult = bytes | memoryview | StoredContent


def load_result(result: PickledResult) -> Any:
    """Unpickle a result, wherever it is."""
    return result.load() if isinstance(result, StoredContent) else pickle.loads(result)


class StoredResult:
    """A success whose result is a file: what the task answered, and the mapped file."""

    __slots__ = ("answer", "content")

    def __init__(self, answer: bytes, content: StoredContent) -> None:
        self.answer = answer
        self.content = content


class TaskEnds(NamedTuple):
    """Ends of tasks as columns, like `spark_pb2.TaskResults`, but with results that are files."""

    task_ids: list[int]
    outcomes: list[int]
    payloads: list[Any]
    workers: list[int]


class ResultSink:
    """Takes a pickle piece by piece: into memory, and into a file once it is large.

    Beyond `bytes_max` it only counts, so that an error can say how much it was.
    """

    __slots__ = ("_file", "_path", "_pieces", "_place", "size")

    def __init__(self, place: ResultPlace, task_id: int) -> None:
        self._place = place
        self._path = os.path.join(place.directory, file_name(task_id)) if place.directory else ""
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None
        self.size = 0

    @property
    def is_too_large(self) -> bool:
        return 0 < self._place.bytes_max < self.size

    @property
    def is_stored(self) -> bool:
        """Whether it has become a file."""
        return self._file is not None

    def write(self, data: Any) -> None:
        """Take the next piece, any bytes-like object."""
        self.size += len(data)
        if self.is_too_large:
            return
        if self._file is not None:
            self._append(self._file, data)
            return
        self._pieces.append(bytes(data))
        if self.size > self._place.direct_bytes and self._path:
            self._file = open(self._path, "wb", buffering=0)  # noqa: SIM115
            for piece in self._pieces:
                self._append(self._file, piece)
            self._pieces.clear()

    def _append(self, file: IO[bytes], data: Any) -> None:
        from minimesos.spark.shuffle.files import writing_to

        left = memoryview(data)
        with writing_to(self._place.directory):
            while left:  # the system takes 2 GiB at once, and less when the disk is almost full
                left = left[file.write(left) :]

    def finish(self) -> bytes:
        """Return all that is not in a file; the file is complete."""
        if self._file is not None:
            self._file.close()
        return b"".join(self._pieces)

    def discard(self) -> None:
        """Leave no file."""
        self._pieces.clear()
        self.size = 0
        if self._file is not None:
            self._file.close()
            self._file = None
            os.unlink(self._path)


def dump_to(sink: ResultSink, result: object) -> None:
    """Pickle into a sink; by cloudpickle what has no importable name. Raises PicklingError."""
    try:
        pickle.Pickler(sink, pickle.HIGHEST_PROTOCOL).dump(result)
    except (pickle.PicklingError, AttributeError, TypeError):
        from minimesos.spark import closure

        sink.discard()
        sink.write(closure.dumps(result))


def file_name(task_id: int) -> str:
    """Return the name of a result's file in the driver's directory."""
    return f"result_{task_id}"


def take_stored(directory: str, task_id: int, answer: bytes) -> StoredResult:
    """Map the file of a result and delete its name. Raises OSError."""
    path = os.path.join(directory, file_name(task_id))
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.unlink(path)
        content = StoredContent(mmap.mmap(descriptor, 0, prot=mmap.PROT_READ))
    finally:
        os.close(descriptor)
    return StoredResult(answer, content)
