from minimesos.proto.mesos.v1 import mesos_pb2 as _mesos_pb2
from minimesos.proto.mesos.v1 import scheduler_pb2 as _scheduler_pb2
from minimesos.proto.mesos.v1 import executor_pb2 as _executor_pb2
from minimesos.proto.mesos.v1 import master_pb2 as _master_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SchedulerCalls(_message.Message):
    __slots__ = ("calls",)
    CALLS_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[_scheduler_pb2.Call]
    def __init__(self, calls: _Optional[_Iterable[_Union[_scheduler_pb2.Call, _Mapping]]] = ...) -> None: ...

class SchedulerEvents(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_scheduler_pb2.Event]
    def __init__(self, events: _Optional[_Iterable[_Union[_scheduler_pb2.Event, _Mapping]]] = ...) -> None: ...

class ExecutorCalls(_message.Message):
    __slots__ = ("calls",)
    CALLS_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[_executor_pb2.Call]
    def __init__(self, calls: _Optional[_Iterable[_Union[_executor_pb2.Call, _Mapping]]] = ...) -> None: ...

class ExecutorEvents(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_executor_pb2.Event]
    def __init__(self, events: _Optional[_Iterable[_Union[_executor_pb2.Event, _Mapping]]] = ...) -> None: ...

class LocateRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LocateResponse(_message.Message):
    __slots__ = ("grpc_address", "frames_path")
    GRPC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FRAMES_PATH_FIELD_NUMBER: _ClassVar[int]
    grpc_address: str
    frames_path: str
    def __init__(self, grpc_address: _Optional[str] = ..., frames_path: _Optional[str] = ...) -> None: ...

class AgentFrame(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[AgentMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[AgentMessage, _Mapping]]] = ...) -> None: ...

class AgentMessage(_message.Message):
    __slots__ = ("register_agent", "reregister_agent", "unregister_agent", "pong", "status_update", "exited_executor", "executor_to_framework")
    REGISTER_AGENT_FIELD_NUMBER: _ClassVar[int]
    REREGISTER_AGENT_FIELD_NUMBER: _ClassVar[int]
    UNREGISTER_AGENT_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    STATUS_UPDATE_FIELD_NUMBER: _ClassVar[int]
    EXITED_EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_TO_FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    register_agent: RegisterAgent
    reregister_agent: ReregisterAgent
    unregister_agent: UnregisterAgent
    pong: Pong
    status_update: StatusUpdate
    exited_executor: ExitedExecutor
    executor_to_framework: ExecutorToFramework
    def __init__(self, register_agent: _Optional[_Union[RegisterAgent, _Mapping]] = ..., reregister_agent: _Optional[_Union[ReregisterAgent, _Mapping]] = ..., unregister_agent: _Optional[_Union[UnregisterAgent, _Mapping]] = ..., pong: _Optional[_Union[Pong, _Mapping]] = ..., status_update: _Optional[_Union[StatusUpdate, _Mapping]] = ..., exited_executor: _Optional[_Union[ExitedExecutor, _Mapping]] = ..., executor_to_framework: _Optional[_Union[ExecutorToFramework, _Mapping]] = ...) -> None: ...

class RegisterAgent(_message.Message):
    __slots__ = ("agent_info", "version", "capabilities")
    AGENT_INFO_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    agent_info: _mesos_pb2.AgentInfo
    version: str
    capabilities: _containers.RepeatedCompositeFieldContainer[_mesos_pb2.AgentInfo.Capability]
    def __init__(self, agent_info: _Optional[_Union[_mesos_pb2.AgentInfo, _Mapping]] = ..., version: _Optional[str] = ..., capabilities: _Optional[_Iterable[_Union[_mesos_pb2.AgentInfo.Capability, _Mapping]]] = ...) -> None: ...

class ReregisterAgent(_message.Message):
    __slots__ = ("agent_info", "version", "capabilities", "tasks", "executors", "frameworks")
    AGENT_INFO_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    EXECUTORS_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORKS_FIELD_NUMBER: _ClassVar[int]
    agent_info: _mesos_pb2.AgentInfo
    version: str
    capabilities: _containers.RepeatedCompositeFieldContainer[_mesos_pb2.AgentInfo.Capability]
    tasks: _containers.RepeatedCompositeFieldContainer[_mesos_pb2.Task]
    executors: _containers.RepeatedCompositeFieldContainer[_mesos_pb2.ExecutorInfo]
    frameworks: _containers.RepeatedCompositeFieldContainer[_mesos_pb2.FrameworkInfo]
    def __init__(self, agent_info: _Optional[_Union[_mesos_pb2.AgentInfo, _Mapping]] = ..., version: _Optional[str] = ..., capabilities: _Optional[_Iterable[_Union[_mesos_pb2.AgentInfo.Capability, _Mapping]]] = ..., tasks: _Optional[_Iterable[_Union[_mesos_pb2.Task, _Mapping]]] = ..., executors: _Optional[_Iterable[_Union[_mesos_pb2.ExecutorInfo, _Mapping]]] = ..., frameworks: _Optional[_Iterable[_Union[_mesos_pb2.FrameworkInfo, _Mapping]]] = ...) -> None: ...

class UnregisterAgent(_message.Message):
    __slots__ = ("agent_id",)
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: _mesos_pb2.AgentID
    def __init__(self, agent_id: _Optional[_Union[_mesos_pb2.AgentID, _Mapping]] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatusUpdate(_message.Message):
    __slots__ = ("framework_id", "status", "latest_state")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LATEST_STATE_FIELD_NUMBER: _ClassVar[int]
    framework_id: _mesos_pb2.FrameworkID
    status: _mesos_pb2.TaskStatus
    latest_state: int
    def __init__(self, framework_id: _Optional[_Union[_mesos_pb2.FrameworkID, _Mapping]] = ..., status: _Optional[_Union[_mesos_pb2.TaskStatus, _Mapping]] = ..., latest_state: _Optional[int] = ...) -> None: ...

class ExitedExecutor(_message.Message):
    __slots__ = ("framework_id", "executor_id", "status")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    framework_id: _mesos_pb2.FrameworkID
    executor_id: _mesos_pb2.ExecutorID
    status: int
    def __init__(self, framework_id: _Optional[_Union[_mesos_pb2.FrameworkID, _Mapping]] = ..., executor_id: _Optional[_Union[_mesos_pb2.ExecutorID, _Mapping]] = ..., status: _Optional[int] = ...) -> None: ...

class ExecutorToFramework(_message.Message):
    __slots__ = ("framework_id", "executor_id", "data")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    framework_id: _mesos_pb2.FrameworkID
    executor_id: _mesos_pb2.ExecutorID
    data: bytes
    def __init__(self, framework_id: _Optional[_Union[_mesos_pb2.FrameworkID, _Mapping]] = ..., executor_id: _Optional[_Union[_mesos_pb2.ExecutorID, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class MasterFrame(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[MasterMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[MasterMessage, _Mapping]]] = ...) -> None: ...

class MasterMessage(_message.Message):
    __slots__ = ("agent_registered", "agent_reregistered", "ping", "run_task", "run_task_group", "kill_task", "shutdown_executor", "shutdown_framework", "status_update_acknowledgement", "framework_to_executor", "update_framework", "shutdown_agent", "registration_refused")
    AGENT_REGISTERED_FIELD_NUMBER: _ClassVar[int]
    AGENT_REREGISTERED_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    RUN_TASK_FIELD_NUMBER: _ClassVar[int]
    RUN_TASK_GROUP_FIELD_NUMBER: _ClassVar[int]
    KILL_TASK_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    STATUS_UPDATE_ACKNOWLEDGEMENT_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_TO_EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_AGENT_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_REFUSED_FIELD_NUMBER: _ClassVar[int]
    agent_registered: AgentRegistered
    agent_reregistered: AgentReregistered
    ping: Ping
    run_task: RunTask
    run_task_group: RunTaskGroup
    kill_task: KillTask
    shutdown_executor: ShutdownExecutor
    shutdown_framework: ShutdownFramework
    status_update_acknowledgement: StatusUpdateAcknowledgement
    framework_to_executor: FrameworkToExecutor
    update_framework: UpdateFramework
    shutdown_agent: ShutdownAgent
    registration_refused: RegistrationRefused
    def __init__(self, agent_registered: _Optional[_Union[AgentRegistered, _Mapping]] = ..., agent_reregistered: _Optional[_Union[AgentReregistered, _Mapping]] = ..., ping: _Optional[_Union[Ping, _Mapping]] = ..., run_task: _Optional[_Union[RunTask, _Mapping]] = ..., run_task_group: _Optional[_Union[RunTaskGroup, _Mapping]] = ..., kill_task: _Optional[_Union[KillTask, _Mapping]] = ..., shutdown_executor: _Optional[_Union[ShutdownExecutor, _Mapping]] = ..., shutdown_framework: _Optional[_Union[ShutdownFramework, _Mapping]] = ..., status_update_acknowledgement: _Optional[_Union[StatusUpdateAcknowledgement, _Mapping]] = ..., framework_to_executor: _Optional[_Union[FrameworkToExecutor, _Mapping]] = ..., update_framework: _Optional[_Union[UpdateFramework, _Mapping]] = ..., shutdown_agent: _Optional[_Union[ShutdownAgent, _Mapping]] = ..., registration_refused: _Optional[_Union[RegistrationRefused, _Mapping]] = ...) -> None: ...

class AgentRegistered(_message.Message):
    __slots__ = ("agent_id", "master_info", "total_ping_timeout_s")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    MASTER_INFO_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PING_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    agent_id: _mesos_pb2.AgentID
    master_info: _mesos_pb2.MasterInfo
    total_ping_timeout_s: float
    def __init__(self, agent_id: _Optional[_Union[_mesos_pb2.AgentID, _Mapping]] = ..., master_info: _Optional[_Union[_mesos_pb2.MasterInfo, _Mapping]] = ..., total_ping_timeout_s: _Optional[float] = ...) -> None: ...

class AgentReregistered(_message.Message):
    __slots__ = ("agent_id", "master_info", "total_ping_timeout_s", "reconcile")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    MASTER_INFO_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PING_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    RECONCILE_FIELD_NUMBER: _ClassVar[int]
    agent_id: _mesos_pb2.AgentID
    master_info: _mesos_pb2.MasterInfo
    total_ping_timeout_s: float
    reconcile: _containers.RepeatedCompositeFieldContainer[Reconcile]
    def __init__(self, agent_id: _Optional[_Union[_mesos_pb2.AgentID, _Mapping]] = ..., master_info: _Optional[_Union[_mesos_pb2.MasterInfo, _Mapping]] = ..., total_ping_timeout_s: _Optional[float] = ..., reconcile: _Optional[_Iterable[_Union[Reconcile, _Mapping]]] = ...) -> None: ...

class Reconcile(_message.Message):
    __slots__ = ("framework_id", "task_id", "partition_aware")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_AWARE_FIELD_NUMBER: _ClassVar[int]
    framework_id: _mesos_pb2.FrameworkID
    task_id: _mesos_pb2.TaskID
    partition_aware: bool
    def __init__(self, framework_id: _Optional[_Union[_mesos_pb2.FrameworkID, _Mapping]] = ..., task_id: _Optional[_Union[_mesos_pb2.TaskID, _Mapping]] = ..., partition_aware: _Optional[bool] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ("connected",)
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    connected: bool
    def __init__(self, connected: _Optional[bool] = ...) -> None: ...

class RunTask(_message.Message):
    __slots__ = ("framework_info", "task", "launch_executor")
    FRAMEWORK_INFO_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    framework_info: _mesos_pb2.FrameworkInfo
    task: _mesos_pb2.TaskInfo
    launch_executor: bool
    def __init__(self, framework_info: _Optional[_Union[_mesos_pb2.FrameworkInfo, _Mapping]] = ..., task: _Optional[_Union[_mesos_pb2.TaskInfo, _Mapping]] = ..., launch_executor: _Optional[bool] = ...) -> None: ...

class RunTaskGroup(_message.Message):
    __slots__ = ("framework_info", "executor", "task_group", "launch_executor")
    FRAMEWORK_INFO_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    TASK_GROUP_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    framework_info: _mesos_pb2.FrameworkInfo
    executor: _mesos_pb2.ExecutorInfo
    task_group: _mesos_pb2.TaskGroupInfo
    launch_executor: bool
    def __init__(self, framework_info: _Optional[_Union[_mesos_pb2.FrameworkInfo, _Mapping]] = ..., executor: _Optional[_Union[_mesos_pb2.ExecutorInfo, _Mapping]] = ..., task_group: _Optional[_Union[_mesos_pb2.TaskGroupInfo, _Mapping]] = ..., launch_executor: _Optional[bool] = ...) -> None: ...

class KillTask(_message.Message):
    __slots__ = ("framework_id", "task_id", "kill_policy")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    KILL_POLICY_FIELD_NUMBER: _ClassVar[int]
    framework_id: _mesos_pb2.FrameworkID
    task_id: _mesos_pb2.TaskID
    kill_policy: _mesos_pb2.KillPolicy
    def __init__(self, framework_id: _Optional[_Union[_mesos_pb2.FrameworkID, _Mapping]] = ..., task_id: _Optional[_Union[_mesos_pb2.TaskID, _Mapping]] = ..., kill_policy: _Optional[_Union[_mesos_pb2.KillPolicy, _Mapping]] = ...) -> None: ...

class ShutdownExecutor(_message.Message):
    __slots__ = ("framework_id", "executor_id")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_ID_FIELD_NUMBER: _ClassVar[int]
    framework_id: _mesos_pb2.FrameworkID
    executor_id: _mesos_pb2.ExecutorID
    def __init__(self, framework_id: _Optional[_Union[_mesos_pb2.FrameworkID, _Mapping]] = ..., executor_id: _Optional[_Union[_mesos_pb2.ExecutorID, _Mapping]] = ...) -> None: ...

class ShutdownFramework(_message.Message):
    __slots__ = ("framework_id",)
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    framework_id: _mesos_pb2.FrameworkID
    def __init__(self, framework_id: _Optional[_Union[_mesos_pb2.FrameworkID, _Mapping]] = ...) -> None: ...

class StatusUpdateAcknowledgement(_message.Message):
    __slots__ = ("framework_id", "task_id", "uuid")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    UUID_FIELD_NUMBER: _ClassVar[int]
    framework_id: _mesos_pb2.FrameworkID
    task_id: _mesos_pb2.TaskID
    uuid: bytes
    def __init__(self, framework_id: _Optional[_Union[_mesos_pb2.FrameworkID, _Mapping]] = ..., task_id: _Optional[_Union[_mesos_pb2.TaskID, _Mapping]] = ..., uuid: _Optional[bytes] = ...) -> None: ...

class FrameworkToExecutor(_message.Message):
    __slots__ = ("framework_id", "executor_id", "data")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    framework_id: _mesos_pb2.FrameworkID
    executor_id: _mesos_pb2.ExecutorID
    data: bytes
    def __init__(self, framework_id: _Optional[_Union[_mesos_pb2.FrameworkID, _Mapping]] = ..., executor_id: _Optional[_Union[_mesos_pb2.ExecutorID, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class UpdateFramework(_message.Message):
    __slots__ = ("framework_info",)
    FRAMEWORK_INFO_FIELD_NUMBER: _ClassVar[int]
    framework_info: _mesos_pb2.FrameworkInfo
    def __init__(self, framework_info: _Optional[_Union[_mesos_pb2.FrameworkInfo, _Mapping]] = ...) -> None: ...

class ShutdownAgent(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class RegistrationRefused(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...
