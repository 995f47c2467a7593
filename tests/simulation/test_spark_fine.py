"""Fine-grained Spark applications in a cluster: every task ends once, every core comes back."""

from __future__ import annotations

import pytest

from minimesos.testing.cluster import SimCluster
from minimesos.testing.fine_application import SimFineApplication
from minimesos.testing.nemesis import torment
from minimesos.testing.spark_nemesis import SparkNemesis

SMALL = {"spark.mesos.coarse": "false", "spark.executor.memory": "100m"}


def application(cluster: SimCluster, name: str = "app", **conf: object) -> SimFineApplication:
    settings = {"spark." + key.replace("_", "."): str(value) for key, value in conf.items()}
    return SimFineApplication(cluster, name, SMALL | settings)


def test_cores_are_held_by_tasks_and_by_executors_only() -> None:
    cluster = SimCluster(seed=1, agents=2, cpus=4, mem=8192)
    app = application(cluster)
    cluster.advance(10)
    assert cluster.master.allocated("*").cpus == 0
    app.submit_tasks(30)
    cluster.advance(1.5)
    assert cluster.master.allocated("*").cpus == 8
    assert cluster.run_until(lambda: app.work.is_done, 60)
    cluster.advance(1)
    assert cluster.master.allocated("*").cpus == 2
    app.stop()
    cluster.advance(5)
    assert app.lost == []
    assert cluster.master.cluster.frameworks == {}
    cluster.settle()


def test_thirty_tasks_on_six_cores_take_five_rounds_without_waiting_for_the_next_period() -> None:
    cluster = SimCluster(seed=2, agents=2, cpus=4, mem=8192)
    app = application(cluster)
    app.submit_tasks(6)
    assert cluster.run_until(lambda: app.work.is_done, 60)
    began = cluster.now
    app.submit_tasks(30)
    assert cluster.run_until(lambda: app.work.is_done, 60)
    assert cluster.now - began < 5 * 1.2  # a task takes a second


def test_an_application_uses_the_cores_that_another_leaves() -> None:
    cluster = SimCluster(seed=3, agents=2, cpus=3, mem=8192)
    first = application(cluster, "first", mesos_mesosExecutor_cores=0)
    second = application(cluster, "second", mesos_mesosExecutor_cores=0)
    for busy in (first, second, first):
        busy.submit_tasks(60)
        cluster.advance(4)
        assert cluster.master.allocated("*").cpus == 6
        assert sum(map(len, busy.work.running.values())) == 6
        assert cluster.run_until(lambda busy=busy: busy.work.is_done, 100)
    cluster.settle()


def test_the_tasks_of_an_executor_that_dies_are_done_elsewhere() -> None:
    cluster = SimCluster(seed=4, agents=2, cpus=3, mem=8192)
    app = application(cluster)
    lives = {"agent-1": 5.0}
    app.lives_s = lambda host: lives.pop(host, None)
    app.submit_tasks(60)
    assert cluster.run_until(lambda: app.work.is_done, 100)
    ((_, reason, charged),) = app.lost
    assert charged
    assert reason.startswith("Executor finished with state FAILED")
    cluster.settle()


def test_an_agent_on_which_executors_do_not_start_is_left_alone() -> None:
    cluster = SimCluster(seed=5, agents=2, cpus=2, mem=8192)
    app = application(cluster)
    app.lives_s = lambda host: 0.0 if host == "agent-1" else None
    app.submit_tasks(20)
    assert cluster.run_until(lambda: app.work.is_done, 100)
    bad = cluster.agent("agent-1").state.agent_id
    assert any("excluded" in line for line in app.fine_core.shortage(cluster.now))
    assert sum(task.agent_id == bad for task in cluster.master.cluster.offers.values()) == 0
    cluster.settle()


@pytest.mark.seeds(4)
def test_a_new_master_finds_tasks_and_executors_at_work(seed: int) -> None:
    cluster = SimCluster(seed=seed, agents=2, cpus=3, mem=8192)
    app = application(cluster, mesos_driver_failoverTimeout=600)
    app.submit_tasks(100)
    cluster.advance(10)
    cluster.crash("master")
    cluster.advance(5)
    cluster.restart("master")
    assert cluster.run_until(lambda: app.work.is_done, 200)
    assert app.lost == []
    cluster.settle()


def test_a_driver_that_comes_back_is_not_misled_by_the_ends_of_earlier_tasks() -> None:
    cluster = SimCluster(seed=8, agents=2, cpus=3, mem=8192)
    app = application(cluster, mesos_driver_failoverTimeout=600)
    app.submit_tasks(100)
    cluster.advance(10)
    cluster.crash("app")
    cluster.restart("app")
    assert cluster.run_until(lambda: app.work.is_done, 200)
    cluster.settle()
    assert cluster.master.allocated("*").cpus == 2


@pytest.mark.seeds(6)
def test_tormented_applications_come_to_what_they_want_and_leave_nothing(seed: int) -> None:
    cluster = SimCluster(seed=seed, agents=4, cpus=4, mem=8192)
    conf = {"minimesos_excludeOnFailure_timeout": "60s", "mesos_driver_failoverTimeout": 1e6}
    first = application(cluster, "first", **conf)
    second = application(cluster, "second", mesos_mesosExecutor_cores=0, **conf)
    other = cluster.subscribe("other", failover_timeout=1e6)
    torment(cluster, 1200, nemesis=SparkNemesis(cluster, first, second))
    cluster.settle()
    cluster.advance(100)
    other.teardown()
    for app in (first, second):
        app.submit_tasks(10)
        assert cluster.run_until(lambda app=app: app.work.is_done, 400)
        app.stop()
    cluster.advance(20)
    assert cluster.master.cluster.frameworks == {}
    cluster.settle()
