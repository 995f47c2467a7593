"""Tasks from launch to end, over real cores and a simulated network."""

from __future__ import annotations

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources
from minimesos.testing import builders
from minimesos.testing.cluster import SimCluster
from minimesos.testing.executors import NEVER_REGISTERS, fails, finishes


def test_a_task_runs_and_finishes_and_its_resources_are_free():
    cluster = SimCluster(seed=1)
    framework = cluster.subscribe("spark", role="dev")
    task = framework.launch_on("agent-1", cpus=3, behaviour=finishes(after_s=30))
    assert cluster.master.allocated("dev").cpus == 3
    cluster.advance(31)
    assert framework.states(task) == ["TASK_STAGING", "TASK_RUNNING", "TASK_FINISHED"]
    assert cluster.master.allocated("dev") == Resources.EMPTY
    cluster.advance(2)  # its executor lingers for a second
    assert not cluster.agent("agent-1").state.allocated()
    cluster.settle()


def test_a_task_that_fails_is_reported_failed():
    cluster = SimCluster(seed=2)
    framework = cluster.subscribe("spark")
    task = framework.launch_on("agent-2", behaviour=fails(after_s=1))
    cluster.advance(5)
    assert framework.states(task)[-1] == "TASK_FAILED"


def test_a_killed_task_is_reported_killed():
    cluster = SimCluster(seed=3)
    framework = cluster.subscribe("spark", role="dev")
    task = framework.launch_on("agent-1")
    framework.kill(task)
    cluster.advance(2)
    assert framework.states(task) == ["TASK_STAGING", "TASK_RUNNING", "TASK_KILLED"]
    assert cluster.master.allocated("dev") == Resources.EMPTY


def test_an_executor_that_never_registers_fails_its_task_after_the_timeout():
    cluster = SimCluster(seed=4)
    framework = cluster.subscribe("spark")
    task = framework.launch_on("agent-1", behaviour=NEVER_REGISTERS, wait=False)
    cluster.advance(59)
    assert framework.states(task) == ["TASK_STAGING"]
    cluster.advance(3)
    (status,) = framework.updates(task)
    assert status.state == mesos_pb2.TASK_FAILED
    assert status.reason == mesos_pb2.TaskStatus.REASON_EXECUTOR_REGISTRATION_TIMEOUT


def test_one_executor_runs_several_tasks_and_ends_with_its_framework():
    cluster = SimCluster(seed=5, agents=1)
    framework = cluster.subscribe("spark", role="dev")
    executor = builders.executor_info("e1", cpus=0.5, mem=64)
    first = framework.launch_on("agent-1", executor=executor)
    second = framework.launch_on("agent-1", executor=executor)
    assert cluster.master.allocated("dev") == Resources.of(cpus=2.5, mem=192)
    framework.kill(first)
    cluster.advance(2)
    assert framework.states(second)[-1] == "TASK_RUNNING"
    framework.teardown()
    cluster.advance(10)
    assert cluster.master.allocated("dev") == Resources.EMPTY
    assert not cluster.agent("agent-1").state.containers


def test_what_one_framework_declines_another_gets():
    cluster = SimCluster(seed=6, agents=1)
    first = cluster.subscribe("first")
    cluster.run_until(lambda: bool(first.offers), 5)
    second = cluster.subscribe("second")
    cluster.advance(5)
    assert not second.offers
    first.decline(refuse_seconds=60)
    cluster.advance(2)
    assert second.offers


def test_a_declined_agent_comes_back_after_the_filter_and_not_before():
    cluster = SimCluster(seed=7, agents=1)
    framework = cluster.subscribe("spark")
    cluster.run_until(lambda: bool(framework.offers), 5)
    framework.decline(refuse_seconds=30)
    cluster.advance(29)
    assert not framework.offers
    cluster.advance(3)
    assert framework.offers


def test_updates_wait_for_an_acknowledgement_and_come_again_until_it_comes():
    cluster = SimCluster(seed=8)
    framework = cluster.subscribe("spark")
    framework.acknowledges = False
    task = framework.launch_on("agent-1", behaviour=finishes(after_s=1))
    cluster.advance(35)  # resent after 10 s and 20 s more
    assert framework.states(task) == ["TASK_STAGING", "TASK_RUNNING"]
    framework.acknowledges = True
    cluster.advance(40)
    assert framework.states(task) == ["TASK_STAGING", "TASK_RUNNING", "TASK_FINISHED"]


@pytest.mark.parametrize("seed", range(3))
def test_two_frameworks_share_a_cluster_fairly(seed):
    """Each in turn gets an agent of its own; dominant shares end up equal."""
    cluster = SimCluster(seed=seed, agents=2, cpus=4, mem=1024)
    spark, storm = cluster.subscribe("spark", "a"), cluster.subscribe("storm", "b")
    spark.decline(refuse_seconds=0)
    cluster.advance(3)
    hosts = [[offer.hostname for offer in each.offers.values()] for each in (spark, storm)]
    assert sorted(map(len, hosts)) == [1, 1]
