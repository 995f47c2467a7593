"""Checkers bite: each rule is broken on purpose, and its checker must say so."""

from __future__ import annotations

import pytest

from minimesos.actor import Disconnected, Received, Send, TimerFired
from minimesos.proto.mesos.v1 import mesos_pb2, scheduler_pb2
from minimesos.resources import Resources
from minimesos.testing import builders
from minimesos.testing.checkers import OfferLedger, Violation
from minimesos.testing.cluster import SimCluster

Event = scheduler_pb2.Event


def offers(*ids):
    messages = [
        mesos_pb2.Offer(
            id=mesos_pb2.OfferID(value=id),
            framework_id=mesos_pb2.FrameworkID(value="f"),
            agent_id=mesos_pb2.AgentID(value="a"),
            hostname="h",
        )
        for id in ids
    ]
    return [Send("f", Event(type=Event.OFFERS, offers=Event.Offers(offers=messages)))]


def rescind(id):
    offer_id = mesos_pb2.OfferID(value=id)
    return [Send("f", Event(type=Event.RESCIND, rescind=Event.Rescind(offer_id=offer_id)))]


def ledger(*ids):
    made = OfferLedger()
    made.stepped(TimerFired("allocate"), offers(*ids), set(ids))
    return made


def test_offers_may_be_answered_rescinded_or_end_with_their_subscription():
    book = ledger("o1", "o2", "o3")
    book.stepped(Received("f", builders.decline(["o1", "ghost"])), [], {"o2", "o3"})
    book.stepped(TimerFired("offer/o2"), rescind("o2"), {"o3"})
    book.stepped(Disconnected("f"), [], set())


@pytest.mark.parametrize(
    ("stimulus", "effects", "records", "message"),
    [
        (TimerFired("allocate"), offers("o1"), {"o1"}, "made twice"),
        (TimerFired("allocate"), [], set(), "vanished without a word"),
        (TimerFired("allocate"), rescind("o2"), {"o1"}, "gone already"),
        (Received("f", builders.decline(["o1"])), rescind("o1"), set(), "gone already"),
        (TimerFired("allocate"), [], {"o1", "o2"}, "never sent"),
    ],
)
def test_what_must_not_happen_to_an_offer(stimulus, effects, records, message):
    with pytest.raises(Violation, match=message):
        ledger("o1").stepped(stimulus, effects, records)


def running_cluster():
    cluster = SimCluster(seed=11)
    framework = cluster.subscribe("spark", role="dev")
    return cluster, framework, framework.launch_on("agent-1")


def test_giving_away_more_than_an_agent_has_is_noticed_and_the_seed_is_named():
    cluster, _, _ = running_cluster()
    agent = next(iter(cluster.master.cluster.agents.values()))
    agent.total = Resources.of(cpus=0.5)
    with pytest.raises(Violation, match=r"seed 11: agent .* is given away"):
        cluster.advance(60)


def test_a_terminal_task_that_changes_is_noticed():
    cluster, framework, task_id = running_cluster()
    framework.kill(task_id)
    cluster.advance(2)
    record = cluster.master.cluster.frameworks[framework.id].completed_tasks[0]
    record.state = mesos_pb2.TASK_RUNNING
    with pytest.raises(Violation, match="went from TASK_KILLED to TASK_RUNNING"):
        cluster.advance(60)


def test_an_update_that_would_not_be_sent_again_is_noticed():
    cluster, framework, task_id = running_cluster()
    framework.acknowledges = False
    framework.kill(task_id)
    cluster.advance(2)
    timer = next(name for name in cluster.nodes["agent-1"].timers if "status-update" in name)
    del cluster.nodes["agent-1"].timers[timer]
    with pytest.raises(Violation, match="is not sent again"):
        cluster.advance(60)


def test_a_task_on_two_agents_is_noticed():
    cluster, framework, task_id = running_cluster()
    first, second = (cluster.agent(name).state for name in ("agent-1", "agent-2"))
    second.frameworks[framework.id] = first.frameworks[framework.id]
    with pytest.raises(Violation, match=f"task {task_id} runs on agent-1 and agent-2"):
        cluster.advance(60)


def test_charges_that_never_come_back_keep_a_cluster_from_settling():
    cluster, framework, _ = running_cluster()
    record = cluster.master.cluster.frameworks[framework.id]
    record.used_by_agent.clear()
    assert "counted as" in cluster.checkers.unsettled()


def test_a_framework_that_does_not_know_of_its_task_keeps_a_cluster_from_settling():
    cluster, framework, task_id = running_cluster()
    assert cluster.checkers.unsettled() is None
    framework.updates(task_id)[-1].state = mesos_pb2.TASK_LOST
    assert cluster.checkers.unsettled() == f"spark does not know that {task_id} runs"
