"""A real containerizer whose stimuli tests can wait for."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minimesos.actor import Stimulus
from minimesos.agent.containerizer.containerizer import PosixContainerizer
from minimesos.agent.containers import (
    ContainerExited,
    ContainerLaunched,
    DestroyContainer,
    LaunchContainer,
)
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources
from minimesos.testing.lines import DEADLINE_S, Lines

from .web import Web

PATH = os.environ["PATH"]


class Containers:
    """Launches containers in runs of one executor, and waits for what becomes of them."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.runs = directory / "executors" / "e1" / "runs"
        self.containerizer = PosixContainerizer(self._heard, **options)
        self._stimuli: dict[tuple[type[Stimulus], str], asyncio.Future[Any]] = {}

    def launch(
        self,
        command: str | mesos_pb2.CommandInfo,
        container_id: str = "c1",
        *,
        resources: Resources = Resources.EMPTY,
        user: str = "",
        **environment: str,
    ) -> Path:
        """Ask for a container; returns its sandbox."""
        if isinstance(command, str):
            command = mesos_pb2.CommandInfo(value=command)
        sandbox = self.runs / container_id
        self.containerizer.perform(
            LaunchContainer(
                container_id=container_id,
                framework_id="f1",
                executor_id="e1",
                command=command,
                environment={"PATH": PATH, **environment},
                resources=resources,
                sandbox=str(sandbox),
                user=user,
            )
        )
        return sandbox

    def destroy(self, container_id: str = "c1", grace_s: float = 0.0) -> None:
        self.containerizer.perform(DestroyContainer(container_id, grace_s))

    async def launched(self, container_id: str = "c1") -> ContainerLaunched:
        async with asyncio.timeout(DEADLINE_S):
            return await self._stimulus(ContainerLaunched, container_id)

    async def exited(self, container_id: str = "c1") -> ContainerExited:
        async with asyncio.timeout(DEADLINE_S):
            return await self._stimulus(ContainerExited, container_id)

    def _heard(self, stimulus: Stimulus) -> None:
        self._stimulus(type(stimulus), stimulus.container_id).set_result(stimulus)

    def _stimulus(self, kind: type[Stimulus], container_id: str) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        return self._stimuli.setdefault((kind, container_id), future)


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user may pass, as pytest's are not."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


@pytest.fixture
async def make_containers(tmp_path: Path) -> AsyncIterator[Callable[..., Containers]]:
    """Make containerizers with given options; what they hold is destroyed after the test."""
    made: list[Containers] = []

    def make(directory: Path = tmp_path, **options: Any) -> Containers:
        made.append(Containers(directory, **options))
        return made[-1]

    yield make
    for containers in made:
        await containers.containerizer.stop()


@pytest.fixture
def containers(make_containers: Callable[..., Containers]) -> Containers:
    return make_containers()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Callable[[], Awaitable[str]]]:
    """Return the lines that containers write to the pipe `fifo`, in turn."""
    lines = Lines(tmp_path / "fifo")
    yield lines.next
    lines.close()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A web server that fetchers reach, also where a proxy is the way to all others."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Web() as web:
        yield web
