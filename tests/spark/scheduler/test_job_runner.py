"""The shell around the scheduler, with a real loop thread and a backend without processes."""

from __future__ import annotations

import asyncio
import pickle
import re
import signal
import struct
import threading

import pytest

from minimesos.actor import SetTimer
from minimesos.errors import InvalidValue
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.loop import LoopThread
from minimesos.spark.closure import refuse_stray
from minimesos.spark.conf import SparkConf
from minimesos.spark.env import Location
from minimesos.spark.errors import SparkException
from minimesos.spark.scheduler.allocation import AllocationSettings
from minimesos.spark.scheduler.effects import JobAborted, JobCancelled
from minimesos.spark.scheduler.job_runner import JobRunner
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.task import STORED_TAG, Metrics
from minimesos.spark.stored_results import file_name


class Rdd:
    """As much of an RDD as the scheduler looks at."""

    rdd_id = 0
    dependencies = ()
    partitioner = None
    num_partitions = 4
    is_barrier = False
    is_cached = False
    call_site = "test"

    def narrow_lineage(self):
        return [self]

    def travelling_lineage(self):
        return [self]

    def steps_within(self):
        return 1

    def narrow_parents(self, index):
        return []

    def payload(self, index):
        return {}

    def preferred_locations(self, index):
        return []

    def __reduce__(self):
        refuse_stray(self)
        return (Rdd, ())


class Backend:
    """Answers each task with its partition, once it is allowed to."""

    application_id = "app-1"
    default_parallelism = 2
    launches_on_offers = False

    def __init__(self):
        self.listener = None
        self.frames = []
        self.may_answer = True
        self.got_tasks = threading.Event()
        self.is_stopped = False
        self.fail_send = False
        self.requests = []
        self.killed = threading.Event()

    async def start(self, listener):
        self.listener = listener
        listener.executor_added("0", "host", 2, Location("0", "host", "", ""))

    def revive(self):
        pass

    def send(self, executor_id, frame):
        if self.fail_send:
            raise ValueError("a bug")
        self.frames.append(frame)
        for batch in frame.tasks:
            self.got_tasks.set()
            if self.may_answer:
                results = spark_pb2.TaskResults(
                    task_ids=batch.task_ids,
                    payloads=[pickle.dumps(partition) for partition in batch.partitions],
                )
                LoopThread.shared().loop.call_soon(self.listener.results, "0", results)

    def request_total_executors(self, total, local_tasks):
        self.requests.append(total)

    def kill_executors(self, executor_ids):
        assert executor_ids == ("0",)
        self.killed.set()

    def shortage(self):
        return ["an executor needs 4 cpus", "agent a has 2 cpus"]

    async def stop(self):
        self.is_stopped = True


@pytest.fixture
def backend():
    return Backend()


@pytest.fixture
def runner(backend):
    runner = JobRunner(backend, Limits(), LoopThread.shared())
    LoopThread.shared().call(backend.start(runner))
    yield runner
    runner.stop()


def action(task, items):
    return None


def test_results_come_to_the_thread_that_waits(runner):
    assert runner.run_job(Rdd(), action, [2, 0, 3]) == [2, 0, 3]


def test_a_job_with_a_time_limit_is_content_with_what_is_there_by_then(runner, backend):
    assert runner.run_job_for(Rdd(), action, range(4), timeout_s=600.0) == [0, 1, 2, 3]
    backend.may_answer = False
    assert runner.run_job_for(Rdd(), action, range(4), timeout_s=0.0) == []
    backend.may_answer = True
    assert runner.run_job(Rdd(), action, [1]) == [1]


def test_many_threads_run_jobs_at_once(runner):
    results = []

    def run():
        results.append(runner.run_job(Rdd(), action, range(4)))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[0, 1, 2, 3]] * 8


def test_an_interrupt_cancels_the_job_and_is_raised(runner, backend):
    backend.may_answer = False

    def interrupt_once_it_runs():
        backend.got_tasks.wait()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt_once_it_runs)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        runner.run_job(Rdd(), action, range(4))
    thread.join()
    assert any(frame.cancel.interrupt for frame in backend.frames)
    backend.may_answer = True
    assert runner.run_job(Rdd(), action, [1]) == [1]


def test_cancel_all_ends_jobs_with_an_error(runner, backend):
    backend.may_answer = False

    def cancel_once_it_runs():
        backend.got_tasks.wait()
        runner.cancel_all()

    thread = threading.Thread(target=cancel_once_it_runs)
    thread.start()
    with pytest.raises(JobCancelled, match="Job 0 cancelled as part of cancellation of all jobs"):
        runner.run_job(Rdd(), action, range(4))
    thread.join()


def test_a_backend_that_fails_fails_jobs_now_and_later(runner, backend):
    backend.may_answer = False

    def fail_once_it_runs():
        backend.got_tasks.wait()
        runner._loop.call_soon_threadsafe(backend.listener.backend_failed, "refused")

    thread = threading.Thread(target=fail_once_it_runs)
    thread.start()
    with pytest.raises(JobAborted, match="refused"):
        runner.run_job(Rdd(), action, range(4))
    thread.join()
    with pytest.raises(SparkException, match="refused"):
        runner.run_job(Rdd(), action, range(4))
    runner.stop()
    assert backend.is_stopped


def test_after_stop_no_jobs_are_taken_and_the_backend_is_released(runner, backend):
    runner.stop()
    runner.stop()
    assert backend.is_stopped
    with pytest.raises(SparkException, match="stopped SparkContext"):
        runner.run_job(Rdd(), action, [0])


def test_a_bug_on_the_loop_ends_jobs_instead_of_leaving_them_waiting(runner, backend):
    backend.fail_send = True
    with pytest.raises(SparkException, match="the scheduler failed: ValueError: a bug"):
        runner.run_job(Rdd(), action, [0])
    runner.stop()
    assert backend.is_stopped


def test_cleanup_reaches_executors(runner, backend):
    runner.clean_up(rdd_ids=[3], broadcast_ids=[4])
    runner.run_job(Rdd(), action, [0])
    cleanups = [frame.cleanup for frame in backend.frames if frame.HasField("cleanup")]
    assert [(list(each.rdd_ids), list(each.broadcast_ids)) for each in cleanups] == [([3], [4])]


def test_executors_are_asked_for_and_given_back_under_dynamic_allocation(backend):
    allocation = AllocationSettings(initial=3, idle_s=0.02)
    runner = JobRunner(backend, Limits(), LoopThread.shared(), allocation=allocation)
    LoopThread.shared().call(backend.start(runner))
    runner._post(runner._core.start)
    assert backend.killed.wait(10)
    assert backend.requests == [3, 0]
    runner.stop()


def test_the_user_is_told_that_tasks_wait_in_vain_and_why(backend, caplog):
    warned = threading.Event()
    caplog.handler.addFilter(lambda record: warned.set() or True)

    async def start(runner):
        backend.listener = runner

    runner = JobRunner(backend, Limits(starvation_s=0.01), LoopThread.shared())
    LoopThread.shared().call(start(runner))
    waiting = threading.Thread(target=ignore_end, args=(runner.run_job, Rdd(), action, [0]))
    waiting.start()
    assert warned.wait(10)
    assert caplog.messages[0] == (
        "Initial job has not accepted any resources; check your cluster UI to ensure that "
        "workers are registered and have sufficient resources\n"
        "  an executor needs 4 cpus\n"
        "  agent a has 2 cpus"
    )
    runner.stop()
    waiting.join()


def ignore_end(call, *arguments):
    with pytest.raises(JobCancelled):
        call(*arguments)


def test_a_timer_takes_the_place_of_an_older_one_of_its_name(runner):
    fired = threading.Event()
    names = []
    runner._core.timer_fired = lambda name, now: names.append(name) or fired.set()

    def set_both(now):
        runner._set_timer(SetTimer("t", now + 0.02))
        runner._set_timer(SetTimer("t", now + 0.01))
        runner._set_timer(SetTimer("u", now + 0.03))

    runner._post(set_both)
    while "u" not in names:
        assert fired.wait(10)
        fired.clear()
    assert names == ["t", "u"]


@pytest.mark.parametrize("master", ["local[1]", "local-cluster[2,1,512]"])
def test_a_master_whose_executors_are_too_small_for_a_task_is_refused(master, tmp_path):
    conf = SparkConf(loadDefaults=False).set("spark.task.cpus", 2)
    with pytest.raises(InvalidValue, match=re.escape(f"{master} has fewer cores than spark.task")):
        JobRunner.start(master, conf, str(tmp_path))


def test_after_stop_timers_mean_nothing(runner):
    fired = []
    runner._core.timer_fired = lambda name, now: fired.append(name)

    async def fire():
        runner._set_timer(SetTimer("t", 0.0))
        due = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0, due.set_result, None)
        await due  # behind the timer

    LoopThread.shared().call(fire())
    assert fired == ["t"]
    runner.stop()
    LoopThread.shared().call(fire())
    assert fired == ["t"]


def test_an_unknown_master_is_refused(tmp_path):
    with pytest.raises(SparkException, match="Could not parse Master URL: 'yarn'"):
        JobRunner.start("yarn", SparkConf(loadDefaults=False), str(tmp_path))


@pytest.mark.parametrize("master", ["mesos://", "mesos://host:port", "mesos://user@host"])
def test_a_mesos_url_that_names_no_address_is_refused_before_anything_starts(master, tmp_path):
    with pytest.raises(InvalidValue, match=re.escape(master)):
        JobRunner.start(master, SparkConf(loadDefaults=False), str(tmp_path))


class Forgetful(Backend):
    """Says that results are files in a directory; those of the first few attempts are not there."""

    def __init__(self, directory, forgets):
        super().__init__()
        self.directory = directory
        self.forgets = forgets
        self.attempts = []

    def send(self, executor_id, frame):
        extras = pickle.dumps(((), (), (), (0,) * len(Metrics._fields)))
        answer = struct.pack("<BI", STORED_TAG, len(extras)) + extras
        for batch in frame.tasks:
            self.attempts += batch.attempts
            for task_id, attempt in zip(batch.task_ids, batch.attempts, strict=True):
                if attempt >= self.forgets:
                    (self.directory / file_name(task_id)).write_bytes(pickle.dumps("there"))
            count = len(batch.task_ids)
            results = spark_pb2.TaskResults(
                task_ids=batch.task_ids,
                outcomes=[spark_pb2.STORED] * count,
                payloads=[answer] * count,
                workers=[0] * count,
            )
            LoopThread.shared().loop.call_soon(self.listener.results, "0", results)


@pytest.fixture
def forgetful(tmp_path):
    """Make a job runner by the number of attempts whose results are gone."""
    runners = []

    def make(forgets):
        backend = Forgetful(tmp_path, forgets)
        runner = JobRunner(backend, Limits(), LoopThread.shared())
        runner.driver_location = Location("driver", "localhost", "", str(tmp_path))
        runners.append(runner)
        LoopThread.shared().call(backend.start(runner))
        return runner, backend

    yield make
    for runner in runners:
        runner.stop()


def test_a_task_whose_stored_result_is_gone_is_tried_again(forgetful):
    runner, backend = forgetful(2)
    assert runner.run_job(Rdd(), action, [0]) == ["there"]
    assert backend.attempts == [0, 1, 2]


def test_results_that_are_gone_again_and_again_end_the_job(forgetful):
    runner, backend = forgetful(100)
    with pytest.raises(JobAborted, match=r"failed 4 times.*TaskResultLost \(result lost"):
        runner.run_job(Rdd(), action, [0])
    assert backend.attempts == [0, 1, 2, 3]
