"""One process per container that nothing in the container can get away from.

An agent starts one *launcher* (`python -m minimesos.agent.containerizer.supervisor FD`); for every
container the launcher forks a *supervisor*, which starts the container's first process. Both are
subreapers: the kernel makes whatever is orphaned below a supervisor (a daemon that forked twice,
called setsid, cleared its environment) the supervisor's own child. So membership needs no guessing,
and other children of the agent's process are never mistaken for a container's.

    agent ── launcher ─┬─ supervisor ── first process ── ...
                       └─ supervisor ── first process ── ...

- When the first process ends, for whatever reason, everything else in the container is killed.
- When the agent is gone, so are its containers, `AGENT_GONE_GRACE_S` later at the latest.
- When a supervisor is killed, the launcher inherits its orphans and kills them.

A supervisor is a Python that was forked without exec from a small, single-threaded one: about one
millisecond, about one megabyte. Keep the imports here few. It knows nothing of Mesos.

Source: prctl(2), PR_SET_CHILD_SUBREAPER; the shim processes of other container runtimes.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

from minimesos.agent.containerizer import wire
from minimesos.agent.containerizer.duty_cycle import DutyCycle, stop_tree
from minimesos.runtime.process_tree import children, descendants

AGENT_GONE_GRACE_S = 5.0
_PR_SET_CHILD_SUBREAPER = 36
_KILL_AGAIN_S = 0.064
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the agent says when it is over


class Launcher:
    """Forks a supervisor for every socket that the agent sends. Ends when agent and all are gone.

    The launcher keeps a supervisor's socket open until that supervisor's orphans are gone: the
    agent sees its end only when nothing of the container runs any more.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control: socket.socket | None = control
        self._wakeup = _wake_on_child()
        self._supervisors: dict[int, socket.socket] = {}
        self._ended: list[socket.socket] = []

    def run(self) -> None:
        """Serve until the agent is gone and every supervisor has ended."""
        while self._control is not None or self._supervisors or self._ended:
            timeout_s = _KILL_AGAIN_S if self._ended else None
            ready = _wait([self._wakeup, self._control], timeout_s)
            if self._control in ready:
                self._accept(self._control)
            self._reap()

    def _accept(self, control: socket.socket) -> None:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not descriptors:
            control.close()
            self._control = None
            return
        os.set_inheritable(descriptors[0], False)
        channel = socket.socket(fileno=descriptors[0])
        try:
            pid = os.fork()
        except OSError as error:
            channel.sendall(wire.encode(("failed", f"cannot fork: {error.strerror}")))
            channel.close()
            return
        if pid == 0:
            self._become_supervisor(channel)
        self._supervisors[pid] = channel

    def _become_supervisor(self, channel: socket.socket) -> NoReturn:
        status = 1
        try:
            # An agent must not wait for the end of a socket that some other supervisor holds.
            for other in (self._control, self._wakeup, *self._supervisors.values(), *self._ended):
                if other is not None:
                    other.close()
            os.setsid()
            _become_subreaper()
            Supervisor(channel).run()
            status = 0
        except BaseException:  # noqa: BLE001 (a fork must not return into the launcher's loop)
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        """Take note of supervisors that ended, and kill what they left if they were killed."""
        for pid, _ in _reaped():
            if pid in self._supervisors:
                self._ended.append(self._supervisors.pop(pid))
        orphans = [pid for pid in children(os.getpid()) if pid not in self._supervisors]
        for orphan in orphans:
            for pid in (orphan, *descendants(orphan)):
                _signal(pid, signal.SIGKILL)
        if not orphans:
            for channel in self._ended:
                channel.close()
            self._ended.clear()


class Supervisor:
    """Starts one container's first process, obeys the agent, and leaves nothing behind."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._decoder = wire.Decoder()
        self._wakeup = _wake_on_child()
        self._agent_gone = False
        self._first = 0
        self._kill_at: float | None = None
        self._duty: DutyCycle | None = None

    def run(self) -> None:
        """See one container through its life; returns when nothing of it is left."""
        spec = self._receive_launch()
        if spec is None:
            return
        self._first, problem = _spawn(spec)
        if problem:
            self._send(("failed", problem))
            return
        self._send(("started", self._first, os.getpid()))
        status = self._watch()
        _kill_everything()
        self._send(("exited", status))

    def _receive_launch(self) -> dict[str, Any] | None:
        while not self._agent_gone:
            for kind, argument in self._receive():
                if kind == "launch":
                    assert isinstance(argument, dict)
                    return argument
        return None

    def _watch(self) -> int:
        """Obey until the first process has ended or has to; returns its wait status."""
        next_step: float | None = None
        while True:
            now = time.monotonic()
            if self._kill_at is not None and now >= self._kill_at:
                return self._kill_first()
            if self._duty is not None and (next_step is None or now >= next_step):
                next_step = now + self._duty.step(now)
            deadlines = [at for at in (self._kill_at, next_step) if at is not None]
            timeout_s = min(deadlines) - now if deadlines else None
            channel = None if self._agent_gone else self._channel
            ready = _wait([self._wakeup, channel], timeout_s)
            for pid, status in _reaped():
                if pid == self._first:
                    return status
            if channel in ready:
                for kind, argument in self._receive():
                    self._obey(kind, argument)
                next_step = None

    def _obey(self, kind: str, argument: Any) -> None:
        now = time.monotonic()
        if kind == "destroy":
            self._limit(None, now)
            if self._kill_at is None and argument > 0:
                for pid in descendants(os.getpid()):
                    _signal(pid, signal.SIGTERM)
                    _signal(pid, signal.SIGCONT)
            self._kill_at = min(self._kill_at or now + argument, now + argument)
        elif kind == "limit" and self._kill_at is None:
            self._limit(argument, now)

    def _limit(self, cpus: float | None, now: float) -> None:
        if cpus is None and self._duty is not None:
            self._duty.resume()
            self._duty = None
        elif cpus is not None and self._duty is not None:
            self._duty.change(cpus)
        elif cpus is not None:
            self._duty = DutyCycle(cpus, now)

    def _kill_first(self) -> int:
        stop_tree()  # nobody may act on the first process's death before they are dead themselves
        os.kill(self._first, signal.SIGKILL)
        return os.waitpid(self._first, 0)[1]

    def _receive(self) -> list[tuple[str, Any]]:
        data = self._channel.recv(65536)
        if not data:
            self._agent_gone = True
            return [("destroy", AGENT_GONE_GRACE_S)]
        return self._decoder.feed(data)

    def _send(self, message: tuple[Any, ...]) -> None:
        with suppress(OSError):  # the agent is gone; nobody wants to know
            self._channel.sendall(wire.encode(message))


def _spawn(spec: dict[str, Any]) -> tuple[int, str]:
    """Start the first process; returns its pid, and why it could not be started, "" if it could."""
    reading, writing = os.pipe()  # close-on-exec: it ends without a word if exec succeeds
    pid = os.fork()
    if pid == 0:
        try:
            _exec(spec)
        except (OSError, ValueError) as error:
            os.write(writing, str(error).encode(errors="replace"))
        finally:
            os._exit(127)
    os.close(writing)
    with open(reading, "rb") as report:
        problem = report.read().decode()
    if problem:
        os.waitpid(pid, 0)
    return pid, problem


def _exec(spec: dict[str, Any]) -> NoReturn:
    os.setsid()
    for caught in (*_IGNORED, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(caught, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(spec["umask"])
    if spec["identity"] is not None:
        uid, gid, groups = spec["identity"]
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)
    os.chdir(spec["directory"])
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for number, (path, flags) in enumerate(
        ((os.devnull, os.O_RDONLY), ("stdout", append), ("stderr", append))
    ):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, number)
    # Everything else that this Python opened is close-on-exec.
    try:
        os.execvpe(spec["file"], spec["arguments"], spec["environment"])
    except OSError as error:
        # It names the last directory of PATH that was tried; people look for what they wrote.
        raise OSError(error.errno, error.strerror, spec["file"]) from error


def _kill_everything() -> None:
    """Kill whatever is below this process, and return when it is reaped."""
    pause_s = _KILL_AGAIN_S / 64
    while _has_children():
        stop_tree()
        for pid in descendants(os.getpid()):
            _signal(pid, signal.SIGKILL)
        # Orphans of the dead become our children now, and are next. Some die slowly, in the kernel.
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _KILL_AGAIN_S)


def _has_children() -> bool:
    """Reap those that have ended, and tell whether others are left."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def _reaped() -> list[tuple[int, int]]:
    """Reap what has ended; returns (pid, wait status) of each."""
    found = []
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            found.append(ended)
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait(inputs: list[socket.socket | None], timeout_s: float | None) -> list[socket.socket]:
    """Return those that are readable, after `timeout_s` none; the first is the wakeup socket."""
    poll = select.poll()  # not select(): descriptors may be above 1023
    for each in inputs:
        if each is not None:
            poll.register(each, select.POLLIN)
    timeout_ms = None if timeout_s is None else math.ceil(max(timeout_s, 0.0) * 1000)
    ready = {descriptor for descriptor, _ in poll.poll(timeout_ms)}
    found = [each for each in inputs if each is not None and each.fileno() in ready]
    if found and found[0] is inputs[0]:
        found[0].recv(4096)
    return found


def _wake_on_child() -> socket.socket:
    """Return a socket that becomes readable when a child ends."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reading


def _become_subreaper() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become a subreaper (needs Linux)")


def main() -> None:
    """Be the launcher; the argument is the descriptor of the agent's socket."""
    control = socket.socket(fileno=int(sys.argv[1]))
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    _become_subreaper()
    gc.disable()
    gc.freeze()  # supervisors share these pages for as long as nobody touches them
    Launcher(control).run()


if __name__ == "__main__":
    main()
