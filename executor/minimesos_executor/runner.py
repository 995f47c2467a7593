"""A worker: runs tasks one by one, and lets the next ones wait in memory.

Forked by the zygote, one per core slot; talks to nobody but its control process, over one socket,
in the messages of `minimesos_executor.messages`. User code runs here, in the main thread and with
nothing of ours beside it: no other thread, no grpc, no secret.

Results are held back while more tasks wait, but not longer than a few milliseconds, and never when
there is nothing left to run; so a small job is answered at once and a large one in large frames.
SIGINT only means "look at your messages"; what it does to the running task, they say.

Cyclic garbage collection is off. What survives a task is mostly cached data, which a collector
would look through again and again; it is collected once, between tasks, and then frozen.
"""

from __future__ import annotations

import faulthandler
import gc
import mmap
import os
import resource
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from types import FrameType
from typing import Any, Protocol

from minimesos.errors import MinimesosError
from minimesos.runtime.frame_socket import HEADER, Frame, FrameReader
from minimesos.spark.env import WorkerEnv
from minimesos.spark.errors import SparkException
from minimesos.spark.raised import describe_failure
from minimesos.spark.scheduler.task import STORED_TAG, Outcome, ResultTooLarge, load_stage
from minimesos.spark.setting_kinds import MIB
from minimesos.spark.settings.application import DRIVER_MAX_RESULT_SIZE, PYSPARK_ALIAS
from minimesos.spark.settings.executors import reuses_workers
from minimesos.spark.settings.scheduling import TASK_CPUS, TASK_MAX_DIRECT_RESULT_SIZE
from minimesos.spark.settings.workers import (
    DEBUG_RECORD,
    EXECUTOR_PYSPARK_MEMORY,
    SIMPLIFIED_TRACEBACK,
    TASK_OUTPUT,
)
from minimesos.spark.storage import BlockStore
from minimesos.spark.stored_results import ResultPlace
from minimesos_executor import messages, prints
from minimesos_executor.fetches import Fetches
from minimesos_executor.messages import NO_TASK, Task

FLUSH_S = 0.003  # the longest that a result waits for another task to end
FLUSH_BYTES = 2**16
RESULT_BYTES_MAX = 2**31 - 2**16  # what fits into one message of the driver's protocol
_STORED = bytes((STORED_TAG,))
SURVIVORS_COLLECT = 200_000  # objects made and not freed since the last collection


class LoadedStage(Protocol):
    """What a loaded stage is to a worker."""

    @property
    def stage_id(self) -> int:
        """Its number, for people."""
        ...

    def run(
        self, env: WorkerEnv, task_id: int, partition: int, attempt: int, payload: bytes, /
    ) -> bytes:
        """Run one attempt at the task of a partition; returns what the driver is sent.

        Raises what the user's code raises, and FetchFailed for input that is gone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker is told before its first task."""

    executor_id: str
    host: str
    local_dir: str
    workers: int
    conf: Mapping[str, str]
    python_path: tuple[str, ...] = ()
    """Directories that follow the worker's own module search path."""
    results_dir: str = ""
    """Where large results go; empty if the driver is on another host."""


class Runner:
    """The loop of one worker."""

    def __init__(self, sock: socket.socket, board: memoryview) -> None:
        self._socket = sock
        self._inbox = FrameReader(sock)
        self._board = board
        self._env: WorkerEnv | None = None
        self._tasks: deque[Task] = deque()
        self._binaries: dict[int, bytes] = {}
        self._stages: dict[int, LoadedStage] = {}
        self._ids: list[int] = []
        self._outcomes: list[int] = []
        self._payloads: list[bytes] = []
        self._held_bytes = 0
        self._flushed_at = self._working_since = monotonic()
        self._current = NO_TASK
        self._interrupted = NO_TASK
        self._in_user_code = False
        self._has_answered = False
        self._is_reused = True
        self._with_record = True
        self._whole_traceback = False
        self._poked = False
        self._fetches: Fetches | None = None
        self._meeting: tuple[list[str], str] | None = None
        self._running: Task | None = None
        self._host = ""
        self._lines = {1: prints.PrintedLines(), 2: prints.PrintedLines()}
        self._is_fork = False
        self._unsent_prints: list[tuple[int, str]] = []
        self._capture: prints.Capture | None = None
        self._handlers: dict[int, Callable[..., None]] = {
            messages.SETUP: self._set_up,
            messages.STAGE: self._binaries.__setitem__,
            messages.TASKS: self._tasks.extend,
            messages.RECALL: self._give_back,
            messages.CANCEL: self._cancel,
            messages.CLEANUP: self._clean_up,
            messages.FETCHED: self._fetched,
            messages.MET: self._met,
        }

    def run(self) -> None:
        """Run tasks until the control process is gone."""
        try:
            while True:
                while self._tasks:
                    self._run_next()
                if self._ids:
                    self._flush()
                    # Not before: if we die of what the last task has done, it is to blame.
                    self._board[0] = NO_TASK
                    self._collect()
                if self._has_answered and not self._is_reused:
                    return
                self._receive()
        except (EOFError, ConnectionError):
            pass

    def forked(self) -> None:
        """Be no worker any more: user code has forked, and this is the child.

        It may go on in user code as long as that likes. It must not talk to our control process.
        """
        self._is_fork = True
        self._tasks.clear()
        self._socket.close()

    def _receive(self) -> None:
        if self._is_fork:
            os._exit(0)
        for frame in self._inbox.read():
            self._handle(frame)
        self._flushed_at = self._working_since = monotonic()

    def _handle(self, frame: Frame) -> None:
        kind, *arguments = messages.decode(frame)
        self._handlers[kind](*arguments)

    # ------------------------------------------------------------------------------------ tasks

    def _run_next(self) -> None:
        self._running = task = self._tasks.popleft()
        self._current = self._board[0] = task[1]
        try:
            outcome, payload = self._attempt(task)
        except KeyboardInterrupt:  # came just as the task was ending
            self._in_user_code = False
            outcome, payload = Outcome.CANCELLED, b""
        self._current = NO_TASK
        self._ids.append(task[1])
        self._outcomes.append(outcome)
        self._payloads.append(payload)
        self._held_bytes += len(payload)
        if self._held_bytes > FLUSH_BYTES or monotonic() - self._flushed_at > FLUSH_S:
            self._flush()
            self._collect()

    def _attempt(self, task: Task) -> tuple[int, bytes]:
        stage_key, task_id, partition, attempt, payload = task
        assert self._env is not None, "SETUP comes first"
        try:
            self._in_user_code = True
            if self._poked:
                self._look()
            stage = self._stages.get(stage_key) or self._load(stage_key, self._env)
            result = stage.run(self._env, task_id, partition, attempt, payload)
            self._in_user_code = False
            if len(result) > RESULT_BYTES_MAX:
                raise ResultTooLarge(
                    f"the result of the task has {len(result)} bytes, above {RESULT_BYTES_MAX}: "
                    "too large to be sent to another host"
                )
        except BaseException as error:  # noqa: BLE001 - user code, which may raise SystemExit too
            self._in_user_code = False
            if self._interrupted == task_id:
                return Outcome.CANCELLED, b""
            outcome, described = describe_failure(error, self._with_record, self._whole_traceback)
            return int(outcome), described
        return int(Outcome.STORED) if result[:1] == _STORED else 0, result

    def _load(self, stage_key: int, env: WorkerEnv) -> LoadedStage:
        binary = self._binaries.get(stage_key)
        if binary is None:
            raise MinimesosError(f"stage {stage_key} was not sent to this executor")
        stage: LoadedStage = load_stage(binary, env)
        self._stages[stage_key] = stage
        del self._binaries[stage_key]
        return stage

    def _flush(self, user_is_printing: bool = False) -> None:
        """Send the results held back, after what their tasks have printed."""
        if not user_is_printing:
            self._tidy_up()
            self._send_prints()
        now = monotonic()
        self._flushed_at = now
        if not self._ids:
            return
        outcomes = self._outcomes if any(self._outcomes) else ()
        self._send(
            messages.RESULTS,
            self._ids,
            tuple(map(int, outcomes)),
            self._payloads,
            now - self._working_since,
        )
        self._working_since = now
        self._has_answered = True
        self._ids.clear()
        self._outcomes.clear()
        self._payloads.clear()
        self._held_bytes = 0

    def _tidy_up(self) -> None:
        """Undo what tasks have done to the process that would be in the way of others."""
        prints.flush()
        if self._capture is not None:
            self._capture.restore()
        self._heed_signals()

    def _heed_signals(self) -> None:
        if signal.getsignal(signal.SIGINT) != self.poked:
            signal.signal(signal.SIGINT, self.poked)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _send_prints(self) -> None:
        for fd, lines in self._lines.items():
            if lines.has_rest:
                self._unsent_prints.append((fd, lines.end(self._whose())))
        for fd, text in self._unsent_prints:
            self._send(messages.PRINTED, fd, text)
        self._unsent_prints.clear()

    def _printed(self, fd: int, data: memoryview) -> None:
        """Take what was printed in this thread, by user code or in its place."""
        text = self._lines[fd].add(data, self._whose())
        if not text:
            return
        if self._in_user_code:
            self._send_from_task(messages.PRINTED, fd, text)
        else:
            self._unsent_prints.append((fd, text))

    def _whose(self) -> str:
        """Say which task prints."""
        if self._running is None:
            return f"({self._host}) "
        stage = self._stages.get(self._running[0])
        stage_id = "" if stage is None else f"stage {stage.stage_id}, "
        return f"({stage_id}task {self._running[2]}, {self._host}) "

    def _send(self, *message: Any) -> None:
        if self._is_fork:
            os._exit(0)  # it has come back from user code
        frame = messages.encode(*message)
        try:
            header = HEADER.pack(len(frame))
            if len(frame) < FLUSH_BYTES:
                self._socket.sendall(header + frame)
            else:  # two calls cost less than a copy
                self._socket.sendall(header)
                self._socket.sendall(frame)
        except ConnectionError as error:
            raise EOFError from error

    def _collect(self) -> None:
        if gc.get_count()[0] > SURVIVORS_COLLECT:
            gc.collect()
            gc.freeze()

    # ----------------------------------------------------------------------------------- pokes

    def poked(self, signum: int, frame: FrameType | None) -> None:
        """Look at the messages, at once if user code runs: then this is called in its place."""
        self._poked = True
        if self._in_user_code:
            self._look()

    def _look(self) -> None:
        """See what the control process wants; called in user code's place."""
        self._in_user_code = False
        while self._poked:
            self._poked = False
            self._read_all()
            self._flush(user_is_printing=True)
        self._in_user_code = True
        if self._interrupted == self._current:
            raise KeyboardInterrupt

    def _read_all(self) -> None:
        try:
            while True:
                for frame in self._inbox.read(socket.MSG_DONTWAIT):
                    self._handle(frame)
        except BlockingIOError:
            return

    def _give_back(self) -> None:
        self._send(messages.RETURNED, [task[1] for task in self._tasks])
        self._tasks.clear()

    def _cancel(self, task_ids: list[int], interrupt: bool) -> None:
        cancelled = set(task_ids)
        if interrupt and self._current in cancelled:
            self._interrupted = self._current
        for task in [task for task in self._tasks if task[1] in cancelled]:
            self._tasks.remove(task)
            self._ids.append(task[1])
            self._outcomes.append(Outcome.CANCELLED)
            self._payloads.append(b"")

    # ---------------------------------------------------------------------------- surroundings

    def _set_up(self, settings: dict[str, Any]) -> None:
        told = Settings(**settings)
        self._is_reused = reuses_workers(told.conf)
        self._with_record = DEBUG_RECORD.read(told.conf)
        self._whole_traceback = not SIMPLIFIED_TRACEBACK.read(told.conf)
        self._limit_threads(TASK_CPUS.read(told.conf))
        limit_mib = EXECUTOR_PYSPARK_MEMORY.read(told.conf)
        if limit_mib is not None:
            self._limit_memory(limit_mib * MIB // told.workers)
        self._host = told.host
        if TASK_OUTPUT.read(told.conf) == "driver":
            self._capture_prints()
        sys.path.extend(path for path in told.python_path if path not in sys.path)
        if PYSPARK_ALIAS.read(told.conf):
            from minimesos.spark.compat import SEARCH_PATH

            sys.path.insert(0, SEARCH_PATH)
        fetches = self._fetches = Fetches(told.local_dir, self._send_from_task, self._wait_in_task)
        self._env = WorkerEnv(
            executor_id=told.executor_id,
            host=told.host,
            local_dir=told.local_dir,
            conf=told.conf,
            blocks=BlockStore.of(told.conf, told.workers, told.local_dir),
            fetch=fetches.fetch,
            begin_fetch=fetches.begin,
            meet=self._meet,
            results=ResultPlace(
                told.results_dir,
                TASK_MAX_DIRECT_RESULT_SIZE.read(told.conf),
                DRIVER_MAX_RESULT_SIZE.read(told.conf),
            ),
        )
        self._send(messages.READY)

    def _limit_threads(self, cpus: int) -> None:
        """Let numeric libraries use no more cores than a task has, unless the user says more."""
        os.environ.setdefault("OMP_NUM_THREADS", str(cpus))

    def _limit_memory(self, limit_bytes: int) -> None:
        """Have allocations fail in the task that wants too much."""
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))

    def _capture_prints(self) -> None:
        self._capture = prints.Capture(self._printed)

    def _clean_up(
        self, stage_keys: list[int], rdd_ids: list[int], broadcast_ids: list[int]
    ) -> None:
        for key in stage_keys:
            self._binaries.pop(key, None)
            self._stages.pop(key, None)
        if self._env is not None:
            if rdd_ids:
                self._env.blocks.drop_rdds(rdd_ids)
            for broadcast_id in broadcast_ids:
                self._env.broadcasts.pop(broadcast_id, None)
        gc.unfreeze()  # what was thought to live long may be garbage now

    def _fetched(self, *end: Any) -> None:
        assert self._fetches is not None, "SETUP comes first"
        self._fetches.ended(*end)

    def _meet(self, task_id: int, kind: int, message: str) -> list[str]:
        """Wait for the answer to a call of a barrier task; see `WorkerEnv.meet`."""
        self._meeting = None
        self._send_from_task(messages.MEET, task_id, kind, message)
        self._wait_in_task(lambda: self._meeting is not None)
        assert self._meeting is not None, "waited for"
        answer, error = self._meeting
        if error:
            raise SparkException(error)
        return answer

    def _met(self, task_id: int, answer: list[str], error: str) -> None:
        if task_id == self._current:
            self._meeting = answer, error

    def _send_from_task(self, *message: Any) -> None:
        """Send while a task runs; a poke in the middle of that would send too."""
        self._in_user_code = False
        try:
            self._send(*message)
        finally:
            self._in_user_code = True
        if self._poked:
            self._look()

    def _wait_in_task(self, condition: Callable[[], bool]) -> None:
        """Receive messages until a condition holds. Raises KeyboardInterrupt if cancelled."""
        self._in_user_code = False
        try:
            while not condition() and self._interrupted != self._current:
                for frame in self._inbox.read():
                    self._handle(frame)
        finally:
            self._in_user_code = True
        if self._interrupted == self._current:
            raise KeyboardInterrupt


def run_worker(sock: socket.socket, board_fd: int) -> None:
    """Be a worker until the control process is gone; what the zygote calls in its fork."""
    faulthandler.enable()  # a crash in C code says where, on stderr
    gc.disable()
    board = memoryview(mmap.mmap(board_fd, messages.BOARD_BYTES)).cast("q")
    os.close(board_fd)
    runner = Runner(sock, board)
    signal.signal(signal.SIGINT, runner.poked)
    os.register_at_fork(after_in_child=runner.forked)
    runner.run()
