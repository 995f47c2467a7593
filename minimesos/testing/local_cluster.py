"""A real cluster in this process: master, agents and executors on one loop, on real loopback ports.

For tests of frameworks and of Spark scripts, which need the true services but neither processes nor
their start-up time:

    with LocalCluster(agents=2) as cluster, cluster.spark_context() as sc:
        assert sc.parallelize(range(11), 8).count() == 11

Our own executors run here (`in_process`), so their tasks share this process's modules and memory;
nothing is isolated. What must see processes die belongs to `ProcessCluster`, what must see time
pass to `SimCluster`. The process's one loop thread stays, as for any driver.
"""

from __future__ import annotations

import asyncio
import os
import runpy
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from minimesos.agent import snapshot as agent_snapshot
from minimesos.agent.flags import AgentFlags
from minimesos.agent.server import AgentServer
from minimesos.errors import MinimesosError
from minimesos.master import snapshot as master_snapshot
from minimesos.master.flags import MasterFlags
from minimesos.master.server import MasterServer
from minimesos.runtime.loop import LoopThread
from minimesos.testing.in_process import InProcessContainerizer

if TYPE_CHECKING:
    from minimesos.spark.context import SparkContext

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 30.0
_REGISTRATION_BACKOFF_S = 0.001  # the master is already there
_LOOK_S = 0.001

_LOOPBACK = "127.0.0.1"


class LocalMaster:
    """The master of a `LocalCluster`."""

    def __init__(self, flags: Mapping[str, Any]) -> None:
        self._server = MasterServer(MasterFlags(ip=_LOOPBACK, port=0, **flags))

    @property
    def address(self) -> str:
        """Its host:port, for gRPC and HTTP."""
        return self._server.address

    def snapshot(self) -> dict[str, Any]:
        """Return what `/state` says. Callable from any thread but the loop's."""
        return LoopThread.shared().call(self._snapshot(), START_TIMEOUT_S)

    async def start(self) -> None:
        await self._server.start()
        self._running = asyncio.ensure_future(self._server.run())

    async def stop(self) -> None:
        self._server.stop("the cluster ends")
        await self._running

    async def _snapshot(self) -> dict[str, Any]:
        return master_snapshot.state(self._server.core, time.time())


class LocalAgent:
    """One agent of a `LocalCluster`, while it lives and after."""

    def __init__(self, master: str, resources: str, work_dir: Path) -> None:
        flags = AgentFlags(
            master=master,
            ip=_LOOPBACK,
            port=0,
            work_dir=work_dir,
            resources=resources,
            registration_backoff_factor=_REGISTRATION_BACKOFF_S,
        )
        self._server = AgentServer(
            flags, containerizer=lambda flags, post: InProcessContainerizer(post)
        )
        self.is_alive = False

    @property
    def address(self) -> str:
        """Its host:port, for gRPC and HTTP."""
        return self._server.address

    @property
    def agent_id(self) -> str:
        """The id that the master has given it."""
        return self._server.core.state.agent_id

    def snapshot(self) -> dict[str, Any]:
        """Return what its `/state` says. Callable from any thread but the loop's."""
        return LoopThread.shared().call(self._snapshot(), START_TIMEOUT_S)

    async def start(self) -> None:
        """Start it and wait until the master has taken it in. Raises MinimesosError."""
        await self._server.start()
        self._running = asyncio.ensure_future(self._server.run())
        self.is_alive = True
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not self._server.core.is_registered:  # noqa: ASYNC110 (nobody tells)
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError as error:
            raise MinimesosError("the master takes no agent in; its log says why") from error

    async def kill(self) -> None:
        """End it and its executors without a word to anybody."""
        if self.is_alive:
            self.is_alive = False
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _snapshot(self) -> dict[str, Any]:
        return agent_snapshot.state_json(self._server.core.state)


class LocalCluster:
    """A master and `agents` agents of `cpus` and `mem_mb` each; use it as a context manager.

    `master_flags` are fields of `MasterFlags`, such as `{"weights": "prod=2,dev=1"}`.
    """

    def __init__(
        self,
        agents: int = 2,
        cpus: float = 2,
        mem_mb: int = 2048,
        *,
        master_flags: Mapping[str, Any] | None = None,
    ) -> None:
        self._number_of_agents = agents
        self._master_flags = dict(master_flags or {})
        self._resources = f"cpus:{cpus:g};mem:{mem_mb}"
        self._loop = LoopThread.shared()
        self._context: SparkContext | None = None
        self.master: LocalMaster
        self.agents: list[LocalAgent] = []
        """All that were started; those that were killed stay in their places."""

    def __enter__(self) -> Self:
        self.work_dir = Path(tempfile.mkdtemp(prefix="minimesos-cluster-"))
        """Where the agents keep the sandboxes."""
        try:
            self._loop.call(self._start())
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """The master's host:port."""
        return self.master.address

    @property
    def url(self) -> str:
        """The master URL for drivers."""
        return f"mesos://{self.address}"

    def spark_context(self, app_name: str = "test", **conf: object) -> SparkContext:
        """Return a SparkContext on this cluster, which is stopped with it, if not before.

        `conf` holds Spark's settings by their names: `**{"spark.cores.max": 2}`.
        """
        from minimesos.spark.conf import SparkConf
        from minimesos.spark.context import SparkContext

        settings = SparkConf(loadDefaults=False).setMaster(self.url).setAppName(app_name)
        for name, value in conf.items():
            settings.set(name, value)
        self._context = SparkContext(conf=settings)
        return self._context

    def run_script(self, script: str | Path, *arguments: str) -> None:
        """Run a driver script to its end, as `minimesos submit` would in a process of its own."""
        from unittest import mock

        from minimesos.spark.submit import SUBMIT_ARGS_VARIABLE, parse_arguments

        path = Path(script)
        submission = parse_arguments(["--master", self.url, "--name", path.stem])
        with (
            mock.patch.object(sys, "argv", [str(path), *arguments]),
            mock.patch.object(sys, "path", [str(path.parent), *sys.path]),
            mock.patch.dict(os.environ, {SUBMIT_ARGS_VARIABLE: submission.to_submit_args()}),
        ):
            runpy.run_path(str(path), run_name="__main__")

    def start_agent(self) -> LocalAgent:
        """Start one more agent, and return it once it is registered."""
        return self._loop.call(self._start_agent())

    def kill_agent(self, index: int) -> None:
        """Kill the agent with that place in `agents`, and its executors, as if its host died."""
        self._loop.call(self.agents[index].kill())

    def stop(self) -> None:
        """End everything and remove the sandboxes."""
        try:
            if self._context is not None:
                self._context.stop()
        finally:
            try:
                self._loop.call(self._stop(), STOP_TIMEOUT_S)
            finally:
                shutil.rmtree(self.work_dir, ignore_errors=True)

    async def _start(self) -> None:
        master = LocalMaster(self._master_flags)
        await master.start()
        self.master = master
        for _ in range(self._number_of_agents):
            await self._start_agent()

    async def _start_agent(self) -> LocalAgent:
        work_dir = self.work_dir / f"agent-{len(self.agents)}"
        agent = LocalAgent(self.address, self._resources, work_dir)
        self.agents.append(agent)
        await agent.start()
        return agent

    async def _stop(self) -> None:
        await asyncio.gather(*(agent.kill() for agent in self.agents))
        if hasattr(self, "master"):
            await self.master.stop()
