"""One task: what the driver sends, how a worker runs it, and what comes back.

`dump_stage`, `encode_*` and `decode_*` run on the driver; `load_stage` and `LoadedStage.run`
run in a worker, so this module imports neither grpc nor protobuf. It does not know how bytes
travel, how workers are made, how a failure is described (`raised`) or what is done about it.

A stage's closure is pickled once; a task is only its partition and ids, and a payload for what no
other task needs (a slice of a collection, where its shuffle input is). A successful task's answer
is the pickled result itself, unless there is more to say; then a tag and the rest come first.
"""

from __future__ import annotations

import pickle
import resource
import struct
from array import array
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from minimesos.errors import MinimesosError
from minimesos.spark import closure
from minimesos.spark.dependency import ShuffleDependency
from minimesos.spark.env import WorkerEnv
from minimesos.spark.errors import STOP_ITERATION
from minimesos.spark.io.compression import Codec, pack, unpack
from minimesos.spark.io.serializers import dump_objects
from minimesos.spark.settings.application import DRIVER_MAX_RESULT_SIZE
from minimesos.spark.shipment import Shipment, receive
from minimesos.spark.shuffle import writer
from minimesos.spark.stored_results import (
    PickledResult,
    ResultSink,
    StoredResult,
    dump_to,
    load_result,
)
from minimesos.spark.taskcontext import TaskContext

if TYPE_CHECKING:
    from minimesos.spark.lineage import Lineage

Action = Callable[[TaskContext, Iterator[Any]], Any]
"""What a result stage does with each partition."""
Properties = Mapping[str, str]
"""Local properties of the thread that submitted the job."""

_STAGE_HEADER = struct.Struct("<iiI")  # stage id, stage attempt, length of properties and shipment
_EXTRAS_HEADER = struct.Struct("<BI")  # tag, length of the extras
_EXTRAS_TAG = 1  # a bare pickle starts with 0x80
STORED_TAG = 2  # as the one before, but the result is not there: it is in a file

_METRICS_MIN_S = 0.005
"""Tasks that ran shorter and did nothing else remarkable are not worth reporting on."""


class Outcome(IntEnum):
    """How a task ended; the numbers of `minimesos.spark.Outcome` in spark.proto."""

    SUCCESS = 0
    FAILED = 1
    FETCH_FAILED = 2
    WORKER_LOST = 3
    CANCELLED = 4
    STORED = 5


class Metrics(NamedTuple):
    """Measures of one task; zero where they do not apply."""

    run_s: float
    records_written: int = 0
    bytes_written: int = 0
    read_records: int = 0
    """Of shuffles."""
    read_bytes: int = 0
    memory_spilled_bytes: int = 0
    """By which the worker's memory shrank when operators spilled."""
    disk_spilled_bytes: int = 0
    peak_bytes: int = 0
    """The most memory that the worker has ever had resident."""


class Extras(NamedTuple):
    """What a task did besides its result."""

    accumulators: list[tuple[int, Any]]
    stored_blocks: list[tuple[int, int]]
    stored_files: list[tuple[int, int, int]]
    """Those of the blocks that are files: RDD id, partition, and how many copies to have."""
    metrics: Metrics


class TaskFailure(NamedTuple):
    """An exception in user code, or in ours, described for people."""

    class_name: str
    message: str
    traceback: str
    """The user's own frames only; our last ones if there are no others."""
    exception: bytes | None
    """The exception itself, pickled, if it can be."""
    fatal: bool
    """Another attempt would end the same way."""
    record: str = ""
    """What the user's function was given, in short; empty if not known."""


class FetchFailure(NamedTuple):
    """Map output that a task could not read."""

    shuffle_id: int
    map_index: int
    """-1 if the locations were not known at all."""
    executor_id: str | None
    message: str


class ResultNotSerializable(MinimesosError):
    """A task's result cannot be pickled; no use in trying again."""


class ResultTooLarge(MinimesosError):
    """A task's result cannot, or must not, be sent; no use in trying again."""


# ------------------------------------------------------------------------------- on the driver


def dump_stage(rdd: Lineage[Any], act: Action | ShuffleDependency) -> bytes:
    """Pickle what all attempts at a stage share. Raises PicklingError, which names the culprit."""
    return closure.dumps_stage(rdd, act)


def stage_binary(
    stage_id: int,
    attempt: int,
    closure: bytes,
    properties: Properties | None,
    shipment: Shipment | None = None,
    compression: Codec | None = None,
) -> bytes:
    """Return what is sent of a stage attempt; `shipment` is what its tasks can rely on."""
    needs = properties or shipment
    pickled = pickle.dumps((dict(properties or {}), shipment)) if needs else b""
    header = _STAGE_HEADER.pack(stage_id, attempt, len(pickled))
    return b"".join((header, pickled, pack(closure, compression)))


def encode_payload(inputs: dict[Any, Any]) -> bytes:
    """Pickle what only one task needs; nothing at all if that is nothing."""
    return dump_objects(inputs) if inputs else b""


def decode_success(payload: bytes | StoredResult) -> tuple[Extras | None, PickledResult]:
    """Split a successful task's answer into extras and the still pickled result."""
    if isinstance(payload, StoredResult):
        return _decode_extras(payload.answer)[0], payload.content
    return _decode_extras(payload) if payload[0] == _EXTRAS_TAG else (None, payload)


def _decode_extras(payload: bytes) -> tuple[Extras, memoryview]:
    _, length = _EXTRAS_HEADER.unpack_from(payload)
    start = _EXTRAS_HEADER.size
    accumulators, blocks, files, metrics = pickle.loads(memoryview(payload)[start : start + length])
    extras = Extras(accumulators, blocks, files, Metrics(*metrics))
    return extras, memoryview(payload)[start + length :]


def decode_offsets(result: PickledResult) -> array[int]:
    """Return a map task's result: the offsets of its output's segments."""
    return array("Q", load_result(result))


def decode_failure(payload: bytes) -> TaskFailure:
    """Return the payload of Outcome.FAILED."""
    return TaskFailure(*pickle.loads(payload))


def result_lost(reason: str) -> bytes:
    """Return the payload of Outcome.FAILED for a task whose stored result is gone."""
    text = "TaskResultLost (result lost from block manager)"
    return pickle.dumps(tuple(TaskFailure(text, reason, "", None, False)))


def decode_fetch_failure(payload: bytes) -> FetchFailure:
    """Return the payload of Outcome.FETCH_FAILED."""
    return FetchFailure(*pickle.loads(payload))


# ------------------------------------------------------------------------------- in a worker


class LoadedStage:
    """A stage's closure in a worker, ready to run its tasks."""

    __slots__ = ("_act", "_context", "_properties", "_rdd", "attempt", "stage_id")

    def __init__(
        self, stage_id: int, attempt: int, rdd: Any, act: Any, properties: Properties | None
    ) -> None:
        self.stage_id = stage_id
        self.attempt = attempt
        self._rdd = rdd
        self._act = act
        self._properties = properties
        self._context = TaskContext
        if rdd.is_barrier:
            from minimesos.spark.barrier import BarrierTaskContext

            self._context = BarrierTaskContext

    def run(
        self, env: WorkerEnv, task_id: int, partition: int, attempt: int, payload: bytes
    ) -> bytes:
        """Compute one partition; returns the payload of Outcome.SUCCESS.

        Raises whatever user code raises, ShuffleFetchFailed, and ResultNotSerializable.
        """
        started = perf_counter()
        task = self._context(
            env=env,
            stage_id=self.stage_id,
            partition_id=partition,
            attempt_number=attempt,
            task_attempt_id=task_id,
            payload=pickle.loads(payload) if payload else None,
            local_properties=self._properties,
        )
        profiler = self._rdd.profiler
        try:
            with task.active():
                if profiler is None:
                    result, is_stored, written = self._compute(task, partition)
                else:
                    result, is_stored, written = profiler.profile(self._compute, task, partition)
        except StopIteration as error:
            # It must not end somebody's loop further up as if all were well.
            raise RuntimeError(f"{STOP_ITERATION}: {error}") from error
        run_s = perf_counter() - started
        is_plain = not (is_stored or task.accumulators or task.stored_blocks)
        if is_plain and run_s <= _METRICS_MIN_S:
            return result
        metrics = _measured(task, run_s, *written)
        extras = dump_objects(
            (task.accumulator_updates(), task.stored_blocks, task.stored_files, tuple(metrics))
        )
        tag = STORED_TAG if is_stored else _EXTRAS_TAG
        return _EXTRAS_HEADER.pack(tag, len(extras)) + extras + result

    def _compute(self, task: TaskContext, partition: int) -> tuple[bytes, bool, tuple[int, int]]:
        """Return (result, whether it is in a file, (records, bytes) written to a shuffle)."""
        act = self._act
        records = self._rdd.iterator(partition, task)
        if isinstance(act, ShuffleDependency):
            output = writer.write(act, records, task, partition)
            result = pickle.dumps(output.offsets.tobytes())
            return result, False, (output.records, output.offsets[-1])
        result, is_stored = _dump_result(act(task, records), task.env, task.taskAttemptId())
        return result, is_stored, (0, 0)


def _measured(task: TaskContext, run_s: float, records: int, size_bytes: int) -> Metrics:
    counted = task.counters
    return Metrics(
        run_s,
        records,
        size_bytes,
        counted.read_records,
        counted.read_bytes,
        counted.memory_spilled_bytes,
        counted.disk_spilled_bytes,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def load_stage(binary: bytes, env: WorkerEnv) -> LoadedStage:
    """Unpickle a stage's closure, once the files that were shipped ahead of it are here.

    Raises what the user's modules raise when they are imported, and FetchFailed for files.
    """
    stage_id, attempt, length = _STAGE_HEADER.unpack_from(binary)
    start = _STAGE_HEADER.size
    properties, shipment = None, None
    if length:
        properties, shipment = pickle.loads(binary[start : start + length])
    if shipment is not None:
        receive(shipment, env)
    rdd, act = pickle.loads(unpack(memoryview(binary)[start + length :]))
    return LoadedStage(stage_id, attempt, rdd, act, properties)


def _dump_result(result: object, env: WorkerEnv, task_id: int) -> tuple[bytes, bool]:
    """Pickle a result; says whether it is in a file, and then there is nothing to return."""
    if type(result) is int or (type(result) is list and not result):
        return pickle.dumps(result, pickle.HIGHEST_PROTOCOL), False  # most often so
    sink = ResultSink(env.results, task_id)
    try:
        dump_to(sink, result)
    except BaseException as error:
        sink.discard()
        if isinstance(error, MinimesosError) or not isinstance(error, Exception):
            raise
        raise ResultNotSerializable(
            f"the result of the task cannot be pickled: {type(error).__name__}: {error}"
        ) from error
    if sink.is_too_large:
        size, limit = sink.size, env.results.bytes_max
        sink.discard()
        raise ResultTooLarge(
            f"the result of the task has {size} bytes, above {limit}: "
            f"{DRIVER_MAX_RESULT_SIZE.shown(env.conf)}"
        )
    return sink.finish(), sink.is_stored
