"""Broadcast variables: a value that is written once and read by any number of tasks.

The driver writes the pickled value to a file in its block directory. Pickled with a closure, a
broadcast is only its id and where that file is; a worker reads the file, through the control
process if it is on another host, when a task first asks for the value.
"""

from __future__ import annotations

import os
import pickle
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from minimesos.spark import closure
from minimesos.spark.env import Location, WorkerEnv
from minimesos.spark.errors import PySparkRuntimeError
from minimesos.spark.io.compression import codec_of
from minimesos.spark.io.pieces import PieceWriter, load_pieces
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.storage import (
    BROADCAST_BLOCK_SIZE,
    BROADCAST_CHECKSUM,
    BROADCAST_COMPRESS,
    CLEAN_GARBAGE,
)
from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")


def file_name(broadcast_id: int) -> str:
    """Return the name of a broadcast's file in the block directory."""
    return f"broadcast_{broadcast_id}"


class Broadcast(Generic[T]):
    """A read-only value on its way to tasks."""

    def __init__(
        self,
        broadcast_id: int,
        value: T,
        location: Location,
        forget: Callable[[], None],
        conf: Texts,
    ) -> None:
        """Write the value's file at once, as `conf` says; `forget` drops it from all workers."""
        self._id = broadcast_id
        self._location: Location | None = location
        self._value: T | None = value
        self._forget: Callable[[], None] | None = forget
        from minimesos.spark.shuffle.files import writing_to

        path = os.path.join(location.root, file_name(broadcast_id))
        os.makedirs(location.root, exist_ok=True)
        try:
            with writing_to(location.root), open(path, "wb") as file:
                pieces = PieceWriter(
                    file,
                    BROADCAST_BLOCK_SIZE.read(conf),
                    codec_of(conf, BROADCAST_COMPRESS),
                    BROADCAST_CHECKSUM.read(conf),
                )
                closure.dump(value, pieces)
                pieces.finish()
        except pickle.PicklingError as error:
            os.unlink(path)
            raise pickle.PicklingError(f"Could not serialize broadcast: {error}") from error
        except BaseException:
            os.unlink(path)
            raise
        self._discard: Callable[[], object] = partial(_discard, path, forget)
        if CLEAN_GARBAGE.read(conf):
            # Also when the program drops its last reference: closures that use it hold one.
            self._discard = finalizer = weakref.finalize(self, self._discard)
            finalizer.atexit = False

    @property
    def id(self) -> int:
        """Number of this broadcast, unique within its context."""
        return self._id

    @property
    def value(self) -> T:
        """The value; loaded when a worker first asks for it."""
        task = TaskContext.get()
        if task is not None and self._forget is None:
            return self._load(task.env)
        if self._location is None:
            raise self._destroyed()
        return self._value  # type: ignore[return-value]

    def unpersist(self, blocking: bool = False) -> None:
        """Drop the copies in workers; they load the value again when they need it."""
        self._on_driver("unpersisted")()

    def destroy(self, blocking: bool = False) -> None:
        """Drop the value everywhere; jobs that use it from now on fail."""
        self._on_driver("destroyed")
        self._discard()
        self._location = None
        self._value = None

    def _on_driver(self, what: str) -> Callable[[], None]:
        if self._forget is None:
            raise PySparkRuntimeError(
                f"Broadcast can only be {what} in driver.", "INVALID_BROADCAST_OPERATION"
            )
        return self._forget

    def _load(self, env: WorkerEnv) -> T:
        if self._id not in env.broadcasts:
            assert self._location is not None
            with open(_local_file(self._location, file_name(self._id), env), "rb") as file:
                env.broadcasts[self._id] = load_pieces(file)
        value: T = env.broadcasts[self._id]
        return value

    def _destroyed(self) -> PySparkRuntimeError:
        return PySparkRuntimeError(
            f"Broadcast {self._id} was destroyed and cannot be used any more.",
            "INVALID_BROADCAST_OPERATION",
        )

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        self._on_driver("serialized")
        if self._location is None:
            raise self._destroyed()
        return _in_worker, (self._id, self._location)

    def __repr__(self) -> str:
        return f"Broadcast({self._id})"


def _discard(path: str, forget: Callable[[], None]) -> None:
    forget()
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _in_worker(broadcast_id: int, location: Location) -> Broadcast[Any]:
    copied: Broadcast[Any] = Broadcast.__new__(Broadcast)
    copied._id = broadcast_id
    copied._location = location
    copied._value = None
    copied._forget = None
    return copied


def _local_file(location: Location, name: str, env: WorkerEnv) -> str:
    """Return a path of the file on this host.

    A fetched copy is kept in the executor's directory, for its other workers.
    """
    path = os.path.join(location.root, name)
    if env.shares_host_with(location) and os.path.exists(path):
        return path
    kept = os.path.join(env.local_dir, name)
    if not os.path.exists(kept):
        os.replace(env.fetch(location, name, 0, 0), kept)
    return kept
