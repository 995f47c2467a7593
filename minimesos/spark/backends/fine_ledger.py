"""What the fine-grained mode knows of an executor and of a task, and how ends of tasks are told."""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import spark_pb2


@dataclass(slots=True)
class Executor:
    """An executor that was launched and has not ended, as far as is known."""

    info: mesos_pb2.ExecutorInfo
    has_attached: bool = False
    task_ids: set[int] = field(default_factory=set)
    early: list[spark_pb2.TaskResults] = field(default_factory=list)
    """Results that were here before its connection was."""


@dataclass(slots=True)
class Task:
    """A task that was launched, and of which the status that ends it, or its result, is missing."""

    agent_id: str
    is_killed: bool = False
    has_result: bool = False  # the driver has it
    has_status: bool = False  # the result is on its way


def results_of(tid: int, status: mesos_pb2.TaskStatus) -> spark_pb2.TaskResults:
    """Return what the status of a task holds."""
    try:
        results = spark_pb2.TaskResults.FromString(status.data)
    except DecodeError:
        results = spark_pb2.TaskResults()
    if list(results.task_ids) == [tid] and len(results.payloads) == len(results.workers) == 1:
        return results
    return ended(tid, spark_pb2.WORKER_LOST, "its executor sent what is no result")


def ended(tid: int, outcome: spark_pb2.Outcome, text: str) -> spark_pb2.TaskResults:
    """Return that a task has ended without a result, and why."""
    return spark_pb2.TaskResults(
        task_ids=[tid], outcomes=[outcome], payloads=[text.encode()], workers=[-1]
    )


def describe_exit(status: int) -> str:
    """Say what a wait status means."""
    signal = status & 0x7F
    return f"killed by signal {signal}" if signal else f"exited with code {status >> 8}"
