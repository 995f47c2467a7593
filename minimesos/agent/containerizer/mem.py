"""`posix/mem`: a container whose processes need more memory than it has is killed.

What counts is the sum of its processes' resident sets. Workers forked from one parent share most of
their pages, and that sum counts them several times; so once it passes the limit, and only then, the
kernel is asked for the proportional set sizes, which count every page once. That costs about 4 ms
for each GB, and is kept to WEIGHING_SHARE of one CPU.

As in Mesos a limit may be raised while the container runs, but is not lowered: giving a task's
memory back takes a process longer than ending the task.

Source: Mesos documentation "Mesos Containerizer"; the message is that of Mesos's cgroups/mem.
"""

from __future__ import annotations

import asyncio
import time

from minimesos.agent.containerizer.isolation import Limitation, Tree
from minimesos.agent.containerizer.sampling import (
    Samples,
    TreeSample,
    describe_largest,
    proportional_bytes,
)
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources
from minimesos.units import format_size
from minimesos.values import THOUSANDTHS

MB = 2**20
WEIGHING_SHARE = 0.02
_PROCESSES_NAMED = 5


class _Memory:
    __slots__ = ("granted_bytes", "limit_bytes", "peak_bytes", "used_bytes", "weigh_at")

    def __init__(self, granted_bytes: int) -> None:
        self.granted_bytes = granted_bytes
        self.limit_bytes = granted_bytes
        self.used_bytes = 0
        self.peak_bytes = 0
        self.weigh_at = 0.0


class MemoryIsolator:
    """Watches memory; a container that was given no `mem` at all is not limited."""

    def __init__(self) -> None:
        self._memory: dict[str, _Memory] = {}

    def prepare(self, container_id: str, resources: Resources, tree: Tree) -> None:
        self._memory[container_id] = _Memory(_bytes_of(resources))

    def update(self, container_id: str, resources: Resources) -> None:
        memory = self._memory[container_id]
        memory.granted_bytes = _bytes_of(resources)
        memory.limit_bytes = max(memory.limit_bytes, memory.granted_bytes)

    async def watch(
        self, container_id: str, samples: Samples, tree: TreeSample
    ) -> Limitation | None:
        memory = self._memory[container_id]
        used_bytes = tree.rss_bytes
        if memory.limit_bytes and used_bytes > memory.limit_bytes:
            if samples.at_s < memory.weigh_at:
                return None
            started = time.monotonic()
            pids = [process.pid for process in tree.processes]
            used_bytes = min(used_bytes, await asyncio.to_thread(proportional_bytes, pids))
            took_s = time.monotonic() - started
            memory.weigh_at = samples.at_s + took_s / WEIGHING_SHARE
        memory.used_bytes = used_bytes
        memory.peak_bytes = max(memory.peak_bytes, used_bytes)
        if not memory.limit_bytes or used_bytes <= memory.limit_bytes:
            return None
        return Limitation(
            mesos_pb2.TaskStatus.REASON_CONTAINER_LIMITATION_MEMORY, _message(memory, tree)
        )

    def report(self, container_id: str, statistics: mesos_pb2.ResourceStatistics) -> None:
        memory = self._memory[container_id]
        statistics.mem_total_bytes = memory.used_bytes
        statistics.mem_limit_bytes = memory.limit_bytes
        statistics.mem_soft_limit_bytes = memory.granted_bytes

    def cleanup(self, container_id: str) -> None:
        del self._memory[container_id]


def _bytes_of(resources: Resources) -> int:
    return resources.scalar("mem") * MB // THOUSANDTHS


def _message(memory: _Memory, tree: TreeSample) -> str:
    used_mb = -(-memory.peak_bytes // MB)
    lines = [
        f"Memory limit exceeded: Requested: {format_size(memory.limit_bytes)}"
        f" Maximum Used: {used_mb}MB",
        "",
        "MEMORY STATISTICS:",
        f"processes {len(tree.processes)} rss {tree.rss_bytes // MB}MB"
        f" shared pages counted once {memory.used_bytes // MB}MB",
        *describe_largest(tree.processes, _PROCESSES_NAMED),
    ]
    return "\n".join(lines)
