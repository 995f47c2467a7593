"""posix/mem against real processes: who is killed for memory, who is not, and what is said."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from minimesos.agent.containerizer.isolation import LOOK_MAX_S
from minimesos.agent.containers import UpdateContainer
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources

pytestmark = pytest.mark.integration

MB = 2**20
REASON = mesos_pb2.TaskStatus.REASON_CONTAINER_LIMITATION_MEMORY


def python(source: str) -> mesos_pb2.CommandInfo:
    return mesos_pb2.CommandInfo(
        shell=False, value=sys.executable, arguments=["python", "-c", source]
    )


HOLD = "import time; held = bytearray({mb} << 20); held[::4096] = b'x' * len(held[::4096]);"


async def test_a_tree_above_its_memory_is_killed_with_peak_and_limit_in_the_message(containers):
    tree = f'{sys.executable} -c "{HOLD.format(mb=80)} time.sleep(60)" & wait'
    containers.launch(tree, resources=Resources.of(cpus=1, mem=64))
    exited = await containers.exited()
    assert exited.status is not None
    assert os.waitstatus_to_exitcode(exited.status) == -signal.SIGKILL
    assert exited.reason == REASON
    first, blank, *rest = exited.message.splitlines()
    assert first.startswith("Memory limit exceeded: Requested: 64MB Maximum Used: ")
    peak_mb = int(first.rpartition(" ")[2].removesuffix("MB"))
    assert 64 < peak_mb < 110
    assert (blank, rest[0]) == ("", "MEMORY STATISTICS:")
    assert "bytearray(80 << 20)" in rest[2]


async def test_pages_that_forked_workers_share_are_counted_once(containers, told, tmp_path):
    source = f"""
import os
{HOLD.format(mb=60)}
for _ in range(3):
    if os.fork() == 0:
        time.sleep(60)
open(os.environ["FIFO"], "w").write("forked\\n")
time.sleep(60)
"""
    resources = Resources.of(cpus=1, mem=128)
    containers.launch(python(source), resources=resources, FIFO=str(tmp_path / "fifo"))
    await told()
    async with asyncio.timeout(20):
        while True:
            usage = containers.containerizer.usage("c1")
            if usage.mem_rss_bytes > 240 * MB and usage.mem_total_bytes > 60 * MB:
                break
            await asyncio.wait({containers.containerizer._isolation._task}, timeout=LOOK_MAX_S / 4)
    assert (usage.processes, usage.mem_total_bytes < 128 * MB) == (4, True)


async def test_a_raised_limit_is_heeded_and_a_lowered_one_spares_who_runs(
    containers, told, tmp_path
):
    go = tmp_path / "go"
    os.mkfifo(go)
    source = f"""
import os
open(os.environ["FIFO"], "w").write("started\\n")
open(os.environ["GO"]).read()
{HOLD.format(mb=80)}
open(os.environ["FIFO"], "w").write("grown\\n")
open(os.environ["GO"]).read()
"""
    containers.launch(
        python(source),
        resources=Resources.of(cpus=1, mem=64),
        FIFO=str(tmp_path / "fifo"),
        GO=str(go),
    )
    assert await told() == "started"
    containers.containerizer.perform(UpdateContainer("c1", Resources.of(cpus=1, mem=256)))
    go.write_text("")
    assert await told() == "grown"
    containers.containerizer.perform(UpdateContainer("c1", Resources.of(cpus=1, mem=32)))
    async with asyncio.timeout(20):
        while (usage := containers.containerizer.usage("c1")).mem_total_bytes < 80 * MB:
            await asyncio.wait({containers.containerizer._isolation._task}, timeout=LOOK_MAX_S / 4)
    assert (usage.mem_soft_limit_bytes, usage.mem_limit_bytes) == (32 * MB, 256 * MB)
    go.write_text("")
    exited = await containers.exited()
    assert (exited.status, exited.reason) == (0, None)


async def test_without_the_isolator_memory_is_not_limited(make_containers):
    containers = make_containers(isolation=("posix/cpu",))
    containers.launch(
        python(HOLD.format(mb=40) + f"time.sleep({LOOK_MAX_S})"),
        resources=Resources.of(cpus=1, mem=16),
    )
    exited = await containers.exited()
    assert (exited.status, exited.reason) == (0, None)
