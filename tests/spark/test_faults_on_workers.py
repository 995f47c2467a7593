"""What users see when a task goes wrong in a real worker, and that the next job works."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from minimesos.spark import SparkConf, SparkContext
from minimesos.spark.scheduler.effects import JobAborted
from minimesos.testing.spark_executors import wait_for_end

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sc() -> Iterator[SparkContext]:
    conf = SparkConf(loadDefaults=False).set("spark.task.maxFailures", "1")
    conf.set("spark.executor.pyspark.memory", "2g").set("spark.python.task.killTimeout", "100ms")
    with SparkContext("local[2,1]", "faults", conf=conf) as context:
        yield context


def failure(sc: SparkContext, function: object, *records: object) -> str:
    """Run a job that fails; the next one must work."""
    with pytest.raises(JobAborted) as caught:
        sc.parallelize(records or [1], 1).map(function).collect()  # type: ignore[arg-type]
    assert sc.parallelize(range(10), 4).map(lambda x: x + 1).sum() == 55
    return str(caught.value)


def test_the_traceback_the_record_the_task_and_the_place_are_told(sc: SparkContext) -> None:
    def parse(line: str) -> int:
        return int(line)

    told = failure(sc, parse, "1", "two").splitlines()
    assert told[0] == "Traceback (most recent call last):"
    assert "in parse" in told[1]
    assert told[-5] == "ValueError: invalid literal for int() with base 10: 'two'"
    assert told[-4] == "It was given: 'two'"
    assert told[-2].startswith("Job aborted due to stage failure: Task 0 in stage ")
    assert "(localhost executor 0)" in told[-2]
    assert told[-1].startswith(f"The stage is collect at {__file__}:")


def test_a_failure_before_a_shuffle_is_told_with_what_was_called_to_shuffle(
    sc: SparkContext,
) -> None:
    rdd = sc.parallelize([1], 1)
    line = sys._getframe().f_lineno + 2
    with pytest.raises(JobAborted) as caught:
        rdd.reduceByKey(lambda a, b: a + b).collect()
    assert str(caught.value).endswith(f"The stage is reduceByKey at {__file__}:{line}")


def test_an_exception_of_the_user_s_own_class_is_the_cause(sc: SparkContext) -> None:
    class Mine(Exception):
        pass

    def fail(_: int) -> None:
        raise Mine("ümlaut")

    with pytest.raises(JobAborted, match="ümlaut") as caught:
        sc.parallelize([1], 1).foreach(fail)
    assert isinstance(caught.value.__cause__, Mine)


def test_a_function_of_c_that_raises_is_told_without_much_of_ours(sc: SparkContext) -> None:
    told = failure(sc, int, "two")
    assert "ValueError: invalid literal for int() with base 10: 'two'" in told
    assert len(told.splitlines()) < 12


def test_leaving_by_exceptions_that_end_programs_is_a_failure(sc: SparkContext) -> None:
    for exception in (SystemExit(3), KeyboardInterrupt(), GeneratorExit()):

        def leave(_: int, exception: BaseException = exception) -> None:
            raise exception

        assert type(exception).__name__ in failure(sc, leave)


def test_a_syntax_error_in_what_a_task_compiles_shows_the_place(sc: SparkContext) -> None:
    told = failure(sc, lambda text: eval(text), "1 +")
    assert "SyntaxError" in told
    assert "^" in told


DEATHS: list[tuple[Callable[[int], object], str]] = [
    (lambda _: os._exit(3), "called os._exit, or was ended, with exit code 3"),
    (lambda _: ctypes.string_at(0), "was killed by SIGSEGV"),
    (lambda _: os.abort(), "was killed by SIGABRT"),
    (lambda _: os.kill(os.getpid(), signal.SIGKILL), "its memory has peaked at "),
    (lambda _: os.kill(os.getpid(), signal.SIGTERM), "was killed by SIGTERM"),
    (lambda _: os.closerange(3, 256), "Bad file descriptor"),
]


@pytest.mark.parametrize(("task", "why"), DEATHS, ids=[why for _, why in DEATHS])
def test_a_dead_worker_says_why(
    sc: SparkContext, task: Callable[[int], object], why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert why in failure(sc, task)
    capfd.readouterr()


def test_a_task_without_a_connection_does_not_go_on(sc: SparkContext) -> None:
    def close_and_wait(_: int) -> None:
        os.closerange(3, 256)
        threading.Event().wait(60)

    assert "closed its connection to the executor; it was ended" in failure(sc, close_and_wait)


def test_a_task_that_wants_too_much_memory_fails_alone_and_is_told_the_limit(
    sc: SparkContext,
) -> None:
    def eat(_: int) -> int:
        eaten = []
        while True:
            eaten.append(bytearray(2**26))

    pids = set(sc.parallelize(range(8), 8).map(lambda _: os.getpid()).collect())
    told = failure(sc, eat)
    assert "MemoryError: a worker may have 1024 MiB of address space" in told
    assert set(sc.parallelize(range(8), 8).map(lambda _: os.getpid()).collect()) <= pids


def test_a_fork_that_comes_back_from_the_task_is_no_worker(
    sc: SparkContext, tmp_path: Path
) -> None:
    def fork(x: int) -> int:
        os.fork()
        with open(tmp_path / f"ran-{x}-{os.getpid()}", "w"):
            return x

    assert sc.parallelize(range(20), 20).map(fork).collect() == list(range(20))
    assert sc.parallelize(range(20), 20).sum() == 190


def test_what_a_dead_worker_has_started_ends_with_it(sc: SparkContext, tmp_path: Path) -> None:
    def leave_children(_: int) -> None:
        for name in ("child", "detached"):
            child = subprocess.Popen(["sleep", "600"], start_new_session=name == "detached")
            (tmp_path / name).write_text(str(child.pid))
        os._exit(1)

    failure(sc, leave_children)
    for name in ("child", "detached"):
        wait_for_end(int((tmp_path / name).read_text()))


def test_signals_that_a_task_ignores_or_blocks_are_heeded_again_after_it(sc: SparkContext) -> None:
    def ignore(x: int) -> int:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        return x

    assert sc.parallelize(range(4), 4).map(ignore).sum() == 6
    blocked = sc.parallelize(range(4), 4).map(
        lambda _: signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    )
    assert not any(blocked.collect())


def test_what_tasks_do_to_their_process_ends_in_a_result(sc: SparkContext) -> None:
    class Loud:
        def __del__(self) -> None:
            raise ValueError("from __del__")

    def misbehave(x: int) -> int:
        Loud()
        threading.Thread(target=threading.Event().wait, daemon=False).start()
        os.chdir("/")
        with suppress(OSError):  # the one before has done it
            os.close(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return x

    assert sc.parallelize(range(4), 4).map(misbehave).sum() == 6
    assert sc.parallelize([(i % 3, i) for i in range(9)], 3).reduceByKey(max).count() == 3


def test_records_that_raise_when_they_are_compared_or_hashed_fail_the_job(
    sc: SparkContext,
) -> None:
    class Bad:
        def __init__(self, x: int) -> None:
            self.x = x

        def __lt__(self, other: object) -> bool:
            raise ValueError("not comparable")

        def __hash__(self) -> int:
            raise ValueError("not hashable")

    bad = sc.parallelize(range(8), 2).map(Bad)
    for job in (
        lambda: bad.sortBy(lambda each: each).collect(),
        lambda: bad.map(lambda each: (each, 1)).reduceByKey(lambda a, b: a + b).collect(),
        lambda: bad.distinct().collect(),
    ):
        with pytest.raises((JobAborted, ValueError), match=r"not comparable|not hashable"):
            job()
    assert sc.parallelize(range(4)).count() == 4


def test_what_tasks_print_says_which_task_and_comes_before_their_error(
    sc: SparkContext, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(x: int) -> int:
        print("working on", x)
        print("careful", file=sys.stderr)
        return 1 // x

    failure(sc, work, 0)
    captured = capsys.readouterr()
    assert captured.out.startswith("(stage ")
    assert captured.out.endswith(", task 0, localhost) working on 0\n")
    assert ", task 0, localhost) careful\n" in captured.err


def test_prints_of_threads_children_and_closed_streams_do_no_harm(
    sc: SparkContext, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(x: int) -> int:
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
        subprocess.run(["echo", "from a child"], check=True)
        pid = os.fork()
        if pid == 0:
            print("from a fork", flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        sys.stdout.write("no end")
        sys.stdout.flush()
        sys.stdout.close()
        return x

    assert sc.parallelize([1, 2], 2).map(work).collect() == [1, 2]
    assert sc.parallelize([1, 2, 3], 3).map(lambda x: print(x) or x).count() == 3
    assert ", localhost) no end\n" in capsys.readouterr().out


def test_a_flood_of_prints_is_cut_and_stalls_nothing(
    sc: SparkContext, capsys: pytest.CaptureFixture[str]
) -> None:
    def flood(x: int) -> int:
        for _ in range(40_000):
            print("x" * 999)
        for _ in range(1000):
            os.write(1, (b"y" * 999 + b"\n") * 64)
        return x

    assert sc.parallelize([1], 1).map(flood).collect() == [1]
    out = capsys.readouterr().out
    assert "bytes of output left out" in out
    assert len(out) < 30_000_000
