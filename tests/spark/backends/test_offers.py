"""The coarse-grained offer algorithm, by the catalogue of Spark's own suite."""

from __future__ import annotations

from random import Random

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources
from minimesos.spark.backends.ledger import Ledger
from minimesos.spark.backends.offers import Answer, CoarseSettings, answer_offers
from minimesos.testing import builders

NOW = 1000.0


def settings(**conf: object) -> CoarseSettings:
    return CoarseSettings.from_conf(
        {"spark." + name.replace("_", "."): str(value) for name, value in conf.items()}
    )


def offer(
    number: int, cpus: float, mem: float = 8192, *, more: str = "", attributes: str = ""
) -> mesos_pb2.Offer:
    return builders.offer(
        f"o{number}",
        f"cpus:{cpus};mem:{mem}{more}",
        agent_id=f"agent{number}",
        hostname=f"host{number}",
        attributes=attributes,
    )


def answers(
    offers: list[mesos_pb2.Offer],
    conf: CoarseSettings | None = None,
    ledger: Ledger | None = None,
    now: float = NOW,
) -> list[Answer]:
    given = answer_offers(offers, conf or settings(), ledger or Ledger(), now)
    assert [answer.offer for answer in given] == offers  # each is answered exactly once
    assert all(bool(answer.launches) != bool(answer.reason) for answer in given)
    return given


def cores(given: list[Answer]) -> list[list[int]]:
    return [[launch.cores for launch in answer.launches] for answer in given]


def taken(answer: Answer, name: str) -> list[tuple[str, float]]:
    """Return role and amount of each piece of a scalar in the first launch."""
    return [
        (each.role, each.scalar.value) for each in answer.launches[0].resources if each.name == name
    ]


# -- the limit ------------------------------------------------------------------------------------


def test_no_executor_is_launched_while_there_may_be_none() -> None:
    (answer,) = answers([offer(1, 4)], ledger=Ledger(executor_limit=0))
    assert cores([answer]) == [[]]
    assert answer.refuse_seconds is None
    assert answer.reason == "reached the limit of 0 executors"


def test_no_more_executors_are_launched_than_there_may_be() -> None:
    ledger = Ledger(executor_limit=2)
    given = answers([offer(n, 4) for n in (1, 2, 3)], ledger=ledger)
    assert cores(given) == [[4], [4], []]
    assert given[2].refuse_seconds is None
    assert "limit of 2" in answers([offer(4, 4)], ledger=ledger)[0].reason


def test_a_limit_that_is_raised_is_used() -> None:
    ledger = Ledger(executor_limit=1)
    answers([offer(1, 4)], ledger=ledger)
    ledger.executor_limit = 2
    assert cores(answers([offer(2, 4)], ledger=ledger)) == [[4]]


# -- cores ----------------------------------------------------------------------------------------


def test_without_executor_cores_an_executor_takes_all_whole_cores_of_the_offer() -> None:
    (answer,) = answers([offer(1, 5.9)])
    assert cores([answer]) == [[5]]
    assert taken(answer, "cpus") == [("*", 5)]


def test_with_executor_cores_an_executor_takes_exactly_these() -> None:
    (answer,) = answers([offer(1, 5)], settings(executor_cores=4))
    assert cores([answer]) == [[4]]
    assert taken(answer, "cpus") == [("*", 4)]


def test_cores_max_caps_a_single_executor() -> None:
    (answer,) = answers([offer(1, 11)], settings(cores_max=10))
    assert cores([answer]) == [[10]]
    assert taken(answer, "cpus") == [("*", 10)]


def test_cores_max_is_rounded_down_to_a_multiple_of_executor_cores() -> None:
    given = answers([offer(1, 3), offer(2, 3)], settings(cores_max=4, executor_cores=3))
    assert cores(given) == [[3], []]
    assert given[1].refuse_seconds == 120
    assert given[1].reason == "reached spark.cores.max"


def test_offers_beyond_cores_max_are_declined_with_the_filter_of_that_reason() -> None:
    conf = settings(cores_max=4, executor_cores=2, mesos_rejectOfferDuration="7s")
    given = answers([offer(n, 2) for n in (1, 2, 3)], conf)
    assert cores(given) == [[2], [2], []]
    assert given[2].refuse_seconds == 7
    conf = settings(cores_max=4, mesos_rejectOfferDurationForReachedMaxCores="9s")
    assert answers([offer(1, 4), offer(2, 4)], conf)[1].refuse_seconds == 9


def test_an_offer_of_less_than_a_core_is_declined_without_a_filter() -> None:
    (answer,) = answers([offer(1, 0.5)])
    assert answer.refuse_seconds is None
    assert answer.reason == "needs 1 cpus, has 0.5"
    assert answer.is_lacking


def test_executors_are_spread_round_robin_over_offers() -> None:
    conf = settings(executor_cores=2)
    given = answers([offer(1, 4), offer(2, 4)], conf, Ledger(executor_limit=2))
    assert cores(given) == [[2], [2]]
    conf = settings(cores_max=6, executor_cores=2)
    assert cores(answers([offer(1, 4), offer(2, 4)], conf)) == [[2, 2], [2]]


def test_one_offer_carries_several_executors_when_executor_cores_is_set() -> None:
    (answer,) = answers([offer(1, 4, mem=2 * 1408)], settings(executor_cores=2))
    assert [launch.cores for launch in answer.launches] == [2, 2]
    assert [launch.executor_id for launch in answer.launches] == ["0", "1"]


def test_offers_of_one_agent_are_not_merged() -> None:
    twins = [builders.offer(id, "cpus:1;mem:8192", agent_id="agent") for id in ("o1", "o2")]
    assert cores(answers(twins, settings(executor_cores=2))) == [[], []]


@pytest.mark.seeds(20)
def test_no_more_is_taken_than_is_offered_or_allowed_and_ids_count_up(seed: int) -> None:
    dice = Random(seed)
    cores_max = dice.randint(1, 20)
    size = dice.choice([{}, {"executor_cores": dice.randint(1, 3)}])
    conf = settings(cores_max=cores_max, executor_memory="100m", **size)
    ledger, ids = Ledger(executor_limit=dice.choice([None, 3])), list[str]()
    for _ in range(30):
        cpus, mem = [0.5, 1, 2.5, 4, 8], [100, 484, 1000, 4000]
        offers = [offer(n, dice.choice(cpus), dice.choice(mem)) for n in range(3)]
        for answer in answers(offers, conf, ledger):
            launched = [Resources.from_proto(launch.resources) for launch in answer.launches]
            total = sum(launched, Resources.EMPTY)
            assert Resources.from_proto(answer.offer.resources).contains(total)
            ids += [launch.executor_id for launch in answer.launches]
        assert ledger.total_cores_acquired <= cores_max
        assert len(ledger.executors) <= (ledger.executor_limit or cores_max)
        for id in [id for id in ledger.executors if dice.random() < 0.3]:
            ledger.end(id)
    assert sorted(ids, key=int) == [str(number) for number in range(len(ids))]
    assert ids or conf.max_cores == 0


# -- memory, roles, GPUs, ports -------------------------------------------------------------------


def test_an_offer_with_too_little_memory_is_declined_without_a_filter_and_says_why() -> None:
    (answer,) = answers([offer(1, 4, mem=1000)])
    assert answer.launches == []
    assert answer.refuse_seconds is None
    assert answer.reason == "needs 1408 MB, has 1000"
    both = answers([offer(1, 1, mem=1000)], settings(executor_cores=2))[0]
    assert both.reason == "needs 2 cpus, has 1; needs 1408 MB, has 1000"


def test_the_overhead_is_taken_besides_the_executors_own_memory() -> None:
    (answer,) = answers([offer(1, 4)], settings(executor_memory="512m"))
    assert taken(answer, "mem") == [("*", 896)]
    (answer,) = answers(
        [offer(1, 4)], settings(executor_memory="1g", mesos_executor_memoryOverhead=0)
    )
    assert taken(answer, "mem") == [("*", 1024)]


def test_resources_of_several_roles_are_taken_together_and_keep_theirs() -> None:
    mixed = builders.offer("o", "cpus(*):1;mem(*):1000;cpus(role2):1;mem(role2):500")
    (answer,) = answers([mixed], settings(executor_cores=2, executor_memory="816m"))
    assert taken(answer, "cpus") == [("*", 1), ("role2", 1)]
    assert taken(answer, "mem") == [("*", 1000), ("role2", 200)]


def test_gpus_are_taken_only_if_there_may_be_some() -> None:
    (answer,) = answers([offer(1, 4, more=";gpus:6")])
    assert taken(answer, "gpus") == []
    ledger = Ledger()
    (answer,) = answers([offer(1, 4, more=";gpus:6")], settings(mesos_gpus_max=5), ledger)
    assert taken(answer, "gpus") == [("*", 5)]
    assert ledger.total_gpus_acquired == 5


def test_gpus_are_no_condition_and_never_more_than_the_maximum() -> None:
    conf, ledger = settings(mesos_gpus_max=3), Ledger()
    assert cores(answers([offer(1, 4)], conf, ledger)) == [[4]]
    given = answers([offer(n, 4, more=";gpus:2") for n in (2, 3, 4)], conf, ledger)
    assert [taken(answer, "gpus") for answer in given] == [[("*", 2)], [("*", 1)], []]


def test_a_fixed_port_outside_the_offered_ranges_is_a_reason_to_decline() -> None:
    conf = settings(blockManager_port=30100)
    given = answers([offer(1, 4, more=";ports:[31100-31200]"), offer(2, 4)], conf)
    assert [answer.refuse_seconds for answer in given] == [None, None]
    assert [answer.reason for answer in given] == ["needs port 30100, which is not offered"] * 2


def test_a_fixed_port_is_taken_and_leaves_room_for_no_second_executor() -> None:
    conf = settings(blockManager_port=30100, executor_cores=1)
    (answer,) = answers([offer(1, 4, more=";ports:[30000-31000]")], conf)
    (launch,) = answer.launches
    (ports,) = (each for each in launch.resources if each.name == "ports")
    assert [(each.begin, each.end) for each in ports.ranges.range] == [(30100, 30100)]


@pytest.mark.parametrize("more", ["", ";ports:[30000-31000]"])
def test_without_a_fixed_port_none_is_needed_and_none_taken(more: str) -> None:
    (answer,) = answers([offer(1, 4, more=more)], settings(blockManager_port=0))
    assert {each.name for each in answer.launches[0].resources} == {"cpus", "mem"}


# -- constraints ----------------------------------------------------------------------------------


def test_unmet_constraints_are_declined_with_the_filter_of_that_reason_and_never_without() -> None:
    conf = settings(mesos_constraints="zone:a")
    given = answers(
        [offer(1, 4), offer(2, 4, attributes="zone:b"), offer(3, 4, attributes="zone:a")], conf
    )
    assert cores(given) == [[], [], [4]]
    assert [answer.refuse_seconds for answer in given] == [120, 120, None]
    assert given[0].reason == "unmet constraints: no attribute zone"
    assert given[1].reason == "unmet constraints: zone:a is not met by zone=b"
    conf = settings(mesos_constraints="x:true", mesos_rejectOfferDurationForUnmetConstraints="11s")
    assert answers([offer(1, 4)], conf)[0].refuse_seconds == 11


# -- exclusion ------------------------------------------------------------------------------------


def test_an_excluded_agent_gets_no_executor_until_its_time_is_over_and_others_do() -> None:
    ledger = Ledger()
    answers([offer(1, 1)], ledger=ledger)
    ledger.end("0")
    ledger.agents["agent1"].failed("no Python", 1, 60, NOW)
    given = answers([offer(1, 1), offer(2, 1)], ledger=ledger, now=NOW + 59)
    assert cores(given) == [[], [1]]
    assert given[0].reason == "excluded: executors failed on agent host1: no Python"
    assert cores(answers([offer(1, 1)], ledger=ledger, now=NOW + 60)) == [[1]]


@pytest.mark.parametrize(("excluded_s", "refused_s"), [(60, 50), (600, 120)])
def test_offers_of_an_excluded_agent_stay_away_until_it_is_tried_again_but_never_for_long(
    excluded_s: float, refused_s: float
) -> None:
    ledger = Ledger()
    answers([offer(1, 1)], ledger=ledger)
    ledger.end("0")
    ledger.agents["agent1"].failed("no Python", 1, excluded_s, NOW)
    (answer,) = answers([offer(1, 1)], ledger=ledger, now=NOW + 10)
    assert answer.refuse_seconds == refused_s


# -- locality -------------------------------------------------------------------------------------


def wanting(**local_tasks: int) -> Ledger:
    return Ledger(executor_limit=9, local_tasks=local_tasks)


def test_a_host_that_no_task_prefers_is_declined_until_the_locality_wait_is_over() -> None:
    ledger = wanting(host1=3)
    (answer,) = answers([offer(2, 4)], ledger=ledger)
    assert (answer.launches, answer.refuse_seconds) == ([], None)
    assert answer.reason == "tasks prefer other hosts"
    assert not answer.is_lacking
    assert cores(answers([offer(2, 4)], ledger=ledger, now=NOW + 3)) == [[]]
    assert cores(answers([offer(2, 4)], ledger=ledger, now=NOW + 3.1)) == [[4]]


def test_a_host_that_tasks_prefer_gets_one_executor_at_once_and_the_next_after_the_wait() -> None:
    conf, ledger = settings(executor_cores=2), wanting(host1=3)
    assert cores(answers([offer(1, 4), offer(2, 4)], conf, ledger)) == [[2], []]
    assert cores(answers([offer(1, 2)], conf, ledger, NOW + 4)) == [[2]]


def test_the_locality_wait_begins_anew_when_launching_does() -> None:
    ledger = wanting(host1=1)
    answers([offer(1, 1)], ledger=ledger)  # launching
    ledger.executor_limit = 1
    answers([offer(2, 1)], ledger=ledger, now=NOW + 100)  # there are enough
    ledger.executor_limit = 2
    assert cores(answers([offer(2, 1)], ledger=ledger, now=NOW + 200)) == [[]]
    assert cores(answers([offer(2, 1)], ledger=ledger, now=NOW + 204)) == [[1]]


def test_without_preferences_any_host_will_do() -> None:
    assert cores(answers([offer(2, 4)], ledger=wanting())) == [[4]]
