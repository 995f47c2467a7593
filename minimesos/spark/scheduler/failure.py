"""What users are told when a job fails: their own traceback first, then what was tried.

Source: the phrases are Spark's.
"""

from __future__ import annotations

import pickle

from minimesos.spark.scheduler.effects import JobAborted
from minimesos.spark.scheduler.task import TaskFailure
from minimesos.spark.settings.scheduling import RPC_MESSAGE_MAX_SIZE

_SUMMARY_CHARS = 500
_NOT_FOUND = "ModuleNotFoundError"
_NOT_FOUND_HINT = (
    "Tasks can import what is installed where executors run, and what is sent along with "
    "`--py-files` or SparkContext.addPyFile; a module that lies beside the script is not."
)


def summary(failure: TaskFailure) -> str:
    """Return a failure as Python ends a traceback.

    Of an exception with a traceback that follows the summary in one line, which is cut.
    """
    if not failure.message:
        return failure.class_name
    message = failure.message
    if failure.traceback and len(message) > _SUMMARY_CHARS:
        message = f"{message[:_SUMMARY_CHARS]}..."
    return f"{failure.class_name}: {message}"


def job_aborted(failure: TaskFailure, reason: str, stage_name: str = "") -> JobAborted:
    """Return the error of a job that one task's failure has ended.

    Its cause is the user's exception itself, if that could be sent to the driver.
    """
    text = f"Job aborted due to stage failure: {reason}"
    if stage_name:
        text += f"\nThe stage is {stage_name}"
    if failure.class_name == _NOT_FOUND:
        text += f"\n{_NOT_FOUND_HINT}"
    if failure.record:
        text = f"It was given: {failure.record}\n\n{text}"
    elif failure.traceback:
        text = f"\n{text}"
    error = JobAborted(f"{failure.traceback.rstrip()}\n{text}" if failure.traceback else text)
    if failure.exception is not None:
        error.__cause__ = _unpickled(failure.exception)
    return error


def input_too_large(stage: str, size_bytes: int, limit_bytes: int) -> JobAborted:
    """Return the error of a job of which a task's input is above `spark.rpc.message.maxSize`."""
    name = RPC_MESSAGE_MAX_SIZE.name
    return JobAborted(
        f"Job aborted due to stage failure: Serialized task of stage {stage} was {size_bytes} "
        f"bytes, which exceeds max allowed: {name} ({limit_bytes} bytes). Consider more "
        f"partitions, increasing {name}, or using broadcast variables for large values."
    )


def runs_nowhere(stage: str, task: int, partition: int, last_failure: str) -> JobAborted:
    """Return the error of a job with a task that every executor excludes."""
    text = (
        f"Job aborted due to stage failure: Aborting TaskSet {stage} because task {task} "
        f"(partition {partition})\ncannot run anywhere due to node and executor excludeOnFailure."
    )
    if last_failure:
        text += f"\nMost recent failure:\n{last_failure}"
    return JobAborted(
        f"{text}\n\nExcludeOnFailure behavior can be configured via spark.excludeOnFailure.*."
    )


def _unpickled(exception: bytes) -> BaseException | None:
    try:
        cause = pickle.loads(exception)
    except Exception:  # noqa: BLE001 - the user's class may not be importable on the driver
        return None
    return cause if isinstance(cause, BaseException) else None
