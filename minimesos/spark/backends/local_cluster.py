"""`local-cluster[n,cores,mem]`: a private master and `n` agents in a process of their own.

The process starts as soon as the object exists, while the driver still imports what it needs to
talk to it, and ends with the driver, however that ends. Imports no gRPC for that reason.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from minimesos.errors import MinimesosError
from minimesos.spark.backends.executor_memory import container_memory_mb
from minimesos.spark.conf import SparkConf
from minimesos.spark.settings import EXECUTOR_ENV_PREFIX
from minimesos.spark.settings.application import CLUSTER_LOG_LEVEL
from minimesos.spark.settings.executors import EXECUTOR_CORES, EXECUTOR_MEMORY
from minimesos.spark.settings.mesos import (
    EXCLUDE_AGENT_TIMEOUT,
    MESOS_COARSE,
    MESOS_EXECUTOR_CORES,
)
from minimesos.spark.settings.shuffle import SHUFFLE_SERVICE_ENABLED

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0
_EXCLUDE_AGENT_S = 5
"""All agents are this one machine, so another is no better: soon again, if ever one has worked."""


class Cluster(Protocol):
    """Where a Mesos backend finds its master."""

    async def address(self) -> str:
        """Return the master's host:port. Raises MinimesosError if there will never be one."""
        ...

    def watch(self, on_gone: Callable[[str], None]) -> None:
        """Say why the cluster is gone for good, if that is known before `stop`."""
        ...

    async def stop(self) -> None:
        """The application is over; whoever owns the cluster may end it."""
        ...


class RunningCluster:
    """A cluster that somebody else runs: `mesos://host:port`."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def address(self) -> str:
        return self._address

    def watch(self, on_gone: Callable[[str], None]) -> None:
        """A master may always come back."""

    async def stop(self) -> None:
        return None


class PrivateCluster:
    """A cluster of our own, with agents of just the size of one executor each."""

    def __init__(
        self, agents: int, cores: int, memory_mb: int, conf: SparkConf, scratch: str
    ) -> None:
        """Start it; it removes the driver's `scratch` if the driver is killed."""
        conf.set(EXECUTOR_CORES.name, cores).set(EXECUTOR_MEMORY.name, f"{memory_mb}m")
        conf.setIfMissing(EXCLUDE_AGENT_TIMEOUT.name, f"{_EXCLUDE_AGENT_S}s")
        path = os.environ.get("PYTHONPATH")
        if path:  # tasks on this machine find the modules that the driver finds
            conf.setIfMissing(f"{EXECUTOR_ENV_PREFIX}PYTHONPATH", path)
        container_mb = container_memory_mb(conf)
        own_cpus = 0.0 if MESOS_COARSE.read(conf) else MESOS_EXECUTOR_CORES.read(conf)
        command = [sys.executable, "-P", "-m", "minimesos", "local"]
        flags = [
            f"--agents={agents}",
            f"--cpus={cores + own_cpus:g}",
            f"--mem={container_mb}",
            f"--logging_level={CLUSTER_LOG_LEVEL.read(conf)}",
            "--exit_on_stdin_eof",
            f"--abandoned_dir={scratch}",
        ]
        if SHUFFLE_SERVICE_ENABLED.read(conf):
            flags.append("--shuffle_service")
        self._process = subprocess.Popen(
            command + flags,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the driver's; the cluster ends with its stdin
        )
        self._unwatch: Callable[[], None] = lambda: None

    async def address(self) -> str:
        assert self._process.stdout is not None
        read = asyncio.to_thread(self._process.stdout.readline)
        line = (await asyncio.wait_for(read, _START_TIMEOUT_S)).decode().strip()
        if not line:
            code = await asyncio.to_thread(self._process.wait)
            raise MinimesosError(f"the private cluster ended with {code}; its log is above")
        return line

    def watch(self, on_gone: Callable[[str], None]) -> None:
        def ended() -> None:
            self._unwatch()
            code = self._process.wait()
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            on_gone(f"the private cluster (pid {self._process.pid}) {how}")

        self._unwatch = _when_exited(self._process.pid, ended)

    async def stop(self) -> None:
        self._unwatch()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        if self._process.returncode is not None:
            return
        try:
            await asyncio.wait_for(_exited(self._process.pid), _STOP_TIMEOUT_S)
        except TimeoutError:
            self._process.kill()
        self._process.wait()


async def _exited(pid: int) -> None:
    """Wait for the end of a child. Not in a thread: at interpreter exit none can be started."""
    ended = asyncio.Event()
    forget = _when_exited(pid, ended.set)
    try:
        await ended.wait()
    finally:
        forget()


def _when_exited(pid: int, callback: Callable[[], None]) -> Callable[[], None]:
    """Call back when a child ends; what is returned drops that, once or again."""
    loop = asyncio.get_running_loop()
    held = ExitStack()
    descriptor = os.pidfd_open(pid)
    held.callback(os.close, descriptor)
    held.callback(loop.remove_reader, descriptor)
    loop.add_reader(descriptor, callback)
    return held.close
