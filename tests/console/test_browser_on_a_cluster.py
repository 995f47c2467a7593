"""The console of a real master and its agents, in a real browser, while a framework works there."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from minimesos.testing.processes import ProcessCluster

from .browser import Browser, Page

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

# One task that goes on and one that fails; what other agents offer is kept, unanswered.
FRAMEWORK = """
import sys
from minimesos.drivers.scheduler import Scheduler, SchedulerDriver
from minimesos.proto.mesos.v1 import mesos_pb2

COMMANDS = {"server": "echo serving; echo careful >&2; sleep 1000", "broken": "exit 3"}

def scalar(name, value):
    return mesos_pb2.Resource(
        name=name, type=mesos_pb2.Value.SCALAR, scalar=mesos_pb2.Value.Scalar(value=value))

class Two(Scheduler):
    launched = False

    def resourceOffers(self, driver, offers):
        if self.launched:
            return
        self.launched = True
        offer = offers[0]
        driver.launchTasks([offer.id], [
            mesos_pb2.TaskInfo(
                name=name, task_id=mesos_pb2.TaskID(value=name), agent_id=offer.agent_id,
                command=mesos_pb2.CommandInfo(value=command),
                resources=[scalar("cpus", 0.5), scalar("mem", 64)])
            for name, command in COMMANDS.items()])

info = mesos_pb2.FrameworkInfo(user="", name="shop <b>", roles=["web"])
info.capabilities.add(type=mesos_pb2.FrameworkInfo.Capability.MULTI_ROLE)
SchedulerDriver(Two(), info, sys.argv[1]).run()
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster() -> AsyncIterator[ProcessCluster]:
    running = ProcessCluster(agents=2, cpus=2, mem_mb=1024)
    await asyncio.to_thread(running.__enter__)
    try:
        yield running
    finally:
        await asyncio.to_thread(running.stop)


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    async with browser.page() as opened:
        yield opened


def state_of(cluster: ProcessCluster) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{cluster.address}/state", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


async def amounts(page: Page) -> dict[str, list[str]]:
    """Return the rows of the resources: allocated, offered, idle, total."""
    found: dict[str, list[str]] = await page.evaluate("""Object.fromEntries(
        [...document.querySelectorAll(".amounts tbody tr:not([aria-hidden])")].map((row) =>
            [row.cells[0].innerText, [...row.cells].slice(1).map((cell) => cell.innerText)]))""")
    return found


async def test_a_frameworks_life_can_be_watched(page: Page, cluster: ProcessCluster) -> None:
    says = "document.querySelector('main').innerText"
    await page.open(f"http://{cluster.address}/")
    await page.until(f"{says}.includes('2 active')")
    assert "No framework is registered" in await page.text()
    assert (await amounts(page))["CPUs"] == ["0", "0", "4", "4"]

    framework = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FRAMEWORK, cluster.address, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await page.until(f"/1 RUNNING\\s+1 FAILED/.test({says})")
        await it_is_shown_on_every_page(page, cluster, says)
        await its_output_can_be_read(page, says)
    finally:
        framework.terminate()
        await framework.wait()

    await page.open(f"http://{cluster.address}/#/")
    await page.until(f"{says}.includes('0 registered, 1 completed')")
    assert (await amounts(page))["CPUs"] == ["0", "0", "4", "4"]
    assert page.errors == []


async def it_is_shown_on_every_page(page: Page, cluster: ProcessCluster, says: str) -> None:
    """The overview is open."""
    (framework,) = state_of(cluster)["frameworks"]
    text = await page.text()
    assert "shop <b>" in text
    assert "exited with status 3" in text  # why the other task failed
    allocated, _, _, total = (await amounts(page))["CPUs"]
    assert (float(allocated), total) == (framework["used_resources"]["cpus"], "4")
    for name, words in {
        "frameworks": ("shop <b>", "web", framework["hostname"]),
        "agents": ("localhost", "Active", "of 2"),
        "tasks": ("server", "broken", "RUNNING", "FAILED"),
        "offers": ("shop <b>", "web"),
        "roles": ("web", "*"),
        f"frameworks/{framework['id']}": ("server", "broken"),
    }.items():
        await page.evaluate(f"location.hash = '#/{name}'")
        await page.until(f"location.hash === '#/{name}' && {says}.includes({json.dumps(words[0])})")
        text = await page.text()
        assert all(each in text for each in words), (name, text)


async def its_output_can_be_read(page: Page, says: str) -> None:
    """The framework's page is open; go from there to the agent's."""
    await page.evaluate("document.querySelector('[aria-label=\"stdout of task server\"]').click()")
    await page.until("location.port !== '' && location.hash.endsWith('/stdout')")
    await page.until(f"{says}.includes('serving')")
    await page.evaluate("document.querySelector('.trail a').click()")
    await page.until("document.querySelector('table[aria-label=Files] tbody tr')")
    assert {"stdout", "stderr"} <= set((await page.text()).split())
    await page.evaluate("location.hash = '#/'")
    await page.until(f"/Active tasks 1[^]*Completed tasks 1/.test({says})")
    text = await page.text()
    assert "exited with status 3" in text
    assert "shop <b>" in text
