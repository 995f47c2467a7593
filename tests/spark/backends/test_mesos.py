"""The Mesos backend's shell, in the coarse mode, against real masters and agents."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minimesos.drivers.scheduler import Scheduler, SchedulerDriver
from minimesos.runtime.loop import LoopThread
from minimesos.spark import SparkContext
from minimesos.spark.backends import framework
from minimesos.spark.backends.mesos import MesosBackend
from minimesos.spark.errors import SparkException
from minimesos.testing import LocalCluster, builders
from minimesos.testing.processes import ProcessCluster

pytestmark = pytest.mark.integration

SCRIPT = """
import sys
from minimesos.spark import SparkContext, SparkConf
conf = SparkConf().set("spark.mesos.coarse.shutdownTimeout", "1h")
sc = SparkContext(sys.argv[1], "orphan", conf=conf)
print(sc.parallelize(range(10), 2).count(), flush=True)
sys.stdin.readline()
sc.stop()
print("stopped")
"""


def test_a_driver_whose_master_is_gone_does_not_wait_for_its_word() -> None:
    with ProcessCluster(agents=1) as cluster:
        driver = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, cluster.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert driver.stdout is not None
        assert driver.stdout.readline() == "10\n"
        cluster.master.stop(signal.SIGKILL)
        out, _ = driver.communicate("go\n", timeout=60)
        assert out == "stopped\n"


def test_executors_that_cannot_start_fail_the_job_and_say_why() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    warnings = [line for line in done.stderr.splitlines() if "Executor did not start" in line]
    assert len(warnings) == 2
    assert all("exited with status 127" in line for line in warnings)
    assert "no executor can be had" in done.stderr.splitlines()[-1]
    assert "exited with status 127" in done.stderr.splitlines()[-1]


HOMELESS = """
from minimesos.spark import SparkContext, SparkConf
conf = SparkConf().set("spark.mesos.executor.home", "/nowhere")
SparkContext("local-cluster[1,1,512]", "homeless", conf=conf).parallelize([1], 1).count()
"""


def test_a_job_that_needs_too_much_memory_fails_with_peak_and_limit_and_the_next_one_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GREEDY], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "failed 4 times" in done.stdout
    assert re.search(r"Memory limit exceeded: Requested: 448MB Maximum Used: \d+MB", done.stdout)
    assert done.stdout.splitlines()[-1] == "10"


GREEDY = """
from minimesos.spark import SparkContext
sc = SparkContext("local-cluster[1,1,32]", "greedy")
def devour(it):
    eaten = []
    while True:
        eaten.append(b"x" * 50_000_000)
try:
    sc.parallelize([1], 1).foreachPartition(devour)
except Exception as error:
    print(error)
print(sc.parallelize(range(10), 2).count())
"""


def test_a_master_that_cannot_be_reached_is_named_once_the_time_is_over() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNREACHABLE], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "no answer from the master at 127.0.0.1:1 for 0.1 s" in last


UNREACHABLE = """
from minimesos.spark import SparkContext, SparkConf
conf = SparkConf().set("spark.minimesos.registrationTimeout", "100ms")
SparkContext("mesos://127.0.0.1:1", "nowhere", conf=conf)
"""


def test_constraints_that_no_agent_meets_are_named_while_the_job_waits() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CONSTRAINED], capture_output=True, text=True, timeout=60, check=False
    )
    lines = [line.strip() for line in done.stderr.splitlines()]
    start = next(n for n, line in enumerate(lines) if "Initial job has not accepted" in line)
    need, agent = lines[start + 1 : start + 3]
    assert need == "an executor needs cpus:1, mem:896 on an agent with zone:a,b"
    assert agent.startswith(
        "agent localhost (cpus:1, mem:896): unmet constraints: no attribute zone"
    )


CONSTRAINED = """
import threading
from minimesos.spark import SparkContext, SparkConf
conf = SparkConf().set("spark.mesos.constraints", "zone:a,b")
conf.set("spark.starvation.timeout", "300ms")
sc = SparkContext("local-cluster[1,1,512]", "constrained", conf=conf)
threading.Timer(0.5, sc.cancelAllJobs).start()
try:
    sc.parallelize([1], 1).count()
except Exception:
    sc.stop()
"""


# -- in this process ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(agents=1, cpus=1) as running:
        yield running


def backend_of(context: SparkContext) -> MesosBackend:
    assert context._runner is not None
    backend = context._runner._backend
    assert isinstance(backend, MesosBackend)
    return backend


def on_loop(call: Callable[..., Any], *arguments: Any) -> Any:
    async def run() -> Any:
        result = call(*arguments)
        return await result if asyncio.iscoroutine(result) else result

    return LoopThread.shared().call(run(), 10)


def test_a_role_that_the_master_refuses_is_the_callers_error() -> None:
    settings = {"spark.mesos.role": "prod", "spark.mesos.principal": "me"}
    with (
        LocalCluster(agents=0, master_flags={"roles": "dev"}) as cluster,
        pytest.raises(SparkException, match="not present in the master's --roles") as info,
    ):
        cluster.spark_context("pi", **settings)
    assert str(info.value).startswith(
        "the application 'pi' in role 'prod' with principal 'me' is not taken on: "
    )


def test_whose_framework_is_over_is_told_to_leave_its_id_out(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster.spark_context() as sc:
        former = sc.applicationId
    monkeypatch.setattr(framework, "_frameworks", itertools.count())  # as in a new driver
    with pytest.raises(SparkException) as info:
        cluster.spark_context(**{"spark.mesos.driver.frameworkId": former})
    assert str(info.value).endswith(
        "is not taken on: Framework has been removed: it was stopped, or nobody came back within "
        "its spark.mesos.driver.failoverTimeout; to start a new one leave out "
        f"spark.mesos.driver.frameworkId={former}"
    )


def test_the_scheduler_drivers_thread_is_a_daemon_named_after_the_backend(
    cluster: LocalCluster,
) -> None:
    def threads() -> list[bool]:
        name = "MesosCoarseGrainedSchedulerBackend-mesos-driver"
        return [thread.daemon for thread in threading.enumerate() if thread.name == name]

    with cluster.spark_context():
        assert threads() == [True]
    assert threads() == []


def test_an_error_of_the_master_fails_all_jobs(cluster: LocalCluster) -> None:
    with cluster.spark_context(**{"spark.executor.cores": 2}) as sc:  # more than there are
        rival = builders.framework_info("rival", id=sc.applicationId)
        driver = SchedulerDriver(Scheduler(), rival, cluster.address)
        driver.start()
        with pytest.raises(SparkException) as info:
            sc.parallelize([1], 1).count()
        driver.stop()
    assert str(info.value) == "Exiting due to error from cluster scheduler: Framework failed over"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the backend logs, though contexts keep the records of our packages to themselves."""
    logger = logging.getLogger("minimesos.spark.backends.mesos")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def test_a_stop_waits_until_the_executors_have_ended_by_themselves(
    cluster: LocalCluster, log: pytest.LogCaptureFixture
) -> None:
    with cluster.spark_context(**{"spark.mesos.coarse.shutdownTimeout": "30s"}) as sc:
        id = sc.applicationId
        assert sc.parallelize(range(4), 2).count() == 4
    assert "executors did not end in time" not in log.text
    assert ends(cluster, id) == ["TASK_FINISHED"]


def test_but_no_longer_than_is_set(
    cluster: LocalCluster, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sc = cluster.spark_context(**{"spark.mesos.coarse.shutdownTimeout": "150ms"})
    id = sc.applicationId
    assert sc.parallelize(range(4), 2).count() == 4
    monkeypatch.setattr(backend_of(sc)._server, "shut_down_executors", lambda: None)
    started = time.monotonic()
    sc.stop()
    assert time.monotonic() - started >= 0.15
    assert "executors did not end in time seconds=0.15" in log.messages
    assert ends(cluster, id) == ["TASK_KILLED"]


def ends(cluster: LocalCluster, framework_id: str) -> list[str]:
    """Return how the executors of an application ended that is over."""
    frameworks = cluster.master.snapshot()["completed_frameworks"]
    (framework,) = [each for each in frameworks if each["id"] == framework_id]
    return [task["state"] for task in framework["completed_tasks"]]


def test_a_second_stop_only_warns(cluster: LocalCluster, log: pytest.LogCaptureFixture) -> None:
    context = cluster.spark_context()
    backend = backend_of(context)
    context.stop()
    on_loop(backend.stop)
    assert "the backend is being stopped already" in log.messages


def test_an_executor_that_is_not_needed_is_killed_and_its_core_used_again(
    cluster: LocalCluster,
) -> None:
    with cluster.spark_context() as sc:
        assert sc.parallelize(range(4), 2).count() == 4
        backend = backend_of(sc)
        on_loop(backend.kill_executors, ["0"])
        assert sc.parallelize(range(4), 2).count() == 4  # on its successor
        deadline = time.monotonic() + 10
        while True:
            (framework,) = cluster.master.snapshot()["frameworks"]
            ended = {task["id"]: task["state"] for task in framework["completed_tasks"]}
            if ended or time.monotonic() > deadline:
                break
        assert ended == {"0": "TASK_KILLED"}
