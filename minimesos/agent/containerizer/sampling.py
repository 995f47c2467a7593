"""Measures process trees with psutil: CPU time, memory, processes, threads.

Called by the isolation loop in a thread, one call at a time. It measures and judges nothing.

A tree's CPU time is complete although processes come and go: what has ended is counted in the
parent that waited for it, and in the end in the supervisor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import psutil

from minimesos.runtime.process_tree import descendants


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One process of a tree."""

    pid: int
    rss_bytes: int
    threads: int


@dataclass(frozen=True, slots=True)
class TreeSample:
    """Everything below one supervisor at one time. CPU times are totals since the start."""

    cpu_user_s: float
    cpu_system_s: float
    processes: tuple[ProcessSample, ...]

    @property
    def cpu_s(self) -> float:
        return self.cpu_user_s + self.cpu_system_s

    @property
    def rss_bytes(self) -> int:
        """Sum of the resident sets: pages that processes share count once for each of them."""
        return sum(process.rss_bytes for process in self.processes)

    @property
    def threads(self) -> int:
        return sum(process.threads for process in self.processes)


@dataclass(frozen=True, slots=True)
class HostSample:
    """The host's CPU time since it started, in seconds summed over its CPUs."""

    idle_s: float
    total_s: float
    cpus: int


@dataclass(frozen=True, slots=True)
class Samples:
    """One look at the host and at some trees, by supervisor pid. `at_s` is monotonic."""

    at_s: float
    host: HostSample
    trees: Mapping[int, TreeSample]


class Sampler:
    """Remembers psutil's objects between samples, because making them is half of the cost."""

    def __init__(self) -> None:
        self._known: dict[int, dict[int, psutil.Process]] = {}
        self._cpus = psutil.cpu_count() or 1

    def sample(self, roots: Iterable[int]) -> Samples:
        """Look at the trees below `roots`, supervisors not included; a dead root's is empty."""
        trees = {root: self._tree(root) for root in roots}
        return Samples(monotonic(), self._host(), trees)

    def forget(self, root: int) -> None:
        """Drop what is remembered of a tree that has ended."""
        self._known.pop(root, None)

    def _tree(self, root: int) -> TreeSample:
        known = self._known.get(root, {})
        fresh: dict[int, psutil.Process] = {}
        user_s = system_s = 0.0
        processes: list[ProcessSample] = []
        for pid in (root, *descendants(root)):
            with suppress(psutil.Error):
                process = known.get(pid) or psutil.Process(pid)
                fresh[pid] = process
                with process.oneshot():
                    times = process.cpu_times()
                    user_s += times.children_user
                    system_s += times.children_system
                    if pid == root:
                        continue
                    user_s += times.user
                    system_s += times.system
                    rss_bytes = process.memory_info().rss
                    processes.append(ProcessSample(pid, rss_bytes, process.num_threads()))
        self._known[root] = fresh
        return TreeSample(user_s, system_s, tuple(processes))

    def _host(self) -> HostSample:
        times = psutil.cpu_times()
        # guest time is part of user time already
        busy = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
        idle = times.idle + times.iowait
        return HostSample(idle, busy + idle, self._cpus)


def proportional_bytes(pids: Iterable[int]) -> int:
    """Return the memory of processes with each shared page counted once, split among its users.

    Costs some milliseconds for each GB. Where the kernel does not tell (another user's process),
    what is not shared with files counts.
    """
    total = 0
    for pid in pids:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            process = psutil.Process(pid)
            try:
                total += process.memory_full_info().pss
            except psutil.AccessDenied:
                memory = process.memory_info()
                total += memory.rss - memory.shared
    return total


def describe_largest(processes: Iterable[ProcessSample], count: int) -> list[str]:
    """Return a line for people about each of the `count` processes with the most memory."""
    lines = []
    for each in sorted(processes, key=lambda process: -process.rss_bytes)[:count]:
        with suppress(psutil.Error):
            command = " ".join(psutil.Process(each.pid).cmdline()) or "?"
            lines.append(f"pid {each.pid} rss {each.rss_bytes >> 20}MB {command[:80]}")
    return lines
