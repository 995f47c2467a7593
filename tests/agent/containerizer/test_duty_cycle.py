"""The CPU budget in simulated time, and a real tree held to its share."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimesos.agent.containerizer.duty_cycle import PERIOD_S, CpuBudget
from minimesos.resources import Resources

WINDOW_S = 2.0


def burn(budget: CpuBudget, threads: Callable[[float], float], seconds: float) -> list[float]:
    """Run `threads(now)` busy threads under the budget; returns the CPU time used by each look."""
    now = used_s = 0.0
    at: list[tuple[float, float]] = [(0.0, 0.0)]
    while now < seconds:
        running = budget.running
        wait_s = budget.look(now, used_s)
        running = budget.running
        now += wait_s
        used_s += wait_s * threads(now) if running else 0.0
        at.append((now, used_s))
    return [
        used - before
        for i, (now, used) in enumerate(at)
        for before in [next(u for t, u in at if t >= now - WINDOW_S)]
        if i
    ]


@settings(max_examples=60, deadline=None)
@given(
    cpus=st.floats(0.05, 8),
    threads=st.integers(1, 8),
    quiet_until_s=st.floats(0, 1.5),
)
def test_any_two_seconds_stay_within_the_cpus_and_one_unnoticed_burst(cpus, threads, quiet_until_s):
    budget = CpuBudget(cpus, 0.0, 0.0)
    windows = burn(budget, lambda now: threads if now > quiet_until_s else 0.0, 5.0)
    burst_s = threads * budget.look_max_s
    assert max(windows) <= cpus * (WINDOW_S + PERIOD_S) + burst_s + 1e-6


@settings(max_examples=60, deadline=None)
@given(cpus=st.floats(0.05, 4), threads=st.integers(1, 8))
def test_a_busy_tree_gets_what_it_was_given(cpus, threads):
    budget = CpuBudget(cpus, 0.0, 0.0)
    debt_s = threads * budget.look_max_s / cpus
    windows = burn(budget, lambda now: threads, debt_s + 4.0)
    assert windows[-1] >= min(cpus, threads) * (WINDOW_S - PERIOD_S) * 0.9


def test_a_tree_below_its_cpus_is_never_stopped():
    budget = CpuBudget(1.0, 0.0, 0.0)
    now = 0.0
    while now < 5.0:
        now += budget.look(now, now * 0.95)
        assert budget.running


BUSY = """
import os, time
child = os.fork()
if child == 0:
    while True: pass
clock = (~child << 3) | 2
used = lambda: time.process_time() + time.clock_gettime(clock)
looks = [(time.monotonic(), used())]
while looks[-1][0] < looks[0][0] + 3.5:
    while time.monotonic() < looks[-1][0] + 0.01: pass
    looks.append((time.monotonic(), used()))
first = 0
for now, burnt in looks:
    while looks[first][0] < now - 2.0: first += 1
    if now - looks[0][0] >= 2.0:
        print((burnt - looks[first][1]) / (now - looks[first][0]))
"""


@pytest.mark.integration
@pytest.mark.parametrize("cpus", [0.3, 1.0])
async def test_with_a_hard_cap_any_two_seconds_are_within_cpus_and_15_percent(
    make_containers, cpus
):
    containers = make_containers(hard_cpu_cap=True)
    sandbox = containers.launch(
        f"exec {sys.executable} -c '{BUSY}'", resources=Resources.of(cpus=cpus, mem=256)
    )
    assert (await containers.exited()).status == 0
    rates = [float(line) for line in (sandbox / "stdout").read_text().split()]
    assert max(rates) <= cpus * 1.15
    assert min(rates) >= cpus * 0.3  # others may want these CPUs, too


@pytest.mark.integration
async def test_a_held_tree_dies_at_once_when_it_is_destroyed(make_containers, told, tmp_path):
    containers = make_containers(hard_cpu_cap=True)
    containers.launch(
        "echo $$ > $FIFO; while :; do :; done",
        resources=Resources.of(cpus=0.01),
        FIFO=str(tmp_path / "fifo"),
    )
    await told()
    containers.destroy(grace_s=60.0)
    async with asyncio.timeout(5):
        assert (await containers.exited()).status == 15


@pytest.mark.integration
def test_what_had_stopped_itself_is_not_resumed():
    source = """
import os, signal, sys, time
from minimesos.agent.containerizer.duty_cycle import DutyCycle, stop_tree
from minimesos.runtime.process_tree import read_stat
child = os.fork()
if child == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
os.waitpid(child, os.WUNTRACED)
other = os.fork()
if other == 0:
    time.sleep(60)
duty = DutyCycle(1.0, 0.0)
duty._stopped |= stop_tree()
assert duty._stopped == {other}, duty._stopped
os.waitpid(other, os.WUNTRACED)
duty.resume()
os.waitpid(other, os.WCONTINUED)
assert read_stat(child).stopped and not read_stat(other).stopped
for pid in (child, other): os.kill(pid, signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", source], check=True, timeout=20)
