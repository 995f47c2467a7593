"""Performs the agent's container effects in the real world, on the agent's asyncio loop.

A container is a sandbox, what was fetched into it, and a process tree below a supervisor, watched
by isolators. `perform` takes the effects of `minimesos.agent.containers` and never blocks; what
happens is told by their stimuli, exactly one `ContainerExited` for each launch, when nothing of the
container runs any more. It knows nothing of tasks or frameworks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from minimesos.actor import Stimulus
from minimesos.agent.containerizer.cpu import CpuIsolator
from minimesos.agent.containerizer.fetcher import Fetcher
from minimesos.agent.containerizer.isolation import IsolationLoop, Limitation, create_isolators
from minimesos.agent.containerizer.mem import MemoryIsolator
from minimesos.agent.containerizer.posix import (
    Identity,
    Launch,
    Launcher,
    SupervisedProcess,
    identity_of,
)
from minimesos.agent.containerizer.sandbox import last_words_in, make_sandbox
from minimesos.agent.containers import (
    ContainerExited,
    ContainerLaunched,
    DestroyContainer,
    LaunchContainer,
    UpdateContainer,
)
from minimesos.errors import MinimesosError
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources

ISOLATION = ("posix/cpu", "posix/mem")

_log = get_logger(__name__)


class _Container:
    """A container from its launch until its exit is told."""

    __slots__ = ("grace_s", "launch", "limitation", "preparing", "process", "resources", "task")

    def __init__(self, launch: LaunchContainer) -> None:
        self.launch = launch
        self.resources: Resources = launch.resources
        self.preparing: asyncio.Task[Identity | None] | None = None
        self.process: SupervisedProcess | None = None
        self.grace_s: float | None = None  # of a destruction that was asked for
        self.limitation: Limitation | None = None
        self.task: asyncio.Task[None]


class PosixContainerizer:
    """Construct it on the agent's loop, and `await stop()` before that ends."""

    def __init__(
        self,
        post: Callable[[Stimulus], None],
        *,
        isolation: Sequence[str] = ISOLATION,
        hard_cpu_cap: bool = False,
        switch_user: bool = True,
        fetcher: Fetcher | None = None,
    ) -> None:
        """`post` is called on the loop. Raises InvalidValue for an unknown isolation."""
        isolators = create_isolators(
            isolation,
            {"posix/cpu": lambda: CpuIsolator(hard_cpu_cap), "posix/mem": MemoryIsolator},
        )
        self._post = post
        self._switch_user = switch_user
        self._fetcher = fetcher or Fetcher()
        self._containers: dict[str, _Container] = {}
        self._isolation = IsolationLoop(isolators, self._limited)
        self._launcher = Launcher()

    def perform(self, effect: LaunchContainer | UpdateContainer | DestroyContainer) -> None:
        """Start to do what the agent asks for; returns at once."""
        match effect:
            case LaunchContainer():
                self._launch(effect)
            case UpdateContainer():
                self._update(effect)
            case DestroyContainer():
                self._destroy(effect)

    def usage(self, container_id: str) -> mesos_pb2.ResourceStatistics | None:
        """Return a container's latest statistics, None if it is unknown or does not run."""
        return self._isolation.usage(container_id)

    async def stop(self) -> None:
        """Destroy all containers and wait for their end."""
        for container_id in list(self._containers):
            self._destroy(DestroyContainer(container_id))
        tasks = [container.task for container in self._containers.values()]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._isolation.stop()
        await self._fetcher.close()
        self._launcher.close()

    def _launch(self, effect: LaunchContainer) -> None:
        assert effect.container_id not in self._containers, "a container id is used once"
        container = self._containers[effect.container_id] = _Container(effect)
        container.preparing = asyncio.ensure_future(self._prepare(effect))
        container.task = asyncio.ensure_future(self._live(container))

    def _update(self, effect: UpdateContainer) -> None:
        container = self._containers.get(effect.container_id)
        if container is not None:
            container.resources = effect.resources
            self._isolation.update(effect.container_id, effect.resources)

    def _destroy(self, effect: DestroyContainer) -> None:
        container = self._containers.get(effect.container_id)
        if container is None:
            return
        container.grace_s = effect.grace_s
        if container.process is not None:
            container.process.destroy(effect.grace_s)
        elif container.preparing is not None:
            container.preparing.cancel()

    def _limited(self, container_id: str, limitation: Limitation) -> None:
        container = self._containers[container_id]
        if container.limitation is None and container.process is not None:
            summary = limitation.message.partition("\n")[0]
            _log.warning("Container limited", container=container_id, message=summary)
            container.limitation = limitation
            container.process.destroy(0.0)

    async def _live(self, container: _Container) -> None:
        """See a container through its life."""
        container_id = container.launch.container_id
        try:
            problem = await self._start(container)
            exited = problem or await self._watch(container)
        finally:
            del self._containers[container_id]
        self._post(exited)

    async def _start(self, container: _Container) -> ContainerExited | None:
        """Start the first process; returns the container's exit if that did not work out."""
        launch = container.launch
        assert container.preparing is not None
        try:
            identity = await container.preparing
            container.preparing = None  # from here on it is quicker to let it start, then kill it
            container.process = await self._launcher.launch(
                Launch.of_command(launch.command, launch.environment, launch.sandbox, identity)
            )
        except asyncio.CancelledError:
            if container.grace_s is None:
                raise
            return ContainerExited(launch.container_id, None, message="Destroyed while starting")
        except (OSError, MinimesosError) as error:
            return ContainerExited(
                launch.container_id,
                None,
                mesos_pb2.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED,
                str(error),
            )
        if container.grace_s is not None:
            container.process.destroy(container.grace_s)
        return None

    async def _prepare(self, launch: LaunchContainer) -> Identity | None:
        """Make the sandbox with all that is fetched; returns whom the container runs as."""
        identity = identity_of(launch.user) if self._switch_user else None
        await asyncio.to_thread(make_sandbox, launch.sandbox, identity)
        await self._fetcher.fetch(launch.command.uris, launch.sandbox, identity)
        return identity

    async def _watch(self, container: _Container) -> ContainerExited:
        process, container_id = container.process, container.launch.container_id
        assert process is not None
        self._isolation.add(container_id, container.resources, process)
        self._post(ContainerLaunched(container_id, process.pid))
        status = await process.exited()
        self._isolation.remove(container_id)
        if container.limitation is not None:
            limitation = container.limitation
            return ContainerExited(container_id, status, limitation.reason, limitation.message)
        message = ""
        if status is None:
            message = "The container's supervisor was killed"
        elif status and container.grace_s is None:  # it failed by itself
            message = await asyncio.to_thread(last_words_in, container.launch.sandbox)
        return ContainerExited(container_id, status, message=message)
