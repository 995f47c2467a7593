"""Mesos's JSON mapping, row by row of its table, and both ways round."""

from __future__ import annotations

import json
import math

import pytest

from minimesos.errors import InvalidValue
from minimesos.http.json_codec import dumps, from_json, loads, to_json
from minimesos.proto.mesos.v1 import executor_pb2, mesos_pb2, scheduler_pb2

Call = executor_pb2.Call


# -- written --------------------------------------------------------------------------------------


def test_names_are_those_of_the_proto_and_enums_are_names():
    status = mesos_pb2.TaskStatus(state=mesos_pb2.TASK_LOST)
    status.task_id.value = "t"
    status.executor_id.value = "e"
    assert to_json(status) == {
        "task_id": {"value": "t"},
        "state": "TASK_LOST",
        "executor_id": {"value": "e"},
    }


def test_explicit_defaults_are_written_and_unset_fields_and_empty_lists_are_not():
    assert to_json(mesos_pb2.CommandInfo(value="x")) == {"value": "x", "shell": True}
    assert to_json(mesos_pb2.CommandInfo.URI(value="u")) == {"value": "u", "extract": True}
    assert to_json(mesos_pb2.CommandInfo()) == {"shell": True}


def test_64_bit_integers_are_numbers():
    assert dumps(mesos_pb2.DurationInfo(nanoseconds=2**60)) == b'{"nanoseconds":%d}' % 2**60


def test_bytes_are_padded_base64():
    assert to_json(mesos_pb2.TaskInfo(data=b"\xff\xfe"))["data"] == "//4="


def test_whole_doubles_keep_their_point_and_infinity_is_bare():
    assert dumps(mesos_pb2.Value.Scalar(value=1)) == b'{"value":1.0}'
    assert dumps(mesos_pb2.Value.Scalar(value=math.inf)) == b'{"value":Infinity}'


def test_a_map_is_an_object():
    task = mesos_pb2.TaskInfo()
    task.limits["cpus"].value = 1.5
    assert to_json(task) == {"limits": {"cpus": {"value": 1.5}}}


def test_an_empty_message_is_an_empty_object():
    call = Call(type=Call.SUBSCRIBE)
    call.subscribe.SetInParent()
    assert to_json(call)["subscribe"] == {}


# -- read -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"nanoseconds": 5}, 5),
        ({"nanoseconds": "5"}, 5),
        ({"nanoseconds": 5.9}, 5),
        ({"nanoseconds": "5.9"}, 5),
    ],
)
def test_integers_may_be_strings_and_fractions_are_cut(given, expected):
    assert from_json(given, mesos_pb2.DurationInfo).nanoseconds == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [(2, 2.0), ("2.5", 2.5), ("Infinity", math.inf), ("-Infinity", -math.inf)],
)
def test_doubles_may_be_strings(given, expected):
    assert from_json({"value": given}, mesos_pb2.Value.Scalar).value == expected


@pytest.mark.parametrize(("given", "expected"), [(False, False), ("false", False), ("true", True)])
def test_booleans_may_be_strings(given, expected):
    assert from_json({"shell": given}, mesos_pb2.CommandInfo).shell is expected


@pytest.mark.parametrize("given", ["//4=", "//4", " /\n/4 = "])
def test_base64_may_have_blanks_and_lack_padding(given):
    task = from_json(minimal_task(data=given), mesos_pb2.TaskInfo)
    assert task.data == b"\xff\xfe"


def test_a_bare_value_is_a_list_of_one():
    assert from_json({"arguments": "x"}, mesos_pb2.CommandInfo).arguments == ["x"]
    command = from_json({"uris": {"value": "u"}}, mesos_pb2.CommandInfo)
    assert [uri.value for uri in command.uris] == ["u"]


def test_unknown_keys_null_and_unknown_enum_names_are_as_if_absent():
    given = {"name": "f", "user": None, "unknown": 1, "capabilities": [{"type": "NEWER"}]}
    info = from_json({**given, "user": "u"}, mesos_pb2.FrameworkInfo)
    assert not info.capabilities[0].HasField("type")
    assert not from_json({"value": None}, mesos_pb2.CommandInfo).HasField("value")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"nanoseconds": True}, "DurationInfo.nanoseconds: expecting a number, got a boolean"),
        ({"nanoseconds": "x"}, "DurationInfo.nanoseconds: could not convert"),
        ({"nanoseconds": 2**63}, "DurationInfo.nanoseconds: 9223372036854775808 does not fit"),
        ({"nanoseconds": "nan"}, "DurationInfo.nanoseconds: cannot convert"),
        ({"nanoseconds": []}, "DurationInfo.nanoseconds: expecting a number, got a list"),
        ({}, "nanoseconds"),
        ([], "DurationInfo: expecting an object, got a list"),
    ],
)
def test_what_does_not_fit_names_the_field(given, problem):
    with pytest.raises(InvalidValue) as refusal:
        from_json(given, mesos_pb2.DurationInfo)
    assert problem in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("name", 1),
        ("task_id", "t"),
        ("data", "not*base64"),
        ("data", "_-=="),
        ("data", 5),
        ("limits", []),
        ("health_check", {"type": 1}),
        ("command", {"shell": "yes"}),
    ],
)
def test_wrong_types_are_refused(field, given):
    with pytest.raises(InvalidValue, match=f"TaskInfo.{field}"):
        from_json(minimal_task(**{field: given}), mesos_pb2.TaskInfo)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_refused(text):
    with pytest.raises(InvalidValue, match="not JSON"):
        loads(text, Call)


def minimal_task(**fields: object) -> dict[str, object]:
    return {
        "name": "t",
        "task_id": {"value": "t"},
        "agent_id": {"value": "a"},
        **fields,
    }


# -- both ways ------------------------------------------------------------------------------------


def test_a_message_comes_back_as_it_was():
    call = scheduler_pb2.Call(type=scheduler_pb2.Call.ACCEPT)
    call.framework_id.value = "f"
    call.accept.offer_ids.add(value="o")
    task = call.accept.operations.add(type=mesos_pb2.Offer.Operation.LAUNCH).launch.task_infos.add()
    task.CopyFrom(from_json(minimal_task(data="AAEC"), mesos_pb2.TaskInfo))
    task.limits["mem"].value = math.inf
    task.command.value = "échouer"
    task.command.shell = False
    task.resources.add(name="ports", type=mesos_pb2.Value.RANGES).ranges.range.add(begin=1, end=9)
    call.accept.filters.refuse_seconds = 0.5
    again = loads(dumps(call), scheduler_pb2.Call)
    again_json = json.loads(dumps(again))
    assert again_json == json.loads(dumps(call))
    assert again.accept.operations[0].launch.task_infos[0].limits["mem"].value == math.inf
    assert again.accept.operations[0].launch.task_infos[0].command == task.command
