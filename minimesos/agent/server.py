"""The agent's program around its core: one port, a containerizer, operator endpoints, sandboxes.

Used by `minimesos agent`, by clusters in one process and by tests. It decides nothing: stimuli go
to `Agent`, whose effects are performed by the streams and the containerizer.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Protocol

import minimesos
from minimesos.actor import Stimulus
from minimesos.agent import snapshot
from minimesos.agent.agent import Agent, ShutdownRequested
from minimesos.agent.containerizer.containerizer import PosixContainerizer
from minimesos.agent.containerizer.fetcher import Fetcher
from minimesos.agent.containerizer.fetcher_cache import FetcherCache
from minimesos.agent.containers import DestroyContainer, LaunchContainer, UpdateContainer
from minimesos.agent.executor_api import PREFIXES, ExecutorApi
from minimesos.agent.flags import AgentFlags, isolators
from minimesos.agent.machine import machine_resources
from minimesos.agent.sandbox_files import locate_sandbox
from minimesos.attributes import format_attributes, parse_attributes
from minimesos.errors import MinimesosError
from minimesos.flags import flags_at_startup, to_json
from minimesos.ids import RandomIds
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources
from minimesos.runtime.frames import AGENT, EXECUTOR
from minimesos.runtime.rpc import RpcClient
from minimesos.runtime.server import (
    Server,
    advertised_hostname,
    advertised_ip,
    warn_if_exposed,
)
from minimesos.runtime.streams import Peers
from minimesos.units import format_duration

if TYPE_CHECKING:
    from aiohttp import web

    from minimesos.http.routing import Handler

Pages = Callable[[], "Mapping[str, Handler]"]
"""Returns the routes of a console; called with the first HTTP request, so it may import late."""

SHUTDOWN_MARGIN_S = 5.0  # what a shutdown may take beyond the executors' own grace period
EXIT_NO_MASTER = 1
EXECUTOR_PROGRAM = (sys.executable, "-P", "-m", "minimesos_executor")
"""The command line that starts our executors; the kind of executor follows."""

_log = get_logger(__name__)


class CannotUseWorkDir(MinimesosError):
    """The work directory cannot be written to; says why and what to do."""


class Containerizer(Protocol):
    """Who performs the agent's container effects; `PosixContainerizer` says more."""

    def perform(self, effect: LaunchContainer | UpdateContainer | DestroyContainer) -> None:
        """Begin what the agent has decided; the outcome comes back as a stimulus."""
        ...

    def usage(self, container_id: str) -> mesos_pb2.ResourceStatistics | None:
        """Return a container's newest measurement; None before the first and after the end."""
        ...

    async def stop(self) -> None:
        """Destroy all containers and wait for their end."""
        ...


MakeContainerizer = Callable[[AgentFlags, Callable[[Stimulus], None]], Containerizer]
"""Makes a containerizer on the agent's loop, given what it calls with its stimuli."""


def _posix_containerizer(flags: AgentFlags, post: Callable[[Stimulus], None]) -> PosixContainerizer:
    cache_dir = flags.fetcher_cache_dir or flags.work_dir / "fetch"
    fetcher = Fetcher(
        frameworks_home=flags.frameworks_home,
        stall_timeout_s=flags.fetcher_stall_timeout,
        cache=FetcherCache(cache_dir, flags.fetcher_cache_size),
    )
    return PosixContainerizer(
        post,
        isolation=isolators(flags.isolation),
        hard_cpu_cap=flags.cgroups_enable_cfs,
        switch_user=flags.switch_user,
        fetcher=fetcher,
    )


class AgentServer:
    """An agent that listens. `start`, then `run`; `address` is known in between."""

    def __init__(
        self,
        flags: AgentFlags,
        pages: Pages | None = None,
        containerizer: MakeContainerizer = _posix_containerizer,
    ) -> None:
        self._flags = flags
        self._pages = pages
        self._server: Server
        self.core: Agent
        self._peers: Peers
        self._client: RpcClient
        self._executor_api: ExecutorApi
        self._make_containerizer = containerizer
        self._containerizer: Containerizer

    @property
    def address(self) -> str:
        """ip:port that executors and clients on this host can use."""
        return self._server.address

    async def start(self) -> None:
        """Listen. Raises CannotListen, CannotUseWorkDir and CannotUseCache."""
        # Sandboxes are named by absolute paths, whatever directory this program was started in.
        flags = dataclasses.replace(self._flags, work_dir=usable_work_dir(self._flags.work_dir))
        self._flags = flags
        server = self._server = Server(self._build_http)
        await server.bind(flags.ip, flags.port)
        warn_if_exposed(server.ip)
        info = agent_info(flags, advertised_ip(server.ip, None), server.port)
        self._log_start(info)
        self.core = Agent(
            flags,
            info,
            self.address,
            ids=RandomIds(SystemRandom()),
            random=Random(),
            command_executor=(*EXECUTOR_PROGRAM, "command"),
        )
        self._peers = server.host(self.core, [EXECUTOR])
        server.rpc.serve_locate(EXECUTOR.service)
        host = self._peers.host
        self._client = RpcClient(AGENT, self._peers)
        self._executor_api = ExecutorApi(self._peers, self.core.state)
        server.one_port.route(PREFIXES, self._executor_api.protocol)
        self._containerizer = self._make_containerizer(flags, host.post)
        host.perform(LaunchContainer, self._containerizer.perform)
        host.perform(UpdateContainer, self._containerizer.perform)
        host.perform(DestroyContainer, self._containerizer.perform)
        await server.serve()

    async def run(self) -> int:
        """Work until `shut_down` or a failure; returns the exit code. No executor is left."""
        giving_up = asyncio.ensure_future(self._give_up_without_master())
        try:
            return await self._peers.host.run()
        finally:
            giving_up.cancel()
            await self._containerizer.stop()
            await self._server.stop(self._peers)
            await self._executor_api.stop()
            await self._client.stop()

    def shut_down(self, reason: str, *, unregister: bool = False) -> None:
        """Kill the executors, then make `run` return, within a bounded time. On the loop only."""
        host = self._peers.host
        host.post(ShutdownRequested(reason, unregister))
        limit_s = self._flags.executor_shutdown_grace_period + SHUTDOWN_MARGIN_S
        asyncio.get_running_loop().call_later(
            limit_s, host.stop, 0, "executors did not end in time and are killed"
        )

    async def _give_up_without_master(self) -> None:
        timeout_s = self._flags.master_detection_timeout
        if timeout_s is None:
            return
        await asyncio.sleep(timeout_s)
        if not self.core.state.agent_id:
            self._peers.host.stop(
                EXIT_NO_MASTER,
                f"no master at {self._flags.master} took this agent in"
                f" {format_duration(timeout_s)}; see --master and --master_detection_timeout",
            )

    def _log_start(self, info: mesos_pb2.AgentInfo) -> None:
        flags = self._flags
        _log.info(f"Version: {minimesos.__version__}")
        _log.info(f"Using isolation {{ {', '.join(isolators(flags.isolation))} }}")
        _log.info(f"Mesos agent started on (1)@{self.address}")
        _log.info(flags_at_startup(flags))
        _log.info(f"Agent resources: {Resources.from_proto(info.resources)}")
        _log.info(f"Agent attributes: [ {format_attributes(info.attributes)} ]")
        _log.info(f"Agent hostname: {info.hostname}")
        _log.info(f"Looking for the master at {flags.master}")

    # -- HTTP -------------------------------------------------------------------------------------

    def _state(self) -> dict[str, object]:
        return snapshot.state_json(self.core.state)

    async def _build_http(self) -> web.AppRunner:
        from minimesos.http import endpoints, metrics
        from minimesos.http.files import Files
        from minimesos.http.routing import Router

        def numbers() -> dict[str, object]:
            now = self._peers.host.clock.now()
            return metrics.agent_metrics(self._state(), now, self.core.is_registered)

        routes = endpoints.common_routes("slave(1)", to_json(self._flags), self._state, numbers)
        routes |= endpoints.agent_routes(self._statistics)
        routes |= Files(self._locate).routes()
        if self._pages is not None:
            routes |= self._pages()
        return await Router("slave(1)", routes).runner()

    def _statistics(self) -> list[object]:
        entries: list[object] = []
        for container_id, executor in self.core.state.containers.items():
            entry: dict[str, object] = {
                "framework_id": executor.framework_id,
                "executor_id": executor.executor_id,
                "executor_name": executor.info.name,
                "source": executor.info.source or executor.executor_id,
                "container_id": container_id,
            }
            usage = self._containerizer.usage(container_id)
            if usage is not None:
                entry["statistics"] = {field.name: value for field, value in usage.ListFields()}
            entries.append(entry)
        return entries

    def _locate(self, virtual: str) -> tuple[Path, str] | None:
        return locate_sandbox(self._flags.work_dir, self.core.state.agent_id, virtual)


def agent_info(flags: AgentFlags, ip: str, port: int) -> mesos_pb2.AgentInfo:
    """Return what the agent tells the master of itself, without an id."""
    resources = machine_resources(flags.resources or "", flags.default_role, flags.work_dir)
    return mesos_pb2.AgentInfo(
        hostname=advertised_hostname(ip, flags.hostname),
        port=port,
        resources=resources.to_proto(),
        attributes=parse_attributes(flags.attributes or ""),
    )


def usable_work_dir(path: Path) -> Path:
    """Create the directory if need be and try to write there. Raises CannotUseWorkDir."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        why = "it is a file" if path.is_file() else error.strerror or error
        raise CannotUseWorkDir(
            f"cannot write to the work directory {path}: {why}; choose another with --work_dir"
        ) from error
    return path.resolve()
