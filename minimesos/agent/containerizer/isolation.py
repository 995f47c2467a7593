"""Keeps running containers to their resources: one sampling loop per agent, and its isolators.

The loop looks at every container's process tree; isolators judge what it sees, and either steer the
container (`posix/cpu`) or say that it has to die (`posix/mem`). Called by the containerizer, on the
agent's loop; only the measuring happens in a thread. It kills nobody itself.

A container that used the CPU lately is looked at every LOOK_MIN_S, one that sleeps less and less
often, every LOOK_MAX_S in the end.

Source: Mesos documentation "Mesos Containerizer", isolators.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from minimesos.agent.containerizer.sampling import Sampler, Samples, TreeSample
from minimesos.errors import InvalidValue
from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources

LOOK_MIN_S = 0.2
LOOK_MAX_S = 1.0
_BACKOFF = 1.5

_log = get_logger(__name__)


class Tree(Protocol):
    """The processes of a container, as far as isolators may touch them."""

    @property
    def supervisor_pid(self) -> int: ...

    def limit_cpu(self, cpus: float | None) -> None:
        """Hold them to so many CPUs; None: let them run."""
        ...


@dataclass(frozen=True, slots=True)
class Limitation:
    """Why a container has to die."""

    reason: mesos_pb2.TaskStatus.Reason
    message: str


class Isolator(Protocol):
    """Keeps containers to one kind of resource."""

    def prepare(self, container_id: str, resources: Resources, tree: Tree) -> None:
        """A container has started."""
        ...

    def update(self, container_id: str, resources: Resources) -> None:
        """Its resources have changed."""
        ...

    async def watch(
        self, container_id: str, samples: Samples, tree: TreeSample
    ) -> Limitation | None:
        """Judge what has been measured; `tree` is the container's part of it."""
        ...

    def report(self, container_id: str, statistics: mesos_pb2.ResourceStatistics) -> None:
        """Fill in limits, and what only this isolator knows."""
        ...

    def cleanup(self, container_id: str) -> None:
        """It has ended."""
        ...


def create_isolators(
    names: Sequence[str], known: Mapping[str, Callable[[], Isolator]]
) -> list[Isolator]:
    """Return the isolators of these names; raises InvalidValue for one that is not known."""
    for name in names:
        if name not in known:
            raise InvalidValue(f"unknown isolation '{name}', expecting some of {', '.join(known)}")
    return [known[name]() for name in names]


class _Watched:
    """A container in the loop."""

    __slots__ = ("due_at", "interval_s", "root", "sample")

    def __init__(self, root: int, now: float) -> None:
        self.root = root
        self.interval_s = LOOK_MIN_S
        self.due_at = now
        self.sample = TreeSample(0.0, 0.0, ())


class IsolationLoop:
    """Looks at all containers in turn. `limited` hears, once, of one that has to die."""

    def __init__(
        self, isolators: Sequence[Isolator], limited: Callable[[str, Limitation], None]
    ) -> None:
        self._isolators = isolators
        self._limited = limited
        self._watched: dict[str, _Watched] = {}
        self._removed: list[int] = []
        self._sampler = Sampler()
        self._more = asyncio.Event()
        self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(_log_failure)

    def add(self, container_id: str, resources: Resources, tree: Tree) -> None:
        """Start to watch a container that has just been launched."""
        self._watched[container_id] = _Watched(tree.supervisor_pid, time.monotonic())
        for isolator in self._isolators:
            isolator.prepare(container_id, resources, tree)
        self._more.set()

    def update(self, container_id: str, resources: Resources) -> None:
        if container_id in self._watched:
            for isolator in self._isolators:
                isolator.update(container_id, resources)

    def remove(self, container_id: str) -> None:
        """Stop to watch a container that has ended."""
        self._removed.append(self._watched.pop(container_id).root)
        for isolator in self._isolators:
            isolator.cleanup(container_id)

    def usage(self, container_id: str) -> mesos_pb2.ResourceStatistics | None:
        """Return what the last look saw of a container, None if there is no such container."""
        watched = self._watched.get(container_id)
        if watched is None:
            return None
        sample = watched.sample
        statistics = mesos_pb2.ResourceStatistics(
            timestamp=time.time(),
            cpus_user_time_secs=sample.cpu_user_s,
            cpus_system_time_secs=sample.cpu_system_s,
            mem_rss_bytes=sample.rss_bytes,
            processes=len(sample.processes),
            threads=sample.threads,
        )
        for isolator in self._isolators:
            isolator.report(container_id, statistics)
        return statistics

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            if not self._watched:
                self._more.clear()
                await self._more.wait()
            self._more.clear()
            next_at = min((each.due_at for each in self._watched.values()), default=0.0)
            try:
                # A container that is added is looked at at once.
                async with asyncio.timeout(max(next_at - time.monotonic(), 0.0)):
                    await self._more.wait()
            except TimeoutError:
                pass
            await self._look()

    async def _look(self) -> None:
        for root in self._removed:
            self._sampler.forget(root)
        self._removed.clear()
        now = time.monotonic()
        due = {id_: each for id_, each in self._watched.items() if each.due_at <= now}
        if not due:
            return
        roots = [watched.root for watched in due.values()]
        samples = await asyncio.to_thread(self._sampler.sample, roots)
        for container_id, watched in due.items():
            self._pace(watched, samples.trees[watched.root])
            await self._judge(container_id, watched, samples)

    def _pace(self, watched: _Watched, sample: TreeSample) -> None:
        busy = sample.cpu_s > watched.sample.cpu_s
        longer = min(watched.interval_s * _BACKOFF, LOOK_MAX_S)
        watched.interval_s = LOOK_MIN_S if busy else longer
        watched.due_at = time.monotonic() + watched.interval_s
        watched.sample = sample

    async def _judge(self, container_id: str, watched: _Watched, samples: Samples) -> None:
        for isolator in self._isolators:
            if self._watched.get(container_id) is not watched:
                return  # it has ended meanwhile
            limitation = await isolator.watch(container_id, samples, watched.sample)
            if limitation is not None and self._watched.get(container_id) is watched:
                self._limited(container_id, limitation)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("Containers are no longer isolated", error=repr(error))
