"""An executor as the task scheduler sees it: its slots, what was sent to it, and the next frame."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import repeat
from typing import NamedTuple

from minimesos.actor import Effect
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.env import Location
from minimesos.spark.scheduler.effects import SendFrame
from minimesos.spark.scheduler.failure import input_too_large
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.task_set import TaskSet

FRAME_TASKS_MAX = 256
FRAME_BYTES_MAX = 4 * 1024 * 1024


class WorkerOffer(NamedTuple):
    """Cores that an executor may use for tasks at once, and for no longer than these run."""

    executor_id: str
    host: str
    cores: int


class Executor:
    """One executor. Tasks that were sent and have not ended are `outstanding`: run or queued."""

    __slots__ = (
        "_effects",
        "_frame",
        "_frame_bytes",
        "_frame_tasks",
        "_garbage",
        "_known_stages",
        "_message_bytes_max",
        "cores",
        "host",
        "id",
        "location",
        "number",
        "outstanding",
        "progress_at_s",
        "recalled",
        "slots",
    )

    def __init__(
        self,
        number: int,
        host: str,
        cores: int,
        location: Location,
        effects: list[Effect],
        limits: Limits,
    ) -> None:
        self.id = location.executor_id
        self.number = number
        self.host = host
        self.cores = cores
        self.slots = cores // limits.task_cpus
        """How many tasks it runs at once."""
        self.location = location
        self.outstanding = 0
        self.progress_at_s = 0.0
        """When it last sent results, or was given work while it had none."""
        self.recalled: set[int] = set()
        """Tasks that it was asked to give back and that have not ended yet."""
        self._effects = effects
        self._message_bytes_max = limits.message_bytes
        self._known_stages: set[int] = set()
        self._garbage: list[int] = []
        self._frame: spark_pb2.DriverFrame | None = None
        self._frame_tasks = 0
        self._frame_bytes = 0

    def add_tasks(self, task_set: TaskSet, slots: Sequence[int], task_ids: Sequence[int]) -> None:
        """Put tasks into the next frame, and into others after it when that is full.

        Raises what pickling a task's input raises, and JobAborted if that is too large.
        """
        partitions = task_set.partitions
        payloads = [task_set.payload(partitions[slot]) for slot in slots]
        largest = max(map(len, payloads)) if any(payloads) else 0
        if largest > self._message_bytes_max:
            raise input_too_large(str(task_set), largest, self._message_bytes_max)
        self.outstanding += len(slots)
        start = 0
        for end, payload in enumerate(payloads, 1):
            self._frame_bytes += len(payload)
            self._frame_tasks += 1
            if self._frame_tasks >= FRAME_TASKS_MAX or self._frame_bytes >= FRAME_BYTES_MAX:
                self._add_batch(
                    task_set, slots[start:end], task_ids[start:end], payloads[start:end]
                )
                self.flush()
                start = end
        if start < len(slots):
            self._add_batch(task_set, slots[start:], task_ids[start:], payloads[start:])

    def flush(self) -> None:
        """Send the frame under construction, if there is one."""
        frame = self._frame
        if frame is None:
            return
        if self._garbage:
            frame.cleanup.stage_keys.extend(self._garbage)
            self._garbage.clear()
        self._effects.append(SendFrame(self.id, frame))
        self._frame = None
        self._frame_tasks = self._frame_bytes = 0

    def send(self, frame: spark_pb2.DriverFrame) -> None:
        """Send a frame behind what is under construction."""
        self.flush()
        self._effects.append(SendFrame(self.id, frame))

    def interrupt(self, task_ids: Collection[int]) -> None:
        """End tasks, also those that run."""
        if task_ids:
            cancel = spark_pb2.CancelTasks(task_ids=sorted(task_ids), interrupt=True)
            self.send(spark_pb2.DriverFrame(cancel=cancel))

    def forget_stage(self, key: int) -> None:
        """A task set is over; the executor is told so with its next frame."""
        if key in self._known_stages:
            self._known_stages.remove(key)
            self._garbage.append(key)

    def _add_batch(
        self,
        task_set: TaskSet,
        slots: Sequence[int],
        task_ids: Sequence[int],
        payloads: list[bytes],
    ) -> None:
        frame = self._frame
        if frame is None:
            frame = self._frame = spark_pb2.DriverFrame()
        if task_set.key not in self._known_stages:
            self._known_stages.add(task_set.key)
            frame.stages.add(stage_key=task_set.key, binary=task_set.binary)
        partitions, attempts = task_set.partitions, task_set.attempts
        batch = frame.tasks.add(stage_key=task_set.key)
        batch.task_ids.extend(task_ids)
        batch.partitions.extend([partitions[slot] for slot in slots])
        if attempts or task_set.copies:
            batch.attempts.extend(map(task_set.attempt_number, slots, task_ids))
        else:
            batch.attempts.extend(repeat(0, len(slots)))
        if any(payloads):
            batch.payloads.extend(payloads)
        batch.workers.extend(task_set.workers(slots, self.id))
