"""The cluster in one process: real services, programs and workers in threads, nothing left over."""

from __future__ import annotations

import gc
import os
import queue
import select
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from minimesos_executor import threads

from minimesos.drivers.scheduler import Scheduler, SchedulerDriver
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark import SparkContext
from minimesos.spark.errors import SparkException
from minimesos.spark.taskcontext import TaskContext
from minimesos.testing import LocalCluster
from minimesos.testing.plugin import local_cluster, spark_context  # noqa: F401

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE_S = 20.0  # a test that waits for so long has failed


# Tasks share this process, so they and the test can talk through these.
running: queue.Queue[str] = queue.Queue()
go = threading.Event()


@pytest.fixture(autouse=True)
def _nothing_is_going_on() -> Iterator[None]:
    go.clear()
    while not running.empty():
        running.get()
    yield
    go.set()


def wait_for_go() -> None:
    """In steps, so that it can be interrupted and killed."""
    while not go.wait(0.005):
        pass


def block(number: int) -> None:
    """As code does that Python cannot interrupt."""
    running.put(threading.current_thread().name)
    go.wait(PATIENCE_S)


def first_waits_for_another(numbers: Iterator[int]) -> list[int]:
    (number,) = numbers
    if number == 0:
        wait_for_go()
    elif number == 7:
        go.set()
    return [number]


def tell_and_wait(number: int) -> int:
    task = TaskContext.get()
    assert task is not None
    running.put(task.env.executor_id)
    wait_for_go()
    return number


class Job:
    """A job in a thread of its own."""

    def __init__(self, run: Any) -> None:
        self._outcome: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()
        self._thread = threading.Thread(target=self._work, args=(run,))
        self._thread.start()

    def _work(self, run: Any) -> None:
        try:
            self._outcome.put((run(), None))
        except Exception as error:  # noqa: BLE001 (raised again by whoever wants the result)
            self._outcome.put((None, error))

    def result(self) -> Any:
        result, error = self._outcome.get(timeout=PATIENCE_S)
        self._thread.join()
        if error is not None:
            raise error
        return result


# -- Spark ----------------------------------------------------------------------------------------


def test_a_count_runs_to_its_end(spark_context: SparkContext) -> None:  # noqa: F811
    assert spark_context.parallelize(range(11), 8).count() == 11


def test_words_are_counted_through_a_shuffle(
    spark_context: SparkContext,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "text").write_text("to be or not to be\n" * 1000)
    lines = spark_context.textFile(str(tmp_path / "text"), 4)
    words = lines.flatMap(str.split).map(lambda word: (word, 1))
    counted = words.reduceByKey(lambda a, b: a + b, 3).collect()
    assert sorted(counted) == [("be", 2000), ("not", 1000), ("or", 1000), ("to", 2000)]


def test_accumulators_and_broadcasts_are_each_tasks_own(
    spark_context: SparkContext,  # noqa: F811
) -> None:
    total = spark_context.accumulator(0)
    factor = spark_context.broadcast(3)
    spark_context.parallelize(range(100), 8).foreach(lambda n: total.add(n * factor.value))
    assert total.value == 3 * sum(range(100))


def divide(number: int) -> float:
    return 1 / (number - 3)


def test_a_task_that_raises_fails_the_job_with_the_users_traceback(
    spark_context: SparkContext,  # noqa: F811
) -> None:
    with pytest.raises(SparkException) as caught:
        spark_context.parallelize(range(6), 3).map(divide).collect()
    message = str(caught.value)
    assert "return 1 / (number - 3)" in message
    assert "ZeroDivisionError: division by zero" in message
    assert "failed 4 times" in message
    assert "minimesos_executor" not in message
    assert spark_context.parallelize(range(3), 3).count() == 3


def test_tasks_that_wait_behind_a_long_one_move_to_an_idle_worker() -> None:
    with LocalCluster(agents=1) as cluster, cluster.spark_context() as sc:
        rdd = sc.parallelize(range(16), 16)
        job = Job(lambda: rdd.mapPartitions(first_waits_for_another).collect())
        assert job.result() == list(range(16))


def test_a_cancelled_job_interrupts_its_tasks() -> None:
    with LocalCluster(agents=1, cpus=2) as cluster, cluster.spark_context() as sc:

        def run() -> list[int]:
            sc.setJobGroup("g", "to be cancelled", interruptOnCancel=True)
            return sc.parallelize(range(2), 2).map(tell_and_wait).collect()

        job = Job(run)
        for _ in range(2):
            running.get(timeout=PATIENCE_S)
        sc.cancelAllJobs()
        with pytest.raises(SparkException, match="cancelled"):
            job.result()
        assert sc.parallelize(range(10), 2).sum() == 45


def test_a_job_survives_the_death_of_an_agent() -> None:
    with LocalCluster(agents=2, cpus=2) as cluster, cluster.spark_context() as sc:
        pairs = sc.parallelize(range(8), 8).map(lambda n: (n % 2, n))
        rdd = pairs.reduceByKey(lambda a, b: a + b, 4).mapValues(tell_and_wait)
        job = Job(lambda: sorted(rdd.collect()))
        executor = running.get(timeout=PATIENCE_S)
        cluster.kill_agent(place_of(executor, cluster))
        while running.get(timeout=PATIENCE_S) == executor:
            pass  # the others that it ran, and does not run any more
        go.set()
        assert job.result() == [(0, 12), (1, 16)]


def place_of(executor_id: str, cluster: LocalCluster) -> int:
    """Return the place of the agent that runs an executor."""
    for place, agent in enumerate(cluster.agents):
        for framework in agent.snapshot()["frameworks"]:
            if executor_id in [executor["id"] for executor in framework["executors"]]:
                return place
    raise AssertionError(f"no agent runs executor {executor_id}")


def test_a_script_runs_as_it_would_by_submit(
    local_cluster: LocalCluster,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    local_cluster.run_script(EXAMPLES / "count.py")
    local_cluster.run_script(EXAMPLES / "pi.py", "2")
    count, pi = capsys.readouterr().out.splitlines()
    assert count == "11"
    assert pi.startswith("Pi is roughly 3.")


# -- Mesos ----------------------------------------------------------------------------------------


class OneCommand(Scheduler):
    """Launches one command, and passes on what becomes of it."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._launched = False
        self.statuses: queue.Queue[mesos_pb2.TaskStatus] = queue.Queue()

    def resourceOffers(self, driver: SchedulerDriver, offers: Any) -> None:
        for offer in offers:
            tasks = [] if self._launched else [self._task(offer)]
            self._launched = True
            driver.launchTasks([offer.id], tasks)

    def statusUpdate(self, driver: SchedulerDriver, status: mesos_pb2.TaskStatus) -> None:
        self.statuses.put(status)

    def next_state(self) -> str:
        return mesos_pb2.TaskState.Name(self.statuses.get(timeout=PATIENCE_S).state)

    def _task(self, offer: mesos_pb2.Offer) -> mesos_pb2.TaskInfo:
        task = mesos_pb2.TaskInfo(name="t", agent_id=offer.agent_id)
        task.task_id.value = "t1"
        task.command.value = self._command
        for name, value in (("cpus", 0.5), ("mem", 128)):
            task.resources.add(name=name, type=mesos_pb2.Value.SCALAR).scalar.value = value
        return task


@contextmanager
def framework(cluster: LocalCluster, scheduler: Scheduler) -> Iterator[SchedulerDriver]:
    info = mesos_pb2.FrameworkInfo(user="", name="one")
    driver = SchedulerDriver(scheduler, info, cluster.address)
    driver.start()
    try:
        yield driver
    finally:
        driver.abort()


def test_a_framework_sees_its_command_start_run_and_finish(
    local_cluster: LocalCluster,  # noqa: F811
) -> None:
    scheduler = OneCommand("echo $MESOS_EXECUTOR_ID; pwd")
    with framework(local_cluster, scheduler):
        states = [scheduler.next_state() for _ in range(3)]
    assert states == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    (sandbox,) = local_cluster.work_dir.glob("**/runs/latest")
    assert (sandbox / "stdout").read_text() == f"t1\n{sandbox.resolve()}\n"


def read_soon(descriptor: int) -> bytes:
    assert select.select([descriptor], [], [], PATIENCE_S)[0]
    return os.read(descriptor, 100)


def test_a_task_that_is_killed_takes_its_processes_along(
    local_cluster: LocalCluster,  # noqa: F811
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "pids")
    pids = os.open(tmp_path / "pids", os.O_RDWR | os.O_NONBLOCK)
    scheduler = OneCommand(f"sleep 1000 & echo $$ $! > {tmp_path}/pids; wait")
    with framework(local_cluster, scheduler) as driver:
        ends = [os.pidfd_open(int(pid)) for pid in read_soon(pids).split()]
        driver.killTask(mesos_pb2.TaskID(value="t1"))
        states = [scheduler.next_state() for _ in range(3)]
        assert states == ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"]
        for end in ends:
            assert select.select([end], [], [], PATIENCE_S)[0], "it lives on"
    for descriptor in (pids, *ends):
        os.close(descriptor)


def test_tasks_of_a_dead_agent_are_lost_and_a_new_agent_is_offered() -> None:
    with LocalCluster(agents=1) as cluster:
        scheduler = OneCommand("sleep 1000")
        with framework(cluster, scheduler):
            assert [scheduler.next_state() for _ in range(2)] == ["TASK_STARTING", "TASK_RUNNING"]
            assert cluster.master.snapshot()["slaves"][0]["used_resources"]["cpus"] == 0.5
            assert len(cluster.agents[0].snapshot()["frameworks"]) == 1
            cluster.kill_agent(0)
            assert scheduler.next_state() == "TASK_LOST"
            assert not cluster.agents[0].is_alive
            agent = cluster.start_agent()
            slaves = cluster.master.snapshot()["slaves"]
            assert [slave["id"] for slave in slaves if slave["active"]] == [agent.agent_id]


# -- what is left ---------------------------------------------------------------------------------


def open_files() -> list[str]:
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{descriptor}").partition(":")[0])
        except FileNotFoundError:
            continue  # that of the listing
    return sorted(found)


def use_everything() -> None:
    """Leave a command, a context and a job behind in the middle of their work."""
    scheduler = OneCommand("sleep 1000")
    with LocalCluster() as cluster, framework(cluster, scheduler):
        while scheduler.next_state() != "TASK_RUNNING":
            pass
        sc = cluster.spark_context()
        assert sc.parallelize(range(8), 4).map(lambda n: (n % 2, n)).groupByKey().count() == 2
        job = Job(lambda: sc.parallelize(range(3), 3).map(tell_and_wait).collect())
        running.get(timeout=PATIENCE_S)
    with pytest.raises(SparkException):
        job.result()


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    use_everything()  # what the first one starts for the process, like its loop, may stay
    gc.collect()
    threads_before, files_before = set(threading.enumerate()), open_files()
    children_before = set(psutil.Process().children())  # such as the console tests' browser
    use_everything()
    gc.collect()
    assert set(threading.enumerate()) == threads_before
    assert open_files() == files_before
    assert set(psutil.Process().children()) <= children_before
    assert list(tmp_path.iterdir()) == []


def test_the_end_does_not_wait_for_user_code_that_cannot_be_interrupted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(threads, "END_TIMEOUT_S", 0.01)
    with LocalCluster(agents=1, cpus=1) as cluster:
        sc = cluster.spark_context()
        job = Job(lambda: sc.parallelize([1], 1).foreach(block))
        name = running.get(timeout=PATIENCE_S)
    with pytest.raises(SparkException):
        job.result()
    assert "user code does not end" in caplog.text
    (blocked,) = [thread for thread in threading.enumerate() if thread.name == name]
    go.set()
    blocked.join(PATIENCE_S)
    assert not blocked.is_alive()
