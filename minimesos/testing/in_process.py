"""Containers inside the agent's own process, for clusters that a test starts and throws away.

Performs what `minimesos.agent.containers` asks for, in place of the posix containerizer. A command
line that starts one of our own executors runs that program on this loop; it is found by the name
of its module, which is how an agent knows it. Any other command is an ordinary child process.
Nothing is isolated or limited, and what a program here prints goes where this process prints.

Killing a program here means to cancel it: it ends at its next step, and is left behind with a
warning if it does not do so in time.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from minimesos.actor import Stimulus
from minimesos.agent.containerizer.fetcher import Fetcher
from minimesos.agent.containerizer.posix import SHELL, CannotLaunch, Launch
from minimesos.agent.containerizer.sandbox import make_sandbox
from minimesos.agent.containers import (
    ContainerExited,
    ContainerLaunched,
    DestroyContainer,
    LaunchContainer,
    UpdateContainer,
)
from minimesos.agent.server import EXECUTOR_PROGRAM
from minimesos.errors import MinimesosError
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2

END_TIMEOUT_S = 5.0  # what programs that are killed may take to notice
_PROGRAMS = f"{EXECUTOR_PROGRAM[-1]}.in_process"
_EXEC = "exec "

Main = Callable[[Sequence[str], "Program"], Coroutine[Any, Any, int]]
"""Runs a program, given its arguments and surroundings; returns its exit code."""
Spawn = Callable[[mesos_pb2.CommandInfo, Mapping[str, str]], "Process"]
"""Starts a command with an environment in the container. Raises OSError and MinimesosError."""

_log = get_logger(__name__)


class Process:
    """A process of a container, or a program that stands for one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Done with the wait status, once nothing of it runs any more."""

    def poll(self) -> int | None:
        """Return the wait status, None while it runs."""
        return self.exited.result() if self.exited.done() else None

    def signal(self, number: signal.Signals) -> None:
        """Signal it and what it has started; nothing happens after its end."""
        raise NotImplementedError


class Program(Process):
    """One of our own programs, on this loop; also what it has in place of a process's own."""

    def __init__(
        self,
        main: Main,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        spawn: Spawn,
    ) -> None:
        super().__init__(os.getpid())
        self.environment = environment
        self.spawn = spawn
        self._terminate: Callable[[], None] | None = None
        self._killed = False
        self._task = asyncio.ensure_future(main(arguments, self))
        self._task.add_done_callback(self._ended)

    def on_terminate(self, callback: Callable[[], None]) -> None:
        """Call back in place of SIGTERM, which kills otherwise."""
        self._terminate = callback

    def signal(self, number: signal.Signals) -> None:
        if self._task.done() or self._killed:
            return  # a second cancellation would end the cleaning up after the first
        if number == signal.SIGTERM and self._terminate is not None:
            self._terminate()
        else:
            self._killed = self._task.cancel()

    def _ended(self, task: asyncio.Task[int]) -> None:
        if self._killed or task.cancelled():
            status = int(signal.SIGKILL)
        elif (error := task.exception()) is not None:
            _log.error("a program of a container failed", error=repr(error))
            status = os.EX_SOFTWARE << 8
        else:
            status = task.result() << 8
        self.exited.set_result(status)


class ChildProcess(Process):
    """A process with a session of its own; its output is appended to stdout and stderr there."""

    def __init__(self, launch: Launch) -> None:
        """Start it. Raises OSError."""
        directory = launch.directory
        with (
            open(os.path.join(directory, "stdout"), "ab") as stdout,
            open(os.path.join(directory, "stderr"), "ab") as stderr,
        ):
            self._process = subprocess.Popen(
                launch.arguments,
                executable=launch.file,
                cwd=directory,
                env=launch.environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        super().__init__(self._process.pid)
        pidfd = os.pidfd_open(self.pid)
        loop = asyncio.get_running_loop()
        loop.add_reader(pidfd, self._ended, loop, pidfd)

    def signal(self, number: signal.Signals) -> None:
        if not self.exited.done():
            os.killpg(self.pid, number)

    def _ended(self, loop: asyncio.AbstractEventLoop, pidfd: int) -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # while it is not reaped, the group is its own
        code = self._process.wait()
        self.exited.set_result(-code if code < 0 else code << 8)


class _Container:
    """A container from its launch until its exit is told."""

    def __init__(self, launch: LaunchContainer) -> None:
        self.launch = launch
        self.preparing: asyncio.Task[None]
        self.task: asyncio.Task[None]
        self._processes: list[Process] = []
        self._killed = False

    def spawn(self, command: mesos_pb2.CommandInfo, environment: Mapping[str, str]) -> Process:
        """Start a process, or a program here. Raises OSError and MinimesosError."""
        if self._killed:
            raise CannotLaunch("the container is being destroyed")
        launch = Launch.of_command(command, environment, self.launch.sandbox, None)
        arguments = _arguments_of_ours(launch)
        process: Process
        if arguments is None:
            process = ChildProcess(launch)
        else:
            main: Main = importlib.import_module(_PROGRAMS).run
            process = Program(main, arguments, environment, self.spawn)
        self._processes.append(process)
        return process

    def destroy(self, grace_s: float) -> None:
        """Kill everything: SIGTERM, and SIGKILL after `grace_s` (0: at once)."""
        if not self._processes:
            self.preparing.cancel()
        elif grace_s > 0:
            self._signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(grace_s, self._kill)
        else:
            self._kill()

    async def end(self) -> None:
        """Kill what is left, and wait for its end."""
        self._kill()
        _, alive = await asyncio.wait(
            [process.exited for process in self._processes], timeout=END_TIMEOUT_S
        )
        if alive:
            container_id = self.launch.container_id
            _log.warning("programs do not end", container=container_id, number=len(alive))

    def _kill(self) -> None:
        self._killed = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes:
            process.signal(number)


class InProcessContainerizer:
    """Construct it on the agent's loop, and `await stop()` before that ends."""

    def __init__(self, post: Callable[[Stimulus], None]) -> None:
        self._post = post
        self._containers: dict[str, _Container] = {}

    def perform(self, effect: LaunchContainer | UpdateContainer | DestroyContainer) -> None:
        """Start to do what the agent asks for; returns at once. Updates change nothing."""
        if isinstance(effect, LaunchContainer):
            container = self._containers[effect.container_id] = _Container(effect)
            container.preparing = asyncio.ensure_future(_prepare(effect))
            container.task = asyncio.ensure_future(self._live(container))
        elif isinstance(effect, DestroyContainer):
            found = self._containers.get(effect.container_id)
            if found is not None:
                found.destroy(effect.grace_s)

    def usage(self, container_id: str) -> mesos_pb2.ResourceStatistics | None:
        """Return None: what belongs to which container cannot be told apart."""
        return None

    async def stop(self) -> None:
        """Destroy all containers and wait for their end."""
        for container in self._containers.values():
            container.destroy(0.0)
        tasks = [container.task for container in self._containers.values()]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self, container: _Container) -> None:
        """See a container through its life."""
        launch = container.launch
        container_id = launch.container_id
        try:
            await container.preparing
            first = container.spawn(launch.command, launch.environment)
        except asyncio.CancelledError:
            exited = ContainerExited(container_id, None, message="Destroyed while starting")
        except (OSError, MinimesosError) as error:
            exited = ContainerExited(
                container_id,
                None,
                mesos_pb2.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED,
                f"Failed to launch container: {error}",
            )
        else:
            self._post(ContainerLaunched(container_id, first.pid))
            status = await first.exited
            await container.end()
            exited = ContainerExited(container_id, status)
        del self._containers[container_id]
        self._post(exited)


async def _prepare(launch: LaunchContainer) -> None:
    make_sandbox(launch.sandbox, None)
    await Fetcher().fetch(launch.command.uris, launch.sandbox, None)


def _arguments_of_ours(launch: Launch) -> Sequence[str] | None:
    """Return the arguments of one of our own programs, None if the command is anything else."""
    words = [launch.file, *launch.arguments[1:]]
    if launch.file == SHELL:
        line = launch.arguments[-1].removeprefix(_EXEC)
        try:
            words = shlex.split(line)
        except ValueError:
            return None
        if shlex.join(words) != line:
            return None  # more than words for the shell to understand
    ours = len(EXECUTOR_PROGRAM)
    return words[ours:] if tuple(words[:ours]) == EXECUTOR_PROGRAM else None
