"""Schedulers that crash, come back, or stay away."""

from __future__ import annotations

from minimesos.resources import Resources
from minimesos.testing.cluster import SimCluster
from minimesos.testing.executors import finishes


def test_tasks_go_on_while_their_scheduler_fails_over():
    cluster = SimCluster(seed=1)
    framework = cluster.subscribe("spark", role="dev", failover_timeout=600)
    task = framework.launch_on("agent-1", behaviour=finishes(after_s=60))
    id = framework.id
    cluster.crash("spark")
    cluster.advance(30)
    assert cluster.master.allocated("dev").cpus == 1
    cluster.restart("spark")
    cluster.advance(120)
    assert framework.id == id
    assert framework.states(task) == ["TASK_STAGING", "TASK_RUNNING", "TASK_FINISHED"]
    cluster.settle()


def test_what_happens_while_the_scheduler_is_away_is_told_when_it_is_back():
    cluster = SimCluster(seed=2)
    framework = cluster.subscribe("spark", failover_timeout=600)
    task = framework.launch_on("agent-1", behaviour=finishes(after_s=5))
    cluster.crash("spark")
    cluster.advance(60)
    assert framework.states(task)[-1] == "TASK_RUNNING"
    cluster.restart("spark")
    cluster.advance(90)
    assert framework.states(task)[-1] == "TASK_FINISHED"


def test_a_framework_that_stays_away_is_removed_and_its_executors_die():
    cluster = SimCluster(seed=3)
    framework = cluster.subscribe("spark", role="dev", failover_timeout=60)
    framework.launch_on("agent-1")
    cluster.crash("spark")
    cluster.advance(70)
    assert cluster.master.allocated("dev") == Resources.EMPTY
    assert not cluster.agent("agent-1").state.containers
    cluster.restart("spark")
    cluster.advance(5)
    assert framework.error == "Framework has been removed"


def test_a_framework_without_failover_timeout_dies_with_its_scheduler():
    cluster = SimCluster(seed=4)
    framework = cluster.subscribe("spark", role="dev")
    framework.launch_on("agent-1")
    cluster.crash("spark")
    cluster.advance(10)
    assert not cluster.master.cluster.frameworks
    assert not cluster.agent("agent-1").state.containers


def test_a_scheduler_behind_a_partition_keeps_its_framework_when_it_returns():
    cluster = SimCluster(seed=5)
    framework = cluster.subscribe("spark", role="dev", failover_timeout=600)
    task = framework.launch_on("agent-1")
    cluster.partition("spark")
    cluster.advance(100)  # it hears no heartbeat and tries to subscribe again
    assert not framework.is_subscribed
    cluster.heal("spark")
    cluster.settle()
    assert framework.is_subscribed
    assert framework.states(task)[-1] == "TASK_RUNNING"
