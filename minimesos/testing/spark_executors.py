"""What a test needs to talk to Spark executors: a recording listener, tasks, and stages.

Stands where the task scheduler stands, between a test and a backend. Waits are for events, with a
deadline; nothing sleeps.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.env import FetchFailed, Location, Range
from minimesos.spark.scheduler.executor import WorkerOffer
from minimesos.spark.scheduler.task import decode_success, stage_binary
from minimesos.spark.shipment import Shipment
from minimesos.spark.stored_results import StoredResult, load_result, take_stored

DEADLINE_S = 10.0


def wait_for_end(pid: int) -> None:
    """Wait until a process has ended, which need not be a child of ours."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready, _, _ = select.select([pidfd], [], [], DEADLINE_S)
        assert ready, f"process {pid} still runs"
    finally:
        os.close(pidfd)


class Ended(NamedTuple):
    """How a task ended."""

    outcome: int
    payload: Any
    worker: int

    @property
    def value(self) -> Any:
        """What the task returned; for a successful one."""
        return load_result(decode_success(self.payload)[1])


class RecordingListener:
    """A `BackendListener` that remembers all it hears."""

    def __init__(self, results_root: str = "") -> None:
        self._results_root = results_root
        self.added: dict[str, Location] = {}
        self.lost: dict[str, str] = {}
        self.ended: dict[int, Ended] = {}
        self.failures: list[str] = []
        self.printed_lines: list[str] = []
        self._changed = asyncio.Event()

    def executor_added(self, executor_id: str, host: str, cores: int, location: Location) -> None:
        self.added[executor_id] = location
        self._changed.set()

    def executor_lost(self, executor_id: str, reason: str, caused_by_tasks: bool = True) -> None:
        self.lost[executor_id] = reason
        self._changed.set()

    def resource_offers(self, offers: Sequence[WorkerOffer]) -> None:
        raise AssertionError("no backend that is tested with this launches on offers")

    def blocks_copied(self, executor_id: str, blocks: Sequence[spark_pb2.CachedBlock]) -> None:
        """There is only one executor."""

    def printed(self, executor_id: str, printed: Sequence[spark_pb2.Printed]) -> None:
        for each in printed:
            self.printed_lines += each.text.splitlines()
        self._changed.set()

    def barrier_calls(self, executor_id: str, calls: Sequence[spark_pb2.BarrierCall]) -> None:
        raise AssertionError("no barrier stage is run with this")

    def backend_failed(self, message: str) -> None:
        self.failures.append(message)
        self._changed.set()

    def results(self, executor_id: str, results: spark_pb2.TaskResults) -> None:
        outcomes = list(results.outcomes) or [spark_pb2.SUCCESS] * len(results.task_ids)
        columns = zip(results.task_ids, outcomes, results.payloads, results.workers, strict=True)
        for task_id, outcome, payload, worker in columns:
            assert task_id not in self.ended, f"task {task_id} ended twice"
            answer: bytes | StoredResult = payload
            if outcome == spark_pb2.STORED:
                answer = take_stored(self._results_root, task_id, payload)
            self.ended[task_id] = Ended(outcome, answer, worker)
        self._changed.set()

    async def until(self, condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
        """Wait until the condition holds after something was heard. Raises TimeoutError."""
        async with asyncio.timeout(deadline_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def ends(self, *task_ids: int, deadline_s: float = DEADLINE_S) -> list[Ended]:
        """Wait for the ends of tasks; returns them in this order."""
        await self.until(lambda: all(key in self.ended for key in task_ids), deadline_s)
        return [self.ended[task_id] for task_id in task_ids]


class DirectFetch:
    """A `Fetch` that is done when it is begun: reads the owner's files where they are."""

    is_done = True

    def __init__(self, location: Location, ranges: Sequence[Range], destination: Path) -> None:
        self._location = location
        self._ranges = ranges
        self._destination = destination

    def result(self) -> str:
        with self._destination.open("wb") as copy:
            for path, offset, length in self._ranges:
                try:
                    with Path(self._location.root, path).open("rb") as file:
                        file.seek(offset)
                        copy.write(file.read(length or -1))
                except OSError as error:
                    raise FetchFailed(self._location, path, str(error)) from error
        return str(self._destination)

    def drop(self) -> None:
        self._destination.unlink(missing_ok=True)


class Gate:
    """Holds tasks until the test opens it, and lets the test wait for them to arrive."""

    def __init__(self, directory: Path) -> None:
        self._paths = str(directory / "bell"), str(directory / "door")
        for path in self._paths:
            os.mkfifo(path)
        # For reading and writing, so that neither side waits for the other to open it.
        self._bell, self._door = (os.open(path, os.O_RDWR | os.O_NONBLOCK) for path in self._paths)

    def __getstate__(self) -> dict[str, tuple[str, str]]:
        return {"_paths": self._paths}

    def wait(self) -> None:
        """In a task: ring, and wait until the gate is opened."""
        bell, door = self._paths
        with open(bell, "wb", buffering=0) as file:
            file.write(b".")
        with open(door, "rb", buffering=0) as file:
            file.read(1)

    async def rung(self) -> None:
        """Return once a task has arrived. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        heard = asyncio.Event()
        loop.add_reader(self._bell, heard.set)
        try:
            await asyncio.wait_for(heard.wait(), DEADLINE_S)
            os.read(self._bell, 1)
        finally:
            loop.remove_reader(self._bell)

    def open(self) -> None:
        """Let one task pass that waits, or will."""
        os.write(self._door, b".")

    def remove(self) -> None:
        """Close what the test holds."""
        os.close(self._bell)
        os.close(self._door)


class _Partition:
    """The RDD of a test's stage: partition i holds i."""

    profiler = None
    is_barrier = False

    def iterator(self, partition: int, context: object) -> Iterator[int]:
        return iter((partition,))


def stage(
    key: int, function: Callable[[int, Any], Any], shipment: Shipment | None = None
) -> spark_pb2.Stage:
    """Return a stage whose tasks return function(partition, task context)."""

    def act(context: Any, items: Iterator[int]) -> Any:
        return function(next(items), context)

    binary = stage_binary(key, 0, cloudpickle.dumps((_Partition(), act)), None, shipment)
    return spark_pb2.Stage(stage_key=key, binary=binary)


def tasks(
    stage_key: int,
    task_ids: Sequence[int],
    *,
    payloads: Sequence[bytes] = (),
    workers: Sequence[int] = (),
) -> spark_pb2.TaskBatch:
    """Return tasks of a stage; the partition of each is its task id."""
    return spark_pb2.TaskBatch(
        stage_key=stage_key,
        task_ids=task_ids,
        partitions=task_ids,
        attempts=[0] * len(task_ids),
        payloads=payloads,
        workers=workers,
    )


def job(
    key: int, function: Callable[[int, Any], Any], task_ids: Sequence[int], **columns: Any
) -> spark_pb2.DriverFrame:
    """Return a frame with a stage and tasks of it."""
    return spark_pb2.DriverFrame(
        stages=[stage(key, function)], tasks=[tasks(key, task_ids, **columns)]
    )
