"""RDDs into directories of files: one part a partition, all of them or none.

Each attempt of a task writes a file of its own in a directory of the job's, below `_temporary`, and
its result is that file's name. When all tasks are done, the driver moves those files up of which it
has got the names, and writes `_SUCCESS`. So the first attempt that ends wins, without asking; what
others have written goes with the job's directory, also if the job fails. A reader never sees half a
job that failed: what was moved goes, too.

Source: the directory layout is Hadoop's FileOutputCommitter's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from minimesos.spark.errors import SparkException
from minimesos.spark.io.codecs import Codec, codec_of, codec_of_class
from minimesos.spark.io.compression import Codec as BlockCodec
from minimesos.spark.io.filesystem import FileSystem, failure, file_system_of
from minimesos.spark.io.serializers import write_batches
from minimesos.spark.settings.scheduling import VALIDATE_OUTPUT_SPECS

if TYPE_CHECKING:
    from minimesos.spark.rdd import RDD
    from minimesos.spark.taskcontext import TaskContext

_LINES_AT_ONCE = 8192
_TEMPORARY, _SUCCESS = "_temporary", "_SUCCESS"

Write = Callable[[IO[bytes], Iterable[Any]], None]


def save_as_text(rdd: RDD[Any], path: str, codec: str | None) -> None:
    """Write lines: text as UTF-8, bytes as they are, anything else as `str` says."""
    _save(rdd, path, _write_lines, codec)


def save_as_pickle(rdd: RDD[Any], path: str, batch_size: int) -> None:
    """Write pickled batches."""
    _save(rdd, path, partial(_write_pickles, batch_size), None)


def save_checkpoint(rdd: RDD[Any], path: str, compression: BlockCodec | None) -> None:
    """Write pickled batches, for `checkpoint.CheckpointedRDD` to read."""
    _save(rdd, path, partial(_write_blocks, compression), None)


def _save(rdd: RDD[Any], path: str, write: Write, codec_class: str | None) -> None:
    suffix = "" if codec_class is None else codec_of_class(codec_class).extension
    conf = rdd.context.getConf()
    output = _Output.of(file_system_of(path, conf), path)
    output.prepare(VALIDATE_OUTPUT_SPECS.read(conf))
    try:
        task = partial(_write_part, output.job_directory, suffix, write)
        output.commit(rdd.context.run_job(rdd, task, None))
    except BaseException:
        output.abort()
        raise


class _Part(NamedTuple):
    """What an attempt has written."""

    attempt: str
    name: str


class _Output:
    """The directory of one job, on the driver. Raises SparkException that names it."""

    def __init__(self, system: FileSystem, directory: str) -> None:
        self._system = system
        self._directory = directory
        self._is_new = False
        self._moved: list[str] = []
        self.job_directory = f"{directory}/{_TEMPORARY}/{os.urandom(8).hex()}"
        """Where attempts write; only this job's."""

    @classmethod
    def of(cls, system: FileSystem, path: str) -> _Output:
        if not path:
            raise SparkException("Can not create a Path from an empty string")
        return cls(system, system.resolve(path).rstrip("/"))

    def prepare(self, must_be_new: bool) -> None:
        """Make the directories, before anything runs."""
        shown = self._system.shown(self._directory)
        try:
            self._is_new = not self._system.exists(self._directory)
            if must_be_new and not self._is_new:
                raise SparkException(f"Output directory {shown} already exists")
            self._system.make_directory(self.job_directory)
        except OSError as error:
            raise failure("write to output directory", shown, error) from error

    def commit(self, parts: list[_Part]) -> None:
        """Move the parts up."""
        shown = self._system.shown(self._directory)
        try:
            _each(self._system.parallel_renames, self._move, parts)
            self._remove_temporary()
            self._system.create(f"{self._directory}/{_SUCCESS}").close()
        except FileNotFoundError as error:
            raise SparkException(
                f"What tasks have written to {shown} is not there: it must be storage that the "
                "driver shares with all executors"
            ) from error
        except OSError as error:
            raise failure("write to output directory", shown, error) from error

    def _move(self, part: _Part) -> None:
        target = f"{self._directory}/{part.name}"
        self._system.rename(f"{self.job_directory}/{part.attempt}", target)
        self._moved.append(target)

    def abort(self) -> None:
        """Leave nothing of this job."""
        try:
            if self._is_new:
                for path in self._moved:
                    self._system.remove(path)
            self._remove_temporary()
            if self._is_new:
                self._system.remove_if_empty(self._directory)
        except OSError:
            return  # the error that led here says more

    def _remove_temporary(self) -> None:
        self._system.remove(self.job_directory)
        self._system.remove_if_empty(f"{self._directory}/{_TEMPORARY}")


def _each(at_once: int, call: Callable[[_Part], None], parts: list[_Part]) -> None:
    if at_once == 1:
        for part in parts:
            call(part)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(call, parts))


# -- what runs in tasks ----------------------------------------------------------------------------


def _write_part(
    directory: str, suffix: str, write: Write, task: TaskContext, items: Iterator[Any]
) -> _Part:
    """Write one partition. The directory is there, or the job has ended without this attempt."""
    name = f"part-{task.partitionId():05d}{suffix}"
    part = _Part(f"{task.taskAttemptId()}-{name}", name)
    system = file_system_of(directory, task.env.conf)
    path = f"{directory}/{part.attempt}"
    with _NamedFile(system, path, codec_of(path) if suffix else None) as file:
        write(file, items)  # type: ignore[arg-type]
    return part


class _NamedFile:
    """A file that is written, whose errors name it. Removed if its `with` block fails."""

    def __init__(self, system: FileSystem, path: str, codec: Codec | None) -> None:
        self._system, self._path = system, path
        self._shown = system.shown(path)
        try:
            self._raw = system.create(path)
        except FileNotFoundError as error:
            raise SparkException(
                f"Cannot write {self._shown}: its directory is not there. Either the job has "
                "ended, or this is no storage that the driver shares with all executors"
            ) from error
        except OSError as error:
            raise failure("write", self._shown, error) from error
        self._file = self._raw
        if codec is not None:
            assert codec.write is not None, "what was chosen by class can be written"
            self._file = codec.write(self._raw)

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise failure("write", self._shown, error) from error

    def __enter__(self) -> _NamedFile:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                if self._file is not self._raw:
                    self._file.close()
                self._raw.close()
                return
        except OSError as closing:
            self._discard()
            raise failure("write", self._shown, closing) from closing
        self._discard()

    def _discard(self) -> None:
        try:
            self._raw.close()
        except OSError:
            pass  # a full disk refuses what was buffered
        try:
            self._system.remove(self._path)
        except OSError:
            pass  # goes with the job's directory


def _write_lines(file: IO[bytes], items: Iterable[Any]) -> None:
    iterator = iter(items)
    while batch := list(islice(iterator, _LINES_AT_ONCE)):
        file.write(b"\n".join(map(_line, batch)) + b"\n")


def _line(item: Any) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()


def _write_blocks(compression: BlockCodec | None, file: IO[bytes], items: Iterable[Any]) -> None:
    write_batches(file, items, compression=compression)


def _write_pickles(batch_size: int, file: IO[bytes], items: Iterable[Any]) -> None:
    write_batches(file, items, batch_size)
