"""What people are told when there are no executors."""

from __future__ import annotations

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.backends import shortage
from minimesos.spark.backends.ledger import Ledger
from minimesos.spark.backends.offers import CoarseSettings, answer_offers
from minimesos.spark.backends.shortage import NOT_OFFERED, Shortage
from minimesos.testing import builders


class Cluster:
    """Offers that were answered, and what is said of them."""

    def __init__(self, **conf: object) -> None:
        texts = {"spark." + name.replace("_", "."): str(value) for name, value in conf.items()}
        self.settings = CoarseSettings.from_conf(texts)
        self.ledger = Ledger()
        self.shortage = Shortage(self.settings, "analytics")

    def offer(self, *offers: mesos_pb2.Offer) -> None:
        self.shortage.note(answer_offers(offers, self.settings, self.ledger, 0))

    def lines(self, now: float = 0) -> list[str]:
        return self.shortage.lines(self.ledger, now)


def offer(number: int, resources: str, attributes: str = "") -> mesos_pb2.Offer:
    return builders.offer(
        f"o{number}", resources, agent_id=f"a{number}", hostname=f"host{number}",
        attributes=attributes,
    )  # fmt: skip


def test_a_role_that_is_offered_nothing_is_named_with_what_it_needs() -> None:
    cluster = Cluster(executor_cores=2)
    assert cluster.lines() == [
        "role analytics was offered nothing so far; an executor needs cpus:2, mem:1408"
    ]


def test_each_agent_is_named_with_what_it_lacks() -> None:
    cluster = Cluster(executor_cores=2, mesos_constraints="zone:a", blockManager_port=7000)
    cluster.offer(
        offer(1, "cpus:2;mem:1024;ports:[7000-7001]", "zone:a"),
        offer(2, "cpus:1;mem:4096", "zone:a"),
        offer(3, "cpus:4;mem:4096", "zone:b;os:x:y"),
    )
    assert cluster.lines() == [
        "an executor needs cpus:2, mem:1408, port 7000 on an agent with zone:a",
        "agent host1 (cpus:2, mem:1024; zone=a): needs 1408 MB, has 1024",
        "agent host2 (cpus:1, mem:4096; zone=a): needs 2 cpus, has 1; needs port 7000, which is "
        "not offered",
        "agent host3 (cpus:4, mem:4096; zone=b, os=x:y): unmet constraints: zone:a is not met by "
        "zone=b",
        "agents that were not offered are not named: they are in use, or belong to another role",
    ]


def test_an_excluded_agent_is_named_with_the_reason_and_the_time_left() -> None:
    cluster = Cluster()
    cluster.offer(offer(1, "cpus:2;mem:4096"))
    cluster.ledger.end("0")
    cluster.ledger.agents["a1"].failed("no Python", 1, 300, 0)
    cluster.offer(offer(1, "cpus:2;mem:4096"))
    assert cluster.lines(now=100)[1:] == [
        "agent host1 (cpus:2, mem:4096): excluded for 200 s yet: no Python",
        NOT_OFFERED,
    ]
    assert cluster.lines(now=300)[1:] == [
        "agents that were offered have had that; the next offers are waited for",
        NOT_OFFERED,
    ]


def test_an_executor_that_does_not_connect_is_named() -> None:
    cluster = Cluster()
    cluster.offer(offer(1, "cpus:2;mem:4096"))
    assert cluster.lines()[1:] == [
        "executor 0 was launched on agent host1 and has not connected yet"
    ]
    cluster.ledger.executors["0"].has_attached = True
    assert cluster.lines() == []


def test_an_agent_is_judged_by_what_it_was_offered_last() -> None:
    cluster = Cluster(cores_max=1)
    cluster.offer(offer(1, "cpus:2;mem:10"))
    assert len(cluster.lines()) == 3
    cluster.offer(offer(1, "cpus:2;mem:4096"))
    cluster.ledger.executors["0"].has_attached = True
    cluster.offer(offer(1, "cpus:1;mem:10"))  # but there is no need for more
    assert cluster.lines() == []


def test_a_maximum_below_the_size_of_an_executor_is_said_to_be_one() -> None:
    cluster = Cluster(cores_max=1, executor_cores=2)
    cluster.offer(offer(1, "cpus:2;mem:10"))
    assert cluster.lines() == [
        "spark.cores.max is below spark.executor.cores: there can be no executor"
    ]


def test_of_many_agents_some_are_named_and_few_thousand_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shortage, "AGENTS_MAX", 20)
    cluster = Cluster()
    cluster.offer(*(offer(number, "cpus:2;mem:10") for number in range(30)))
    lines = cluster.lines()
    assert len(lines) == 13
    assert lines[1].startswith("agent host10 ")
    assert lines[-2:] == ["and 10 more", NOT_OFFERED]
