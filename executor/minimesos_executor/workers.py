"""One worker as its control process sees it: its process, its socket, its board, its stderr.

The pool (`minimesos_executor.pool`) decides what a worker runs. Here is how it is started, how its
messages are passed on, and how its death is explained.
"""

from __future__ import annotations

import mmap
import os
import signal
import socket
from array import array
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from minimesos.runtime.frame_socket import Frame, FrameSocket, Reactor, Timer
from minimesos_executor import messages
from minimesos_executor.deaths import Exit, explain, oom_kills
from minimesos_executor.messages import NO_TASK, Task

TAIL_BYTES = 8192
TAIL_LINES = 30
HANG_UP_S = 0.25  # from the end of its socket to that of a process that dies
_RELAY_BYTES = 2**16


class OutputRelay:
    """Passes on what comes from a worker's descriptor, and remembers the end of it."""

    def __init__(self, reactor: Reactor, on_data: Callable[[bytes], None]) -> None:
        self._reactor = reactor
        self._on_data = on_data
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._tail = b""
        reactor.add_reader(self._read_fd, self._relay)

    def close_write(self) -> None:
        """Close our copy of the worker's end."""
        os.close(self.write_fd)

    def note(self, text: str) -> None:
        """Remember what went another way."""
        self._tail = (self._tail + text[-TAIL_BYTES:].encode())[-TAIL_BYTES:]

    def finish(self) -> str:
        """Pass on what is left, close, and return the last lines."""
        while self._read_fd >= 0 and self._relay():
            pass
        self._close()
        lines = self._tail.decode(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    def _relay(self) -> bool:
        try:
            data = os.read(self._read_fd, _RELAY_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._close()
            return False
        self._tail = (self._tail + data)[-TAIL_BYTES:]
        self._on_data(data)
        return True

    def _close(self) -> None:
        if self._read_fd >= 0:
            self._reactor.remove_reader(self._read_fd)
            os.close(self._read_fd)
            self._read_fd = -1


class WorkerSource(Protocol):
    """Where workers come from: the zygote; its methods say more."""

    @property
    def pid(self) -> int:
        """The process of its own, 0 if it has none."""
        ...

    def attach(
        self,
        reactor: Reactor,
        on_forked: Callable[[int, int], None],
        on_exited: Callable[[int, Exit], None],
        on_died: Callable[[], None],
    ) -> None:
        """Tell of workers from now on: slot and pid once forked, pid and how it ended once gone.

        `on_died` says that the source itself is lost, and every worker with it. To be called once,
        before anything else.
        """
        ...

    def fork(self, slot: int, worker: socket.socket, board: int, stdout: int, stderr: int) -> None:
        """Start a worker on its end of a socket pair; the caller closes the descriptors."""
        ...

    def signal(self, pid: int, signum: int) -> None:
        """Send a signal to a worker; nothing happens if it is gone already."""
        ...

    def close(self) -> None:
        """Kill all workers and stop telling of them."""
        ...


class Worker:
    """One life of the process in a slot."""

    def __init__(
        self,
        reactor: Reactor,
        zygote: WorkerSource,
        slot: int,
        on_message: Callable[[Worker, tuple[Any, ...]], None],
        on_turn: Callable[[], None],
        on_output: Callable[[int, bytes], None],
    ) -> None:
        """`on_output` is told what comes by the worker's descriptors 1 and 2."""
        self.slot = slot
        self.pid = 0  # once forked
        self.ready = False
        self.sent: dict[int, Task] = {}  # tasks it has and has not answered, in running order
        self.own: deque[Task] = deque()  # tasks that wait for this slot and no other
        self.bound: set[int] = set()  # those of `sent` that came from `own`
        self.stages: set[int] = set()  # stages whose binary it has been sent
        self.heard_at = reactor.time()
        self.recalled = False
        self.spent = False  # has run its one task, and ends, as workers are not used again
        self.settled = False  # runs one task for so long that it will report by itself
        self.last_seen = NO_TASK
        self.doomed: int = NO_TASK  # the task for whose sake it was killed
        self._has_hung_up = False
        self._hang_up: Timer | None = None
        self._reactor = reactor
        self._oom_kills = oom_kills()
        self._zygote = zygote
        self._on_message = on_message
        ours, theirs = socket.socketpair()
        board = os.memfd_create("minimesos-board", os.MFD_CLOEXEC)
        os.ftruncate(board, messages.BOARD_BYTES)
        self._board = memoryview(mmap.mmap(board, messages.BOARD_BYTES)).cast("q")
        self._board[0] = NO_TASK
        self.stdout = OutputRelay(reactor, partial(on_output, 1))
        self.stderr = OutputRelay(reactor, partial(on_output, 2))
        zygote.fork(slot, theirs, board, self.stdout.write_fd, self.stderr.write_fd)
        theirs.close()
        os.close(board)
        self.stdout.close_write()
        self.stderr.close_write()
        self.link = FrameSocket(reactor, ours, self._on_frame, self._hung_up, on_turn)

    @property
    def running(self) -> int:
        """Id of the task that it runs right now, NO_TASK if none."""
        return int(self._board[0])

    def send(self, *message: Any) -> None:
        self.link.send(messages.encode(*message))

    def poke(self) -> None:
        """Make it look at its messages, after they have left us."""
        self.link.when_sent(lambda: self.signal(signal.SIGINT))

    def signal(self, signum: signal.Signals) -> None:
        if self.pid:
            self._zygote.signal(self.pid, signum)

    def _hung_up(self) -> None:
        """It dies, or a task has closed its socket: then it can be of no use any more."""

        def kill() -> None:
            self._has_hung_up = True
            self.signal(signal.SIGKILL)

        self._hang_up = self._reactor.call_later(HANG_UP_S, kill)

    def bury(self, exit: Exit) -> str:
        """Take in what it had sent before it died; returns why it died, for people."""
        self.link.read_rest()
        self.link.close()
        tail = self.finish()
        why = explain(exit, self._oom_kills, self._has_hung_up)
        reason = f"worker {self.slot} (pid {self.pid}) {why}"
        return f"{reason}; the last lines of its stderr:\n{tail}" if tail else reason

    def finish(self) -> str:
        """Pass on what is left of its output; returns the last lines of its stderr."""
        self._board = memoryview(array("q", (self.running,)))  # the shared one is given back
        if self._hang_up is not None:
            self._hang_up.cancel()
        self.stdout.finish()
        return self.stderr.finish()

    def _on_frame(self, frame: Frame) -> None:
        self._on_message(self, messages.decode(frame))
