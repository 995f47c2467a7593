"""Agents that cannot be reached, and what their frameworks are told."""

from __future__ import annotations

from minimesos.resources import Resources
from minimesos.testing.cluster import SimCluster


def test_tasks_of_an_unreachable_agent_are_reported_lost():
    cluster = SimCluster(seed=7, agents=2, cpus=4, mem=1024)
    framework = cluster.subscribe("spark", role="analytics")
    task = framework.launch_on("agent-1", cpus=1)
    cluster.partition("agent-1")
    cluster.advance(seconds=90)  # five missed pings 15 s apart, and the one in flight
    assert framework.states(task) == ["TASK_STAGING", "TASK_RUNNING", "TASK_LOST"]
    assert cluster.master.allocated("analytics") == Resources.EMPTY
