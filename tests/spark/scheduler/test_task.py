from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.env import FetchFailed
from minimesos.spark.scheduler.task import (
    Outcome,
    decode_failure,
    decode_fetch_failure,
    decode_success,
    describe_failure,
)
from minimesos.spark.shuffle.reader import ShuffleFetchFailed


class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def raised(function):
    try:
        function()
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError("did not raise")


def test_outcomes_are_those_of_the_protocol():
    assert {outcome.name: outcome.value for outcome in Outcome} == dict(spark_pb2.Outcome.items())


def test_a_bare_result_is_its_own_encoding():
    payload = pickle.dumps({"a": 1}, protocol=5)
    extras, result = decode_success(payload)
    assert extras is None
    assert pickle.loads(result) == {"a": 1}


def test_workers_load_tasks_without_grpc_and_protobuf():
    code = (
        "import sys, minimesos.spark.scheduler.task;"
        "print([m for m in ('grpc', 'google.protobuf', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_failure_is_described_by_the_users_own_frames():
    def fail():
        return {}["missing"]

    outcome, payload = describe_failure(raised(fail))
    failure = decode_failure(payload)
    assert outcome is Outcome.FAILED
    assert failure.class_name == "KeyError"
    assert failure.message == "'missing'"
    assert "in fail" in failure.traceback
    assert failure.exception is not None
    assert isinstance(pickle.loads(failure.exception), KeyError)


def test_an_exception_that_does_not_survive_pickling_is_described_without_itself():
    def fail():
        raise Unpicklable(1, 2)

    _, payload = describe_failure(raised(fail))
    failure = decode_failure(payload)
    assert failure.exception is None
    assert failure.message == "1 and 2"


def test_a_failure_within_the_engine_keeps_its_frames():
    failure = decode_failure(describe_failure(raised(lambda: decode_success(b"")))[1])
    assert "IndexError" in failure.traceback


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_fetch_failure_is_recognised_even_if_user_code_wraps_it(is_wrapped):
    def fail():
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
