from __future__ import annotations

import pickle
import subprocess
import sys

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.scheduler.task import Outcome, decode_success


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
