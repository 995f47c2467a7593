"""Coarse-grained Spark applications in a cluster."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from minimesos.actor import Effect, Stimulus
from minimesos.resources import Resources
from minimesos.testing.cluster import SimCluster
from minimesos.testing.nemesis import torment
from minimesos.testing.simulator import Node
from minimesos.testing.spark_application import SimSparkApplication
from minimesos.testing.spark_nemesis import SparkNemesis

ONE_CORE = {"spark.executor.cores": "1", "spark.executor.memory": "100m"}


def application(cluster: SimCluster, name: str = "app", **conf: object) -> SimSparkApplication:
    settings = {"spark." + key.replace("_", "."): str(value) for key, value in conf.items()}
    return SimSparkApplication(cluster, name, ONE_CORE | settings)


def test_executors_start_do_the_work_and_leave_nothing_behind() -> None:
    cluster = SimCluster(seed=1, agents=2, cpus=4, mem=8192)
    app = application(cluster, cores_max=3)
    app.submit_tasks(30)
    assert cluster.run_until(lambda: app.work.is_done, 60)
    assert sorted(app.driver.executors) == ["0", "1", "2"]
    assert cluster.master.allocated("*").cpus == 3
    app.stop()
    cluster.advance(5)
    assert app.lost == []
    assert cluster.master.cluster.frameworks == {}
    cluster.settle()


def test_an_executor_that_dies_is_replaced_and_its_tasks_are_done_elsewhere() -> None:
    cluster = SimCluster(seed=2, agents=2, cpus=1, mem=8192)
    app = application(cluster)
    app.submit_tasks(40)
    cluster.advance(5)
    app.executors["0"].die()
    assert cluster.run_until(lambda: app.work.is_done, 60)
    ((id, reason, charged),) = app.lost
    assert (id, charged) == ("0", True)
    assert reason.startswith("Executor finished with state FAILED")
    assert sorted(app.driver.executors) == ["1", "2"]
    cluster.settle()


def test_executors_of_a_dead_agent_are_replaced_where_there_is_room_and_no_task_is_charged() -> (
    None
):
    cluster = SimCluster(seed=3, agents=2, cpus=2, mem=8192)
    app = application(cluster, cores_max=2, executor_cores=2)
    assert cluster.run_until(lambda: bool(app.driver.executors), 30)
    host = app.driver.executors["0"].host
    cluster.crash(host)
    assert cluster.run_until(lambda: list(app.driver.executors) == ["1"], 30)
    assert app.driver.executors["1"].host != host
    assert [charged for _, _, charged in app.lost] == [False]
    cluster.settle()


def test_an_agent_on_which_executors_fail_is_left_alone_and_tried_again_in_time() -> None:
    cluster = SimCluster(seed=4, agents=2, cpus=1, mem=8192)
    app = application(cluster, minimesos_excludeOnFailure_timeout="102s")
    app.lives_s = lambda host: 0.1 if host == "agent-1" else None
    bad = cluster.agent("agent-1").state.agent_id
    cluster.advance(1000)
    times = [time for time, agent_id, _ in app.launches if agent_id == bad]
    pairs = [(times[n], times[n + 1]) for n in range(0, len(times) - 1, 2)]
    assert 8 <= len(pairs) <= 10
    assert all(second - first < 10 for first, second in pairs)
    assert all(102 < late[0] - early[1] < 104 for early, late in itertools.pairwise(pairs))
    assert len(app.driver.executors) == 1
    assert app.given_up == []

    app.lives_s = lambda host: None
    assert cluster.run_until(lambda: len(app.driver.executors) == 2, 120)


def test_an_application_whose_executors_never_start_fails_at_once_with_the_reason() -> None:
    cluster = SimCluster(seed=5, agents=2, cpus=1, mem=8192)
    app = application(cluster)
    app.lives_s = lambda host: 0.0
    assert cluster.run_until(lambda: bool(app.given_up), 30)
    assert "Executor finished with state FAILED" in app.given_up[0]
    assert len(app.launches) == 4
    cluster.advance(100)
    assert len(app.given_up) == 1


def test_an_application_that_wants_an_image_which_agents_cannot_have_is_told_so() -> None:
    cluster = SimCluster(seed=6, agents=2, cpus=1, mem=8192)
    app = application(cluster, mesos_executor_docker_image="some/spark:3")
    assert cluster.run_until(lambda: bool(app.given_up), 30)
    assert "this agent has no DOCKER containers ('some/spark:3')" in app.given_up[0]
    assert app.executors == {}


@pytest.mark.seeds(4)
def test_a_new_master_finds_the_executors_at_work(seed: int) -> None:
    cluster = SimCluster(seed=seed, agents=2, cpus=1, mem=8192)
    app = application(cluster, mesos_driver_failoverTimeout=600)
    app.submit_tasks(200)
    cluster.advance(10)
    cluster.crash("master")
    cluster.advance(5)
    cluster.restart("master")
    assert cluster.run_until(lambda: app.work.is_done, 200)
    assert sorted(app.driver.executors) == ["0", "1"]
    assert app.lost == []
    cluster.settle()


def test_the_executors_of_a_dead_driver_are_gone_and_their_cores_free_in_seconds() -> None:
    cluster = SimCluster(seed=7, agents=2, cpus=2, mem=8192)
    first = application(cluster, "first")
    cluster.advance(10)
    second = application(cluster, "second")
    assert len(first.driver.executors) == 4
    cluster.crash("first")
    assert cluster.run_until(lambda: len(second.driver.executors) == 4, 15)


def test_a_driver_that_comes_back_takes_its_framework_over() -> None:
    cluster = SimCluster(seed=8, agents=2, cpus=2, mem=8192)
    app = application(cluster, mesos_driver_failoverTimeout=600)
    app.submit_tasks(100)
    cluster.advance(10)
    id = app.id
    old = set(app.driver.executors)
    assert len(old) == 4
    app.executors["0"].freeze()  # it does not notice that its driver has gone
    cluster.crash("app")
    cluster.restart("app")

    assert cluster.run_until(lambda: app.work.is_done, 200)
    assert app.id == id
    assert cluster.run_until(lambda: len(app.driver.executors) == 4, 100)
    assert old.isdisjoint(app.driver.executors)
    assert len(set(app.tasks)) == len(app.tasks)  # no id was used again
    cluster.settle()
    assert cluster.master.allocated("*").cpus == 4


def test_a_driver_whose_framework_another_has_taken_over_is_told() -> None:
    cluster = SimCluster(seed=9, agents=1, cpus=2, mem=8192)
    first = application(cluster, "first", mesos_driver_failoverTimeout=600)
    cluster.advance(10)
    second = application(cluster, "second", mesos_driver_frameworkId=first.id)
    cluster.advance(10)
    assert first.error == "Framework failed over"
    assert len(second.driver.executors) == 2
    assert cluster.master.allocated("*").cpus == 2
    cluster.settle()


def test_executors_come_and_go_as_they_are_asked_for() -> None:
    cluster = SimCluster(seed=10, agents=2, cpus=4, mem=8192)
    app = application(cluster, dynamicAllocation_enabled="true")
    cluster.advance(30)
    assert app.launches == []
    asked_s = cluster.now
    app.request_total_executors(3)
    assert cluster.run_until(lambda: len(app.driver.executors) == 3, 10)
    assert cluster.now - asked_s < 2  # declined offers did not have to come back by themselves
    app.request_total_executors(1)
    app.kill_executors("0", "2")
    assert list(app.driver.executors) == ["1"]
    assert cluster.run_until(lambda: list(app.core.executor_ids) == ["1"], 10)
    assert [charged for _, _, charged in app.lost] == [False, False]
    cluster.advance(30)
    assert len(app.launches) == 3
    cluster.settle()


def test_an_executor_that_hangs_is_replaced_and_its_cores_come_back() -> None:
    cluster = SimCluster(seed=12, agents=1, cpus=1, mem=8192)
    app = application(cluster)
    app.submit_tasks(5)
    cluster.advance(2)
    app.executors["0"].freeze()
    cluster.advance(125)
    assert app.lost == [("0", "it was silent", True)]
    assert cluster.run_until(lambda: app.work.is_done, 30)
    assert list(app.driver.executors) == ["1"]


def test_a_stop_does_not_wait_for_an_agent_that_cannot_be_reached() -> None:
    cluster = SimCluster(seed=11, agents=2, cpus=1, mem=8192)
    app = application(cluster, mesos_coarse_shutdownTimeout="10s")
    cluster.advance(10)
    cluster.partition("agent-1")
    app.stop()
    cluster.advance(9)
    assert app.is_subscribed
    cluster.advance(2)
    assert app.over
    assert app.lost == []
    assert cluster.master.cluster.frameworks == {}
    cluster.settle()
    assert cluster.master.allocated("*") == Resources.EMPTY


class CoresAreBounded:
    """An observer: no application ever believes to have more cores than it may."""

    def __init__(self, **bounds: tuple[SimSparkApplication, int]) -> None:
        self._bounds = bounds

    def stepped(self, node: Node, stimulus: Stimulus | None, effects: Sequence[Effect]) -> None:
        for app, most in self._bounds.values():
            assert app.core.total_cores_acquired <= most


@pytest.mark.seeds(6)
def test_tormented_applications_keep_to_the_rules_and_come_to_what_they_want(seed: int) -> None:
    cluster = SimCluster(seed=seed, agents=4, cpus=4, mem=8192)
    exclusion = {"minimesos_excludeOnFailure_timeout": "60s"}
    bounded = application(
        cluster, "bounded", cores_max=5, mesos_driver_failoverTimeout=1e6, **exclusion
    )
    dynamic = application(
        cluster,
        "dynamic",
        executor_cores=2,
        dynamicAllocation_enabled="true",
        mesos_driver_failoverTimeout=1e6,
        **exclusion,
    )
    dynamic.request_total_executors(3)
    other = cluster.subscribe("other", failover_timeout=1e6)
    cluster.simulator.observers.append(CoresAreBounded(a=(bounded, 5), b=(dynamic, 6)))

    torment(cluster, 1200, nemesis=SparkNemesis(cluster, bounded, dynamic))
    cluster.settle()
    cluster.advance(100)  # in which broken connections are found to be
    other.teardown()
    dynamic.request_total_executors(3)  # a new driver does not know
    assert cluster.run_until(
        lambda: (len(bounded.driver.executors), len(dynamic.driver.executors)) == (5, 3), 600
    )
    for app in (bounded, dynamic):
        app.submit_tasks(10)
        assert cluster.run_until(lambda app=app: app.work.is_done, 200)
        app.stop()
    cluster.advance(20)
    assert cluster.master.cluster.frameworks == {}
    cluster.settle()
