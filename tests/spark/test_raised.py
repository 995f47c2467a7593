"""What is said of an exception that user code raised."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import pytest

import minimesos
from minimesos.spark.env import FetchFailed
from minimesos.spark.raised import describe_failure
from minimesos.spark.scheduler.failure import job_aborted
from minimesos.spark.scheduler.task import (
    Outcome,
    TaskFailure,
    decode_failure,
    decode_fetch_failure,
    decode_success,
)
from minimesos.spark.shuffle.reader import ShuffleFetchFailed


class Unpicklable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt

    def __reduce__(self) -> Any:
        raise SystemExit


class Hermit:
    """A record that does not want to be shown."""

    def __repr__(self) -> str:
        raise SystemExit


def raised(function: Callable[[], Any]) -> BaseException:
    try:
        function()
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError("did not raise")


def described(function: Callable[[], Any], **options: bool) -> TaskFailure:
    outcome, payload = describe_failure(raised(function), **options)
    assert outcome is Outcome.FAILED
    return decode_failure(payload)


def failing(f: Callable[..., Any], *given: Any) -> Callable[[], Any]:
    """Call a function as the engine does: from C, below a frame of ours."""
    scope: dict[str, Any] = {}
    source = "def step(f, *given): return list(map(f, *([each] for each in given)))"
    exec(
        compile(source, os.path.join(os.path.dirname(minimesos.__file__), "step.py"), "exec"), scope
    )
    return partial(scope["step"], f, *given)


def test_a_failure_is_described_by_the_users_own_frames() -> None:
    def fail() -> Any:
        return {}["missing"]

    outcome, payload = describe_failure(raised(fail))
    failure = decode_failure(payload)
    assert outcome is Outcome.FAILED
    assert failure.class_name == "KeyError"
    assert failure.message == "'missing'"
    assert "in fail" in failure.traceback
    assert failure.exception is not None
    assert isinstance(pickle.loads(failure.exception), KeyError)


def test_an_exception_that_does_not_survive_pickling_is_described_without_itself() -> None:
    def fail() -> Any:
        raise Unpicklable(1, 2)

    _, payload = describe_failure(raised(fail))
    failure = decode_failure(payload)
    assert failure.exception is None
    assert failure.message == "1 and 2"


def test_a_failure_within_the_engine_keeps_its_frames() -> None:
    failure = decode_failure(describe_failure(raised(lambda: decode_success(b"")))[1])
    assert "IndexError" in failure.traceback


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_fetch_failure_is_recognised_even_if_user_code_wraps_it(is_wrapped: bool) -> None:
    def fail() -> Any:
        try:
            raise ShuffleFetchFailed(None, "", "gone", 7, 3)
        except FetchFailed as error:
            if is_wrapped:
                raise RuntimeError("my own") from error
            raise

    outcome, payload = describe_failure(raised(fail))
    assert outcome is Outcome.FETCH_FAILED
    failure = decode_fetch_failure(payload)
    assert (failure.shuffle_id, failure.map_index, failure.executor_id) == (7, 3, None)
    assert "gone" in failure.message


def test_the_record_that_a_function_was_given_is_shown() -> None:
    def parse(line: str) -> int:
        return convert(line.split(",")[1])

    def convert(word: str) -> int:
        return int(word)

    assert described(failing(parse, "a,b")).record == "'a,b'"


def test_all_that_a_function_of_two_was_given_is_shown() -> None:
    assert described(failing(lambda a, b: a + b, 1, "x")).record == "1, 'x'"


def test_a_record_is_shown_where_the_user_s_own_loop_calls_a_function_of_it() -> None:
    def parse(line: str) -> int:
        return int(line)

    def parse_all(lines: Iterator[str]) -> Iterable[int]:
        for line in lines:
            yield parse(line)

    assert (
        described(failing(lambda lines: list(parse_all(lines)), iter(["1", "two"]))).record
        == "'two'"
    )


@pytest.mark.parametrize("huge", ["x" * 10**6, b"x" * 10**6, [10**60] * 10**5, {1: "x" * 10**6}])
def test_a_large_record_is_cut(huge: Any) -> None:
    shown = described(failing(lambda record: record.missing, huge)).record
    assert 0 < len(shown) <= 300


def test_a_record_that_cannot_be_shown_is_left_out() -> None:
    failure = described(failing(lambda record: record.missing, Hermit()))
    assert failure.record == ""
    assert failure.class_name == "AttributeError"


def test_the_record_can_be_kept_secret() -> None:
    assert described(failing(int, "my password"), with_record=False).record == ""


def test_an_exception_that_breaks_whoever_looks_at_it_is_described_all_the_same() -> None:
    def fail() -> Any:
        raise Unprintable

    failure = described(fail)
    assert failure.class_name.endswith("Unprintable")
    assert failure.message == "<its __str__ raised KeyboardInterrupt>"
    assert failure.exception is None


def test_a_huge_message_is_cut_to_its_ends() -> None:
    def fail() -> Any:
        raise ValueError("begin" + 10**6 * "x" + "end")

    failure = described(fail)
    assert failure.message.startswith("begin")
    assert failure.message.endswith("end")
    assert "characters left out" in failure.message
    assert len(failure.message) < 10_000
    assert len(failure.traceback) < 40_000
    assert failure.exception is not None


def test_notes_groups_and_causes_are_told() -> None:
    def fail() -> Any:
        try:
            try:
                raise KeyError("the first")
            except KeyError as error:
                raise OSError("the second") from error
        except OSError as error:
            error.add_note("a note")
            raise ExceptionGroup("many", [error, ValueError("another")]) from None

    text = described(fail).traceback
    for part in ("the first", "the second", "a note", "many", "another", "direct cause"):
        assert part in text


def test_the_whole_traceback_is_there_for_who_wants_it() -> None:
    def decode() -> Any:
        return decode_success(b"")

    assert "task.py" in described(decode, whole_traceback=True).traceback
    assert "task.py" not in described(decode).traceback


def test_a_deep_recursion_is_described_in_a_few_lines() -> None:
    def deeper(depth: int) -> int:
        return deeper(depth + 1)

    failure = described(lambda: deeper(0))
    assert failure.class_name == "RecursionError"
    assert "more times" in failure.traceback
    assert len(failure.traceback.splitlines()) < 30


def test_a_job_s_error_begins_with_the_traceback_and_its_record() -> None:
    failure = TaskFailure("ValueError", "bad", "Traceback\nValueError: bad\n", None, False, "'x'")
    assert str(job_aborted(failure, "Task 0 in stage 0.0 failed", "map at a.py:3")) == (
        "Traceback\nValueError: bad\nIt was given: 'x'\n\n"
        "Job aborted due to stage failure: Task 0 in stage 0.0 failed\nThe stage is map at a.py:3"
    )
