"""Two roles with weights 2:1 and endless work, for a minute of virtual time: who holds which cores.

Applications in coarse-grained mode hold executors of one core, for some seconds each as under
dynamic allocation, or for good. The fine-grained mode is played: an executor per agent stays, and
tasks of it come and go, each end followed by a REVIVE. Both say which offers are of use to them, as
Spark's backends do (`useful_offers`).

Whole cores can be split 2:1 only where there are a multiple of three; elsewhere the nearest split
is right. Fairness is of the moment: DRF looks at what is held now, not at what was.
"""

from __future__ import annotations

from functools import partial
from random import Random

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.spark.backends.framework import useful_offers
from minimesos.states import TERMINAL
from minimesos.testing import builders
from minimesos.testing.cluster import SimCluster
from minimesos.testing.executors import finishes
from minimesos.testing.spark_application import SimSparkApplication

Event = scheduler_pb2.Event
REVIVE = scheduler_pb2.Call(type=scheduler_pb2.Call.REVIVE)
FINE = {"spark.mesos.coarse": "false"}
WEIGHTS = {"weights": "heavy=2,light=1"}
SHORT_S = (1.0, 3.0)
HELD_S = (3.0, 12.0)
ROLES = ("light", "heavy")
EXECUTOR_MEM = 64
SAMPLE_S = 0.1


class FineGrained:
    """A framework that always has work, for as many cores as it is offered.

    Tasks take a time between two bounds. `executor_cpus` is what the executor of an agent holds.
    """

    def __init__(
        self,
        cluster: SimCluster,
        role: str,
        task_s: tuple[float, float],
        executor_cpus: float = 0,
    ) -> None:
        self.role = role
        self._cluster = cluster
        self._task_s = task_s
        self._executor_cpus = executor_cpus
        self._executors: dict[str, mesos_pb2.ExecutorInfo] = {}
        self._random = Random(role)
        self._framework = cluster.subscribe(role, role, offer_filters={role: useful_offers(FINE)})
        self._framework.react = self._hear

    def _hear(self, event: Event) -> None:
        if event.type == Event.UPDATE and event.update.status.state in TERMINAL:
            self._framework.submit(REVIVE)
        for offer in list(self._framework.offers.values()):
            self._answer(offer)

    def _answer(self, offer: mesos_pb2.Offer) -> None:
        cpus = sum(each.scalar.value for each in offer.resources if each.name == "cpus")
        tasks = self._tasks(offer.agent_id.value, cpus)
        self._framework.offers.pop(offer.id.value)
        if tasks:
            launch = builders.launch(*tasks)
            call = builders.accept([offer.id.value], launch, refuse_seconds=1)
        else:
            call = builders.decline([offer.id.value])
        self._framework.submit(call)

    def _tasks(self, agent_id: str, cpus: float) -> list[mesos_pb2.TaskInfo]:
        executor = self._executors.get(agent_id)
        if executor is None:
            if cpus < self._executor_cpus + 1:
                return []
            cpus -= self._executor_cpus
            executor = builders.executor_info("e", cpus=self._executor_cpus, mem=EXECUTOR_MEM)
            self._executors[agent_id] = executor
        return [self._task(agent_id, executor) for _ in range(int(cpus))]

    def _task(self, agent_id: str, executor: mesos_pb2.ExecutorInfo) -> mesos_pb2.TaskInfo:
        task_id = f"{self.role}-{len(self._framework.tasks)}"
        self._framework.tasks.append(task_id)
        self._cluster.behaviours[task_id] = finishes(self._random.uniform(*self._task_s))
        task = builders.task_info(task_id, agent_id, cpus=1, executor=executor)
        del task.resources[1:]  # its memory is its executor's
        return task


class CoarseGrained:
    """A Spark application that takes each core it is offered for an executor.

    If `held_s` is given, it gives each back after a time between these bounds.
    """

    def __init__(
        self, cluster: SimCluster, role: str, held_s: tuple[float, float] | None = None
    ) -> None:
        conf = {"spark.executor.cores": "1", "spark.executor.memory": "64m"}
        self.application = SimSparkApplication(cluster, role, {**conf, "spark.mesos.role": role})
        self._cluster = cluster
        self._held_s = held_s
        self._random = Random(role)
        self._seen: set[str] = set()
        cluster.simulator.after(SAMPLE_S, self._look)

    def _look(self) -> None:
        for executor_id in self.application.core.executor_ids - self._seen:
            self._seen.add(executor_id)
            if self._held_s is not None:
                held_s = self._random.uniform(*self._held_s)
                self._cluster.simulator.after(held_s, partial(self._give_back, executor_id))
        self._cluster.simulator.after(SAMPLE_S, self._look)

    def _give_back(self, executor_id: str) -> None:
        self.application.kill_executors(executor_id)


class Minute:
    """How many cores each role held while some time passed: on average, and at every moment."""

    def __init__(self, cluster: SimCluster, seconds: float = 60) -> None:
        self.moments: list[tuple[int, ...]] = []
        for _ in range(int(seconds / SAMPLE_S)):
            cluster.advance(SAMPLE_S)
            allocated = (cluster.master.allocated(role).cpus for role in ROLES)
            self.moments.append(tuple(map(int, allocated)))
        sums = map(sum, zip(*self.moments, strict=True))
        self.light, self.heavy = (each / len(self.moments) for each in sums)


def cluster_of(*cpus: float) -> SimCluster:
    return SimCluster(
        1, len(cpus), cpus, 65536, master_flags=WEIGHTS, keep_transcript=False, check=False
    )


def expect_two_to_one(minute: Minute, cores: int) -> None:
    assert minute.heavy == pytest.approx(2 * minute.light, rel=0.1)
    assert minute.heavy + minute.light > 0.95 * cores


@pytest.mark.parametrize("executor_cpus", [0, 1])
@pytest.mark.parametrize("cpus", [(6,), (3, 3, 3, 3), (6, 4, 2)], ids=str)
def test_short_tasks_hold_cores_by_weight(cpus, executor_cpus):
    cluster = cluster_of(*cpus)
    for role in ROLES:
        FineGrained(cluster, role, SHORT_S, executor_cpus)
    cluster.advance(20)
    expect_two_to_one(Minute(cluster), sum(cpus))


@pytest.mark.parametrize("cpus", [(1,) * 6, (3, 3), (5, 4, 2, 1)], ids=str)
def test_executors_that_are_given_back_now_and_then_hold_cores_by_weight(cpus):
    cluster = cluster_of(*cpus)
    for role in ROLES:
        CoarseGrained(cluster, role, HELD_S)
    cluster.advance(20)
    expect_two_to_one(Minute(cluster), sum(cpus))


@pytest.mark.parametrize("order", [("light", "heavy"), ("heavy", "light")])
def test_a_framework_that_comes_late_gets_its_share_as_tasks_end(order):
    cluster = cluster_of(3, 3)
    first, late = order
    FineGrained(cluster, first, SHORT_S)
    cluster.advance(30)
    assert cluster.master.allocated(first).cpus == 6
    FineGrained(cluster, late, SHORT_S)
    cluster.advance(6)  # twice what the longest task takes
    expect_two_to_one(Minute(cluster), 6)


def test_where_whole_cores_cannot_be_split_two_to_one_the_nearest_split_is_held():
    cluster = cluster_of(4, 4)
    for role in ROLES:
        FineGrained(cluster, role, SHORT_S)
    cluster.advance(20)
    minute = Minute(cluster)
    assert minute.heavy == pytest.approx(5, abs=0.2)
    assert minute.light == pytest.approx(3, abs=0.2)


def test_executors_that_are_held_for_good_are_not_taken_away():
    cluster = cluster_of(3, 3)
    first = CoarseGrained(cluster, "light")
    cluster.advance(5)
    CoarseGrained(cluster, "heavy")
    minute = Minute(cluster)
    assert (minute.light, minute.heavy) == (6, 0)
    first.application.stop()
    cluster.advance(5)
    minute = Minute(cluster)
    assert (minute.light, minute.heavy) == (0, 6)


@pytest.mark.parametrize("cpus", [(6,), (3, 3)], ids=str)
def test_tasks_that_end_at_one_moment_hold_cores_by_weight(cpus):
    cluster = cluster_of(*cpus)
    for role in ROLES:
        FineGrained(cluster, role, (1, 1))
    cluster.advance(20)
    expect_two_to_one(Minute(cluster), 6)
