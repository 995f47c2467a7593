"""The private cluster of `local-cluster[n,cores,mem]`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from minimesos.spark import SparkContext
from minimesos.spark.errors import SparkException

pytestmark = pytest.mark.integration

FORGETFUL = """
from minimesos.spark import SparkContext
sc = SparkContext("local-cluster[1,1,512]", "forgetful")
print(sc.parallelize(range(10), 4).count())
"""


def test_a_script_that_does_not_stop_its_context_ends_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORGETFUL], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "10\n", "")


def test_tasks_find_modules_on_the_drivers_search_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_beside.py").write_text("def double(n):\n    return 2 * n\n")
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), inherited))))

    def double(number: int) -> int:
        import module_beside

        doubled: int = module_beside.double(number)
        return doubled

    with SparkContext("local-cluster[1,1,512]", "modules") as sc:
        assert sc.parallelize([1, 2], 2).map(double).collect() == [2, 4]


def test_a_job_of_a_private_cluster_that_is_killed_fails_at_once() -> None:
    others = set(psutil.Process().children())
    with SparkContext("local-cluster[1,1,512]", "bereft") as sc:
        (cluster,) = (each.pid for each in psutil.Process().children() if each not in others)

        def kill_and_wait(_: int) -> None:
            os.kill(cluster, signal.SIGKILL)
            threading.Event().wait(60)

        with pytest.raises(SparkException, match=r"the private cluster .* was killed by signal 9"):
            sc.parallelize([1], 1).foreach(kill_and_wait)


def test_executors_that_are_killed_again_and_again_are_soon_replaced() -> None:
    with SparkContext("local-cluster[1,1,512]", "stricken") as sc:
        for _ in range(2):
            assert sc.range(4).count() == 4
            (executor,) = (
                each
                for each in psutil.Process().children(recursive=True)
                if "--executor-id" in each.cmdline() and "command" in _command_of_parent(each)
            )
            executor.kill()
            executor.wait(10)
        jobs = ThreadPoolExecutor()
        assert jobs.submit(sc.range(4).count).result(60) == 4


def _command_of_parent(process: psutil.Process) -> list[str]:
    parent = process.parent()
    return parent.cmdline() if parent else []
