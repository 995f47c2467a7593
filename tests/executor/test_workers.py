"""The pool of workers, seen from the driver of `local[N]`."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import signal
import sys
from pathlib import Path

import pytest

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.scheduler.task import decode_failure
from minimesos.testing.spark_executors import job

pytestmark = pytest.mark.integration

SUCCESS, FAILED = spark_pb2.SUCCESS, spark_pb2.FAILED
WORKER_LOST, CANCELLED = spark_pb2.WORKER_LOST, spark_pb2.CANCELLED


def cancel(task_ids, *, interrupt):
    request = spark_pb2.CancelTasks(task_ids=task_ids, interrupt=interrupt)
    return spark_pb2.DriverFrame(cancel=request)


async def test_every_task_ends_once_with_its_own_result(start):
    backend, listener = await start(2)
    backend.send("0", job(1, lambda i, _: i * i, range(5000)))
    ends = await listener.ends(*range(5000))
    assert [end.value for end in ends] == [i * i for i in range(5000)]
    assert {end.worker for end in ends} == {0, 1}


async def test_a_task_bound_to_a_worker_runs_there(start):
    backend, listener = await start(2)
    backend.send("0", job(1, lambda i, _: os.getpid(), range(100), workers=[1] * 100))
    ends = await listener.ends(*range(100))
    assert {end.worker for end in ends} == {1}
    assert len({end.value for end in ends}) == 1


async def test_a_large_payload_and_a_large_result_arrive_whole(start):
    backend, listener = await start(1)
    data = os.urandom(9_000_000)
    payloads = [b"", pickle.dumps(data)]
    backend.send("0", job(1, lambda i, task: task.payload, [0, 1], payloads=payloads))
    _, end = await listener.ends(0, 1)
    assert end.value == data


async def test_the_death_of_a_worker_costs_only_the_task_that_it_ran(start):
    backend, listener = await start(1)

    def die_at_5(i, _):
        if i == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    backend.send("0", job(1, die_at_5, range(10)))
    ends = await listener.ends(*range(10))
    assert [end.outcome for end in ends] == [SUCCESS] * 5 + [WORKER_LOST] + [SUCCESS] * 4
    assert b"was killed by SIGKILL" in ends[5].payload


async def test_a_worker_that_is_killed_from_outside_is_replaced(start, gate):
    backend, listener = await start(1)
    backend.send("0", job(1, lambda i, _: os.getpid() if i == 0 else gate.wait(), [0, 1]))
    backend.send("0", job(2, lambda i, _: os.getpid(), [2]))
    (before,) = await listener.ends(0)
    await gate.rung()
    os.kill(before.value, signal.SIGKILL)
    lost, after = await listener.ends(1, 2)
    assert lost.outcome == WORKER_LOST
    assert after.value != before.value


async def test_a_lost_worker_says_how_it_exited_and_what_it_said_last(start, capfd):
    backend, listener = await start(1)

    def leave(i, _):
        print("no space left on tape", file=sys.stderr, flush=True)
        os._exit(3)

    backend.send("0", job(1, leave, [0]))
    (end,) = await listener.ends(0)
    assert end.outcome == WORKER_LOST
    assert "called os._exit, or was ended, with exit code 3" in end.payload.decode()
    assert end.payload.decode().endswith("no space left on tape")
    assert listener.printed_lines == ["(stage 1, task 0, localhost) no space left on tape"]
    capfd.readouterr()


async def test_a_crash_in_c_code_names_the_line_of_python(start, capfd):
    backend, listener = await start(1)

    def crash_here(i, _):
        import ctypes

        ctypes.string_at(0)

    backend.send("0", job(1, crash_here, [0]))
    (end,) = await listener.ends(0)
    assert "was killed by SIGSEGV" in end.payload.decode()
    assert "crash_here" in end.payload.decode()
    capfd.readouterr()


async def test_tasks_behind_a_long_one_go_to_an_idle_worker(start, gate):
    backend, listener = await start(2)
    backend.send("0", job(1, lambda i, _: i or gate.wait(), range(16)))
    await listener.ends(*range(1, 16))
    assert 0 not in listener.ended
    gate.open()
    await listener.ends(0)


async def test_a_result_does_not_wait_for_a_long_task_behind_it(start, gate):
    backend, listener = await start(1)
    backend.send("0", job(1, lambda i, _: i and gate.wait(), [0, 1]))
    await listener.ends(0)
    assert 1 not in listener.ended
    gate.open()
    await listener.ends(1)


async def test_a_cancelled_task_is_interrupted_and_its_worker_goes_on(start, gate):
    backend, listener = await start(1)
    backend.send("0", job(1, lambda i, _: os.getpid(), [0]))
    backend.send("0", job(2, lambda i, _: gate.wait(), [1, 2]))
    await gate.rung()
    backend.send("0", cancel([1, 2], interrupt=True))
    backend.send("0", job(3, lambda i, _: os.getpid(), [3]))
    before, running, waiting, after = await listener.ends(0, 1, 2, 3)
    assert (running.outcome, waiting.outcome) == (CANCELLED, CANCELLED)
    assert after.value == before.value


async def test_cancelling_without_interrupt_drops_only_what_has_not_started(start, gate):
    backend, listener = await start(1)
    backend.send("0", job(1, lambda i, _: gate.wait(), [1, 2, 3]))
    await gate.rung()
    backend.send("0", cancel([1, 2, 3], interrupt=False))
    dropped = await listener.ends(2, 3)
    assert [end.outcome for end in dropped] == [CANCELLED, CANCELLED]
    gate.open()
    (end,) = await listener.ends(1)
    assert end.outcome == SUCCESS


async def test_a_task_that_ignores_the_interrupt_is_killed(start, gate, capfd):
    backend, listener = await start(1, python_task_killTimeout="100ms", log_level="WARN")

    def stubborn(i, _):
        while True:
            try:
                gate.wait()
            except KeyboardInterrupt:
                continue

    backend.send("0", job(1, lambda i, _: os.getpid(), [0]))
    backend.send("0", job(2, stubborn, [1]))
    await gate.rung()
    backend.send("0", cancel([1], interrupt=True))
    backend.send("0", job(3, lambda i, _: os.getpid(), [2]))
    before, end, after = await listener.ends(0, 1, 2)
    assert end.outcome == CANCELLED
    assert after.value != before.value
    assert "worker died" not in capfd.readouterr().err  # it was our doing


async def test_exiting_from_a_task_is_a_failure_and_no_death(start):
    backend, listener = await start(1)
    backend.send("0", job(1, lambda i, _: sys.exit(4) if i else os.getpid(), [0, 1]))
    backend.send("0", job(2, lambda i, _: os.getpid(), [2]))
    before, end, after = await listener.ends(0, 1, 2)
    assert end.outcome == FAILED
    assert decode_failure(end.payload).class_name == "SystemExit"
    assert before.value == after.value


async def test_a_task_of_a_stage_that_was_never_sent_fails(start):
    backend, listener = await start(1)
    frame = job(1, lambda i, _: i, [0])
    del frame.stages[:]
    backend.send("0", frame)
    (end,) = await listener.ends(0)
    assert "stage 1 was not sent" in decode_failure(end.payload).message


async def test_what_a_task_prints_comes_before_its_result(start, capfd):
    backend, listener = await start(1)
    backend.send("0", job(1, lambda i, _: print("hello from a task"), [0]))
    await listener.until(lambda: listener.printed_lines or listener.ended)
    assert listener.printed_lines == ["(stage 1, task 0, localhost) hello from a task"]
    await listener.ends(0)
    assert capfd.readouterr().out == ""


async def test_cleanup_removes_broadcasts_and_shuffle_files(start):
    backend, listener = await start(1)

    def make(i, task):
        task.env.broadcasts[7] = "value"
        for name in ("shuffle_3_0_0.data", "shuffle_31_0_0.data"):
            Path(task.env.local_dir, name).touch()

    def look(i, task):
        return sorted(task.env.broadcasts), sorted(os.listdir(task.env.local_dir))

    backend.send("0", job(1, make, [0]))
    await listener.ends(0)
    garbage = spark_pb2.Cleanup(stage_keys=[1], broadcast_ids=[7], shuffle_ids=[3])
    backend.send("0", spark_pb2.DriverFrame(cleanup=garbage))
    backend.send("0", job(2, look, [1]))
    (end,) = await listener.ends(1)
    assert end.value == ([], ["shuffle_31_0_0.data"])


@pytest.mark.parametrize("seed", [1, 2])
async def test_through_kills_and_cancels_each_task_ends_once(start, seed):
    chance = random.Random(seed)
    backend, listener = await start(3)
    count = 4000
    bound = [chance.choice((-1, -1, 0, 1, 2)) for _ in range(count)]
    backend.send("0", job(1, lambda i, _: os.getpid(), range(count), workers=bound))
    kills, cancelled = 0, set()
    while len(listener.ended) < count:
        seen = len(listener.ended)
        await listener.until(lambda: len(listener.ended) >= min(count, seen + 400))  # noqa: B023
        pids = [end.value for end in listener.ended.values() if end.outcome == SUCCESS]
        try:
            os.kill(pids[-1], signal.SIGKILL)
            kills += 1
        except ProcessLookupError:
            pass
        some = [i for i in chance.sample(range(count), 50) if i not in listener.ended]
        cancelled.update(some)
        backend.send("0", cancel(some, interrupt=chance.random() < 0.5))
    # The listener has refused to hear of any end twice.
    lost = [i for i, end in listener.ended.items() if end.outcome == WORKER_LOST]
    dropped = {i for i, end in listener.ended.items() if end.outcome == CANCELLED}
    assert kills
    assert len(lost) <= kills
    assert dropped <= cancelled


async def test_tasks_that_take_two_cores_run_on_half_as_many_workers(start):
    backend, listener = await start(4, task_cpus="2")
    backend.send("0", job(1, lambda i, _: os.getpid(), range(200)))
    ends = await listener.ends(*range(200))
    assert {end.worker for end in ends} == {0, 1}
    assert len({end.value for end in ends}) == 2


async def test_numeric_libraries_use_as_many_threads_as_a_task_has_cores(start):
    backend, listener = await start(2, task_cpus="2")
    backend.send("0", job(1, lambda i, _: os.environ["OMP_NUM_THREADS"], [0]))
    (end,) = await listener.ends(0)
    assert end.value == "2"


@pytest.mark.parametrize("setting", ["python_worker_reuse", "python_use_daemon"])
async def test_without_reuse_each_task_has_a_worker_of_its_own(start, setting):
    backend, listener = await start(2, **{setting: "false"})
    backend.send("0", job(1, lambda i, _: os.getpid(), range(12)))
    ends = await listener.ends(*range(12))
    assert len({end.value for end in ends}) == 12
    assert listener.lost == {}


async def test_without_reuse_a_failed_and_a_cancelled_task_cost_a_worker_too(start, gate):
    backend, listener = await start(1, python_worker_reuse="false")

    def fail_or_wait(i, _):
        if i == 0:
            raise KeyError(i)
        if i == 1:
            gate.wait()
        return os.getpid()

    backend.send("0", job(1, fail_or_wait, range(4)))
    await gate.rung()
    backend.send("0", cancel([1, 2], interrupt=True))
    ends = await listener.ends(*range(4))
    assert [end.outcome for end in ends] == [FAILED, CANCELLED, CANCELLED, SUCCESS]


async def test_a_result_that_the_driver_would_not_take_is_not_sent(start):
    backend, listener = await start(1, driver_maxResultSize="1k")
    backend.send("0", job(1, lambda i, _: bytes(i), [10, 10_000]))
    kept, refused = await listener.ends(10, 10_000)
    assert kept.outcome == SUCCESS
    failure = decode_failure(refused.payload)
    assert failure.fatal
    assert "bytes, above 1024: spark.driver.maxResultSize=1k" in failure.message


@pytest.mark.parametrize(("level", "lines"), [("WARN", 1), ("OFF", 0)])
async def test_an_executor_logs_from_the_level_that_is_set(start, level, lines, capfd):
    backend, listener = await start(1, log_level=level)
    backend.send("0", job(1, lambda i, _: os.kill(os.getpid(), signal.SIGKILL), [0]))
    (end,) = await listener.ends(0)
    assert end.outcome == WORKER_LOST
    assert capfd.readouterr().err.count("worker died") == lines


async def test_an_executor_whose_directory_is_gone_ends_and_blames_no_task(start):
    backend, listener = await start(1)

    def write(i, task):
        shutil.rmtree(task.env.local_dir, ignore_errors=True)
        Path(task.env.local_dir, str(i)).touch()

    backend.send("0", job(1, write, range(3)))
    await listener.until(lambda: "0" in listener.lost)
    assert "where its blocks were, is gone" in listener.lost["0"]
    assert listener.ended == {}
