"""A simulated Spark executor: connects to its driver, does tasks that take a while, and may die.

Runs as the task of a simulated command executor, on the same host, and lives as long as that.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable

from minimesos.actor import (
    CancelTimer,
    Connect,
    Connected,
    Disconnected,
    Effect,
    Received,
    Send,
    SetTimer,
    Stimulus,
    Stop,
    TimerFired,
)
from minimesos.errors import InvariantViolated
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends.coarse_task import SECRET_VARIABLE
from minimesos.spark.settings.executors import HEARTBEAT_INTERVAL
from minimesos.testing.executors import EXECUTOR_KIND
from minimesos.testing.simulator import Node, Simulator

CONNECT_TIMEOUT_S = 10.0
TASK_S = 1.0

_DRIVER = "driver"
_CONNECT, _BEAT, _DIE, _TASK = "connect", "beat", "die", "task "


class SimSparkExecutor:
    """The process, as an actor. It dies by itself after `lives_s`, if that is not None."""

    def __init__(
        self, driver_url: str, register: spark_pb2.Register, lives_s: float | None
    ) -> None:
        self._driver_url = driver_url
        self._register = register
        self._lives_s = lives_s
        self.is_frozen = False
        self._effects: list[Effect] = []

    def start(self, now: float) -> list[Effect]:
        """Look for the driver."""
        timers: list[Effect] = [SetTimer(_CONNECT, now + CONNECT_TIMEOUT_S)]
        if self._lives_s is not None:
            timers.append(SetTimer(_DIE, now + self._lives_s))
        return [Connect(_DRIVER, self._driver_url), *timers]

    def handle(self, stimulus: Stimulus, now: float) -> list[Effect]:
        """React to the driver and to time."""
        if self.is_frozen:
            return []
        match stimulus:
            case Connected():
                self._send(spark_pb2.ExecutorFrame(register=self._register))
            case Received(message=spark_pb2.DriverFrame() as frame):
                self._take(frame, now)
            case Disconnected():
                self._effects.append(Stop(1, "the driver is lost"))
            case TimerFired(name=name):
                self._due(name, now)
        effects, self._effects = self._effects, []
        return effects

    def _take(self, frame: spark_pb2.DriverFrame, now: float) -> None:
        if frame.HasField("registered"):
            self._effects.append(CancelTimer(_CONNECT))
            self._due(_BEAT, now)
        for batch in frame.tasks:
            for task_id in batch.task_ids:
                self._effects.append(SetTimer(f"{_TASK}{task_id}", now + TASK_S))
        if frame.HasField("refused") or frame.shutdown:
            self._effects.append(Stop(0 if frame.shutdown else 1, "not wanted"))

    def _due(self, name: str, now: float) -> None:
        if name.startswith(_TASK):
            results = spark_pb2.TaskResults(task_ids=[int(name.removeprefix(_TASK))])
            self._send(spark_pb2.ExecutorFrame(results=results))
        elif name == _BEAT:
            self._send(spark_pb2.ExecutorFrame(heartbeat=spark_pb2.Heartbeat()))
            self._effects.append(SetTimer(_BEAT, now + HEARTBEAT_INTERVAL.default))
        else:
            self._effects.append(Stop(1, f"by {name}"))

    def _send(self, frame: spark_pb2.ExecutorFrame) -> None:
        self._effects.append(Send(_DRIVER, frame))


class ExecutorProgram:
    """A Spark executor as what runs as a Mesos task."""

    def __init__(
        self,
        simulator: Simulator,
        task: mesos_pb2.TaskInfo,
        host: str,
        ended: Callable[[mesos_pb2.TaskState], None],
        lives_s: float | None,
    ) -> None:
        words = shlex.split(task.command.value)
        options = {key: words[words.index(key) + 1] for key in words if key.startswith("--")}
        secrets = (
            variable.value
            for variable in task.command.environment.variables
            if variable.name == SECRET_VARIABLE
        )
        register = spark_pb2.Register(
            executor_id=options["--executor-id"],
            host=host,
            cores=int(options["--cores"]),
            nonce=next(secrets).encode(),
        )
        self._simulator = simulator
        self._executor = SimSparkExecutor(options["--driver-url"], register, lives_s)
        self._node = Node(
            name=f"spark executor {task.task_id.value} on {host}",
            kind=EXECUTOR_KIND,
            host=host,
            actor=self._executor,
            other_effect=_unexpected,
            on_stop=lambda stop: ended(
                mesos_pb2.TASK_FAILED if stop.exit_code else mesos_pb2.TASK_FINISHED
            ),
        )
        self._ended = ended
        simulator.start(self._node)

    def freeze(self) -> None:
        """Do and notice nothing any more, as by `kill -STOP`."""
        self._executor.is_frozen = True

    def die(self) -> None:
        """End as by `kill -9`: whoever has started it sees that."""
        self.kill()
        self._ended(mesos_pb2.TASK_FAILED)

    def kill(self) -> None:
        """End the process; its connection breaks."""
        self._simulator.kill(self._node)


def _unexpected(effect: Effect) -> None:
    raise InvariantViolated(f"nobody performs {effect}")
