"""What users see when a task goes wrong in a real worker, and that the next job works."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from minimesos.spark import SparkConf, SparkContext
from minimesos.spark.scheduler.effects import JobAborted

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sc() -> Iterator[SparkContext]:
    conf = SparkConf(loadDefaults=False).set("spark.task.maxFailures", "1")
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


def test_leaving_by_os_exit_says_so(sc: SparkContext) -> None:
    assert "code 3" in failure(sc, lambda _: os._exit(3))


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
