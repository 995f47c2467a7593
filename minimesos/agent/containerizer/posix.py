"""The agent's end of the launcher: starts processes under supervisors and hears how they end.

Called by the containerizer on the agent's loop. What a supervisor does is said in `supervisor`.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from minimesos.agent.containerizer import wire
from minimesos.errors import MinimesosError
from minimesos.proto.mesos.v1 import mesos_pb2

SHELL = "/bin/sh"
UMASK = 0o022


class CannotLaunch(MinimesosError):
    """A container cannot be started; says which step failed and on what."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a container's processes run as."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def identity_of(user: str) -> Identity | None:
    """Return the identity to switch to, None if this process already is `user`.

    Raises CannotLaunch if there is no such user or no privilege to become it.
    """
    if not user:
        return None
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise CannotLaunch(f"no user '{user}' on this machine") from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise CannotLaunch(
            f"cannot run as user '{user}': the agent is not root (see its flag --no-switch_user)"
        )
    groups = tuple(os.getgrouplist(user, entry.pw_gid))
    return Identity(entry.pw_uid, entry.pw_gid, groups)


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to start; stdout and stderr are files of these names in its directory."""

    file: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    directory: str
    identity: Identity | None = None

    @classmethod
    def of_command(
        cls,
        command: mesos_pb2.CommandInfo,
        environment: Mapping[str, str],
        directory: str,
        identity: Identity | None,
    ) -> Launch:
        """Read Mesos's command, for a shell or a file with its argv. Raises CannotLaunch."""
        if not command.value:
            raise CannotLaunch("the command has no value")
        for text in (command.value, *command.arguments, *environment, *environment.values()):
            if "\0" in text:
                raise CannotLaunch("the command or its environment holds a NUL character")
        if command.shell:
            return cls(SHELL, ("sh", "-c", command.value), environment, directory, identity)
        arguments = tuple(command.arguments) or (command.value,)
        return cls(command.value, arguments, environment, directory, identity)

    def _spec(self) -> dict[str, Any]:
        who = self.identity
        return {
            "file": self.file,
            "arguments": list(self.arguments),
            "environment": dict(self.environment),
            "directory": self.directory,
            "umask": UMASK,
            "identity": None if who is None else (who.uid, who.gid, list(who.groups)),
        }


class Launcher:
    """The launcher process of one agent. It starts at once, so that no container waits for it."""

    def __init__(self) -> None:
        self._control, self._process = _start()

    async def launch(self, launch: Launch) -> SupervisedProcess:
        """Start a process; returns once it has been executed. Raises CannotLaunch."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._hand_over(theirs)
            except OSError as error:
                ours.close()
                raise CannotLaunch(f"the launcher does not work: {error}") from error
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        process = SupervisedProcess(reader, writer)
        try:
            await process.start(launch._spec())
        except BaseException:
            process.close()
            raise
        return process

    def _hand_over(self, supervisors_end: socket.socket) -> None:
        try:
            socket.send_fds(self._control, [b"+"], [supervisors_end.fileno()])
        except (BrokenPipeError, ConnectionResetError):
            self._control.close()  # somebody killed the launcher; what it had launched lives on
            self._process.wait()
            self._control, self._process = _start()
            socket.send_fds(self._control, [b"+"], [supervisors_end.fileno()])

    def close(self) -> None:
        """Let the launcher end; call it when all containers have ended."""
        self._control.close()
        self._process.wait()


def _start() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-P", "-m", "minimesos.agent.containerizer.supervisor"]
        process = subprocess.Popen(
            [*command, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # a terminal's Ctrl-C is for the agent
            cwd="/",
        )
    return ours, process


class SupervisedProcess:
    """A container's first process, and whatever came of it. Made by `Launcher.launch`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = wire.Decoder()
        self._received: deque[tuple[Any, ...]] = deque()
        self.pid = 0
        self.supervisor_pid = 0

    async def start(self, spec: dict[str, Any]) -> None:
        self._send(("launch", spec))
        answer = await self._receive()
        if answer is None:
            raise CannotLaunch("the supervisor ended before it had started anything")
        if answer[0] == "failed":
            raise CannotLaunch(answer[1])
        _, self.pid, self.supervisor_pid = answer

    async def exited(self) -> int | None:
        """Wait until nothing is left; returns the first process's wait status.

        None if that is unknown because the supervisor was killed.
        """
        status: int | None = None
        while (message := await self._receive()) is not None:
            if message[0] == "exited":
                status = message[1]
        self.close()
        return status

    def destroy(self, grace_s: float) -> None:
        """Have all killed: SIGTERM, SIGKILL after `grace_s`; a second call may shorten that."""
        self._send(("destroy", grace_s))

    def limit_cpu(self, cpus: float | None) -> None:
        """Hold everything to `cpus` by suspending it now and then; None: let it run."""
        self._send(("limit", cpus))

    def close(self) -> None:
        """Give it up; a supervisor that still runs then destroys what it has."""
        self._writer.close()

    def _send(self, message: tuple[Any, ...]) -> None:
        if not self._writer.is_closing():
            self._writer.write(wire.encode(message))

    async def _receive(self) -> tuple[Any, ...] | None:
        with suppress(ConnectionError):  # it was killed with something of ours unread
            while not self._received and (data := await self._reader.read(65536)):
                self._received += self._decoder.feed(data)
        return self._received.popleft() if self._received else None
