"""A simulated Spark application of the fine-grained mode: each of its tasks is a Mesos task.

As `spark_application`, but for the core, and for the executors: these have a real session with
their agent besides the connection to the driver, and tell of the ends of tasks by either.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

from minimesos.actor import (
    Actor,
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
from minimesos.agent.containers import LaunchContainer
from minimesos.drivers.executor_session import ExecutorSession, update
from minimesos.drivers.scheduler_session import SchedulerSession
from minimesos.drivers.session import Arrived, Failed, Submit, Subscribed, Unsubscribed
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends.coarse_task import SECRET_VARIABLE
from minimesos.spark.backends.fine import FineGrainedCore
from minimesos.spark.backends.fine_task import FineTasks
from minimesos.spark.settings.executors import HEARTBEAT_INTERVAL
from minimesos.testing.checkers import Violation
from minimesos.testing.simulated_executor import CONNECT_TIMEOUT_S, TASK_S
from minimesos.testing.spark_application import SimSparkApplication
from minimesos.testing.spark_driver import Work

LARGE_EVERY = 3
"""Every so manyth task has a result that goes to the driver itself."""

_DRIVER = "driver"
_CONNECT, _BEAT, _DIE, _TASK = "connect", "beat", "die", "task "
_Event = executor_pb2.Event


class FineWork(Work):
    """Tasks by themselves. Each attempt has an id of its own, and ends once."""

    def __init__(self) -> None:
        super().__init__()
        self.attempts: dict[int, int] = {}  # task by id of the attempt
        self.ends: Counter[int] = Counter()

    def take(self, executor_id: str, cores: int) -> spark_pb2.DriverFrame:
        running = self.running.setdefault(executor_id, set())
        frame = spark_pb2.DriverFrame()
        for _ in range(min(cores, len(self.waiting))):
            attempt = len(self.attempts)
            self.attempts[attempt] = self.waiting.popleft()
            running.add(attempt)
            frame.tasks.add(task_ids=[attempt])
        return frame

    def results(self, executor_id: str, results: spark_pb2.TaskResults) -> None:
        """Note ends; what was not done has to be done again."""
        outcomes = results.outcomes or [spark_pb2.SUCCESS] * len(results.task_ids)
        for attempt, outcome in zip(results.task_ids, outcomes, strict=True):
            self._end(attempt)
            self.running[executor_id].remove(attempt)
            if outcome == spark_pb2.SUCCESS:
                self.done.add(self.attempts[attempt])
            else:
                self.waiting.append(self.attempts[attempt])

    def begin(self) -> None:
        """A new driver counts attempts from 0 again, and knows of no earlier ones."""
        for executor_id in list(self.running):
            self.lost(executor_id)
        self.attempts.clear()
        self.ends.clear()

    def lost(self, executor_id: str) -> None:
        for attempt in sorted(self.running.pop(executor_id, ())):
            self._end(attempt)
            self.waiting.append(self.attempts[attempt])

    def _end(self, attempt: int) -> None:
        self.ends[attempt] += 1
        if self.ends[attempt] > 1:
            raise Violation(f"attempt {attempt} ends twice")


class SimFineApplication(SimSparkApplication):
    """A fine-grained application."""

    def play(self, session: SchedulerSession) -> Actor:
        if not isinstance(self.work, FineWork):
            self.work = FineWork()
        self.work.begin()
        return super().play(session)

    @property
    def fine_core(self) -> FineGrainedCore:
        """The core of the driver that runs, or ran last."""
        assert isinstance(self.driver.core, FineGrainedCore)
        return self.driver.core

    def make_core(self) -> FineGrainedCore:
        return FineGrainedCore(self.conf, FineTasks(self.conf, self.name, self.secret, _command))

    def launched(self, tasks: Sequence[mesos_pb2.TaskInfo]) -> None:
        self._cluster.executors[self.id] = self._make_executor
        self.tasks += [task.task_id.value for task in tasks]

    def believes_in(self, task_id: str) -> bool:
        return task_id in self.fine_core.task_ids

    def _make_executor(self, effect: LaunchContainer, session: ExecutorSession, host: str) -> Actor:
        executor = SimFineExecutor(effect, session, host, self.lives_s(host))
        self.executors[effect.executor_id] = executor
        return executor


class SimFineExecutor:
    """The process, as an actor: the session with the agent is a part of it."""

    def __init__(
        self, effect: LaunchContainer, session: ExecutorSession, host: str, lives_s: float | None
    ) -> None:
        words = shlex.split(effect.command.value)
        self._driver_url = words[words.index("--driver-url") + 1]
        secret = effect.environment[SECRET_VARIABLE]
        self._register = spark_pb2.Register(
            executor_id=effect.executor_id, host=host, cores=1, nonce=secret.encode()
        )
        self._session = session
        self._lives_s = lives_s
        self._running: dict[int, str] = {}  # Mesos's ids by Spark's
        self._is_dying = False
        self._is_frozen = False
        self._effects: list[Effect] = []

    def freeze(self) -> None:
        """Do and notice nothing any more."""
        self._is_frozen = True

    def die(self) -> None:
        """End without a word, as soon as there is something to do."""
        self._is_dying = True

    def start(self, now: float) -> list[Effect]:
        """Look for agent and driver."""
        self._effects += [Connect(_DRIVER, self._driver_url)]
        self._effects.append(SetTimer(_CONNECT, now + CONNECT_TIMEOUT_S))
        if self._lives_s is not None:
            self._effects.append(SetTimer(_DIE, now + self._lives_s))
        self._hear(self._session.start(now), now)
        return self._taken()

    def handle(self, stimulus: Stimulus, now: float) -> list[Effect]:
        """React to agent, driver and time."""
        if self._is_dying:
            return [Stop(1, "killed")]
        if self._is_frozen:
            return []
        match stimulus:
            case Connected(peer=peer) if peer == _DRIVER:
                self._say(spark_pb2.ExecutorFrame(register=self._register))
            case Received(peer=peer, message=spark_pb2.DriverFrame() as frame) if peer == _DRIVER:
                self._take(frame, now)
            case Disconnected(peer=peer) if peer == _DRIVER:
                self._effects.append(Stop(1, "the driver is lost"))
            case TimerFired(name=name) if name.startswith((_CONNECT, _BEAT, _DIE, _TASK)):
                self._due(name, now)
            case _:
                self._hear(self._session.handle(stimulus, now), now)
        return self._taken()

    def _taken(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    def _hear(self, effects: Sequence[Effect], now: float) -> None:
        for effect in effects:
            match effect:
                case Arrived(event=_Event() as event) if event.type == _Event.LAUNCH:
                    self._launch(event.launch.task, now)
                case Arrived(event=_Event() as event) if event.type == _Event.KILL:
                    task_id = int(event.kill.task_id.value.partition(".")[0])
                    self._effects.append(CancelTimer(f"{_TASK}{task_id}"))
                    self._end(task_id, spark_pb2.CANCELLED, now)
                case Arrived(event=_Event() as event) if event.type == _Event.SHUTDOWN:
                    self._effects.append(Stop(0, "the agent wants it"))
                case Arrived() | Subscribed() | Unsubscribed() | Failed():
                    pass
                case _:
                    self._effects.append(effect)

    def _launch(self, task: mesos_pb2.TaskInfo, now: float) -> None:
        (task_id,) = spark_pb2.TaskBatch.FromString(task.data).task_ids
        self._running[task_id] = task.task_id.value
        self._effects.append(SetTimer(f"{_TASK}{task_id}", now + TASK_S))

    def _end(self, task_id: int, outcome: spark_pb2.Outcome, now: float) -> None:
        mesos_id = self._running.pop(task_id, None)
        if mesos_id is None:
            return
        results = spark_pb2.TaskResults(
            task_ids=[task_id], outcomes=[outcome], payloads=[b""], workers=[0]
        )
        status = mesos_pb2.TaskStatus(task_id=mesos_pb2.TaskID(value=mesos_id))
        succeeded = outcome == spark_pb2.SUCCESS
        status.state = mesos_pb2.TASK_FINISHED if succeeded else mesos_pb2.TASK_KILLED
        if task_id % LARGE_EVERY:
            status.data = results.SerializeToString()
        else:
            self._say(spark_pb2.ExecutorFrame(results=results))
        self._hear(self._session.handle(Submit(update(status)), now), now)

    def _take(self, frame: spark_pb2.DriverFrame, now: float) -> None:
        if frame.HasField("registered"):
            self._effects.append(CancelTimer(_CONNECT))
            self._due(_BEAT, now)
        if frame.HasField("refused") or frame.shutdown:
            self._effects.append(Stop(0 if frame.shutdown else 1, "not wanted"))

    def _due(self, name: str, now: float) -> None:
        if name.startswith(_TASK):
            self._end(int(name.removeprefix(_TASK)), spark_pb2.SUCCESS, now)
        elif name == _BEAT:
            self._say(spark_pb2.ExecutorFrame(heartbeat=spark_pb2.Heartbeat()))
            self._effects.append(SetTimer(_BEAT, now + HEARTBEAT_INTERVAL.default))
        else:
            self._effects.append(Stop(1, f"by {name}"))

    def _say(self, frame: spark_pb2.ExecutorFrame) -> None:
        self._effects.append(Send(_DRIVER, frame))


def _command(arguments: Sequence[str]) -> mesos_pb2.CommandInfo:
    return mesos_pb2.CommandInfo(value=shlex.join(arguments))
