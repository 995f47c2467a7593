"""Resources: text and messages both ways, exact arithmetic, and what is kept apart."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimesos.errors import InvalidResources, InvariantViolated
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resource_metadata import ReservationFormat
from minimesos.resources import Resources

R = Resources.parse


def volume(identity: str, size: float = 64, path: str = "data") -> mesos_pb2.Resource:
    message = scalar("disk", size)
    message.reservations.add(role="dev", type=mesos_pb2.Resource.ReservationInfo.STATIC)
    message.disk.persistence.id = identity
    message.disk.volume.container_path = path
    message.disk.volume.mode = mesos_pb2.Volume.RW
    return message


def shared_volume(identity: str) -> mesos_pb2.Resource:
    message = volume(identity)
    message.shared.SetInParent()
    return message


def scalar(name: str, value: float) -> mesos_pb2.Resource:
    message = mesos_pb2.Resource(name=name, type=mesos_pb2.Value.SCALAR)
    message.scalar.value = value
    return message


# -- text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("cpus:2;mem:1024;ports:[31000-32000]", "cpus:2; mem:1024; ports:[31000-32000]"),
        (" cpus : 0.5 ; mem:1 024;", "cpus:0.5; mem:1024"),
        ("ports:[1-2,3-9, 20-30]", "ports:[1-9, 20-30]"),
        ("disks:{b,a}", "disks:{a, b}"),
        ("cpus(dev):1", "cpus(reservations: [(STATIC,dev)]):1"),
        ("cpus(*):1", "cpus:1"),
        ("cpus:1;cpus:2", "cpus:3"),
        ("cpus:1.5015", "cpus:1.502"),
        ("cpus:1.5011", "cpus:1.501"),
        ("cpus:1e2", "cpus:100"),
        ("cpus:0", "{}"),
        ("ports:[]", "{}"),
        ("", "{}"),
    ],
)
def test_text_is_read_and_printed_as_mesos_does(text: str, printed: str) -> None:
    assert str(R(text)) == printed


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cpus", "missing or extra ':'"),
        ("cpus:1:2", "missing or extra ':'"),
        ("cpus(dev:1", "mismatched parentheses"),
        ("cpus)dev(:1", "mismatched parentheses"),
        ("(dev):1", "has no name"),
        ("cpus:", "empty"),
        ("cpus:two", "text is not a resource"),
        ("cpus:-1", "text is not a resource"),
        ("cpus:nan", "text is not a resource"),
        ("cpus:inf", "text is not a resource"),
        ("cpus:0.00001", "not greater than 0"),
        ("cpus:1e-310", "too small"),
        ("cpus:1e30", "too large"),
        ("ports:[1-2", "unbalanced"),
        ("ports:[1-2}", "unbalanced"),
        ("ports:[5]", "expecting ranges"),
        ("ports:[9-1]", "ends before it begins"),
        ("ports:[-1-5]", "expecting ranges"),
        ("disks:{a}b", "malformed set"),
        ("cpus:1;cpus:[1-2]", "two types"),
        ("cpus(a b):1", "white space"),
        ("cpus(a//b):1", "invalid component"),
        ("[{]", "not valid JSON"),
        ('[{"name":"cpus"}]', "missing type"),
        ('[{"name":"cpus","type":"SCALAR","scalar":{"value":-1}}]', "negative"),
        ('[{"name":"x","type":"TEXT"}]', "not supported"),
        ('[{"name":"x","type":"BLOB"}]', "bad resource"),
    ],
)
def test_a_malformed_text_is_refused_with_its_fault(text: str, complaint: str) -> None:
    with pytest.raises(InvalidResources, match=complaint.replace("(", r"\(")):
        R(text)


def test_the_default_role_is_for_what_names_no_role() -> None:
    assert R("cpus:1;mem(ops):2", default_role="dev") == R("cpus(dev):1;mem(ops):2")
    assert R("cpus(*):1", default_role="dev") == R("cpus:1")
    with pytest.raises(InvalidResources, match="default role"):
        R("cpus:1", default_role="-x")


def test_json_is_accepted_as_well() -> None:
    array = [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 64}, "role": "ops"},
        {
            "name": "ports",
            "type": "RANGES",
            "ranges": {"range": [{"begin": 1, "end": 5}]},
            "reservations": [{"type": "STATIC", "role": "dev"}],
        },
    ]
    assert R(json.dumps(array)) == R("cpus:2;mem(ops):64;ports(dev):[1-5]")
    assert R(json.dumps(array[:1]), default_role="dev") == R("cpus(dev):2")


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        ({"revocable": {}}, "revocable"),
        ({"reservations": [{"type": "DYNAMIC", "role": "dev"}]}, "dynamic"),
        ({"name": "disk", "role": "dev", "disk": {"persistence": {"id": "1"}}}, "persistent"),
    ],
)
def test_what_only_operations_can_make_is_refused_on_a_command_line(
    extra: dict[str, object], complaint: str
) -> None:
    resource = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2}} | extra
    with pytest.raises(InvalidResources, match=complaint):
        R(json.dumps([resource]))


def test_names_given_with_zero_are_still_names_given() -> None:
    assert Resources.names_in("cpus:0;mem:5") == {"cpus", "mem"}


# -- arithmetic ------------------------------------------------------------------------------------


def test_a_tenth_added_and_taken_ten_thousand_times_does_not_drift() -> None:
    tenth = Resources.of(cpus=0.1)
    total = Resources.of(cpus=1)
    for _ in range(10_000):
        total += tenth
    for _ in range(10_000):
        total -= tenth
    assert total == Resources.of(cpus=1)


@pytest.mark.parametrize(
    ("left", "right", "rest"),
    [
        ("ports:[1-10]", "ports:[3-4]", "ports:[1-2, 5-10]"),
        ("ports:[1-10]", "ports:[1-1,10-10]", "ports:[2-9]"),
        ("ports:[1-5,8-20]", "ports:[4-5,8-9,15-20]", "ports:[1-3, 10-14]"),
        ("ports:[1-10]", "ports:[1-10]", "{}"),
        ("disks:{a,b,c}", "disks:{b}", "disks:{a, c}"),
        ("cpus:2;mem:5", "cpus:2", "mem:5"),
    ],
)
def test_taking_away_leaves_the_rest(left: str, right: str, rest: str) -> None:
    assert str(R(left) - R(right)) == rest


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("cpus:1", "cpus:1.001"),
        ("cpus:1", "mem:1"),
        ("cpus:1", "cpus(dev):1"),
        ("ports:[1-5]", "ports:[5-6]"),
        ("disks:{a}", "disks:{b}"),
        ("a:1", "a:[1-1]"),
    ],
)
def test_taking_more_than_there_is_raises(left: str, right: str) -> None:
    assert not R(left).contains(R(right))
    with pytest.raises(InvariantViolated):
        R(left) - R(right)


def test_equality_and_hash_ignore_the_order() -> None:
    assert R("cpus:1;mem:2;ports:[1-2]") == R("ports:[1-2];mem:2;cpus:1")
    assert len({R("cpus:1;mem:2"), R("mem:2;cpus:1"), R("cpus:1")}) == 2


# -- metadata --------------------------------------------------------------------------------------


def test_reservations_by_different_roles_principals_or_labels_do_not_merge() -> None:
    messages = []
    for role, principal, label in (
        ("a", "p", "x"),
        ("b", "p", "x"),
        ("a", "q", "x"),
        ("a", "p", "y"),
    ):
        message = scalar("cpus", 1)
        message.role = role
        message.reservation.principal = principal
        message.reservation.labels.labels.add(key="k", value=label)
        messages.append(message)
    resources = Resources.from_proto([*messages, messages[0]])
    assert len(list(resources.entries())) == 4
    assert resources.scalar("cpus") == 5000
    assert "cpus(reservations: [(DYNAMIC,a,p,{k: x})]):2" in str(resources)


def test_volumes_are_the_same_by_id_wherever_they_are_mounted() -> None:
    one = Resources.from_proto([volume("1")])
    assert one.contains(Resources.from_proto([volume("1", path="elsewhere")]))
    assert not one.contains(Resources.from_proto([volume("2")]))
    assert str(one) == "disk(reservations: [(STATIC,dev)])[1:data]:64"


def test_a_shared_volume_counts_its_copies_and_once_its_size() -> None:
    one = Resources.from_proto([shared_volume("1")])
    two = one + one
    assert two != one
    assert two - one == one
    assert two.scalar("disk") == 64_000
    assert len(two.to_proto()) == 2
    assert Resources.from_proto(two.to_proto()) == two
    assert str(two).endswith("<SHARED>:64<2>")
    assert two.to_json()["disk"] == 64.0


def test_both_reservation_formats_mean_the_same() -> None:
    resources = R("cpus(dev):1;mem:5;ports(dev):[1-2]")
    for form in ReservationFormat:
        assert Resources.from_proto(resources.to_proto(form)) == resources
    old = resources.to_proto(ReservationFormat.PRE_REFINEMENT)
    assert [message.role for message in old] == ["dev", "*", "dev"]
    assert not any(message.reservations for message in old)


def test_a_refined_reservation_needs_the_newer_format() -> None:
    message = scalar("cpus", 1)
    message.reservations.add(role="a", type=mesos_pb2.Resource.ReservationInfo.STATIC)
    message.reservations.add(role="a/b", type=mesos_pb2.Resource.ReservationInfo.DYNAMIC)
    resources = Resources.from_proto([message])
    assert Resources.from_proto(resources.to_proto()) == resources
    assert resources.reserved_to("a/b") == resources
    assert not resources.reserved_to("a")
    with pytest.raises(InvalidResources, match="newer format"):
        resources.to_proto(ReservationFormat.PRE_REFINEMENT)


def broken(**fields: object) -> mesos_pb2.Resource:
    message = scalar("cpus", 1)
    for role, kind in fields.pop("stack", ()):  # type: ignore[attr-defined]
        message.reservations.add(role=role, type=kind)
    message.MergeFrom(mesos_pb2.Resource(**fields))  # type: ignore[arg-type]
    return message


STATIC, DYNAMIC = (
    mesos_pb2.Resource.ReservationInfo.STATIC,
    mesos_pb2.Resource.ReservationInfo.DYNAMIC,
)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (broken(name=""), "no name"),
        (broken(stack=[("a", STATIC), ("b", DYNAMIC)]), "does not refine"),
        (broken(stack=[("a", DYNAMIC), ("a/b", STATIC)]), "static but not the first"),
        (broken(stack=[("*", DYNAMIC)]), "role '\\*'"),
        (broken(stack=[("a", STATIC)], role="b"), "end in 'a'"),
        (broken(role="a b"), "white space"),
        (broken(reservation={}), "cannot be reserved"),
        (broken(shared={}), "not a persistent volume"),
        (broken(disk={"persistence": {"id": "1"}}), "DiskInfo"),
        (broken(scalar={"value": float("nan")}), "not finite"),
        (broken(scalar={"value": -0.5}), "negative"),
        (mesos_pb2.Resource(name="cpus", type=mesos_pb2.Value.SCALAR), "no scalar"),
    ],
)
def test_a_message_that_breaks_a_rule_is_refused_with_its_fault(
    message: mesos_pb2.Resource, complaint: str
) -> None:
    problem = Resources.problem([message])
    assert problem is not None
    with pytest.raises(InvalidResources, match=complaint):
        Resources.from_proto([message])


def test_provider_and_revocability_survive_the_wire() -> None:
    message = scalar("cpus", 1)
    message.provider_id.value = "p"
    message.revocable.SetInParent()
    resources = Resources.from_proto([message]) + Resources.of(cpus=1)
    assert Resources.from_proto(resources.to_proto()) == resources
    assert resources.to_json()["cpus_revocable"] == 1.0
    assert resources.to_json()["cpus"] == 1.0


# -- selections and summaries ----------------------------------------------------------------------


def test_allocation_is_a_mark_that_can_be_put_on_and_taken_off() -> None:
    resources = R("cpus:1;mem(dev):5;ports:[1-2]")
    marked = resources.allocated_to("dev")
    assert marked != resources
    assert marked.unallocated() == resources
    assert marked.allocated_to("dev") is marked
    assert str(marked).startswith("cpus(allocated: dev):1")

    both = marked + Resources.of(cpus=1, allocated="ops")
    assert both.allocations() == {"dev": marked, "ops": Resources.of(cpus=1, allocated="ops")}
    assert both.unallocated() == resources + Resources.of(cpus=1)


def test_a_role_may_have_what_is_free_or_reserved_to_it_or_above_it() -> None:
    resources = R("cpus:1;cpus(eng):2;cpus(eng/web):4;cpus(engine):8")
    assert resources.allocatable_to("eng/web").scalar("cpus") == 7000
    assert resources.allocatable_to("eng").scalar("cpus") == 3000
    assert resources.allocatable_to("*").scalar("cpus") == 1000
    assert resources.unreserved() == R("cpus:1")
    assert list(resources.reservations()) == ["eng", "eng/web", "engine"]


def test_the_summary_always_has_the_four_usual_names() -> None:
    assert Resources.EMPTY.to_json() == {"cpus": 0.0, "gpus": 0.0, "mem": 0.0, "disk": 0.0}
    assert R("cpus:1;cpus(dev):.5;ports:[1-2];ports(dev):[5-6];bugs:3;s:{b,a}").to_json() == {
        "cpus": 1.5,
        "gpus": 0.0,
        "mem": 0.0,
        "disk": 0.0,
        "ports": "[1-2, 5-6]",
        "bugs": 3.0,
        "s": "{a, b}",
    }


def test_builders_and_readers_speak_in_ordinary_units() -> None:
    resources = Resources.of(cpus=0.5, mem=32, ports="[1-2]")
    assert (resources.cpus, resources.mem_mb, resources.ports) == (0.5, 32.0, ((1, 2),))
    assert resources.quantities() == {"cpus": 500, "mem": 32_000}
    with pytest.raises(InvalidResources):
        Resources.of(cpus=-1)


# -- properties ------------------------------------------------------------------------------------

scalars = st.integers(0, 10**7).map(lambda n: n / 1000)
ranges = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), max_size=5).map(
    lambda pairs: "[" + ",".join(f"{begin}-{begin + length}" for begin, length in pairs) + "]"
)
sets = st.sets(st.sampled_from("abcd")).map(lambda items: "{" + ",".join(sorted(items)) + "}")
amounts = st.builds(
    Resources.of,
    st.sampled_from((None, "dev", "dev/x")),
    cpus=scalars,
    mem=scalars,
    ports=ranges,
    disks=sets,
)
bags = st.lists(amounts, max_size=3).map(lambda parts: sum(parts, Resources.EMPTY))


@given(bags, bags)
@settings(max_examples=50, deadline=None)
def test_sums_contain_their_parts_and_scalars_come_back(left: Resources, right: Resources) -> None:
    total = left + right
    assert total == right + left
    assert total.contains(left)
    assert total.contains(right)
    rest = total - left
    assert right.contains(rest)  # ranges and sets that overlap are not there twice
    assert rest.quantities() == right.quantities()
    assert rest + left == total


@given(bags)
@settings(max_examples=50, deadline=None)
def test_messages_and_json_free_text_come_back_as_they_were(resources: Resources) -> None:
    assert Resources.from_proto(resources.to_proto()) == resources
    unreserved = resources.unreserved()
    text = str(unreserved)
    assert (R(text) if unreserved else Resources.EMPTY) == unreserved


@given(bags, bags, bags)
@settings(max_examples=50, deadline=None)
def test_addition_is_associative_and_containment_transitive(
    a: Resources, b: Resources, c: Resources
) -> None:
    assert (a + b) + c == a + (b + c)
    assert (a + b + c).contains(a + b)
    assert a.contains(b) == (a + b == a) or bool(b)
    assert not (a.contains(b) and b.contains(a)) or a == b
