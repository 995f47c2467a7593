from __future__ import annotations

import pickle

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.env import Location
from minimesos.spark.scheduler.effects import SendFrame
from minimesos.spark.scheduler.failure import job_aborted
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.task import TaskFailure
from minimesos.spark.scheduler.task_scheduler import LOSSES_LOGGED_MAX, TaskScheduler
from minimesos.spark.scheduler.task_set import TaskSet


class Listener:
    def __init__(self):
        self.done = []
        self.aborted = []

    def tasks_succeeded(self, task_set, slots, task_ids, payloads, workers, executor, now):
        self.done += slots

    def task_set_aborted(self, task_set, error, now):
        self.aborted.append(error)


class Bench:
    """A task scheduler whose executors answer when the test says so."""

    def __init__(self, *cores):
        self.now = 0.0
        self.listener = Listener()
        self.effects = []
        self.scheduler = TaskScheduler(self.listener, self.effects, Limits())
        self.queued = {}
        self.cancelled = []
        self.frames = []
        self.keys = 0
        for number, count in enumerate(cores):
            self.add(str(number), count)

    def add(self, name, cores):
        self.queued[name] = []
        self.scheduler.executor_added(Location(name, "host", "", ""), cores, self.now)
        self.collect()

    def submit(self, tasks, payload=b""):
        self.keys += 1
        task_set = TaskSet(
            key=self.keys,
            stage_id=0,
            attempt=0,
            priority=(0, self.keys),
            partitions=range(tasks),
            binary=b"stage",
            payload=lambda partition: payload,
        )
        self.scheduler.submit(task_set, self.now)
        self.collect()
        return task_set

    def collect(self):
        for effect in self.effects:
            if isinstance(effect, SendFrame):
                self.frames.append(effect.frame)
                self.cancelled += effect.frame.cancel.task_ids
                for batch in effect.frame.tasks:
                    self.queued[effect.executor_id] += batch.task_ids
        self.effects.clear()

    def finish(self, name, count, after_s):
        self.now += after_s
        task_ids, self.queued[name] = self.queued[name][:count], self.queued[name][count:]
        results = spark_pb2.TaskResults(task_ids=task_ids, payloads=[b"\x80"] * count)
        self.scheduler.results(name, results, self.now)
        self.collect()

    def depths(self):
        return [len(queue) for queue in self.queued.values()]


def test_a_small_job_is_shared_out_evenly_at_once():
    bench = Bench(1, 1)
    bench.submit(8)
    assert bench.depths() == [4, 4]


def test_executors_get_tasks_in_proportion_to_their_cores():
    bench = Bench(1, 3)
    bench.submit(8)
    assert bench.depths() == [2, 6]


def test_a_job_with_fewer_tasks_than_cores_uses_as_many_executors_as_it_can():
    bench = Bench(2, 2)
    bench.submit(2)
    assert bench.depths() == [1, 1]


def test_short_tasks_are_queued_far_ahead():
    bench = Bench(1)
    bench.submit(20_000)
    bench.finish("0", 4, after_s=0.0004)
    assert 400 <= bench.depths()[0] <= 600  # 50 ms of tasks that take 0.1 ms


def test_long_tasks_are_not_queued_ahead():
    bench = Bench(2)
    bench.submit(100)
    assert bench.depths() == [8]
    for _ in range(7):
        bench.finish("0", 1, after_s=5.0)
    assert bench.depths() == [2]
    bench.finish("0", 1, after_s=5.0)
    assert bench.depths() == [2]


def test_frames_hold_at_most_256_tasks_and_about_4_mib():
    bench = Bench(8)
    bench.submit(20_000)
    bench.finish("0", 8, after_s=0.0001)
    sizes = [sum(len(batch.task_ids) for batch in frame.tasks) for frame in bench.frames]
    assert max(sizes) == 256

    bench = Bench(16)
    bench.submit(64, payload=bytes(1024 * 1024))
    assert max(frame.ByteSize() for frame in bench.frames) < 5 * 1024 * 1024
    assert bench.depths() == [64]


def test_tasks_queued_behind_a_long_one_are_recalled_for_an_idle_core():
    bench = Bench(1, 1)
    bench.submit(8)
    bench.finish("1", 4, after_s=0.01)
    bench.now += 0.1
    bench.scheduler.timer_fired("recall", bench.now)
    bench.collect()
    assert bench.cancelled == bench.queued["0"][-1:]

    recalled = bench.cancelled[0]
    bench.queued["0"].remove(recalled)
    results = spark_pb2.TaskResults(
        task_ids=[recalled], outcomes=[spark_pb2.CANCELLED], payloads=[b""]
    )
    bench.scheduler.results("0", results, bench.now)
    bench.collect()
    assert bench.depths() == [3, 1]


def test_an_executor_that_comes_late_gets_what_others_have_queued():
    bench = Bench(1)
    bench.submit(4)
    bench.add("late", 2)
    bench.collect()
    assert bench.cancelled == bench.queued["0"][-2:]
    bench.scheduler.timer_fired("recall", bench.now + 0.1)
    bench.collect()
    assert len(bench.cancelled) == 2


def test_results_of_tasks_that_are_not_running_are_ignored():
    bench = Bench(1)
    bench.submit(2)
    again = spark_pb2.TaskResults(task_ids=[0, 99], payloads=[b"\x80", b"\x80"])
    bench.scheduler.results("0", again, 1.0)
    bench.scheduler.results("0", again, 1.0)
    bench.scheduler.results("nobody", again, 1.0)
    assert bench.listener.done == [0]


def test_an_earlier_job_comes_first():
    bench = Bench(1)
    first = bench.submit(20)
    second = bench.submit(20)
    while first.pending:
        assert not second.running
        bench.finish("0", 1, after_s=1.0)


def test_ten_thousand_tasks_over_many_executors_all_end_once():
    bench = Bench(*[2] * 10)
    bench.submit(10_000)
    while any(bench.queued.values()):
        for name, queue in bench.queued.items():
            if queue:
                bench.finish(name, max(1, len(queue) // 2), after_s=0.0001)
    assert sorted(bench.listener.done) == list(range(10_000))
    assert not bench.scheduler.live()


def fail_all(bench, name):
    task_ids, bench.queued[name] = bench.queued[name], []
    described = pickle.dumps(("KeyError", "'x'\nof two lines", "", None, False))
    results = spark_pb2.TaskResults(
        task_ids=task_ids,
        outcomes=[spark_pb2.FAILED] * len(task_ids),
        payloads=[described] * len(task_ids),
    )
    bench.scheduler.results(name, results, bench.now)
    bench.collect()


def test_of_many_lost_tasks_some_are_logged_in_a_line_each_and_then_their_number(caplog):
    bench = Bench(100)
    task_set = bench.submit(100)
    for _ in range(3):
        fail_all(bench, "0")
    assert not bench.listener.aborted
    fail_all(bench, "0")
    bench.scheduler.abandon(task_set)
    fail_all(bench, "0")
    messages = [record.message for record in caplog.records if "Lost" in record.message]
    assert len(messages) == LOSSES_LOGGED_MAX + 1
    assert messages[0].endswith("(TID 0) (host executor 0): KeyError: 'x'")
    assert messages[-1] == f"Lost {task_set.losses} tasks in stage 0.0 in all"
    assert "of two lines" in str(bench.listener.aborted[0])


def test_failures_after_the_end_of_the_job_are_not_logged(caplog):
    bench = Bench(4)
    task_set = bench.submit(4)
    bench.scheduler.abandon(task_set)
    fail_all(bench, "0")
    assert "Lost" not in caplog.text


def test_a_missing_module_comes_with_a_word_on_py_files():
    failure = TaskFailure("ModuleNotFoundError", "No module named 'mine'", "", None, False)
    assert "--py-files" in str(job_aborted(failure, "Task 0 in stage 0.0 failed 4 times"))
    failure = failure._replace(class_name="KeyError")
    assert "--py-files" not in str(job_aborted(failure, "Task 0 in stage 0.0 failed 4 times"))
