"""Tasks from a framework's process through master and agent to an executor's process, and back."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.integration

PATIENCE_S = 30.0  # a test that waits for so long has failed

EXECUTOR = """
from minimesos.drivers.executor import Executor, ExecutorDriver
from minimesos.proto.mesos.v1 import mesos_pb2

class Echo(Executor):
    def launchTask(self, driver, task):
        print("running", task.task_id.value, flush=True)
        states = [mesos_pb2.TASK_RUNNING] + ([] if task.data else [mesos_pb2.TASK_FINISHED])
        for state in states:
            driver.sendStatusUpdate(mesos_pb2.TaskStatus(task_id=task.task_id, state=state))

ExecutorDriver(Echo()).run()
"""

# Launches one task per offer of the first round; a task with data never ends by itself.
FRAMEWORK = """
import sys
from minimesos.drivers.scheduler import Scheduler, SchedulerDriver
from minimesos.proto.mesos.v1 import mesos_pb2

master, executor, data = sys.argv[1:]

class One(Scheduler):
    launched = False

    def resourceOffers(self, driver, offers):
        for offer in offers:
            if self.launched:
                driver.declineOffer(offer.id)
                continue
            self.launched = True
            task = mesos_pb2.TaskInfo(name="t", agent_id=offer.agent_id, data=data.encode())
            task.task_id.value = "t1"
            task.executor.executor_id.value = "echo"
            task.executor.command.value = f"exec {sys.executable} {executor}"
            for name, value in (("cpus", 0.5), ("mem", 128)):
                task.resources.add(name=name, type=mesos_pb2.Value.SCALAR).scalar.value = value
            driver.launchTasks([offer.id], [task])

    def statusUpdate(self, driver, status):
        print(mesos_pb2.TaskState.Name(status.state), status.message, flush=True)
        if status.state == mesos_pb2.TASK_FINISHED:
            driver.stop()

SchedulerDriver(One(), mesos_pb2.FrameworkInfo(user="", name="one"), master).run()
"""


class Program:
    """A process whose output is read as it comes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
        return line.decode().strip()

    async def log_line(self, words: str) -> str:
        assert self.process.stderr is not None
        while line := await asyncio.wait_for(self.process.stderr.readline(), PATIENCE_S):
            if words in line.decode():
                return line.decode()
        raise AssertionError(f"the log ended without {words!r}")


@asynccontextmanager
async def python(*arguments: str) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.terminate()
            # Read to the end, so that it cannot hang on a full pipe.
            await asyncio.wait_for(process.communicate(), PATIENCE_S)


@asynccontextmanager
async def local_cluster(work_dir: Path) -> AsyncIterator[tuple[Program, str]]:
    arguments = ("local", "--agents=1", "--cpus=1", "--mem=512", f"--work_dir={work_dir}")
    async with python("-m", "minimesos.cli.main", *arguments) as cluster:
        yield cluster, await cluster.line()


@pytest.fixture
def scripts(tmp_path: Path) -> tuple[str, str]:
    for name, text in (("executor.py", EXECUTOR), ("framework.py", FRAMEWORK)):
        (tmp_path / name).write_text(text)
    return str(tmp_path / "framework.py"), str(tmp_path / "executor.py")


async def get(address: str, path: str) -> Any:
    def read() -> Any:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE_S) as response:
            return json.loads(response.read())

    return await asyncio.to_thread(read)


async def test_a_task_runs_finishes_and_leaves_its_output(
    tmp_path: Path, scripts: tuple[str, str]
) -> None:
    framework, executor = scripts
    async with (
        local_cluster(tmp_path / "work") as (cluster, master),
        python(framework, master, executor, "") as driver,
    ):
        assert await driver.line() == "TASK_RUNNING"
        assert await driver.line() == "TASK_FINISHED"
        await cluster.log_line("Executor exited")

        state = await get(master, "/state")
        assert state["frameworks"] == []
        (task,) = state["completed_frameworks"][0]["completed_tasks"]
        assert task["state"] == "TASK_FINISHED"
        assert state["slaves"][0]["used_resources"]["cpus"] == 0.0

        agent = state["slaves"][0]["pid"].partition("@")[2]
        sandbox = f"/frameworks/{task['framework_id']}/executors/echo/runs/latest"
        answer = await get(agent, f"/files/read?path={sandbox}/stdout&offset=0")
        assert answer["data"] == "running t1\n"


async def test_when_a_framework_is_killed_its_executors_end_and_its_resources_are_free(
    tmp_path: Path, scripts: tuple[str, str]
) -> None:
    framework, executor = scripts
    async with (
        local_cluster(tmp_path / "work") as (cluster, master),
        python(framework, master, executor, "for ever") as driver,
    ):
        assert await driver.line() == "TASK_RUNNING"
        agent = (await get(master, "/state"))["slaves"][0]["pid"].partition("@")[2]
        (container,) = await get(agent, "/containers")
        assert container["framework_id"].endswith("-0000")
        driver.process.kill()
        await cluster.log_line("Executor exited")

        state = await get(master, "/state")
        assert state["frameworks"] == []
        assert state["slaves"][0]["used_resources"]["cpus"] == 0.0
        assert await get(agent, "/containers") == []


async def test_when_the_cluster_ends_so_do_its_executors(
    tmp_path: Path, scripts: tuple[str, str]
) -> None:
    framework, executor = scripts
    async with (
        local_cluster(tmp_path / "work") as (cluster, master),
        python(framework, master, executor, "for ever") as driver,
    ):
        assert await driver.line() == "TASK_RUNNING"
        processes = psutil.Process(cluster.process.pid).children(recursive=True)
        assert any(executor in " ".join(process.cmdline()) for process in processes)
        cluster.process.terminate()
        await asyncio.wait_for(cluster.process.communicate(), PATIENCE_S)
        assert cluster.process.returncode == 0
        assert [process for process in processes if process.is_running()] == []
