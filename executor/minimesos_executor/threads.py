"""Workers that are threads of this process, for clusters in one process; the zygote's stand-in.

The runner, its socket and its messages are those of a worker process. What differs is what signals
do to a process: a poke looks at the messages from another thread while user code runs, and an
interrupt or a kill is an exception raised in the thread. User code that blocks outside of Python
hears of it when it returns; a killed worker counts as dead at once.

User code shares this process: its modules, its working directory, its `os._exit`.
"""

from __future__ import annotations

import asyncio
import ctypes
import mmap
import os
import queue
import signal
import socket
import threading
import traceback
from array import array
from collections.abc import Callable
from itertools import count
from time import monotonic

from minimesos.log import get_logger
from minimesos.runtime.frame_socket import Reactor
from minimesos_executor import messages
from minimesos_executor.deaths import Exit
from minimesos_executor.runner import Runner

END_TIMEOUT_S = 2.0  # what user code may take to end after it was killed
_AGAIN_S = 0.05  # between two exceptions for user code that has caught one

_log = get_logger(__name__)


class WorkerKilled(BaseException):
    """Ends the user code of a worker that was killed."""


class ThreadRunner(Runner):
    """A runner whose thread shares its process; it is poked from other threads.

    The gate is held by whoever looks at the messages, and to enter and leave user code. So the
    runner cannot leave user code while somebody else looks in its place.
    """

    def __init__(self, sock: socket.socket, board: memoryview) -> None:
        self._gate = threading.RLock()
        self._user_code_runs = False
        self._killed = False
        super().__init__(sock, board)

    @property
    def _in_user_code(self) -> bool:
        return self._user_code_runs

    @_in_user_code.setter
    def _in_user_code(self, value: bool) -> None:
        with self._gate:
            self._user_code_runs = value
            if value and self._killed:
                raise WorkerKilled

    def _limit_memory(self, limit_bytes: int) -> None:
        """The memory is not ours."""

    def _limit_threads(self, cpus: int) -> None:
        """The environment is not ours."""

    def _capture_prints(self) -> None:
        """The streams are not ours."""

    def _heed_signals(self) -> None:
        """Nor are the signals."""

    def poke(self, thread: threading.Thread) -> None:
        """Do what SIGINT does to a worker process; not on the reactor's thread, for it may wait."""
        with self._gate:
            user_code_runs = self._user_code_runs
            try:
                self.poked(signal.SIGINT, None)
            except KeyboardInterrupt:
                _raise_in(thread, KeyboardInterrupt)
            except (EOFError, ConnectionError, WorkerKilled):
                self._user_code_runs = user_code_runs  # a kill is on its way

    def close(self) -> None:
        """Give back the board, which its control has dropped."""
        self._board = memoryview(array("q", (messages.NO_TASK,)))

    def kill(self, thread: threading.Thread) -> None:
        """End user code; may be called again. The runner ends with its socket."""
        with self._gate:
            self._killed = True
            if self._user_code_runs:
                _raise_in(thread, WorkerKilled)


class _WorkerThread:
    """One worker: its thread, its runner and what both own."""

    def __init__(self, pid: int, name: str, sock: socket.socket, board: int, stderr: int) -> None:
        self.pid = pid
        self.is_over = False  # its exit was told
        self._socket = sock
        self._stderr = stderr
        self.runner = ThreadRunner(
            sock, memoryview(mmap.mmap(board, messages.BOARD_BYTES)).cast("q")
        )
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self, on_ended: Callable[[int], None]) -> None:
        """Start it; `on_ended` is called in its thread with the wait status."""
        self._on_ended = on_ended
        self.thread.start()

    def poke(self) -> None:
        self.runner.poke(self.thread)

    def kill(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # first: whoever holds the gate may be sending
        except OSError:
            pass  # closed
        self.runner.kill(self.thread)

    def _run(self) -> None:
        status = 0
        try:
            self.runner.run()
        except WorkerKilled:
            pass
        except BaseException:  # noqa: BLE001 (a bug; told as a worker process would)
            status = 1 << 8
            os.write(self._stderr, traceback.format_exc().encode())
        finally:
            self.runner.close()
            self._socket.close()
            os.close(self._stderr)
            self._on_ended(status)


class ThreadWorkers:
    """A `WorkerSource` for one pool on an asyncio loop. After `close`, await `ended`."""

    pid = 0

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._pids = count(-1, -1)  # no process has such a number
        self._workers: dict[int, _WorkerThread] = {}  # whose threads run
        self._closed = False
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self._pokes: queue.SimpleQueue[_WorkerThread | None] = queue.SimpleQueue()
        self._poker: threading.Thread | None = None

    def attach(
        self,
        reactor: Reactor,
        on_forked: Callable[[int, int], None],
        on_exited: Callable[[int, Exit], None],
        on_died: Callable[[], None],
    ) -> None:
        self._on_forked = on_forked
        self._on_exited = on_exited

    def fork(self, slot: int, worker: socket.socket, board: int, stdout: int, stderr: int) -> None:
        """Start a worker; the descriptors are copied."""
        pid = next(self._pids)
        started = _WorkerThread(
            pid, f"{self._name}-worker-{slot}", worker.dup(), board, os.dup(stderr)
        )
        self._workers[pid] = started
        self._all_ended.clear()
        self._loop.call_soon(self._forked, slot, pid)

        def ended(status: int) -> None:
            self._loop.call_soon_threadsafe(self._gone, pid, status)

        started.start(ended)

    def signal(self, pid: int, signum: int) -> None:
        worker = self._workers.get(pid)
        if worker is None:
            return
        if signum == signal.SIGINT:
            self._poke(worker)
        else:
            worker.kill()
            self._loop.call_soon(self._exited, worker, signum)

    def close(self) -> None:
        """Kill all workers."""
        self._closed = True
        for worker in self._workers.values():
            worker.kill()
        self._pokes.put(None)

    async def ended(self) -> None:
        """Wait until no thread is left, or say which ones do not end."""
        deadline = monotonic() + END_TIMEOUT_S
        while not self._all_ended.is_set() and monotonic() < deadline:
            try:
                await asyncio.wait_for(self._all_ended.wait(), _AGAIN_S)
            except TimeoutError:
                for worker in self._workers.values():
                    worker.kill()
        if self._workers:
            names = ", ".join(worker.thread.name for worker in self._workers.values())
            _log.warning("user code does not end; its threads are left behind", threads=names)
        if self._poker is not None:
            self._poker.join(END_TIMEOUT_S)

    def _forked(self, slot: int, pid: int) -> None:
        if not self._closed:
            self._on_forked(slot, pid)

    def _exited(self, worker: _WorkerThread, status: int) -> None:
        if not worker.is_over and not self._closed:
            worker.is_over = True
            self._on_exited(worker.pid, Exit(status))

    def _gone(self, pid: int, status: int) -> None:
        worker = self._workers.pop(pid)
        worker.thread.join()  # which has nothing left to do
        self._exited(worker, status)
        if not self._workers:
            self._all_ended.set()

    def _poke(self, worker: _WorkerThread) -> None:
        if self._poker is None:
            self._poker = threading.Thread(
                target=self._deliver_pokes, name=f"{self._name}-pokes", daemon=True
            )
            self._poker.start()
        self._pokes.put(worker)

    def _deliver_pokes(self) -> None:
        while (worker := self._pokes.get()) is not None:
            worker.poke()


def _raise_in(thread: threading.Thread, exception: type[BaseException]) -> None:
    """Raise an exception in a thread, at the next step of its Python code."""
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(exception)
    )
