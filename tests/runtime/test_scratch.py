from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

from minimesos.runtime.scratch import Scratch

DRIVER = """
import signal, sys
from minimesos.runtime.scratch import Scratch
print(Scratch(sys.argv[1], "spark").path, flush=True)
signal.pause()
"""


def sweep(base: str) -> None:
    """Start and end a driver, and wait until it has swept."""
    Scratch(base, "spark").remove()
    for thread in threading.enumerate():
        if thread.name == "scratch":
            thread.join()


def test_it_is_private_and_gone_when_removed(tmp_path):
    scratch = Scratch(str(tmp_path / "base"), "spark")
    assert os.stat(scratch.path).st_mode & 0o777 == 0o700
    scratch.remove()
    assert not os.listdir(tmp_path / "base")


def test_what_a_killed_driver_left_is_removed_by_the_next(tmp_path):
    command = [sys.executable, "-c", DRIVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        left = driver.stdout.readline().strip()
        sweep(str(tmp_path))
        assert os.path.exists(left)  # its driver lives
        driver.send_signal(signal.SIGKILL)
    sweep(str(tmp_path))
    assert not os.path.exists(left)


def test_another_kinds_directories_are_left_alone(tmp_path):
    other = Scratch(str(tmp_path), "fetch")
    os.close(other._lock)  # as if its owner were gone
    sweep(str(tmp_path))
    assert os.path.exists(other.path)


def test_directories_without_a_drivers_lock_are_left_alone(tmp_path):
    other = tmp_path / f"spark-{'0' * 32}"
    other.mkdir()
    sweep(str(tmp_path))
    assert other.exists()
