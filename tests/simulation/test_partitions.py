"""Agents that cannot be reached, and what their frameworks are told."""

from __future__ import annotations

import pytest

from minimesos.resources import Resources
from minimesos.testing.builders import Capability
from minimesos.testing.cluster import SimCluster
from minimesos.testing.executors import finishes


def test_tasks_of_an_unreachable_agent_are_reported_lost():
    cluster = SimCluster(seed=7, agents=2, cpus=4, mem=1024)
    framework = cluster.subscribe("spark", role="analytics")
    task = framework.launch_on("agent-1", cpus=1)
    cluster.partition("agent-1")
    cluster.advance(seconds=90)  # five missed pings 15 s apart, and the one in flight
    assert framework.states(task) == ["TASK_STAGING", "TASK_RUNNING", "TASK_LOST"]
    assert cluster.master.allocated("analytics") == Resources.EMPTY


@pytest.mark.parametrize("aware", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_an_agent_that_was_unreachable_returns_with_its_running_tasks(seed, aware):
    cluster = SimCluster(seed=seed)
    framework = cluster.subscribe(
        "spark",
        role="dev",
        checkpoint=True,
        capabilities=[Capability.PARTITION_AWARE] if aware else [],
    )
    task = framework.launch_on("agent-1")
    agent_id = cluster.agent("agent-1").state.agent_id
    cluster.partition("agent-1")
    cluster.advance(200)
    cluster.heal("agent-1")
    cluster.settle()
    assert framework.states(task)[-1] == "TASK_RUNNING"
    assert framework.states(task)[2] == ("TASK_UNREACHABLE" if aware else "TASK_LOST")
    assert cluster.agent("agent-1").state.agent_id == agent_id
    assert cluster.master.allocated("dev").cpus == 1


def test_a_short_partition_is_not_noticed():
    cluster = SimCluster(seed=3)
    framework = cluster.subscribe("spark", checkpoint=True)
    task = framework.launch_on("agent-1")
    cluster.partition("agent-1")
    cluster.advance(30)
    cluster.heal("agent-1")
    cluster.settle()
    assert framework.states(task) == ["TASK_STAGING", "TASK_RUNNING"]


def test_a_task_that_ends_behind_a_partition_is_reported_when_it_heals():
    cluster = SimCluster(seed=4)
    framework = cluster.subscribe("spark", checkpoint=True)
    task = framework.launch_on("agent-1", behaviour=finishes(after_s=10))
    cluster.partition("agent-1")
    cluster.advance(120)
    assert framework.states(task)[-1] == "TASK_LOST"
    cluster.heal("agent-1")
    cluster.settle()
    assert framework.states(task)[-1] == "TASK_FINISHED"


def test_a_framework_that_ends_while_an_agent_is_away_leaves_nothing_there():
    cluster = SimCluster(seed=5)
    framework = cluster.subscribe("spark", checkpoint=True)
    framework.launch_on("agent-1")
    cluster.partition("agent-1")
    cluster.advance(100)
    framework.teardown()
    cluster.advance(1)
    cluster.heal("agent-1")
    cluster.advance(120)
    assert not cluster.agent("agent-1").state.containers
