"""What the scheduler's core wants done: frames to executors, executors themselves, answers to
jobs. Timers are `minimesos.actor.SetTimer`. The job runner performs them, in order; tests look at
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minimesos.actor import Effect
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.errors import SparkException
from minimesos.spark.stored_results import PickledResult, StoredContent


class JobAborted(SparkException):
    """A job failed: the text is the user's own traceback, then what was tried."""


class JobCancelled(SparkException):
    """A job was cancelled, by the user or because the application ends."""


@dataclass(frozen=True, slots=True)
class SendFrame(Effect):
    """Send a frame to an executor."""

    executor_id: str
    frame: spark_pb2.DriverFrame


@dataclass(frozen=True, slots=True)
class Revive(Effect):
    """Tasks wait and there is no executor: the backend asks for resources again."""


@dataclass(frozen=True, slots=True)
class WarnOfStarvation(Effect):
    """Tasks still wait and none runs: the user is told, with what the backend knows of why."""


@dataclass(frozen=True, slots=True)
class RequestExecutors(Effect):
    """Hold up to `total` executors; `local_tasks` counts waiting tasks by the host they prefer."""

    total: int
    local_tasks: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class KillExecutors(Effect):
    """End these executors, which run nothing and are known no more."""

    executor_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class ForgetShuffles(Effect):
    """No job can ask for these any more: what shuffle services have of them is garbage."""

    shuffle_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class AccumulatorsUpdated(Effect):
    """Add what a successful task has added to accumulators, as (id, sum)."""

    updates: list[tuple[int, Any]]


@dataclass(frozen=True, slots=True)
class LargeResult(Effect):
    """A result of a job is there: whoever waits for the job may load it while others come."""

    job_id: int
    result: StoredContent


@dataclass(frozen=True, slots=True)
class JobSucceeded(Effect):
    """A job is done; `results` are pickles in the order of its partitions."""

    job_id: int
    results: list[PickledResult]


@dataclass(frozen=True, slots=True)
class JobFailed(Effect):
    """A job ended without results."""

    job_id: int
    error: Exception
