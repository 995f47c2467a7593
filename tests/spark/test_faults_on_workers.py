"""What users see when a task goes wrong in a real worker, and that the next job works."""

from __future__ import annotations

import os
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
