"""What the cores of the two Mesos backends have in common: how they are told and what they want.

`coarse` and `fine` decide what becomes of offers; each is a pure object that is told of events with
the time, and whose effects are taken afterwards. `mesos` is the shell that performs these; tests
and simulated clusters stand in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from minimesos.actor import Effect
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.scheduler.executor import WorkerOffer


@dataclass(frozen=True, slots=True)
class CallMaster(Effect):
    """Make a call of Mesos's scheduler API."""

    call: scheduler_pb2.Call


@dataclass(frozen=True, slots=True)
class ExpectExecutor(Effect):
    """An executor of this id was launched and may attach to the driver, once."""

    executor_id: str


@dataclass(frozen=True, slots=True)
class ExecutorGone(Effect):
    """An executor has ended, whether it had attached or not."""

    executor_id: str
    reason: str
    caused_by_tasks: bool = True
    """Whether what ran on it is charged: it may have been the cause."""


@dataclass(frozen=True, slots=True)
class ExecutorLeaves(Effect):
    """An executor that has been asked to end is to get nothing any more; its end is no loss."""

    executor_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SendToExecutor(Effect):
    """Send a frame to an executor, now or once it has attached."""

    executor_id: str
    frame: spark_pb2.DriverFrame


@dataclass(frozen=True, slots=True)
class AskForTasks(Effect):
    """Let the task scheduler fill these cores: `launch` is called per executor, then `launched`."""

    offers: Sequence[WorkerOffer]


@dataclass(frozen=True, slots=True)
class TaskResults(Effect):
    """Spark tasks have ended on an executor."""

    executor_id: str
    results: spark_pb2.TaskResults


@dataclass(frozen=True, slots=True)
class GiveUp(Effect):
    """No executor will ever run; the message says why."""

    message: str


class MesosCore(Protocol):
    """The decisions of a Mesos backend. `now` is in epoch seconds.

    Besides the effects above it sets and cancels timers (`minimesos.actor`).
    """

    name: str
    """Spark's name of the backend, after which the thread is named that drives it."""

    launches_on_offers: bool
    """Whether tasks come by `AskForTasks` instead of going to executors as they are."""

    @property
    def default_parallelism(self) -> int:
        """Partitions of a collection whose caller names none."""
        ...

    @property
    def is_idle(self) -> bool:
        """No executor that was launched is left."""
        ...

    def take_effects(self) -> list[Effect]:
        """Return what is to be done since the last call, in order."""
        ...

    def subscribed(self, framework_id: str, driver_url: str, now: float) -> None:
        """The master has taken the framework on, for the first time or again.

        Executors find the driver at `driver_url` (host:port).
        """
        ...

    def disconnected(self, now: float) -> None:
        """The master is not to be reached: offers are void, and late calls may have been lost.

        `subscribed` follows, or the end of the application.
        """
        ...

    def offers(self, offers: Sequence[mesos_pb2.Offer], now: float) -> None:
        """The master offers resources. Every offer is answered exactly once, if not now, later."""
        ...

    def rescinded(self, offer_id: str, now: float) -> None:
        """An offer is void."""
        ...

    def update(self, status: mesos_pb2.TaskStatus, now: float) -> None:
        """A Mesos task has changed. The shell acknowledges."""
        ...

    def results(self, executor_id: str, results: spark_pb2.TaskResults, now: float) -> None:
        """An executor says by itself that Spark tasks have ended. Told only where these are
        launched on offers."""
        ...

    def executor_failed(self, failure: scheduler_pb2.Event.Failure, now: float) -> None:
        """An agent, or a Mesos executor on it, is gone."""
        ...

    def attached(self, executor_id: str, now: float) -> None:
        """An executor that was launched has connected to the driver."""
        ...

    def detached(self, executor_id: str, now: float) -> None:
        """An executor that had connected has no connection any more, and will not come again."""
        ...

    def timer_fired(self, name: str, now: float) -> None:
        """A timer of ours is due."""
        ...

    def launch(self, executor_id: str, frame: spark_pb2.DriverFrame, now: float) -> None:
        """The task scheduler has something for an executor."""
        ...

    def launched(self, now: float) -> None:
        """The task scheduler has filled what `AskForTasks` gave it."""
        ...

    def revive(self, now: float) -> None:
        """Tasks wait: have offers that were declined come back."""
        ...

    def request_total_executors(
        self, total: int, local_tasks: Mapping[str, int], now: float
    ) -> None:
        """Hold no more than `total` executors; `local_tasks` prefer these hosts."""
        ...

    def kill_executors(self, executor_ids: Sequence[str], now: float) -> None:
        """End these executors; ids of none are left out."""
        ...

    def shortage(self, now: float) -> list[str]:
        """Say for people, a line an agent, why no executor could be launched there."""
        ...

    def stop(self, now: float) -> None:
        """The application ends: decline all offers, and say nothing of executors any more."""
        ...
