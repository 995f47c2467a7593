"""Holds a process tree to a number of CPUs by suspending and resuming it.

A token bucket fills at `cpus` seconds of CPU time a second and holds what is good for one period;
running drains it. Below zero the tree is stopped, at half full it goes on, so a burst that was
noticed late is paid back. Over any time `t` the tree uses at most `cpus * (t + PERIOD_S)` plus what
it burns between two looks (threads running x `look_max_s`), and that only once after a quiet time.

Run by a container's supervisor when the agent's `posix/cpu` isolator tells it to; it decides
nothing about who deserves what. A process that stopped itself is not resumed.
"""

from __future__ import annotations

import os
import resource
import signal
from contextlib import suppress

from minimesos.runtime.process_tree import cpu_s, descendants, read_stat

PERIOD_S = 0.1
_LOOK_MIN_S = 0.002
_QUIET_LOOK_MIN_S = 0.02
_QUIET_LOOK_MAX_S = 0.05
CPUS_MIN = 0.01  # less would stop a tree for good


class CpuBudget:
    """The bucket: pure arithmetic on the times it is told. `used_s` never decreases by much."""

    def __init__(self, cpus: float, now: float, used_s: float) -> None:
        self.cpus = max(cpus, CPUS_MIN)
        self.level_s = self.full_s
        self.running = True
        self._at = now
        self._used_s = used_s
        self._rate = 0.0

    @property
    def full_s(self) -> float:
        return self.cpus * PERIOD_S

    @property
    def look_max_s(self) -> float:
        """Time after which a tree that was quiet may have overdrawn it; less for small budgets."""
        return min(max(self.full_s, _QUIET_LOOK_MIN_S), _QUIET_LOOK_MAX_S)

    def look(self, now: float, used_s: float) -> float:
        """Account for `used_s`, decide whether to run, and return when to look next, in seconds."""
        elapsed = max(now - self._at, 1e-6)
        spent = max(used_s - self._used_s, 0.0)  # a process that just ended is briefly not counted
        self.level_s = min(self.level_s + self.cpus * elapsed, self.full_s) - spent
        if self.running:
            self._rate = spent / elapsed
        self._at = now
        self._used_s = max(used_s, self._used_s)
        self.running = self.level_s > 0 if self.running else self.level_s >= self.full_s / 2
        if not self.running:
            return max((self.full_s / 2 - self.level_s) / self.cpus, _LOOK_MIN_S)
        drain = self._rate - self.cpus
        lasts_s = self.level_s / drain if drain > 0 else self.look_max_s
        return min(max(lasts_s, _LOOK_MIN_S), self.look_max_s)


class DutyCycle:
    """Applies a budget to everything below this process."""

    def __init__(self, cpus: float, now: float) -> None:
        self._meter = _Meter()
        self._budget = CpuBudget(cpus, now, self._meter.used_s())
        self._stopped: set[int] = set()

    def change(self, cpus: float) -> None:
        """Hold the tree to another number of CPUs from now on."""
        self._budget.cpus = max(cpus, CPUS_MIN)

    def step(self, now: float) -> float:
        """Suspend or resume the tree as the budget wants; returns seconds until the next step."""
        was_running = self._budget.running
        wait_s = self._budget.look(now, self._meter.used_s())
        if self._budget.running and not was_running:
            self.resume()
        elif not self._budget.running:
            # Also when it was stopped before: somebody may have resumed a process meanwhile.
            self._stopped |= stop_tree()
        return wait_s

    def resume(self) -> None:
        """Resume what was suspended here."""
        for pid in self._stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._stopped.clear()


def stop_tree() -> set[int]:
    """Suspend everything below this process; returns the pids that were not suspended before.

    A stopped process cannot fork, so once a pass meets only stopped ones none has slipped away.
    """
    seen: set[int] = set()
    stopped: set[int] = set()
    while fresh := [pid for pid in descendants(os.getpid()) if pid not in seen]:
        for pid in fresh:
            seen.add(pid)
            with suppress(OSError):
                if not read_stat(pid).stopped:
                    os.kill(pid, signal.SIGSTOP)
                    stopped.add(pid)
    return stopped


class _Meter:
    """Reads the CPU time of everything below this process, cheaply while nothing starts or ends."""

    def __init__(self) -> None:
        self._newest_process = b""
        self._members: list[int] = []
        self._reaped_s = 0.0

    def used_s(self) -> float:
        """CPU time of what runs, of what that has reaped, and of what this process has."""
        newest_process = _newest_process()
        if newest_process == self._newest_process:
            with suppress(OSError):  # somebody has ended: its time is in its parent's now
                return self._reaped_s + sum(map(cpu_s, self._members))
        self._newest_process = newest_process
        self._members = descendants(os.getpid())
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._reaped_s = own.ru_utime + own.ru_stime
        running_s = 0.0
        for pid in self._members:
            with suppress(OSError):
                running_s += cpu_s(pid)
                self._reaped_s += read_stat(pid).reaped_cpu_s
        return self._reaped_s + running_s


def _newest_process() -> bytes:
    with open("/proc/loadavg", "rb", buffering=0) as file:
        return file.read().rpartition(b" ")[2]
