"""Cutting the lineage of an RDD: its partitions are written once, and read from then on.

`Checkpoints` belongs to a context. An RDD is marked before its first job; when a job on it or on
what is made of it has succeeded, one more job writes its partitions. Then the RDD becomes one that
reads them: its parents, and what their shuffles have left, can be garbage.

Reliable checkpoints are files in storage that all executors share; local ones are cached
partitions, which go with their executors. Where there are several executors, an RDD with a local
one keeps its parents, for tasks that run where a partition is not.

Source: Spark's RDDCheckpointData, ReliableRDDCheckpointData and LocalRDDCheckpointData.
"""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from minimesos.log import get_logger
from minimesos.spark.errors import SparkException
from minimesos.spark.io.compression import codec_of
from minimesos.spark.io.filesystem import FileSystem, failure, file_system_of, scheme_of
from minimesos.spark.io.save import save_checkpoint
from minimesos.spark.lineage import Lineage
from minimesos.spark.rdd import RDD
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.application import MASTER
from minimesos.spark.settings.storage import CHECKPOINT_COMPRESS, CLEAN_CHECKPOINTS, CLEAN_GARBAGE

if TYPE_CHECKING:
    from minimesos.spark.taskcontext import TaskContext

T = TypeVar("T")

_KEPT = {
    *("_context", "rdd_id", "_call_site", "_name", "_num_partitions", "partitioner"),
    *("checkpoint_mark", "is_cached", "_storage_level"),
}
"""What an RDD still is when its lineage is cut."""

_log = get_logger(__name__)


@dataclass(slots=True)
class Mark:
    """Says of an RDD that its lineage is to be cut, or was."""

    is_local: bool
    path: str | None = None
    """Where its partitions are, once they are written."""
    shown_path: str | None = None
    """The same for people, as a URL."""
    is_cut: bool = False


class CheckpointedRDD(RDD[T]):
    """What an RDD becomes when its partitions are in files."""

    _path: str

    def compute(self, index: int, task: TaskContext) -> Iterator[T]:
        from minimesos.spark.io.whole import read_pickled

        return read_pickled(f"{self._path}/part-{index:05d}", task.env.conf)


class LocallyCheckpointedRDD(RDD[T]):
    """What an RDD becomes when its partitions are only cached."""

    def compute(self, index: int, task: TaskContext) -> Iterator[T]:
        raise SparkException(
            f"Checkpoint block rdd_{self.rdd_id}_{index} not found! Either the executor that "
            "originally checkpointed this partition is no longer alive, or the original RDD is "
            "unpersisted. If this problem persists, you may consider using `rdd.checkpoint()` "
            "instead, which is slower than local checkpointing but more fault-tolerant."
        )


class Checkpoints:
    """The checkpoints of one application; used by the threads of its driver."""

    def __init__(self, conf: Texts, cut: Callable[[Callable[[], None]], bool]) -> None:
        """Begin without a directory. `cut` calls a function while no job runs, or returns False."""
        self._conf = conf
        self._cut = cut
        master = MASTER.read(conf) or ""
        self._has_one_executor = not master.startswith(("local-cluster", "mesos"))
        self._marked: weakref.WeakSet[Lineage[Any]] = weakref.WeakSet()
        self._at_work = threading.local()
        self.directory: str | None = None
        """This application's own, for reliable ones."""
        self.shown_directory: str | None = None
        """The same for people, as a URL."""

    def set_directory(self, path: str) -> None:
        """Make a directory of our own in `path`. Raises SparkException if that cannot be."""
        if not self._has_one_executor and scheme_of(path) in (None, "file"):
            _log.warning(
                "Spark is not running in local mode, therefore the checkpoint directory must be "
                "storage that all hosts share",
                directory=path,
            )
        system = file_system_of(path, self._conf)
        directory = f"{system.resolve(path).rstrip('/')}/{uuid.uuid4()}"
        try:
            system.make_directory(directory)
        except OSError as error:
            raise failure("make checkpoint directory", system.shown(directory), error) from error
        self.directory, self.shown_directory = directory, system.shown(directory)

    def mark(self, rdd: Lineage[Any], is_local: bool) -> None:
        """Have the lineage of an RDD cut after the next job that it has a part in."""
        if not is_local and self.directory is None:
            raise SparkException("Checkpoint directory has not been set in the SparkContext")
        if rdd.checkpoint_mark is not None and rdd.checkpoint_mark.is_cut:
            return
        rdd.checkpoint_mark = Mark(is_local)
        self._marked.add(rdd)

    def after_job(self, rdd: RDD[Any]) -> None:
        """Write and cut what is marked in the lineage of an RDD, the nearest only on each way."""
        if not self._marked or getattr(self._at_work, "is_busy", False):
            return
        self._at_work.is_busy = True  # our own jobs come here, too
        try:
            for marked in self._nearest(rdd):
                self._marked.discard(marked)
                self._write(marked)
        finally:
            self._at_work.is_busy = False

    def _nearest(self, rdd: Lineage[Any]) -> list[RDD[Any]]:
        found: list[Any] = []
        seen = {rdd.rdd_id}
        steps = [rdd]
        while steps:
            step = steps.pop()
            if step in self._marked:
                found.append(step)
                continue
            parents = [dependency.rdd for dependency in step.dependencies]
            steps += [parent for parent in parents if parent.rdd_id not in seen]
            seen.update(parent.rdd_id for parent in parents)
        return found

    def _write(self, rdd: RDD[Any]) -> None:
        mark = rdd.checkpoint_mark
        assert mark is not None
        count = rdd.num_partitions
        if mark.is_local:
            rdd.context.run_job(rdd, _fill_cache)
            if self._has_one_executor:
                self._become(rdd, mark, LocallyCheckpointedRDD, {"_num_partitions": count})
            else:
                # A task may run where the block is not, and executors do not ask each other.
                mark.is_cut = True
            return
        if mark.path is None:
            path = f"{self.directory}/rdd-{rdd.rdd_id}"
            codec = codec_of(rdd.context.getConf(), CHECKPOINT_COMPRESS)
            save_checkpoint(rdd, path, codec)
            system = file_system_of(path, self._conf)
            mark.path, mark.shown_path = path, system.shown(path)
            if CLEAN_GARBAGE.read(self._conf) and CLEAN_CHECKPOINTS.read(self._conf):
                weakref.finalize(rdd, _remove, system, path).atexit = False
        read = {"_path": mark.path, "_num_partitions": count}
        self._become(rdd, mark, CheckpointedRDD, read)

    def _become(
        self, rdd: RDD[Any], mark: Mark, kind: type[RDD[Any]], state: dict[str, Any]
    ) -> None:
        """Cut the lineage; not while other threads' jobs look at it, but after the next job."""

        def become() -> None:
            left = rdd.__dict__.keys() - _KEPT - state.keys()
            rdd.__dict__.update(state, dependencies=[], _payload_free=True)
            rdd.__class__ = kind
            for name in left - {"dependencies", "_payload_free"}:
                del rdd.__dict__[name]
            Lineage.cachings += 1
            mark.is_cut = True

        if not self._cut(become):
            self._marked.add(rdd)


def _remove(system: FileSystem, path: str) -> None:
    try:
        system.remove(path)
    except OSError as error:
        _log.warning("checkpoint not removed", path=system.shown(path), reason=error)


# -- what runs in tasks ----------------------------------------------------------------------------


def _fill_cache(task: TaskContext, items: Iterator[Any]) -> None:
    """That the items were asked for is enough: they are kept before the first is there."""
