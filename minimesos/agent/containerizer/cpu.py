"""`posix/cpu`: a container may use idle CPUs, but gets no more than its own when others want them.

The host is contended when less than CONTENDED of its CPU time is idle. Then every container that
uses more than it was given is held to that. As CPU time falls idle again, containers that are held
get it, except for HEADROOM, which is left alone: it is how the next process that wants CPU is
noticed. With a hard cap (`--cgroups_enable_cfs`) containers are held to their CPUs always.

Holding is the supervisor's work (`duty_cycle`): it suspends and resumes the tree, and is exact to a
few hundredths of a second. Over any two seconds a container that is held stays within its CPUs plus
15 %, for those of at least 0.2 CPUs.

Source: Mesos documentation "Mesos Containerizer", where posix/cpu only measures; CFS bandwidth.
"""

from __future__ import annotations

from minimesos.agent.containerizer.isolation import Limitation, Tree
from minimesos.agent.containerizer.sampling import HostSample, Samples, TreeSample
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources

CONTENDED = 0.05
HEADROOM = 0.10
TOLERANCE = 1.05  # a container is above its share from so many times its CPUs on
_RATE_OVER_S = 0.45  # the kernel counts in steps of 10 ms; rates over less are too rough
_QUIET_LOOKS = 4


class _Cpu:
    """What is known of one container; times are those of its last rate."""

    __slots__ = ("allowance", "at_s", "cpu_s", "granted", "host", "quiet_looks", "tree")

    def __init__(self, granted: float, tree: Tree) -> None:
        self.granted = granted
        self.tree = tree
        self.allowance: float | None = None  # None: it runs freely
        self.quiet_looks = 0
        self.at_s = 0.0
        self.cpu_s = 0.0
        self.host: HostSample | None = None


class CpuIsolator:
    """Holds containers to their CPUs when that is due, or always if `hard_cap`."""

    def __init__(self, hard_cap: bool) -> None:
        self._hard_cap = hard_cap
        self._cpus: dict[str, _Cpu] = {}

    def prepare(self, container_id: str, resources: Resources, tree: Tree) -> None:
        cpu = self._cpus[container_id] = _Cpu(resources.cpus, tree)
        if self._hard_cap:
            self._hold(cpu, cpu.granted)

    def update(self, container_id: str, resources: Resources) -> None:
        cpu = self._cpus[container_id]
        cpu.granted = resources.cpus
        if cpu.allowance is not None:
            self._hold(cpu, cpu.granted)

    async def watch(
        self, container_id: str, samples: Samples, tree: TreeSample
    ) -> Limitation | None:
        cpu = self._cpus[container_id]
        if not self._hard_cap:
            self._share(cpu, samples, tree)
        return None

    def report(self, container_id: str, statistics: mesos_pb2.ResourceStatistics) -> None:
        cpu = self._cpus[container_id]
        statistics.cpus_limit = cpu.granted
        statistics.cpus_soft_limit = cpu.granted

    def cleanup(self, container_id: str) -> None:
        del self._cpus[container_id]

    def _share(self, cpu: _Cpu, samples: Samples, tree: TreeSample) -> None:
        elapsed_s = samples.at_s - cpu.at_s
        if cpu.host is not None and elapsed_s < _RATE_OVER_S:
            return
        before, cpu.host = cpu.host, samples.host
        used = (tree.cpu_s - cpu.cpu_s) / elapsed_s
        cpu.at_s, cpu.cpu_s = samples.at_s, tree.cpu_s
        if before is not None:
            self._decide(cpu, used, _idle_share(before, samples.host), samples.host.cpus)

    def _decide(self, cpu: _Cpu, used: float, idle: float, host_cpus: int) -> None:
        """`used` is in CPUs, `idle` is a fraction of the host."""
        above = used > cpu.granted * TOLERANCE
        if idle < CONTENDED:
            cpu.quiet_looks = 0
            if above or cpu.allowance is not None:
                self._hold(cpu, cpu.granted)
            return
        if cpu.allowance is None:
            return
        held = sum(each.allowance is not None for each in self._cpus.values())
        spare = (idle - HEADROOM) * host_cpus / held
        self._hold(cpu, max(cpu.allowance + spare, cpu.granted))
        cpu.quiet_looks = 0 if used > cpu.granted * 0.9 else cpu.quiet_looks + 1
        if cpu.quiet_looks >= _QUIET_LOOKS:
            self._hold(cpu, None)

    def _hold(self, cpu: _Cpu, allowance: float | None) -> None:
        if cpu.allowance != allowance:
            cpu.allowance = allowance
            cpu.tree.limit_cpu(allowance)


def _idle_share(before: HostSample, now: HostSample) -> float:
    total_s = now.total_s - before.total_s
    return (now.idle_s - before.idle_s) / total_s if total_s > 0 else 1.0
