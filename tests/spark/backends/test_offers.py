"""The coarse-grained offer algorithm, by the catalogue of Spark's own suite."""

from __future__ import annotations

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.backends.offers import (
    Answer,
    CoarseSettings,
    Ledger,
    answer_offers,
    default_overhead_mb,
)
from minimesos.spark.conf import SparkConf


def settings(**conf: object) -> CoarseSettings:
    spark = SparkConf(loadDefaults=False)
    for name, value in conf.items():
        spark.set("spark." + name.replace("_", "."), str(value))
    return CoarseSettings.from_conf(spark)


def scalar(name: str, value: float, role: str = "*") -> mesos_pb2.Resource:
    resource = mesos_pb2.Resource(name=name, type=mesos_pb2.Value.SCALAR, role=role)
    resource.scalar.value = value
    return resource


def offer(number: int, cpus: float, mem: float = 8192, agent: str = "") -> mesos_pb2.Offer:
    made = mesos_pb2.Offer(hostname=f"host{number}")
    made.id.value = f"o{number}"
    made.framework_id.value = "f"
    made.agent_id.value = agent or f"agent{number}"
    made.resources.extend([scalar("cpus", cpus), scalar("mem", mem)])
    return made


def cores(answers: list[Answer]) -> list[list[int]]:
    return [[launch.cores for launch in answer.launches] for answer in answers]


def test_without_executor_cores_an_executor_takes_all_whole_cores_of_the_offer() -> None:
    assert cores(answer_offers([offer(1, 5.9)], settings(), Ledger())) == [[5]]


def test_with_executor_cores_an_executor_takes_exactly_these() -> None:
    answers = answer_offers([offer(1, 5)], settings(executor_cores=4), Ledger())
    assert cores(answers) == [[4]]


def test_cores_max_caps_a_single_executor() -> None:
    assert cores(answer_offers([offer(1, 11)], settings(cores_max=10), Ledger())) == [[10]]


def test_cores_max_is_rounded_down_to_a_multiple_of_executor_cores() -> None:
    answers = answer_offers(
        [offer(1, 3), offer(2, 3)], settings(cores_max=4, executor_cores=3), Ledger()
    )
    assert cores(answers) == [[3], []]
    assert answers[1].refuse_seconds == 120
    assert answers[1].reason == "reached spark.cores.max"


def test_offers_beyond_cores_max_are_declined_with_the_filter_of_that_reason() -> None:
    conf = settings(cores_max=4, executor_cores=2, mesos_rejectOfferDuration="7s")
    answers = answer_offers([offer(n, 2) for n in (1, 2, 3)], conf, Ledger())
    assert cores(answers) == [[2], [2], []]
    assert answers[2].refuse_seconds == 7


def test_executors_are_spread_round_robin_over_offers() -> None:
    conf = settings(cores_max=4, executor_cores=2)
    assert cores(answer_offers([offer(1, 4), offer(2, 4)], conf, Ledger())) == [[2], [2]]


def test_one_offer_carries_several_executors_when_executor_cores_is_set() -> None:
    answers = answer_offers([offer(1, 4)], settings(executor_cores=2), Ledger())
    assert cores(answers) == [[2, 2]]
    assert [launch.task_id for launch in answers[0].launches] == ["0", "1"]


def test_an_offer_with_too_little_memory_is_declined_without_a_filter_and_says_why() -> None:
    (answer,) = answer_offers([offer(1, 4, mem=1000)], settings(), Ledger())
    assert answer.launches == []
    assert answer.refuse_seconds is None
    assert answer.reason == ("an executor needs 1 cpus and 1408 MB, offered are 4 cpus and 1000 MB")


def test_two_failures_exclude_an_agent_but_kills_do_not_count() -> None:
    ledger = Ledger()
    for failed in (True, False, True):
        (answer,) = answer_offers([offer(1, 1)], settings(), ledger)
        assert ledger.finish(answer.launches[0].task_id, failed=failed)
    answers = answer_offers([offer(1, 1), offer(2, 1)], settings(), ledger)
    assert cores(answers) == [[], [1]]
    assert answers[0].reason.startswith("excluded: 2 executors failed on agent host1")


def test_an_application_is_stuck_once_every_agent_that_it_tried_is_excluded() -> None:
    ledger = Ledger()
    assert not ledger.is_stuck()
    for _ in range(2):
        answers = answer_offers([offer(1, 1), offer(2, 1)], settings(), ledger)
        assert not ledger.is_stuck()
        for answer in answers:
            assert ledger.finish(answer.launches[0].task_id, failed=True)
    assert ledger.is_stuck()
    answer_offers([offer(3, 1)], settings(), ledger)
    assert not ledger.is_stuck()


def test_a_repeated_terminal_update_frees_cores_once_and_ids_are_never_reused() -> None:
    ledger = Ledger()
    answer_offers([offer(1, 2)], settings(cores_max=2), ledger)
    assert ledger.finish("0", failed=False)
    assert not ledger.finish("0", failed=False)
    assert ledger.total_cores_acquired == 0
    (answer,) = answer_offers([offer(1, 2)], settings(cores_max=2), ledger)
    assert answer.launches[0].task_id == "1"


@pytest.mark.parametrize(("memory_mb", "container_mb"), [(512, 896), (4096, 4505), (100, 484)])
def test_memory_overhead_vectors(memory_mb: int, container_mb: int) -> None:
    assert memory_mb + default_overhead_mb(memory_mb) == container_mb


def test_an_explicit_overhead_replaces_the_default() -> None:
    conf = SparkConf(loadDefaults=False)
    conf.set("spark.executor.memory", "1g").set("spark.mesos.executor.memoryOverhead", "512")
    assert CoarseSettings.from_conf(conf).container_memory_mb == 1536
