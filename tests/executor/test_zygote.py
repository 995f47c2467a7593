"""The processes of an executor: what they hold, and that they die together."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minimesos.testing.spark_executors import job

pytestmark = pytest.mark.integration


def family(i, _):
    """In a task: the worker, the zygote, the control process, and a child of the worker's own."""
    zygote = os.getppid()
    status = Path(f"/proc/{zygote}/status").read_text()
    control = int(re.search(r"PPid:\t(\d+)", status)[1])
    child = subprocess.Popen(["sleep", "1000"], start_new_session=i == 1)
    return os.getpid(), zygote, control, child.pid


async def the_family(backend, listener, i=0):
    backend.send("0", job(1, lambda i, _: family(i, _), [i]))
    (end,) = await listener.ends(i)
    return end.value


async def test_zygote_and_workers_run_no_thread_and_hold_no_grpc(start):
    backend, listener = await start(1)
    worker, zygote, _, _ = await the_family(backend, listener)
    for pid in (worker, zygote):
        assert "Threads:\t1\n" in Path(f"/proc/{pid}/status").read_text()
        assert "cygrpc" not in Path(f"/proc/{pid}/maps").read_text()


async def test_all_processes_go_when_the_control_process_is_killed(start, ends):
    backend, listener = await start(1)
    worker, zygote, control, child = await the_family(backend, listener)
    os.kill(control, signal.SIGKILL)
    for pid in (control, zygote, worker, child):
        ends(pid)


async def test_all_processes_go_when_the_backend_stops(start, ends):
    backend, listener = await start(1)
    worker, zygote, control, child = await the_family(backend, listener)
    await backend.stop()
    for pid in (control, zygote, worker, child):
        ends(pid)


async def test_workers_and_executor_go_when_the_zygote_is_killed(start, ends):
    backend, listener = await start(1)
    worker, zygote, control, _ = await the_family(backend, listener)
    os.kill(zygote, signal.SIGKILL)
    for pid in (control, zygote, worker):
        ends(pid)
    await listener.until(lambda: "0" in listener.lost)
    assert "zygote" in listener.lost["0"]


def test_a_secret_taken_from_the_environment_is_nowhere_in_the_process():
    script = """
from minimesos_executor import environment
assert environment.take("TEST_SECRET") == "swordfish"
assert environment.take("TEST_SECRET") is None
print("swordfish" in open("/proc/self/environ").read())
"""
    env = {**os.environ, "TEST_SECRET": "swordfish"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
