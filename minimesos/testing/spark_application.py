"""A simulated Spark application in a `SimCluster`.

    app = SimSparkApplication(cluster, "app", {"spark.executor.cores": "1"})
    app.submit_tasks(100)
    assert cluster.run_until(lambda: app.work.is_done, timeout_s=60)

It runs the real core of a Mesos backend on a real session (`spark_driver`), and executors
(`simulated_executor`) that do its tasks. A driver that crashed comes back by `cluster.restart`
under its framework's id, remembering nothing but the tasks that are to be done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from minimesos.actor import Actor
from minimesos.drivers.scheduler_session import SchedulerSession
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.backends.coarse import CoarseGrainedCore
from minimesos.spark.backends.coarse_task import CoarseTasks
from minimesos.spark.backends.framework import useful_offers
from minimesos.spark.backends.mesos_core import MesosCore
from minimesos.spark.settings.mesos import MESOS_FAILOVER_TIMEOUT, MESOS_FRAMEWORK_ID, MESOS_ROLE
from minimesos.testing import builders
from minimesos.testing.cluster import DRIVER_PORT, SimCluster
from minimesos.testing.framework import SimFramework
from minimesos.testing.simulated_executor import ExecutorProgram
from minimesos.testing.spark_driver import SimDriver, StopDriver, TasksWait, Tell, Work


class SimExecutor(Protocol):
    """What a test does to an executor."""

    def freeze(self) -> None:
        """Do and notice nothing any more."""
        ...

    def die(self) -> None:
        """End without a word."""
        ...


class SimSparkApplication(SimFramework):
    """A coarse-grained application with `conf` as its settings, which is started at once.

    `wait` until it has subscribed.
    """

    def __init__(
        self, cluster: SimCluster, name: str, conf: Mapping[str, str], *, wait: bool = True
    ) -> None:
        role = MESOS_ROLE.read(conf)
        info = builders.framework_info(
            name,
            role,
            id=MESOS_FRAMEWORK_ID.read(conf) or "",
            failover_timeout=MESOS_FAILOVER_TIMEOUT.read(conf),
            offer_filters={role: useful_offers(conf)},
        )
        super().__init__(cluster, info)
        self.conf = dict(conf)
        self.work = Work()
        self.lost: list[tuple[str, str, bool]] = []
        """Executors that were connected: id, reason, and whether their tasks may be the cause."""
        self.given_up: list[str] = []
        """Why there will never be an executor; one reason, or none."""
        self.launches: list[tuple[float, str, str]] = []
        """Time, agent id and executor id of each."""
        self.lives_s: Callable[[str], float | None] = lambda host: None
        """Seconds after which an executor dies that is started on a host; None: it does not."""
        self.secret = b""
        self.driver: SimDriver
        self._lives = 0
        self.executors: dict[str, SimExecutor] = {}
        """The newest of each id that was started."""
        cluster.add(self, wait)

    @property
    def core(self) -> CoarseGrainedCore:
        """The core of the driver that runs, or ran last."""
        assert isinstance(self.driver.core, CoarseGrainedCore)
        return self.driver.core

    # -- what a test does -------------------------------------------------------------------------

    def submit_tasks(self, count: int) -> None:
        """Have some more tasks done."""
        self.work.submit(count)
        self._cluster.simulator.give(self.node, TasksWait())

    def request_total_executors(self, total: int) -> None:
        """Ask for executors, as dynamic allocation does."""
        self._tell("request_total_executors", total, {})

    def kill_executors(self, *executor_ids: str) -> None:
        """Give executors back."""
        self._tell("kill_executors", executor_ids)

    def stop(self) -> None:
        """End the application in order."""
        self._cluster.simulator.give(self.node, StopDriver())

    teardown = stop

    def _tell(self, method: str, *arguments: object) -> None:
        self._cluster.simulator.give(self.node, Tell(method, arguments))

    # -- for the cluster and the driver -----------------------------------------------------------

    def play(self, session: SchedulerSession) -> Actor:
        super().play(session)
        self._lives += 1
        self.secret = self._lives.to_bytes(2)
        if self.id:
            self.conf[MESOS_FRAMEWORK_ID.name] = self.id
        for executor_id in list(self.work.running):
            self.work.lost(executor_id)
        self.driver = SimDriver(self, session, self.make_core(), f"{self.name}:{DRIVER_PORT}")
        return self.driver

    def make_core(self) -> MesosCore:
        """Return the core of a new driver."""
        tasks = CoarseTasks(self.conf, self.name, self.secret, _command)
        return CoarseGrainedCore(self.conf, tasks)

    def launched(self, tasks: Sequence[mesos_pb2.TaskInfo]) -> None:
        """The core launches executors."""
        self._cluster.programs[self.id] = self._start
        for task in tasks:
            self.tasks.append(task.task_id.value)
            self.launches.append((self._cluster.now, task.agent_id.value, task.task_id.value))

    def believes_in(self, task_id: str) -> bool:
        return task_id in self.core.executor_ids

    def reconcile_all(self) -> None:
        """The core does so itself."""

    def _start(
        self,
        task: mesos_pb2.TaskInfo,
        host: str,
        ended: Callable[[mesos_pb2.TaskState], None],
    ) -> ExecutorProgram:
        lives_s = self.lives_s(host)
        program = ExecutorProgram(self._cluster.simulator, task, host, ended, lives_s)
        self.executors[task.task_id.value] = program
        return program


def _command(arguments: Sequence[str]) -> mesos_pb2.CommandInfo:
    return mesos_pb2.CommandInfo(value=" ".join(arguments))
