"""What a control process does with Spark tasks that are Mesos tasks: when they start, how they end.

A task comes with the agent's LAUNCH. What it is to do lies in its data or, if that is long, comes
by the driver's connection, as its stage's closure does; the task waits for both. Its result goes
the way of its last status, unless it is too large for that: then the driver gets it directly, and
the status without it only gives the cores back. A task that ends soon has no other status, because
each is acknowledged before the next one goes.

There are as many workers as there were ever tasks at once.

Used by `agent_bond`. Source: Spark's documentation "Running Spark on Mesos", fine-grained mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from google.protobuf.message import DecodeError

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.frame_socket import Reactor, Timer
from minimesos.spark.settings.scheduling import TASK_MAX_DIRECT_RESULT_SIZE
from minimesos_executor.control import Control, Identity, Link
from minimesos_executor.workers import WorkerSource

RUNNING_AFTER_S = 0.1
"""How long a task runs until that is reported."""
DATA_BYTES_MAX = 8 * 2**20
"""No result above this goes through agent and master, whatever the setting says."""

Report = Callable[[int, mesos_pb2.TaskState, bytes, str], None]
"""Tells the agent the state of a task, with data and a text for people."""

_STATES: dict[int, mesos_pb2.TaskState] = {
    spark_pb2.SUCCESS: mesos_pb2.TASK_FINISHED,
    spark_pb2.STORED: mesos_pb2.TASK_FINISHED,
    spark_pb2.FAILED: mesos_pb2.TASK_FAILED,
    spark_pb2.FETCH_FAILED: mesos_pb2.TASK_FAILED,
    spark_pb2.WORKER_LOST: mesos_pb2.TASK_FAILED,
    spark_pb2.CANCELLED: mesos_pb2.TASK_KILLED,
}
_TEXTS: dict[int, str] = {
    spark_pb2.FAILED: "The task raised an exception, which the driver knows",
    spark_pb2.FETCH_FAILED: "The task could not fetch its input",
    spark_pb2.WORKER_LOST: "The task's worker process died",
    spark_pb2.CANCELLED: "The task was killed",
}


class MesosTaskControl(Control):
    """A control process whose tasks come from an agent."""

    def __init__(
        self,
        reactor: Reactor,
        zygote: WorkerSource,
        identity: Identity,
        link: Link,
        report: Report,
    ) -> None:
        super().__init__(reactor, zygote, identity, link, slots=1)
        self._reactor = reactor
        self._report = report
        self._data_bytes_max = -1  # not configured yet
        self._stages: set[int] = set()
        self._described: dict[int, spark_pb2.TaskBatch] = {}
        self._waiting: set[int] = set()
        self._running: dict[int, Timer] = {}

    def configure(self, registered: spark_pb2.Registered, local_dir: str) -> None:
        super().configure(registered, local_dir)
        conf = registered.conf
        self._data_bytes_max = min(TASK_MAX_DIRECT_RESULT_SIZE.read(conf), DATA_BYTES_MAX)
        self._start_waiting()

    def handle(self, frame: spark_pb2.DriverFrame) -> None:
        """Do what a frame of the driver says; tasks in it wait to be launched."""
        for batch in frame.tasks:
            self._described[batch.task_ids[0]] = batch
        frame.ClearField("tasks")
        self._stages.update(stage.stage_key for stage in frame.stages)
        super().handle(frame)
        garbage = set(frame.cleanup.stage_keys)
        if garbage:
            self._stages -= garbage
            self._described = {
                task_id: batch
                for task_id, batch in self._described.items()
                if batch.stage_key not in garbage
            }
        self._start_waiting()

    def launch(self, task_id: int, data: bytes) -> None:
        """The agent has launched a task."""
        if data:
            try:
                self._described[task_id] = spark_pb2.TaskBatch.FromString(data)
            except DecodeError:
                text = b"the task's data are malformed"
                self.ended([task_id], [spark_pb2.WORKER_LOST], [text], -1)
                return
        self._waiting.add(task_id)
        self._start_waiting()

    def kill(self, task_id: int) -> None:
        """End a task, if it has not ended; its worker is interrupted."""
        if task_id in self._waiting:
            self._waiting.discard(task_id)
            self._described.pop(task_id, None)
            self.ended([task_id], [spark_pb2.CANCELLED], [b""], -1)
        elif task_id in self._running:
            self.pool.cancel([task_id], interrupt=True)

    def ended(
        self, task_ids: Sequence[int], outcomes: Sequence[int], payloads: Sequence[bytes], slot: int
    ) -> None:
        if self.has_lost_directory(outcomes):
            return
        for index, task_id in enumerate(task_ids):
            timer = self._running.pop(task_id, None)
            if timer is not None:
                timer.cancel()
            outcome = outcomes[index] if outcomes else spark_pb2.SUCCESS
            self._end(task_id, outcome, payloads[index], slot)

    def close(self) -> None:
        for timer in self._running.values():
            timer.cancel()
        super().close()

    def _start_waiting(self) -> None:
        """Give tasks to the workers that have all they need."""
        if self._data_bytes_max < 0:
            return
        ready = [
            self._described.pop(task_id)
            for task_id in sorted(self._waiting)
            if task_id in self._described and self._described[task_id].stage_key in self._stages
        ]
        for batch in ready:
            (task_id,) = batch.task_ids
            self._waiting.discard(task_id)
            still_runs = partial(self._report, task_id, mesos_pb2.TASK_RUNNING, b"", "")
            self._running[task_id] = self._reactor.call_later(RUNNING_AFTER_S, still_runs)
            self.pool.submit(batch)
        if ready:
            self.pool.grow(len(self._running))
            self.pool.dispatch()

    def _end(self, task_id: int, outcome: int, payload: bytes, slot: int) -> None:
        data = b""
        if 0 <= self._data_bytes_max < len(payload):
            super().ended([task_id], [outcome], [payload], slot)
        else:
            result = spark_pb2.TaskResults(task_ids=[task_id], payloads=[payload], workers=[slot])
            if outcome != spark_pb2.SUCCESS:
                result.outcomes.append(outcome)  # type: ignore[arg-type]
            data = result.SerializeToString()
        self._report(task_id, _STATES[outcome], data, _TEXTS.get(outcome, ""))
