"""The seam between the task scheduler and whatever runs executors.

A backend acquires executors and carries frames; it decides nothing about tasks. The task scheduler
implements `BackendListener`. All calls in both directions happen on the driver's loop thread.
Does not know about RDDs, stages or results' contents: those are opaque bytes here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.env import Location
from minimesos.spark.scheduler.executor import WorkerOffer


class BackendListener(Protocol):
    """Hears of executors and of what they answer."""

    def executor_added(self, executor_id: str, host: str, cores: int, location: Location) -> None:
        """An executor has registered, passed the handshake, and takes frames from now on."""

    def executor_lost(self, executor_id: str, reason: str, caused_by_tasks: bool = True) -> None:
        """An executor is gone; `reason` says why, for people.

        What ran on it is charged with a failure unless it certainly was not the cause.
        """

    def resource_offers(self, offers: Sequence[WorkerOffer]) -> None:
        """Fill cores with tasks, this once: what is launched comes by `Backend.send` before this
        returns. Only of backends that launch on offers."""

    def results(self, executor_id: str, results: spark_pb2.TaskResults) -> None:
        """Ends of tasks, as columns; each task that was sent ends exactly once or is lost."""

    def printed(self, executor_id: str, printed: Sequence[spark_pb2.Printed]) -> None:
        """Tasks have printed; their ends come later."""

    def barrier_calls(self, executor_id: str, calls: Sequence[spark_pb2.BarrierCall]) -> None:
        """Tasks of barrier stages wait for an answer."""

    def blocks_copied(self, executor_id: str, blocks: Sequence[spark_pb2.CachedBlock]) -> None:
        """An executor has copies of other executors' cached partitions."""

    def backend_failed(self, message: str) -> None:
        """No executor will ever come (refused by the master, wrong version): fail all jobs."""


class Backend(Protocol):
    """Acquires executors and carries frames to them."""

    @property
    def application_id(self) -> str:
        """The framework id on a cluster, `local-<epoch ms>` otherwise; set once started."""
        ...

    @property
    def default_parallelism(self) -> int:
        """Partitions of a collection whose caller names none."""
        ...

    @property
    def blocks_address(self) -> str:
        """Where executors fetch the driver's blocks (host:port), once started; empty: they read
        its files."""
        ...

    @property
    def launches_on_offers(self) -> bool:
        """Whether tasks are launched by `resource_offers` only, instead of on what executors
        have."""
        ...

    async def start(self, listener: BackendListener) -> None:
        """Begin to acquire executors; returns once `application_id` is known, not waiting for them.

        Raises MinimesosError if the application is refused or its cluster cannot be reached.
        """
        ...

    def send(self, executor_id: str, frame: spark_pb2.DriverFrame) -> None:
        """Send a frame; dropped if the executor is gone (`executor_lost` has said so)."""
        ...

    def revive(self) -> None:
        """Tasks wait and no executor is free: a backend that declined offers asks again."""
        ...

    def request_total_executors(self, total: int, local_tasks: Mapping[str, int]) -> None:
        """Hold up to `total` executors; `local_tasks` counts waiting tasks by the host they prefer.

        Until it is called the first time there is no limit, or 0 under dynamic allocation.
        """
        ...

    def kill_executors(self, executor_ids: Sequence[str]) -> None:
        """End these executors, which run nothing; `executor_lost` follows for each."""
        ...

    def forget_shuffles(self, shuffle_ids: Sequence[int]) -> None:
        """No job can ask for these shuffles any more: files that executors have left behind with a
        shuffle service are garbage."""
        ...

    def shortage(self) -> list[str]:
        """Say for people, a line each, why executors could not be launched; empty: not known."""
        ...

    async def stop(self) -> None:
        """Release every executor; returns once all of them are gone or a bound has passed."""
        ...
