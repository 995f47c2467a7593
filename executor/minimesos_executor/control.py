"""What a control process does with the driver's frames, whatever they travel by.

Between a link to the driver (`local`, `spark`) and the pool of workers. It hands tasks to the pool
and collects their ends into frames; it removes what the driver says is garbage.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from minimesos import log
from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.frame_socket import Reactor
from minimesos.spark.settings.application import LOG_LEVEL, LOG_LEVELS
from minimesos.spark.settings.executors import TASK_KILL_TIMEOUT, reuses_workers
from minimesos.spark.settings.scheduling import LOCALITY_WAIT_PROCESS, TASK_CPUS
from minimesos.spark.settings.workers import TASK_OUTPUT
from minimesos.spark.shuffle.files import output_prefix
from minimesos.spark.storage_level import block_name
from minimesos_executor.pool import Fetch, PoolOptions, WorkerPool
from minimesos_executor.prints import PrintedLines, write_log
from minimesos_executor.results import ResultOutbox
from minimesos_executor.workers import WorkerSource

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this executor is."""

    executor_id: str
    host: str
    cores: int
    python_path: tuple[str, ...] = ()
    block_manager_port: int = 0
    """Where its blocks are served; 0: at any port."""


class Link(Protocol):
    """The way to the driver."""

    @property
    def has_log(self) -> bool:
        """Whether this process's own stdout and stderr are no terminal of the driver's."""
        ...

    def send(self, frame: spark_pb2.ExecutorFrame) -> None:
        """Send a frame."""

    def fetch(self, wish: Fetch, answer: Callable[[str, int], None]) -> None:
        """Copy ranges of another executor's files; answer as `PoolListener.fetch` says."""

    def give_up(self, reason: str) -> None:
        """End the executor as failed."""

    def shut_down(self) -> None:
        """End the executor as the driver wishes."""


class Control:
    """One executor: its pool, and what the driver wants of it."""

    def __init__(
        self,
        reactor: Reactor,
        zygote: WorkerSource,
        identity: Identity,
        link: Link,
        slots: int | None = None,
    ) -> None:
        """Start with as many workers as there are cores, unless `slots` says otherwise."""
        self.identity = identity
        self._link = link
        self._local_dir = ""
        self._is_homeless = False
        self._outbox = ResultOutbox()
        self._prints_to_driver = True
        self._lines = {1: PrintedLines(), 2: PrintedLines()}
        self.pool = WorkerPool(reactor, zygote, slots or identity.cores, self)

    def configure(self, registered: spark_pb2.Registered, local_dir: str) -> None:
        """Take the application's settings, and where blocks lie; tasks start after that."""
        conf = registered.conf
        level = LOG_LEVEL.read(conf)
        if level is not None:
            log.set_level(LOG_LEVELS[level])
        self._prints_to_driver = TASK_OUTPUT.read(conf) == "driver"
        me = self.identity
        self._local_dir = local_dir
        slots = max(me.cores // TASK_CPUS.read(conf), 1)
        settings = {
            "executor_id": me.executor_id,
            "host": me.host,
            "local_dir": local_dir,
            "workers": slots,
            "conf": dict(conf),
            "python_path": me.python_path,
            "results_dir": _if_writable(registered.results_root),
        }
        self.pool.configure(
            settings,
            PoolOptions(
                slots=slots,
                locality_wait_s=LOCALITY_WAIT_PROCESS.read(conf),
                kill_after_s=TASK_KILL_TIMEOUT.read(conf),
                reuse_workers=reuses_workers(conf),
            ),
        )

    def handle(self, frame: spark_pb2.DriverFrame) -> None:
        """Do what a frame of the driver says."""
        for stage in frame.stages:
            self.pool.add_stage(stage.stage_key, stage.binary)
        for batch in frame.tasks:
            self.pool.submit(batch)
        if frame.tasks:
            self.pool.dispatch()
        for answer in frame.barrier_answers:
            self.pool.met(answer.task_ids, answer.messages, answer.error)
        for copy in frame.copy_blocks:
            self._copy(copy)
        if frame.HasField("cancel"):
            self.pool.cancel(frame.cancel.task_ids, frame.cancel.interrupt)
        if frame.HasField("cleanup"):
            self._clean_up(frame.cleanup)
        if frame.shutdown:
            self._link.shut_down()

    def ended(
        self, task_ids: Sequence[int], outcomes: Sequence[int], payloads: Sequence[bytes], slot: int
    ) -> None:
        if not self.has_lost_directory(outcomes):
            self._outbox.add(task_ids, outcomes, payloads, slot)

    def has_lost_directory(self, outcomes: Sequence[int]) -> bool:
        """Whether tasks may have ended for want of it; then the executor gives up for them."""
        if not any(outcomes) or not self._local_dir or os.path.isdir(self._local_dir):
            return False
        # A shuffle service has given us up, or somebody has tidied /tmp. No fault of tasks.
        if not self._is_homeless:
            self._is_homeless = True
            self.broken(f"{self._local_dir}, where its blocks were, is gone")
        return True

    def turn(self) -> None:
        for frame in self._outbox.take():
            self._link.send(frame)

    def fetch(self, wish: Fetch, answer: Callable[[str, int], None]) -> None:
        self._link.fetch(wish, answer)

    def meet(self, task_id: int, kind: int, message: str) -> None:
        call = spark_pb2.BarrierCall(task_id=task_id, message=message)
        call.kind = kind  # type: ignore[assignment] # the numbers are the same
        self._link.send(spark_pb2.ExecutorFrame(barrier_calls=[call]))

    def printed(self, fd: int, text: str) -> None:
        if self._link.has_log:
            write_log(fd, text.encode())
        printed = spark_pb2.Printed(text=text, is_stderr=fd == 2)
        self._link.send(spark_pb2.ExecutorFrame(printed=[printed]))

    def output(self, fd: int, data: bytes) -> None:
        if not self._prints_to_driver:
            write_log(fd, data)
            return
        me = self.identity
        text = self._lines[fd].add(data, f"(executor {me.executor_id}, {me.host}) ")
        if text:
            self.printed(fd, text)

    def broken(self, reason: str) -> None:
        _log.error("executor gives up", executor=self.identity.executor_id, reason=reason)
        self._link.give_up(reason)

    def close(self) -> None:
        """Kill the workers and all that they have started."""
        self.pool.close()

    def _copy(self, copy: spark_pb2.BlockCopy) -> None:
        """Copy a cached partition of another executor; say so once it is there."""
        name = block_name(copy.block.rdd_id, copy.block.partition)
        path = os.path.join(self._local_dir, name)
        unfinished = f"{path}.copy"

        def answer(error: str, _: int) -> None:
            if error:
                _log.warning("cached block not copied", block=name, reason=error)
                return
            with suppress(FileNotFoundError):  # its RDD was forgotten meanwhile
                os.replace(unfinished, path)
                self._link.send(spark_pb2.ExecutorFrame(copied_blocks=[copy.block]))

        self._link.fetch(
            Fetch(copy.address, copy.executor_id, [name], [0], [0], unfinished), answer
        )

    def _clean_up(self, cleanup: spark_pb2.Cleanup) -> None:
        self.pool.clean_up(cleanup.stage_keys, cleanup.rdd_ids, cleanup.broadcast_ids)
        if not cleanup.shuffle_ids:
            return
        garbage = tuple(output_prefix(shuffle_id) for shuffle_id in cleanup.shuffle_ids)
        for name in os.listdir(self._local_dir):
            if name.startswith(garbage):
                with suppress(FileNotFoundError):  # a shuffle service may be faster
                    os.unlink(os.path.join(self._local_dir, name))


def _if_writable(directory: str) -> str:
    """Return a directory of the driver's, or nothing: its name is on the driver's host only."""
    return directory if directory and os.access(directory, os.W_OK | os.X_OK) else ""
