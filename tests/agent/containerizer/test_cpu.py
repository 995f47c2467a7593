"""posix/cpu: who is held, to how much, and when that ends; on made-up samples, and in the end."""

from __future__ import annotations

import os
import sys

import pytest

from minimesos.agent.containerizer.cpu import HEADROOM, CpuIsolator
from minimesos.agent.containerizer.sampling import HostSample, Samples, TreeSample
from minimesos.resources import Resources

HOST_CPUS = 4
INTERVAL_S = 0.5


class FakeTree:
    supervisor_pid = 1

    def __init__(self) -> None:
        self.limits: list[float | None] = []

    def limit_cpu(self, cpus: float | None) -> None:
        self.limits.append(cpus)


class Host:
    """Feeds the isolator with looks at intervals; containers keep their names across looks."""

    def __init__(self, *, hard_cap: bool = False) -> None:
        self.isolator = CpuIsolator(hard_cap)
        self.trees: dict[str, FakeTree] = {}
        self.used_s: dict[str, float] = {}
        self.now = self.idle_s = self.total_s = 0.0

    def add(self, name: str, cpus: float) -> FakeTree:
        self.trees[name] = FakeTree()
        self.used_s[name] = 0.0
        self.isolator.prepare(name, Resources.of(cpus=cpus), self.trees[name])
        return self.trees[name]

    async def look(self, idle: float, **used: float) -> None:
        """Let INTERVAL_S pass in which `idle` CPUs were idle and containers used so many."""
        self.now += INTERVAL_S
        self.idle_s += idle * INTERVAL_S
        self.total_s += HOST_CPUS * INTERVAL_S
        for name, cpus in used.items():
            self.used_s[name] += cpus * INTERVAL_S
            tree = TreeSample(self.used_s[name], 0.0, ())
            host = HostSample(self.idle_s, self.total_s, HOST_CPUS)
            assert await self.isolator.watch(name, Samples(self.now, host, {}), tree) is None


@pytest.fixture
async def host() -> Host:
    return Host()


async def test_idle_cpus_may_be_used(host):
    tree = host.add("a", cpus=1)
    for _ in range(5):
        await host.look(idle=1, a=3)
    assert tree.limits == []


async def test_on_a_contended_host_who_is_above_its_share_is_held_to_it_and_others_are_not(host):
    greedy, modest = host.add("greedy", cpus=1), host.add("modest", cpus=2)
    await host.look(idle=4, greedy=0, modest=0)
    await host.look(idle=0, greedy=2, modest=2)
    assert (greedy.limits, modest.limits) == ([1.0], [])


async def test_a_few_percent_above_is_not_above(host):
    tree = host.add("a", cpus=1)
    await host.look(idle=0, a=1)
    await host.look(idle=0, a=1.04)
    assert tree.limits == []


async def test_a_held_container_gets_idle_cpus_but_not_the_headroom(host):
    tree = host.add("a", cpus=1)
    await host.look(idle=0, a=4)
    await host.look(idle=0, a=4)
    await host.look(idle=3, a=1)
    headroom = HEADROOM * HOST_CPUS
    assert tree.limits == [1.0, pytest.approx(4 - headroom)]
    await host.look(idle=headroom, a=4 - headroom)
    assert tree.limits[-1] == pytest.approx(4 - headroom)
    await host.look(idle=0, a=4 - headroom)
    assert tree.limits[-1] == 1.0


async def test_idle_cpus_are_divided_among_those_that_are_held(host):
    trees = [host.add("a", cpus=1), host.add("b", cpus=1)]
    await host.look(idle=0, a=2, b=2)
    await host.look(idle=0, a=2, b=2)
    await host.look(idle=2, a=1, b=1)
    each = 1 + (2 - HEADROOM * HOST_CPUS) / 2
    assert [tree.limits[-1] for tree in trees] == [pytest.approx(each)] * 2


async def test_a_container_that_has_become_quiet_is_let_go(host):
    tree = host.add("a", cpus=1)
    await host.look(idle=0, a=4)
    await host.look(idle=0, a=4)
    for _ in range(5):
        await host.look(idle=3.9, a=0.1)
    assert tree.limits[-1] is None


async def test_a_container_that_goes_makes_room_for_the_others(host):
    host.add("a", cpus=1)
    tree = host.add("b", cpus=1)
    await host.look(idle=0, a=2, b=2)
    await host.look(idle=0, a=2, b=2)
    host.isolator.cleanup("a")
    await host.look(idle=3, b=1)
    assert tree.limits[-1] == pytest.approx(4 - HEADROOM * HOST_CPUS)


async def test_with_a_hard_cap_containers_are_held_from_the_start_and_whatever_happens():
    host = Host(hard_cap=True)
    tree = host.add("a", cpus=1.5)
    await host.look(idle=4, a=0)
    await host.look(idle=4, a=0)
    assert tree.limits == [1.5]
    host.isolator.update("a", Resources.of(cpus=2.5))
    assert tree.limits == [1.5, 2.5]


MEASURE = """
import os, sys, time
me, children = os.getpid(), []
for _ in range(os.cpu_count() - 1):
    children.append(os.fork())
    if os.getpid() != me:
        while True: pass
clocks = [(~child << 3) | 2 for child in children]
used = lambda: time.process_time() + sum(map(time.clock_gettime, clocks))
end = time.monotonic() + float(sys.argv[1])
looks = []
while time.monotonic() < end:
    if not looks or time.monotonic() > looks[-1][0] + 0.02:
        looks.append((time.monotonic(), used()))
now, burnt = looks[-1]
before = next(look for look in looks if look[0] >= now - 2.0)
print((burnt - before[1]) / (now - before[0]))
"""


@pytest.mark.integration
async def test_two_that_want_all_cpus_get_no_more_than_their_own(containers):
    all_cpus = os.cpu_count() or 1
    shares = {"small": 0.3, "large": all_cpus - 0.3}
    sandboxes = {
        name: containers.launch(
            f"exec {sys.executable} -c '{MEASURE}' 4.0",
            name,
            resources=Resources.of(cpus=cpus, mem=64 * all_cpus),
        )
        for name, cpus in shares.items()
    }
    for name, cpus in shares.items():
        assert (await containers.exited(name)).status == 0
        assert float((sandboxes[name] / "stdout").read_text()) <= cpus * 1.15
