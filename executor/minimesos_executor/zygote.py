"""The zygote: a small process that has imported what tasks need, and forks workers on request.

Started by the control process before that imports anything heavy. It runs no thread and never
imports grpc, so its forks are cheap and safe, and a worker is ready in milliseconds. It lives in a
process group of its own with all workers and whatever those start; when the control process is
gone, by whatever means, its end of the socket closes and the zygote kills the group, itself
included. Workers die with the zygote by PR_SET_PDEATHSIG.

It knows nothing of tasks: a worker is a function that is given a socket and a page of memory.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from minimesos.runtime.frame_socket import Reactor
from minimesos_executor import environment
from minimesos_executor.deaths import Exit

PRELOADED = (
    "cloudpickle",
    "faulthandler",
    "minimesos.spark.accumulators",
    "minimesos.spark.broadcast",
    "minimesos.spark.io.save",
    "minimesos.spark.io.text",
    "minimesos.spark.scheduler.task",
    "minimesos.spark.shuffled",
    "minimesos_executor.runner",
)
"""Modules that tasks use; imported once, here."""

# Requests: fork a worker for slot (its descriptors come along), send signal to pid.
_FORK, _SIGNAL = b"F", b"S"
# Reports: slot's worker is pid; pid ended with wait status, and its peak of memory.
_FORKED, _EXITED = b"f", b"x"
_MESSAGE = struct.Struct("<cqqq")
_CHILDREN = "/proc/thread-self/children"
_FDS_PER_WORKER = 4
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

WorkerMain = Callable[[socket.socket, int], None]
"""Runs a worker with its socket and the descriptor of its board; returns when it is to end."""


class Zygote:
    """The control process's handle on its zygote. Start it before anything that starts threads."""

    def __init__(self, close: Sequence[socket.socket] = (), forget: Sequence[str] = ()) -> None:
        """Fork it, without the sockets in `close` and the environment variables in `forget`."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                for sock in (ours, *close):
                    sock.close()
                for variable in forget:
                    environment.take(variable)
                _serve(theirs)
            finally:
                os._exit(1)
        _make_group(self.pid)
        theirs.close()
        ours.setblocking(False)
        self._socket = ours
        self._reactor: Reactor | None = None

    def attach(
        self,
        reactor: Reactor,
        on_forked: Callable[[int, int], None],
        on_exited: Callable[[int, Exit], None],
        on_died: Callable[[], None],
    ) -> None:
        """Report from now on: `on_forked(slot, pid)`, `on_exited(pid, exit)`, and its own end."""
        self._reactor = reactor

        def read() -> None:
            while True:
                try:
                    data = self._socket.recv(_MESSAGE.size)
                except BlockingIOError:
                    return
                except OSError:
                    data = b""
                if not data:
                    self.close()
                    on_died()
                    return
                kind, first, second, peak_bytes = _MESSAGE.unpack(data)
                if kind == _FORKED:
                    on_forked(first, second)
                else:
                    on_exited(first, Exit(second, peak_bytes))

        reactor.add_reader(self._socket.fileno(), read)

    def fork(self, slot: int, worker: socket.socket, board: int, stdout: int, stderr: int) -> None:
        """Ask for a worker; the descriptors are sent, the caller may close its own copies."""
        fds = (worker.fileno(), board, stdout, stderr)
        self._send(_MESSAGE.pack(_FORK, slot, 0, 0), fds)

    def signal(self, pid: int, signum: int) -> None:
        """Send a signal to a worker. Safe against pids that have been taken over by others."""
        self._send(_MESSAGE.pack(_SIGNAL, pid, signum, 0))

    def close(self) -> None:
        """Kill the zygote, the workers and what they started, and reap the zygote."""
        if self._socket.fileno() < 0:
            return
        if self._reactor is not None:
            self._reactor.remove_reader(self._socket.fileno())
        self._socket.close()
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it died, and nothing is left of its group
        os.waitpid(self.pid, 0)

    def _send(self, message: bytes, fds: Sequence[int] = ()) -> None:
        if self._socket.fileno() < 0:
            return
        self._socket.setblocking(True)
        try:
            socket.send_fds(self._socket, [message], fds)
        except OSError:
            pass  # the reader is told that it died
        self._socket.setblocking(False)


def _make_group(pid: int) -> None:
    """Give the zygote its own group; called on both sides of the fork, so neither has to wait."""
    try:
        os.setpgid(pid, pid)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended already


def _serve(control: socket.socket) -> None:
    """Be the zygote until the control process is gone; does not return."""
    _make_group(os.getpid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for module in PRELOADED:
            importlib.import_module(module)
        from minimesos_executor.runner import run_worker

        gc.collect()
        gc.freeze()
        _fork_on_request(control, run_worker)
    except ConnectionError:
        pass  # the control process went with reports of ours unread
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        raise
    finally:
        os.killpg(os.getpid(), signal.SIGKILL)


def _fork_on_request(control: socket.socket, worker_main: WorkerMain) -> None:
    zygote = os.getpid()
    _adopt_orphans()
    children: set[int] = set()
    wake_read, wake_write = os.pipe()
    for fd in (wake_read, wake_write):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda signum, frame: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    while True:
        readable, _, _ = select.select((control.fileno(), wake_read), (), ())
        if wake_read in readable:
            os.read(wake_read, 4096)
        if control.fileno() in readable:
            data, fds, _, _ = socket.recv_fds(
                control, _MESSAGE.size, _FDS_PER_WORKER, socket.MSG_CMSG_CLOEXEC
            )
            if not data:
                return
            kind, first, second, _ = _MESSAGE.unpack(data)
            if kind == _FORK:
                pid = os.fork()
                if pid == 0:
                    control.close()
                    for fd in (wake_read, wake_write):
                        os.close(fd)
                    _become_worker(zygote, fds, worker_main)
                children.add(pid)
                for fd in fds:
                    os.close(fd)
                control.send(_MESSAGE.pack(_FORKED, first, pid, 0))
            elif first in children:
                os.kill(first, second)
        for pid, exit in _reap(children):
            control.send(_MESSAGE.pack(_EXITED, pid, *exit))


def _reap(workers: set[int]) -> list[tuple[int, Exit]]:
    """Return the workers that have ended; what they have left behind ends, too."""
    ended: list[tuple[int, Exit]] = []
    has_orphans = False
    with suppress(ChildProcessError):
        while True:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                break
            has_orphans = True
            if pid in workers:
                workers.discard(pid)
                ended.append((pid, Exit(status, usage.ru_maxrss * 1024)))
    if has_orphans:
        _kill_orphans(workers)
    return ended


def _kill_orphans(workers: set[int]) -> None:
    """Kill the children of dead workers, which are ours now."""
    with suppress(OSError), open(_CHILDREN, encoding="ascii") as file:
        for pid in {int(word) for word in file.read().split()} - workers:
            os.kill(pid, signal.SIGKILL)  # of ours, so the number is not another's


def _become_worker(zygote: int, fds: Sequence[int], worker_main: WorkerMain) -> NoReturn:
    """Run as a forked worker, and never return into the zygote's code."""
    code = 1
    try:
        _die_with(zygote)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        sock_fd, board, *streams = fds
        for fd, stream in enumerate(streams, 1):
            os.dup2(stream, fd)
            os.close(stream)
        worker_main(socket.socket(fileno=sock_fd), board)
        code = 0
    except BaseException:  # noqa: BLE001 - or the fork would go on as another zygote
        # Not by sys.stderr, which a task may have closed, or which is on its way to the driver.
        os.write(2, traceback.format_exc().encode())
    finally:
        for printed in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                printed.flush()
        os._exit(code)


def _adopt_orphans() -> None:
    """Make the children of our children ours once their parents have ended."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _die_with(parent: int) -> None:
    """Make the kernel kill this process when its parent ends; at once if it has ended already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
