"""Constraints on attributes, by the vectors of Spark's own suite."""

from __future__ import annotations

import re

import pytest

from minimesos.attributes import parse_attributes
from minimesos.errors import InvalidValue
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark import settings
from minimesos.spark.backends.constraints import unmet
from minimesos.spark.mesos_texts import Constraints
from minimesos.spark.settings.mesos import MESOS_CONSTRAINTS

ZONES = frozenset({"us-east-1a", "us-east-1b", "us-east-1c"})


def read(text: str) -> Constraints:
    return MESOS_CONSTRAINTS.read({"spark.mesos.constraints": text})


def attributes(text: str, **sets: frozenset[str]) -> list[mesos_pb2.Attribute]:
    made = parse_attributes(text)
    for name, items in sets.items():
        attribute = mesos_pb2.Attribute(name=name, type=mesos_pb2.Value.SET)
        attribute.set.item.extend(sorted(items))
        made.append(attribute)
    return made


def test_constraints_are_read_as_values_by_attribute() -> None:
    assert read("os:centos7; zone:us-east-1a,us-east-1b") == {
        "os": ("centos7",),
        "zone": ("us-east-1a", "us-east-1b"),
    }
    assert read("os:") == {"os": ()}
    assert read("") == MESOS_CONSTRAINTS.read({}) == {}


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("os;zone:us-east", "got 'os'"),
        ("a:b:c", "got 'a:b:c'"),
        (":a", "got ':a'"),
        ("a:b;", "got ''"),
        ("a:b;a:c", "a is there twice"),
    ],
)
def test_malformed_constraints_are_reported_with_all_other_settings(
    text: str, culprit: str
) -> None:
    conf = {"spark.mesos.constraints": text, "spark.cores.max": "0"}
    with pytest.raises(InvalidValue) as caught:
        settings.check(conf)
    cores, constraints = str(caught.value).splitlines()
    assert cores.startswith("spark.cores.max")
    assert constraints.startswith(f"spark.mesos.constraints: '{text}' is a bad constraint string: ")
    assert constraints.endswith(culprit)


@pytest.mark.parametrize(
    ("constraints", "offered"),
    [
        ("os:", attributes("os:centos")),
        ("os:", attributes("os:ubuntu")),
        ("os:;zone:us-east-1a,us-east-1c", attributes("os:ubuntu", zone=ZONES)),
        ("gpus:2", attributes("gpus:3")),
        ("gpus:3", attributes("gpus:3")),
        ("gpus:9,1", attributes("gpus:3")),
        ("ports:7500", attributes("ports:[7000-8000]")),
        ("ports:5000,7500,8300", attributes("ports:[7000-8000]")),
        ("ports:9500", attributes("ports:[7000-8000,9000-9999]")),
        ("os:centos7", attributes("os:centos7")),
        ("os:ubuntu,centos7", attributes("os:centos7")),
        ("rack:b", attributes("rack:a;rack:b")),
        ("c1:a", attributes("c1:a")),
        ("c1:a;c2:b", attributes("c1:a;c2:b")),
        ("", attributes("x:y")),
        ("", []),
    ],
)
def test_constraints_that_hold(constraints: str, offered: list[mesos_pb2.Attribute]) -> None:
    assert unmet(read(constraints), offered) == ""


@pytest.mark.parametrize(
    ("constraints", "offered", "why"),
    [
        ("os:", attributes("", zone=ZONES), "no attribute os"),
        ("x:true", [], "no attribute x"),
        ("gpus:4", attributes("gpus:3"), "gpus:4 is not met by gpus=3"),
        ("ports:6000", attributes("ports:[7000-8000]"), "is not met by ports=[7000-8000]"),
        ("ports:8002", attributes("ports:[7000-8000]"), "is not met by ports=[7000-8000]"),
        ("os:ubuntu", attributes("os:centos7"), "os:ubuntu is not met by os=centos7"),
        ("zone:us-east-1a,eu", attributes("", zone=ZONES), "zone:us-east-1a,eu is not met by"),
        ("rack:c", attributes("rack:a;rack:b"), "rack:c is not met by rack=a, rack=b"),
    ],
)
def test_constraints_that_do_not_hold_say_why(
    constraints: str, offered: list[mesos_pb2.Attribute], why: str
) -> None:
    assert why in unmet(read(constraints), offered)


def test_all_that_does_not_hold_is_named() -> None:
    assert unmet(read("c1:y;c2:z;c3:"), attributes("c1:a;c2:b")) == (
        "c1:y is not met by c1=a; c2:z is not met by c2=b; no attribute c3"
    )


def test_a_value_that_is_no_number_matches_no_number_and_is_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(2):
        assert unmet(read("speed:fast"), attributes("speed:3")) != ""
        assert unmet(read("slots:nan,1-2"), attributes("slots:[1-3]")) != ""
        assert unmet(read("speed:inf"), attributes("speed:3")) != ""
    warned = [re.search(r"value=(\S+)", record.getMessage()) for record in caplog.records]
    assert len(warned) == 4
