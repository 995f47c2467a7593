"""What an offer holds, by the vectors of Spark's own suite."""

from __future__ import annotations

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.backends.offered import (
    amount,
    has_ports,
    take,
    take_gpus,
    take_ports,
    wanted_ports,
)


def scalar(name: str, value: float, role: str = "*") -> mesos_pb2.Resource:
    resource = mesos_pb2.Resource(name=name, type=mesos_pb2.Value.SCALAR, role=role)
    resource.scalar.value = value
    return resource


def ports(begin: int, end: int, role: str = "*") -> mesos_pb2.Resource:
    resource = mesos_pb2.Resource(name="ports", type=mesos_pb2.Value.RANGES, role=role)
    resource.ranges.range.add(begin=begin, end=end)
    return resource


def rows(resources: list[mesos_pb2.Resource]) -> list[tuple[str, str, float]]:
    return [(each.name, each.role, each.scalar.value) for each in resources]


def test_resources_are_taken_in_offer_order_and_keep_their_roles() -> None:
    remaining = [
        scalar("cpus", 1),
        scalar("mem", 1000),
        scalar("cpus", 1, "role2"),
        scalar("mem", 500, "role2"),
    ]
    taken = take(remaining, "cpus", 1500) + take(remaining, "mem", 1_200_000)
    assert rows(taken) == [
        ("cpus", "*", 1.0),
        ("cpus", "role2", 0.5),
        ("mem", "*", 1000.0),
        ("mem", "role2", 200.0),
    ]
    assert rows(remaining) == [("cpus", "role2", 0.5), ("mem", "role2", 300.0)]


def test_what_executor_and_task_take_one_after_the_other_comes_from_the_first_role_first() -> None:
    remaining = [
        scalar("mem", 500, "prod"),
        scalar("cpus", 1, "prod"),
        scalar("mem", 600, "dev"),
        scalar("cpus", 2, "dev"),
    ]
    executor = take(remaining, "cpus", 1000) + take(remaining, "mem", 484_000)
    assert rows(executor) == [("cpus", "prod", 1.0), ("mem", "prod", 484.0)]
    assert rows(take(remaining, "cpus", 1000)) == [("cpus", "dev", 1.0)]


def test_what_is_taken_keeps_its_reservation() -> None:
    reserved = scalar("cpus", 2, "analytics")
    reserved.reservation.principal = "ops"
    (taken,) = take([reserved], "cpus", 1000)
    assert (taken.role, taken.reservation.principal) == ("analytics", "ops")


def test_an_amount_is_summed_over_all_roles() -> None:
    assert amount([scalar("cpus", 1.5), scalar("cpus", 2, "x"), scalar("mem", 9)], "cpus") == 3500


@pytest.mark.parametrize(("most", "offered", "taken"), [(5, 6, 5), (5, 2.5, 2), (0, 6, 0)])
def test_gpus_are_taken_whole_and_up_to_a_limit(most: int, offered: float, taken: int) -> None:
    remaining = [scalar("cpus", 1), scalar("gpus", offered)]
    assert amount(take_gpus(remaining, most), "gpus") == taken * 1000
    assert amount(remaining, "gpus") == offered * 1000 - taken * 1000


def test_no_gpus_are_taken_where_there_are_none_or_the_limit_is_passed() -> None:
    assert take_gpus([scalar("cpus", 1)], 1) == []
    assert take_gpus([scalar("gpus", 1)], -1) == []


@pytest.mark.parametrize(
    ("conf", "wanted"),
    [({}, ()), ({"spark.blockManager.port": "0"}, ()), ({"spark.blockManager.port": "7"}, (7,))],
)
def test_a_port_is_wanted_if_the_user_has_fixed_it(conf: dict[str, str], wanted: object) -> None:
    assert wanted_ports(conf) == wanted


def test_a_wanted_port_has_to_lie_in_an_offered_range() -> None:
    assert not has_ports([ports(31100, 31200)], (30100,))
    assert has_ports([ports(31100, 31200), ports(30000, 31000)], (30100,))


def test_offers_without_ports_are_fine_if_none_is_wanted() -> None:
    remaining = [scalar("cpus", 1), ports(1, 2)]
    assert has_ports([], ())
    assert take_ports(remaining, ()) == []
    assert len(remaining) == 2


def test_a_port_is_taken_with_the_role_of_its_range_and_leaves_no_ports_for_another() -> None:
    remaining = [ports(1, 9), scalar("cpus", 1), ports(30000, 31000, "web"), ports(30000, 30200)]
    (taken,) = take_ports(remaining, (30100,))
    assert taken.role == "web"
    assert [(each.begin, each.end) for each in taken.ranges.range] == [(30100, 30100)]
    assert rows(remaining) == [("cpus", "*", 1.0)]
    assert not has_ports(remaining, (30100,))
