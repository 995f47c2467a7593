"""The process of a simulated Spark driver: the real core of a Mesos backend, on a real session.

Stands where the shell of the backends stands, and the task scheduler behind it: performs what the
core wants, takes executors in when they connect, and gives them tasks to do. Owned by
`spark_application`, which outlives it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from minimesos.actor import (
    CancelTimer,
    Close,
    Connected,
    Disconnected,
    Effect,
    Received,
    Send,
    SetTimer,
    Stimulus,
    TimerFired,
)
from minimesos.drivers.scheduler_session import SchedulerSession
from minimesos.drivers.session import Arrived, Failed, Leave, Submit, Subscribed, Unsubscribed
from minimesos.proto.mesos.v1 import scheduler_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends.mesos_core import (
    AskForTasks,
    CallMaster,
    ExecutorGone,
    ExecutorLeaves,
    ExpectExecutor,
    GiveUp,
    MesosCore,
    SendToExecutor,
    TaskResults,
)
from minimesos.spark.settings.executors import NETWORK_TIMEOUT
from minimesos.spark.settings.mesos import MESOS_COARSE_SHUTDOWN_TIMEOUT
from minimesos.testing.checkers import Violation
from minimesos.testing.executors import EXECUTOR_KIND

if TYPE_CHECKING:
    from minimesos.testing.spark_application import SimSparkApplication

REASON_TIMEOUT_S = 0.5
"""How long a lost connection waits for somebody who knows why."""

_CORE, _SILENCE, _REASON, _SHUTDOWN = "core ", "silence ", "reason ", "shutdown"

_Event = scheduler_pb2.Event


@dataclass(frozen=True, slots=True)
class Tell(Stimulus):
    """The user's program tells the core something."""

    method: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class TasksWait(Stimulus):
    """The user's program has tasks to be done."""


@dataclass(frozen=True, slots=True)
class StopDriver(Stimulus):
    """The user's program ends."""


@dataclass(slots=True)
class Work:
    """Spark tasks by their numbers: what waits, what runs where, what is done."""

    waiting: deque[int] = field(default_factory=deque)
    running: dict[str, set[int]] = field(default_factory=dict)  # by executor id
    done: set[int] = field(default_factory=set)
    submitted: int = 0

    @property
    def is_done(self) -> bool:
        """Every task has been done."""
        return len(self.done) == self.submitted

    def submit(self, tasks: int) -> None:
        """Add tasks."""
        self.waiting.extend(range(self.submitted, self.submitted + tasks))
        self.submitted += tasks

    def take(self, executor_id: str, cores: int) -> spark_pb2.DriverFrame:
        """Put tasks for what is free of some cores of an executor into a frame."""
        running = self.running.setdefault(executor_id, set())
        count = min(cores - len(running), len(self.waiting))
        taken = [self.waiting.popleft() for _ in range(count)]
        running.update(taken)
        batches = [spark_pb2.TaskBatch(task_ids=taken)] if taken else []
        return spark_pb2.DriverFrame(tasks=batches)

    def ended(self, executor_id: str, task_ids: Sequence[int]) -> None:
        """Note results."""
        self.running[executor_id].difference_update(task_ids)
        self.done.update(task_ids)

    def results(self, executor_id: str, results: spark_pb2.TaskResults) -> None:
        """Note ends, which are all successes."""
        self.ended(executor_id, results.task_ids)

    def lost(self, executor_id: str) -> None:
        """What an executor ran has to be done again."""
        self.waiting.extend(sorted(self.running.pop(executor_id, ())))


class SimDriver:
    """One life of a driver, as an actor: the session is a part of it."""

    def __init__(
        self, app: SimSparkApplication, session: SchedulerSession, core: MesosCore, url: str
    ) -> None:
        self.core = core
        self.executors: dict[str, spark_pb2.Register] = {}  # that are connected, by id
        self.is_stopping = False
        self._app = app
        self._session = session
        self._url = url
        self._expected: set[str] = set()
        self._used_ids: set[str] = set()
        self._peers: dict[str, str] = {}  # by executor id
        self._ids: dict[str, str] = {}  # by peer
        self._now = 0.0
        self._effects: list[Effect] = []
        self._news: dict[type[Effect], Callable[[Any], None]] = {
            Subscribed: lambda news: self._tell("subscribed", app.id, url),
            Unsubscribed: lambda news: self._tell("disconnected"),
            Arrived: lambda news: self._arrived(news.event),
            Failed: lambda news: None,
        }
        self._events: dict[int, tuple[str, Callable[[Any], Any]]] = {
            _Event.OFFERS: ("offers", lambda event: event.offers.offers),
            _Event.RESCIND: ("rescinded", lambda event: event.rescind.offer_id.value),
            _Event.UPDATE: ("update", lambda event: event.update.status),
            _Event.FAILURE: ("executor_failed", lambda event: event.failure),
        }
        self._performers: dict[type[Effect], Callable[[Any], None]] = {
            CallMaster: lambda effect: self._call(effect.call),
            ExpectExecutor: lambda effect: self._expected.add(effect.executor_id),
            ExecutorGone: lambda effect: self._lose(
                effect.executor_id, effect.reason, effect.caused_by_tasks
            ),
            ExecutorLeaves: lambda effect: self._retire(effect.executor_id, effect.reason),
            SendToExecutor: lambda effect: self._send(effect.executor_id, effect.frame),
            AskForTasks: self._ask_for_tasks,
            TaskResults: lambda effect: self._results(effect.executor_id, effect.results),
            GiveUp: lambda effect: app.given_up.append(effect.message),
            SetTimer: lambda effect: self._effects.append(
                SetTimer(_CORE + effect.name, effect.at_s)
            ),
            CancelTimer: lambda effect: self._effects.append(CancelTimer(_CORE + effect.name)),
        }

    def start(self, now: float) -> list[Effect]:
        """Subscribe."""
        self._now = now
        return self._sorted(self._session.start(now))

    def handle(self, stimulus: Stimulus, now: float) -> list[Effect]:
        """React as a driver's loop does."""
        self._now = now
        match stimulus:
            case Tell():
                self._tell(stimulus.method, *stimulus.arguments)
            case TasksWait():
                self._feed()
                self._tell("revive")
            case StopDriver():
                self._stop()
            case TimerFired(name=name) if name.startswith((_CORE, _SILENCE, _REASON, _SHUTDOWN)):
                self._due(name)
            case Connected(peer=peer) | Disconnected(peer=peer) | Received(peer=peer) if (
                peer.startswith(EXECUTOR_KIND)
            ):
                self._executor_says(peer, stimulus)
            case _:
                return self._sorted(self._session.handle(stimulus, now))
        return self._sorted(())

    def _sorted(self, effects: Sequence[Effect]) -> list[Effect]:
        """Hear the session's news, and return what is for the world."""
        self._hear(effects)
        taken, self._effects = self._effects, []
        return taken

    def _hear(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            react = self._news.get(type(effect))
            if react is None:
                self._effects.append(effect)
            else:
                self._app.hear(effect)
                react(effect)

    # -- the core ---------------------------------------------------------------------------------

    def _tell(self, method: str, *arguments: Any) -> None:
        getattr(self.core, method)(*arguments, self._now)
        while effects := self.core.take_effects():
            for effect in effects:
                self._performers[type(effect)](effect)
        if self.is_stopping and self.core.is_idle:
            self._leave()

    def _arrived(self, event: scheduler_pb2.Event) -> None:
        if event.type in self._events:
            method, content = self._events[event.type]
            self._tell(method, content(event))

    def _call(self, call: scheduler_pb2.Call) -> None:
        answered = (*call.accept.offer_ids, *call.decline.offer_ids)
        for offer_id in answered:
            if self._app.offers.pop(offer_id.value, None) is None:
                raise Violation(f"offer {offer_id.value} is answered twice, or after its end")
        for operation in call.accept.operations:
            for task in operation.launch.task_infos:
                if task.task_id.value in self._used_ids:
                    raise Violation(f"task id {task.task_id.value} is used again")
                self._used_ids.add(task.task_id.value)
            self._app.launched(operation.launch.task_infos)
        self._hear(self._session.handle(Submit(call), self._now))

    def _ask_for_tasks(self, effect: AskForTasks) -> None:
        for offer in effect.offers:
            frame = self._app.work.take(offer.executor_id, offer.cores)
            if frame.tasks:
                self._tell("launch", offer.executor_id, frame)
        self._tell("launched")

    def _stop(self) -> None:
        self.is_stopping = True
        for executor_id in self.executors:
            self._send(executor_id, spark_pb2.DriverFrame(shutdown=True))
        timeout_s = MESOS_COARSE_SHUTDOWN_TIMEOUT.read(self._app.conf)
        self._effects.append(SetTimer(_SHUTDOWN, self._now + timeout_s))
        self._tell("stop")

    def _leave(self) -> None:
        if not self._app.torn_down:
            self._app.torn_down = True
            self._hear(self._session.handle(Leave(), self._now))

    def _due(self, timer: str) -> None:
        if timer == _SHUTDOWN:
            self._leave()
        elif timer.startswith(_CORE):
            self._tell("timer_fired", timer.removeprefix(_CORE))
        elif timer.startswith(_REASON):
            self._lose(timer.removeprefix(_REASON), "its connection to the driver was lost", True)
        else:
            self._lose(timer.removeprefix(_SILENCE), "it was silent", True)

    # -- executors --------------------------------------------------------------------------------

    def _executor_says(self, peer: str, stimulus: Stimulus) -> None:
        executor_id = self._ids.get(peer)
        if isinstance(stimulus, Received):
            assert isinstance(stimulus.message, spark_pb2.ExecutorFrame)
            if stimulus.message.HasField("register"):
                self._register(peer, stimulus.message.register)
            elif executor_id is not None:
                self._hear_executor(executor_id, stimulus.message)
            else:
                self._effects.append(Close(peer))  # it was given up
        elif isinstance(stimulus, Disconnected) and executor_id is not None:
            self._effects.append(SetTimer(_REASON + executor_id, self._now + REASON_TIMEOUT_S))

    def _register(self, peer: str, register: spark_pb2.Register) -> None:
        executor_id = register.executor_id
        if executor_id not in self._expected or register.nonce.decode() != self._app.secret.hex():
            refused = spark_pb2.Refused(message="not expected")
            self._effects.append(Send(peer, spark_pb2.DriverFrame(refused=refused)))
            return
        self._expected.discard(executor_id)
        self.executors[executor_id] = register
        self._peers[executor_id], self._ids[peer] = peer, executor_id
        self._send(executor_id, spark_pb2.DriverFrame(registered=spark_pb2.Registered()))
        if self.is_stopping:
            self._send(executor_id, spark_pb2.DriverFrame(shutdown=True))
        self._tell("attached", executor_id)
        self._heard(executor_id)
        self._feed()

    def _hear_executor(self, executor_id: str, frame: spark_pb2.ExecutorFrame) -> None:
        self._heard(executor_id)
        if frame.HasField("results"):
            if self.core.launches_on_offers:
                self._tell("results", executor_id, frame.results)
            else:
                self._results(executor_id, frame.results)

    def _heard(self, executor_id: str) -> None:
        silent_s = NETWORK_TIMEOUT.read(self._app.conf)
        self._effects.append(SetTimer(_SILENCE + executor_id, self._now + silent_s))

    def _results(self, executor_id: str, results: spark_pb2.TaskResults) -> None:
        self._app.work.results(executor_id, results)
        self._feed()

    def _feed(self) -> None:
        """Give executors tasks that wait, or ask for cores for these."""
        if self.core.launches_on_offers:
            if self._app.work.waiting:
                self._tell("revive")
            return
        for executor_id, register in self.executors.items():
            frame = self._app.work.take(executor_id, register.cores)
            if frame.tasks:
                self._send(executor_id, frame)

    def _send(self, executor_id: str, frame: spark_pb2.DriverFrame) -> None:
        peer = self._peers.get(executor_id)
        if peer is not None:
            self._effects.append(Send(peer, frame))

    def _lose(self, executor_id: str, reason: str, caused_by_tasks: bool) -> None:
        self._expected.discard(executor_id)
        peer = self._peers.get(executor_id)
        if peer is not None:
            self._effects.append(Close(peer))
            self._forget(executor_id, reason, caused_by_tasks)
        elif self.core.launches_on_offers:
            self._app.work.lost(executor_id)  # which it was launched with
            self._feed()

    def _retire(self, executor_id: str, reason: str) -> None:
        """It has been asked to end, which it may do in its own time."""
        self._expected.discard(executor_id)
        if executor_id in self._peers:
            self._forget(executor_id, reason, False)

    def _forget(self, executor_id: str, reason: str, caused_by_tasks: bool) -> None:
        del self.executors[executor_id]
        del self._ids[self._peers.pop(executor_id)]
        self._effects += [CancelTimer(_SILENCE + executor_id), CancelTimer(_REASON + executor_id)]
        self._app.work.lost(executor_id)
        if not self.is_stopping:
            self._app.lost.append((executor_id, reason, caused_by_tasks))
            self._tell("detached", executor_id)
            self._feed()
