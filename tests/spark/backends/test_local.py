"""The backend of `local[N]`."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minimesos.spark.backends import local
from minimesos.spark.backends.local import LocalBackend
from minimesos.testing.spark_executors import DEADLINE_S, RecordingListener, job

pytestmark = pytest.mark.integration


@pytest.fixture
async def backend(tmp_path):
    backend = LocalBackend(2, {"spark.executorEnv.COLOUR": "blue"}, str(tmp_path))
    yield backend
    await backend.stop()


async def started(backend):
    listener = RecordingListener()
    await backend.start(listener)
    await listener.until(lambda: "0" in listener.added)
    return listener


def control_pid(i, _):
    status = Path(f"/proc/{os.getppid()}/status").read_text()
    return int(re.search(r"PPid:\t(\d+)", status)[1])


def test_it_is_known_by_the_time_and_has_its_cores_before_it_is_started(backend):
    assert backend.application_id.startswith("local-")
    assert backend.default_parallelism == 2


async def test_an_executor_that_dies_is_lost_and_replaced_under_a_new_id(backend):
    listener = await started(backend)
    backend.send("0", job(1, lambda i, _: control_pid(i, _), [0]))
    (end,) = await listener.ends(0)
    os.kill(end.value, signal.SIGKILL)
    await listener.until(lambda: "1" in listener.added)
    assert f"executor 0 (pid {end.value}) was killed by signal 9" in listener.lost["0"]
    assert listener.added["0"].root != listener.added["1"].root
    backend.send("0", job(1, lambda i, _: "too late", [1]))
    backend.send("1", job(1, lambda i, _: "works", [2]))
    (end,) = await listener.ends(2)
    assert end.value == "works"
    assert 1 not in listener.ended


async def test_an_executor_that_cannot_start_fails_the_backend(backend, monkeypatch):
    monkeypatch.setattr(local.sys, "executable", "/bin/false")
    listener = RecordingListener()
    await backend.start(listener)
    await listener.until(lambda: listener.failures)
    assert "no executor lives long enough" in listener.failures[0]
    assert "exited with code 1" in listener.failures[0]
    assert listener.lost == {}


async def test_executors_that_register_and_die_again_and_again_fail_the_backend(backend):
    listener = await started(backend)
    for executor_id in ("0", "1", "2"):
        await listener.until(lambda: executor_id in listener.added)  # noqa: B023
        backend.send(executor_id, job(1, lambda i, _: os.kill(control_pid(i, _), 9), [0]))
        await listener.until(lambda: executor_id in listener.lost)  # noqa: B023
    assert "no executor lives long enough" in listener.failures[0]
    assert listener.added.keys() == {"0", "1", "2"}


async def test_the_interrupt_of_a_terminal_does_not_reach_the_executor(backend):
    listener = await started(backend)
    backend.send("0", job(1, lambda i, _: os.getsid(0), [0]))
    (end,) = await listener.ends(0)
    assert end.value != os.getsid(0)


async def test_tasks_see_the_environment_that_the_application_sets(backend):
    listener = await started(backend)
    names = ("COLOUR", "PYTHONHASHSEED")
    backend.send("0", job(1, lambda i, _: [os.environ.get(name) for name in names], [0]))
    (end,) = await listener.ends(0)
    assert end.value == ["blue", os.environ.get("PYTHONHASHSEED", "0")]


async def test_stopping_twice_and_before_the_start_is_harmless(tmp_path):
    backend = LocalBackend(1, {}, str(tmp_path))
    await backend.stop()
    await started(backend)
    await backend.stop()
    await backend.stop()


DRIVER = """
import asyncio, os, sys
from minimesos.spark.backends.local import LocalBackend
from minimesos.testing.spark_executors import DEADLINE_S, RecordingListener, job

async def main():
    backend, listener = LocalBackend(1, {}, sys.argv[1]), RecordingListener()
    await backend.start(listener)
    await listener.until(lambda: listener.added)
    backend.send("0", job(1, lambda i, _: (os.getpid(), os.getppid()), [0]))
    (end,) = await listener.ends(0)
    print(*end.value, flush=True)
    if sys.argv[2] == "killed":
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["killed", "ends without stopping"])
def test_nothing_is_left_of_a_driver_that_is(how, tmp_path):
    command = [sys.executable, "-P", "-c", DRIVER, str(tmp_path), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as driver:
        pidfds = [os.pidfd_open(int(pid)) for pid in driver.stdout.readline().split()]
        if how == "killed":
            driver.kill()
        driver.wait(DEADLINE_S)
    for pidfd in pidfds:
        assert select.select([pidfd], [], [], DEADLINE_S)[0], "a worker or the zygote still runs"
        os.close(pidfd)
