"""The messages have Mesos's numbers, labels, types and defaults, and behave as its clients expect.

The expected lists are written down from Mesos 1.12, not from our sources. A field is written
`NUMBER name[mark] type[=default]`, where `!` is required, `*` repeated and `^` member of a oneof.
"""

from __future__ import annotations

import math

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import EncodeError, Message

from minimesos.proto.mesos.v1 import (
    agent_pb2,
    allocator_pb2,
    executor_pb2,
    maintenance_pb2,
    master_pb2,
    mesos_pb2,
    quota_pb2,
    scheduler_pb2,
)

MODULES = (
    agent_pb2,
    allocator_pb2,
    executor_pb2,
    maintenance_pb2,
    master_pb2,
    mesos_pb2,
    quota_pb2,
    scheduler_pb2,
)
SCALARS = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
}


def written(field: FieldDescriptor) -> str:
    """The field in the notation of this module; types are relative to mesos.v1."""
    composite = field.message_type or field.enum_type
    if field.message_type and field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        kinds = ",".join(written(part).split()[2] for part in (key, value))
        return f"{field.number} {field.name} map<{kinds}>"
    kind = composite.full_name.removeprefix("mesos.v1.") if composite else SCALARS[field.type]
    mark = "!" if field.is_required else "*" if field.is_repeated else ""
    if field.containing_oneof:
        mark = "^"
    default = ""
    if field.has_default_value:
        value = field.default_value
        if field.enum_type:
            value = field.enum_type.values_by_number[value].name
        default = f"={str(value).lower() if isinstance(value, bool) else value}"
    return f"{field.number} {field.name}{mark} {kind}{default}"


def fields_of(message: Descriptor) -> list[str]:
    return [written(field) for field in message.fields]


def values_of(enum: EnumDescriptor) -> str:
    return ", ".join(f"{value.name}={value.number}" for value in enum.values)


MESSAGES: list[tuple[type[Message], str]] = [
    (
        mesos_pb2.FrameworkInfo,
        "1 user! string; 2 name! string; 3 id FrameworkID; 4 failover_timeout double=0.0; "
        "5 checkpoint bool=false; 6 role string=*; 7 hostname string; 8 principal string; "
        "9 webui_url string; 10 capabilities* FrameworkInfo.Capability; 11 labels Labels; "
        "12 roles* string; 13 offer_filters map<string,OfferFilters>",
    ),
    (
        mesos_pb2.AgentInfo,
        "1 hostname! string; 3 resources* Resource; 5 attributes* Attribute; 6 id AgentID; "
        "8 port int32=5051; 10 domain DomainInfo",
    ),
    (
        mesos_pb2.MasterInfo,
        "1 id! string; 2 ip! uint32; 3 port! uint32=5050; 4 pid string; 5 hostname string; "
        "6 version string; 7 address Address; 8 domain DomainInfo; "
        "9 capabilities* MasterInfo.Capability",
    ),
    (
        mesos_pb2.Resource,
        "1 name! string; 2 type! Value.Type; 3 scalar Value.Scalar; 4 ranges Value.Ranges; "
        "5 set Value.Set; 6 role string=*; 7 disk Resource.DiskInfo; "
        "8 reservation Resource.ReservationInfo; 9 revocable Resource.RevocableInfo; "
        "10 shared Resource.SharedInfo; 11 allocation_info Resource.AllocationInfo; "
        "12 provider_id ResourceProviderID; 13 reservations* Resource.ReservationInfo",
    ),
    (
        mesos_pb2.Attribute,
        "1 name! string; 2 type! Value.Type; 3 scalar Value.Scalar; 4 ranges Value.Ranges; "
        "5 text Value.Text; 6 set Value.Set",
    ),
    (
        mesos_pb2.Offer,
        "1 id! OfferID; 2 framework_id! FrameworkID; 3 agent_id! AgentID; 4 hostname! string; "
        "5 resources* Resource; 6 executor_ids* ExecutorID; 7 attributes* Attribute; 8 url URL; "
        "9 unavailability Unavailability; 10 allocation_info Resource.AllocationInfo; "
        "11 domain DomainInfo",
    ),
    (
        mesos_pb2.Offer.Operation,
        "1 type Offer.Operation.Type; 2 launch Offer.Operation.Launch; "
        "3 reserve Offer.Operation.Reserve; 4 unreserve Offer.Operation.Unreserve; "
        "5 create Offer.Operation.Create; 6 destroy Offer.Operation.Destroy; "
        "7 launch_group Offer.Operation.LaunchGroup; 12 id OperationID; "
        "13 grow_volume Offer.Operation.GrowVolume; 14 shrink_volume Offer.Operation.ShrinkVolume; "
        "15 create_disk Offer.Operation.CreateDisk; 16 destroy_disk Offer.Operation.DestroyDisk",
    ),
    (
        mesos_pb2.TaskInfo,
        "1 name! string; 2 task_id! TaskID; 3 agent_id! AgentID; 4 resources* Resource; "
        "5 executor ExecutorInfo; 6 data bytes; 7 command CommandInfo; "
        "8 health_check HealthCheck; 9 container ContainerInfo; 10 labels Labels; "
        "11 discovery DiscoveryInfo; 12 kill_policy KillPolicy; 13 check CheckInfo; "
        "14 max_completion_time DurationInfo; 15 limits map<string,Value.Scalar>",
    ),
    (
        mesos_pb2.TaskStatus,
        "1 task_id! TaskID; 2 state! TaskState; 3 data bytes; 4 message string; "
        "5 agent_id AgentID; 6 timestamp double; 7 executor_id ExecutorID; 8 healthy bool; "
        "9 source TaskStatus.Source; 10 reason TaskStatus.Reason; 11 uuid bytes; "
        "12 labels Labels; 13 container_status ContainerStatus; 14 unreachable_time TimeInfo; "
        "15 check_status CheckStatusInfo; 16 limitation TaskResourceLimitation",
    ),
    (
        mesos_pb2.ExecutorInfo,
        "1 executor_id! ExecutorID; 4 data bytes; 5 resources* Resource; 7 command CommandInfo; "
        "8 framework_id FrameworkID; 9 name string; 10 source string; "
        "11 container ContainerInfo; 12 discovery DiscoveryInfo; "
        "13 shutdown_grace_period DurationInfo; 14 labels Labels; 15 type ExecutorInfo.Type",
    ),
    (
        mesos_pb2.CommandInfo,
        "1 uris* CommandInfo.URI; 2 environment Environment; 3 value string; 5 user string; "
        "6 shell bool=true; 7 arguments* string",
    ),
    (
        mesos_pb2.CommandInfo.URI,
        "1 value! string; 2 executable bool; 3 extract bool=true; 4 cache bool; "
        "5 output_file string",
    ),
    (
        mesos_pb2.Environment.Variable,
        "1 name! string; 2 value string; 3 type Environment.Variable.Type=VALUE; 4 secret Secret",
    ),
    (
        mesos_pb2.HealthCheck,
        "1 http HealthCheck.HTTPCheckInfo; 2 delay_seconds double=15.0; "
        "3 interval_seconds double=10.0; 4 timeout_seconds double=20.0; "
        "5 consecutive_failures uint32=3; 6 grace_period_seconds double=10.0; "
        "7 command CommandInfo; 8 type HealthCheck.Type; 9 tcp HealthCheck.TCPCheckInfo",
    ),
    (
        mesos_pb2.Image,
        "1 type! Image.Type; 3 docker Image.Docker; 4 cached bool=true",
    ),
    (mesos_pb2.Filters, "1 refuse_seconds double=5.0"),
    (
        quota_pb2.QuotaConfig,
        "1 role! string; 2 guarantees map<string,Value.Scalar>; 3 limits map<string,Value.Scalar>",
    ),
    (maintenance_pb2.Window, "1 machine_ids* MachineID; 2 unavailability! Unavailability"),
    (
        allocator_pb2.InverseOfferStatus,
        "1 status! allocator.InverseOfferStatus.Status; 2 framework_id! FrameworkID; "
        "3 timestamp! TimeInfo",
    ),
    (
        scheduler_pb2.Call.Subscribe,
        "1 framework_info! FrameworkInfo; 2 suppressed_roles* string; "
        "3 offer_constraints scheduler.OfferConstraints",
    ),
    (
        scheduler_pb2.Call.Accept,
        "1 offer_ids* OfferID; 2 operations* Offer.Operation; 3 filters Filters",
    ),
    (
        scheduler_pb2.Call.Acknowledge,
        "1 agent_id! AgentID; 2 task_id! TaskID; 3 uuid! bytes",
    ),
    (scheduler_pb2.Call.Request, "1 requests* Request"),
    (
        scheduler_pb2.AttributeConstraint.Selector,
        "1 pseudoattribute_type^ scheduler.AttributeConstraint.Selector.PseudoattributeType; "
        "2 attribute_name^ string",
    ),
    (executor_pb2.Call.Message, "2 data! bytes"),
    (executor_pb2.Event.Message, "1 data! bytes"),
    (
        executor_pb2.Event.Subscribed,
        "1 executor_info! ExecutorInfo; 2 framework_info! FrameworkInfo; 3 agent_info! AgentInfo; "
        "4 container_id ContainerID",
    ),
    (
        master_pb2.Call.DrainAgent,
        "1 agent_id! AgentID; 2 max_grace_period google.protobuf.Duration; 3 mark_gone bool=false",
    ),
    (master_pb2.Response.ReadFile, "1 size! uint64; 2 data! bytes"),
    (
        agent_pb2.Call.LaunchContainer,
        "1 container_id! ContainerID; 2 command CommandInfo; 3 resources* Resource; "
        "4 container ContainerInfo; 5 limits map<string,Value.Scalar>",
    ),
]


@pytest.mark.parametrize(
    ("message", "expected"), MESSAGES, ids=[message.DESCRIPTOR.full_name for message, _ in MESSAGES]
)
def test_fields_are_those_of_mesos(message: type[Message], expected: str) -> None:
    assert "; ".join(fields_of(message.DESCRIPTOR)) == expected


ENVELOPES: list[tuple[type[Message], str]] = [
    (
        scheduler_pb2.Call,
        "1 framework_id, 2 type, 3 subscribe, 4 accept, 5 decline, 6 kill, 7 shutdown, "
        "8 acknowledge, 9 reconcile, 10 message, 11 request, 13 accept_inverse_offers, "
        "14 decline_inverse_offers, 15 revive, 16 suppress, 17 acknowledge_operation_status, "
        "18 reconcile_operations, 19 update_framework",
    ),
    (
        scheduler_pb2.Event,
        "1 type, 2 subscribed, 3 offers, 4 rescind, 5 update, 6 message, 7 failure, 8 error, "
        "9 inverse_offers, 10 rescind_inverse_offer, 11 update_operation_status",
    ),
    (
        executor_pb2.Call,
        "1 executor_id, 2 framework_id, 3 type, 4 subscribe, 5 update, 6 message",
    ),
    (
        executor_pb2.Event,
        "1 type, 2 subscribed, 3 acknowledged, 4 launch, 5 kill, 6 message, 7 error, "
        "8 launch_group",
    ),
    (
        master_pb2.Call,
        "1 type, 2 get_metrics, 3 set_logging_level, 4 list_files, 5 read_file, "
        "6 update_weights, 7 reserve_resources, 8 unreserve_resources, 9 create_volumes, "
        "10 destroy_volumes, 11 update_maintenance_schedule, 12 start_maintenance, "
        "13 stop_maintenance, 14 set_quota, 15 remove_quota, 16 teardown, 17 mark_agent_gone, "
        "18 grow_volume, 19 shrink_volume, 20 update_quota, 21 drain_agent, "
        "22 deactivate_agent, 23 reactivate_agent",
    ),
    (
        master_pb2.Event,
        "1 type, 2 subscribed, 3 task_added, 4 task_updated, 5 agent_added, 6 agent_removed, "
        "7 framework_added, 8 framework_updated, 9 framework_removed",
    ),
    (
        agent_pb2.Response,
        "1 type, 2 get_health, 3 get_flags, 4 get_version, 5 get_metrics, 6 get_logging_level, "
        "7 list_files, 8 read_file, 9 get_state, 10 get_containers, 11 get_frameworks, "
        "12 get_executors, 13 get_tasks, 14 wait_nested_container, 15 get_agent, "
        "16 wait_container, 17 get_resource_providers, 18 get_operations",
    ),
]


@pytest.mark.parametrize(
    ("envelope", "expected"),
    ENVELOPES,
    ids=[envelope.DESCRIPTOR.full_name for envelope, _ in ENVELOPES],
)
def test_envelopes_number_their_members_as_mesos_does(
    envelope: type[Message], expected: str
) -> None:
    members = sorted(envelope.DESCRIPTOR.fields, key=lambda field: field.number)
    assert ", ".join(f"{field.number} {field.name}" for field in members) == expected


ENUMS: list[tuple[EnumDescriptor, str]] = [
    (
        mesos_pb2.TaskState.DESCRIPTOR,
        "TASK_STAGING=6, TASK_STARTING=0, TASK_RUNNING=1, TASK_KILLING=8, TASK_FINISHED=2, "
        "TASK_FAILED=3, TASK_KILLED=4, TASK_ERROR=7, TASK_LOST=5, TASK_DROPPED=9, "
        "TASK_UNREACHABLE=10, TASK_GONE=11, TASK_GONE_BY_OPERATOR=12, TASK_UNKNOWN=13",
    ),
    (
        mesos_pb2.TaskStatus.Source.DESCRIPTOR,
        "SOURCE_MASTER=0, SOURCE_AGENT=1, SOURCE_EXECUTOR=2",
    ),
    (mesos_pb2.Value.Type.DESCRIPTOR, "SCALAR=0, RANGES=1, SET=2, TEXT=3"),
    (
        mesos_pb2.FrameworkInfo.Capability.Type.DESCRIPTOR,
        "UNKNOWN=0, REVOCABLE_RESOURCES=1, TASK_KILLING_STATE=2, GPU_RESOURCES=3, "
        "SHARED_RESOURCES=4, PARTITION_AWARE=5, MULTI_ROLE=6, RESERVATION_REFINEMENT=7, "
        "REGION_AWARE=8",
    ),
    (
        mesos_pb2.Offer.Operation.Type.DESCRIPTOR,
        "UNKNOWN=0, LAUNCH=1, LAUNCH_GROUP=6, RESERVE=2, UNRESERVE=3, CREATE=4, DESTROY=5, "
        "GROW_VOLUME=11, SHRINK_VOLUME=12, CREATE_DISK=13, DESTROY_DISK=14",
    ),
    (mesos_pb2.ContainerInfo.Type.DESCRIPTOR, "DOCKER=1, MESOS=2"),
    (
        scheduler_pb2.Call.Type.DESCRIPTOR,
        "UNKNOWN=0, SUBSCRIBE=1, TEARDOWN=2, ACCEPT=3, DECLINE=4, ACCEPT_INVERSE_OFFERS=13, "
        "DECLINE_INVERSE_OFFERS=14, REVIVE=5, SUPPRESS=12, KILL=6, SHUTDOWN=7, ACKNOWLEDGE=8, "
        "RECONCILE=9, MESSAGE=10, REQUEST=11, UPDATE_FRAMEWORK=17, "
        "ACKNOWLEDGE_OPERATION_STATUS=15, RECONCILE_OPERATIONS=16",
    ),
    (
        scheduler_pb2.Event.Type.DESCRIPTOR,
        "UNKNOWN=0, SUBSCRIBED=1, OFFERS=2, INVERSE_OFFERS=9, RESCIND=3, "
        "RESCIND_INVERSE_OFFER=10, UPDATE=4, UPDATE_OPERATION_STATUS=11, MESSAGE=5, FAILURE=6, "
        "ERROR=7, HEARTBEAT=8",
    ),
    (
        executor_pb2.Event.Type.DESCRIPTOR,
        "UNKNOWN=0, SUBSCRIBED=1, LAUNCH=2, LAUNCH_GROUP=8, KILL=3, ACKNOWLEDGED=4, MESSAGE=5, "
        "SHUTDOWN=7, ERROR=6, HEARTBEAT=9",
    ),
    (
        executor_pb2.Call.Type.DESCRIPTOR,
        "UNKNOWN=0, SUBSCRIBE=1, UPDATE=2, MESSAGE=3, HEARTBEAT=4",
    ),
]


@pytest.mark.parametrize(("enum", "expected"), ENUMS, ids=[enum.full_name for enum, _ in ENUMS])
def test_enums_have_the_numbers_and_the_order_of_mesos(enum: EnumDescriptor, expected: str) -> None:
    assert values_of(enum) == expected


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("REASON_COMMAND_EXECUTOR_FAILED", 0),
        ("REASON_EXECUTOR_TERMINATED", 1),
        ("REASON_INVALID_OFFERS", 6),
        ("REASON_CONTAINER_LIMITATION_MEMORY", 8),
        ("REASON_RECONCILIATION", 9),
        ("REASON_AGENT_REMOVED", 11),
        ("REASON_TASK_INVALID", 14),
        ("REASON_CONTAINER_LAUNCH_FAILED", 21),
        ("REASON_EXECUTOR_REGISTRATION_TIMEOUT", 23),
        ("REASON_TASK_GROUP_INVALID", 25),
        ("REASON_AGENT_DRAINING", 34),
    ],
)
def test_reasons_have_the_numbers_of_mesos(name: str, number: int) -> None:
    assert mesos_pb2.TaskStatus.Reason.Value(name) == number


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("GET_HEALTH", 1),
        ("GET_STATE", 9),
        ("SUBSCRIBE", 18),
        ("TEARDOWN", 31),
        ("MARK_AGENT_GONE", 32),
        ("GET_OPERATIONS", 33),
        ("UPDATE_QUOTA", 36),
        ("DRAIN_AGENT", 37),
        ("REACTIVATE_AGENT", 39),
    ],
)
def test_operator_calls_have_the_numbers_of_mesos(call: str, number: int) -> None:
    assert master_pb2.Call.Type.Value(call) == number


def test_an_unset_state_reads_as_the_first_declared() -> None:
    status = mesos_pb2.TaskStatus()
    assert status.state == mesos_pb2.TASK_STAGING
    assert not status.HasField("state")


def test_every_package_is_the_one_of_mesos() -> None:
    packages = {
        module.DESCRIPTOR.name.split("/")[-1]: module.DESCRIPTOR.package for module in MODULES
    }
    sub_packages = "quota", "maintenance", "allocator", "scheduler", "executor", "master", "agent"
    assert packages == {"mesos.proto": "mesos.v1"} | {
        f"{name}.proto": f"mesos.v1.{name}" for name in sub_packages
    }


def test_a_call_has_the_bytes_that_mesos_writes() -> None:
    call = scheduler_pb2.Call(
        framework_id=mesos_pb2.FrameworkID(value="f"), type=scheduler_pb2.Call.REVIVE
    )
    assert call.SerializeToString() == b"\x0a\x03\x0a\x01f\x10\x05"


def test_repeated_numbers_are_not_packed() -> None:
    check = mesos_pb2.HealthCheck.HTTPCheckInfo(port=1, statuses=[200, 201])
    assert check.SerializeToString() == b"\x08\x01\x20\xc8\x01\x20\xc9\x01"


@pytest.mark.parametrize(
    ("message", "received"),
    [
        pytest.param(mesos_pb2.OfferID, b"\x0a\x01o\xfa\x3f\x01x", id="a field of the future"),
        pytest.param(mesos_pb2.Image, b"\x08\x01\x12\x03\x0a\x01i", id="a field left out"),
        pytest.param(scheduler_pb2.Call, b"\x10\x63", id="an enum value of the future"),
    ],
)
def test_what_is_unknown_travels_on(message: type[Message], received: bytes) -> None:
    parsed = message.FromString(received)
    copy = message()
    copy.CopyFrom(parsed)
    assert parsed.SerializeToString() == received
    assert copy.SerializeToString() == received


def test_an_unknown_enum_value_reads_as_unset() -> None:
    assert not scheduler_pb2.Call.FromString(b"\x10\x63").HasField("type")


def test_a_missing_required_field_is_found_and_refused_when_written() -> None:
    status = mesos_pb2.TaskStatus.FromString(b"")
    assert status.FindInitializationErrors() == ["task_id", "state"]
    with pytest.raises(EncodeError):
        status.SerializeToString()


def test_v1_json_of_a_heartbeat_is_read() -> None:
    event = json_format.Parse('{"type":"HEARTBEAT"}', scheduler_pb2.Event())
    assert event == scheduler_pb2.Event(type=scheduler_pb2.Event.HEARTBEAT)


def test_v1_json_of_a_launch_is_read() -> None:
    call = json_format.Parse(
        """{
          "framework_id": {"value": "f"},
          "type": "ACCEPT",
          "accept": {
            "offer_ids": [{"value": "o"}],
            "operations": [{
              "type": "LAUNCH",
              "launch": {"task_infos": [{
                "name": "t", "task_id": {"value": "t1"}, "agent_id": {"value": "a"},
                "resources": [
                  {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}, "role": "*"}
                ],
                "command": {"value": "sleep 1"},
                "data": "AAE=",
                "limits": {"cpus": {"value": 1.5}, "mem": {"value": "Infinity"}}
              }]}
            }],
            "filters": {"refuse_seconds": 0.0}
          }
        }""",
        scheduler_pb2.Call(),
    )
    task = call.accept.operations[0].launch.task_infos[0]
    assert task.data == b"\x00\x01"
    assert task.limits["cpus"].value == 1.5
    assert math.isinf(task.limits["mem"].value)
    assert task.command.shell, "shell is true unless the client says otherwise"
    assert call.IsInitialized()
