from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUCCESS: _ClassVar[Outcome]
    FAILED: _ClassVar[Outcome]
    FETCH_FAILED: _ClassVar[Outcome]
    WORKER_LOST: _ClassVar[Outcome]
    CANCELLED: _ClassVar[Outcome]
    STORED: _ClassVar[Outcome]
SUCCESS: Outcome
FAILED: Outcome
FETCH_FAILED: Outcome
WORKER_LOST: Outcome
CANCELLED: Outcome
STORED: Outcome

class ExecutorFrame(_message.Message):
    __slots__ = ("register", "proof", "results", "goodbye", "heartbeat", "located", "takes_lane", "copied_blocks", "barrier_calls", "printed")
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    LOCATED_FIELD_NUMBER: _ClassVar[int]
    TAKES_LANE_FIELD_NUMBER: _ClassVar[int]
    COPIED_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    BARRIER_CALLS_FIELD_NUMBER: _ClassVar[int]
    PRINTED_FIELD_NUMBER: _ClassVar[int]
    register: Register
    proof: bytes
    results: TaskResults
    goodbye: Goodbye
    heartbeat: Heartbeat
    located: Located
    takes_lane: bool
    copied_blocks: _containers.RepeatedCompositeFieldContainer[CachedBlock]
    barrier_calls: _containers.RepeatedCompositeFieldContainer[BarrierCall]
    printed: _containers.RepeatedCompositeFieldContainer[Printed]
    def __init__(self, register: _Optional[_Union[Register, _Mapping]] = ..., proof: _Optional[bytes] = ..., results: _Optional[_Union[TaskResults, _Mapping]] = ..., goodbye: _Optional[_Union[Goodbye, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., located: _Optional[_Union[Located, _Mapping]] = ..., takes_lane: _Optional[bool] = ..., copied_blocks: _Optional[_Iterable[_Union[CachedBlock, _Mapping]]] = ..., barrier_calls: _Optional[_Iterable[_Union[BarrierCall, _Mapping]]] = ..., printed: _Optional[_Iterable[_Union[Printed, _Mapping]]] = ...) -> None: ...

class DriverFrame(_message.Message):
    __slots__ = ("challenge", "registered", "refused", "stages", "tasks", "cancel", "cleanup", "shutdown", "barrier_answers", "copy_blocks")
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    CLEANUP_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_FIELD_NUMBER: _ClassVar[int]
    BARRIER_ANSWERS_FIELD_NUMBER: _ClassVar[int]
    COPY_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    challenge: Challenge
    registered: Registered
    refused: Refused
    stages: _containers.RepeatedCompositeFieldContainer[Stage]
    tasks: _containers.RepeatedCompositeFieldContainer[TaskBatch]
    cancel: CancelTasks
    cleanup: Cleanup
    shutdown: bool
    barrier_answers: _containers.RepeatedCompositeFieldContainer[BarrierAnswer]
    copy_blocks: _containers.RepeatedCompositeFieldContainer[BlockCopy]
    def __init__(self, challenge: _Optional[_Union[Challenge, _Mapping]] = ..., registered: _Optional[_Union[Registered, _Mapping]] = ..., refused: _Optional[_Union[Refused, _Mapping]] = ..., stages: _Optional[_Iterable[_Union[Stage, _Mapping]]] = ..., tasks: _Optional[_Iterable[_Union[TaskBatch, _Mapping]]] = ..., cancel: _Optional[_Union[CancelTasks, _Mapping]] = ..., cleanup: _Optional[_Union[Cleanup, _Mapping]] = ..., shutdown: _Optional[bool] = ..., barrier_answers: _Optional[_Iterable[_Union[BarrierAnswer, _Mapping]]] = ..., copy_blocks: _Optional[_Iterable[_Union[BlockCopy, _Mapping]]] = ...) -> None: ...

class Register(_message.Message):
    __slots__ = ("executor_id", "host", "cores", "version", "python_version", "nonce", "pid")
    EXECUTOR_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    CORES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PYTHON_VERSION_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    executor_id: str
    host: str
    cores: int
    version: str
    python_version: str
    nonce: bytes
    pid: int
    def __init__(self, executor_id: _Optional[str] = ..., host: _Optional[str] = ..., cores: _Optional[int] = ..., version: _Optional[str] = ..., python_version: _Optional[str] = ..., nonce: _Optional[bytes] = ..., pid: _Optional[int] = ...) -> None: ...

class Located(_message.Message):
    __slots__ = ("address", "root")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    address: str
    root: str
    def __init__(self, address: _Optional[str] = ..., root: _Optional[str] = ...) -> None: ...

class Challenge(_message.Message):
    __slots__ = ("nonce", "proof", "lane")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    proof: bytes
    lane: str
    def __init__(self, nonce: _Optional[bytes] = ..., proof: _Optional[bytes] = ..., lane: _Optional[str] = ...) -> None: ...

class Registered(_message.Message):
    __slots__ = ("conf", "application_id", "shuffle_credential", "results_root")
    class ConfEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONF_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_ID_FIELD_NUMBER: _ClassVar[int]
    SHUFFLE_CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    RESULTS_ROOT_FIELD_NUMBER: _ClassVar[int]
    conf: _containers.ScalarMap[str, str]
    application_id: str
    shuffle_credential: bytes
    results_root: str
    def __init__(self, conf: _Optional[_Mapping[str, str]] = ..., application_id: _Optional[str] = ..., shuffle_credential: _Optional[bytes] = ..., results_root: _Optional[str] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class Stage(_message.Message):
    __slots__ = ("stage_key", "binary")
    STAGE_KEY_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    stage_key: int
    binary: bytes
    def __init__(self, stage_key: _Optional[int] = ..., binary: _Optional[bytes] = ...) -> None: ...

class TaskBatch(_message.Message):
    __slots__ = ("stage_key", "task_ids", "partitions", "attempts", "payloads", "workers", "names")
    STAGE_KEY_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    stage_key: int
    task_ids: _containers.RepeatedScalarFieldContainer[int]
    partitions: _containers.RepeatedScalarFieldContainer[int]
    attempts: _containers.RepeatedScalarFieldContainer[int]
    payloads: _containers.RepeatedScalarFieldContainer[bytes]
    workers: _containers.RepeatedScalarFieldContainer[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, stage_key: _Optional[int] = ..., task_ids: _Optional[_Iterable[int]] = ..., partitions: _Optional[_Iterable[int]] = ..., attempts: _Optional[_Iterable[int]] = ..., payloads: _Optional[_Iterable[bytes]] = ..., workers: _Optional[_Iterable[int]] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class TaskResults(_message.Message):
    __slots__ = ("task_ids", "outcomes", "payloads", "workers")
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    task_ids: _containers.RepeatedScalarFieldContainer[int]
    outcomes: _containers.RepeatedScalarFieldContainer[Outcome]
    payloads: _containers.RepeatedScalarFieldContainer[bytes]
    workers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, task_ids: _Optional[_Iterable[int]] = ..., outcomes: _Optional[_Iterable[_Union[Outcome, str]]] = ..., payloads: _Optional[_Iterable[bytes]] = ..., workers: _Optional[_Iterable[int]] = ...) -> None: ...

class CancelTasks(_message.Message):
    __slots__ = ("task_ids", "interrupt")
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    INTERRUPT_FIELD_NUMBER: _ClassVar[int]
    task_ids: _containers.RepeatedScalarFieldContainer[int]
    interrupt: bool
    def __init__(self, task_ids: _Optional[_Iterable[int]] = ..., interrupt: _Optional[bool] = ...) -> None: ...

class Cleanup(_message.Message):
    __slots__ = ("stage_keys", "rdd_ids", "shuffle_ids", "broadcast_ids")
    STAGE_KEYS_FIELD_NUMBER: _ClassVar[int]
    RDD_IDS_FIELD_NUMBER: _ClassVar[int]
    SHUFFLE_IDS_FIELD_NUMBER: _ClassVar[int]
    BROADCAST_IDS_FIELD_NUMBER: _ClassVar[int]
    stage_keys: _containers.RepeatedScalarFieldContainer[int]
    rdd_ids: _containers.RepeatedScalarFieldContainer[int]
    shuffle_ids: _containers.RepeatedScalarFieldContainer[int]
    broadcast_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, stage_keys: _Optional[_Iterable[int]] = ..., rdd_ids: _Optional[_Iterable[int]] = ..., shuffle_ids: _Optional[_Iterable[int]] = ..., broadcast_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class Printed(_message.Message):
    __slots__ = ("text", "is_stderr")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    IS_STDERR_FIELD_NUMBER: _ClassVar[int]
    text: str
    is_stderr: bool
    def __init__(self, text: _Optional[str] = ..., is_stderr: _Optional[bool] = ...) -> None: ...

class CachedBlock(_message.Message):
    __slots__ = ("rdd_id", "partition")
    RDD_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    rdd_id: int
    partition: int
    def __init__(self, rdd_id: _Optional[int] = ..., partition: _Optional[int] = ...) -> None: ...

class BlockCopy(_message.Message):
    __slots__ = ("block", "executor_id", "address")
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    block: CachedBlock
    executor_id: str
    address: str
    def __init__(self, block: _Optional[_Union[CachedBlock, _Mapping]] = ..., executor_id: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...

class BarrierCall(_message.Message):
    __slots__ = ("task_id", "kind", "message")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        BARRIER: _ClassVar[BarrierCall.Kind]
        ALL_GATHER: _ClassVar[BarrierCall.Kind]
        TASK_INFOS: _ClassVar[BarrierCall.Kind]
    BARRIER: BarrierCall.Kind
    ALL_GATHER: BarrierCall.Kind
    TASK_INFOS: BarrierCall.Kind
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    task_id: int
    kind: BarrierCall.Kind
    message: str
    def __init__(self, task_id: _Optional[int] = ..., kind: _Optional[_Union[BarrierCall.Kind, str]] = ..., message: _Optional[str] = ...) -> None: ...

class BarrierAnswer(_message.Message):
    __slots__ = ("task_ids", "messages", "error")
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    task_ids: _containers.RepeatedScalarFieldContainer[int]
    messages: _containers.RepeatedScalarFieldContainer[str]
    error: str
    def __init__(self, task_ids: _Optional[_Iterable[int]] = ..., messages: _Optional[_Iterable[str]] = ..., error: _Optional[str] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("memory_bytes", "running")
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    memory_bytes: int
    running: int
    def __init__(self, memory_bytes: _Optional[int] = ..., running: _Optional[int] = ...) -> None: ...

class ProvenRequest(_message.Message):
    __slots__ = ("application", "content", "nonce", "proof")
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    application: str
    content: bytes
    nonce: bytes
    proof: bytes
    def __init__(self, application: _Optional[str] = ..., content: _Optional[bytes] = ..., nonce: _Optional[bytes] = ..., proof: _Optional[bytes] = ...) -> None: ...

class FetchWish(_message.Message):
    __slots__ = ("executor_id", "paths", "offsets", "lengths")
    EXECUTOR_ID_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    OFFSETS_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    executor_id: str
    paths: _containers.RepeatedScalarFieldContainer[str]
    offsets: _containers.RepeatedScalarFieldContainer[int]
    lengths: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, executor_id: _Optional[str] = ..., paths: _Optional[_Iterable[str]] = ..., offsets: _Optional[_Iterable[int]] = ..., lengths: _Optional[_Iterable[int]] = ...) -> None: ...

class FetchChunk(_message.Message):
    __slots__ = ("proof", "data")
    PROOF_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    proof: bytes
    data: bytes
    def __init__(self, proof: _Optional[bytes] = ..., data: _Optional[bytes] = ...) -> None: ...

class ShuffleCall(_message.Message):
    __slots__ = ("register_executor", "lease", "end")
    REGISTER_EXECUTOR_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    register_executor: RegisterShuffleExecutor
    lease: ShuffleLease
    end: EndShuffles
    def __init__(self, register_executor: _Optional[_Union[RegisterShuffleExecutor, _Mapping]] = ..., lease: _Optional[_Union[ShuffleLease, _Mapping]] = ..., end: _Optional[_Union[EndShuffles, _Mapping]] = ...) -> None: ...

class RegisterShuffleExecutor(_message.Message):
    __slots__ = ("executor_id", "credential", "local_dirs", "uid")
    EXECUTOR_ID_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    LOCAL_DIRS_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    executor_id: str
    credential: bytes
    local_dirs: _containers.RepeatedScalarFieldContainer[str]
    uid: int
    def __init__(self, executor_id: _Optional[str] = ..., credential: _Optional[bytes] = ..., local_dirs: _Optional[_Iterable[str]] = ..., uid: _Optional[int] = ...) -> None: ...

class ShuffleLease(_message.Message):
    __slots__ = ("timeout_ms", "forgotten_shuffles")
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    FORGOTTEN_SHUFFLES_FIELD_NUMBER: _ClassVar[int]
    timeout_ms: int
    forgotten_shuffles: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, timeout_ms: _Optional[int] = ..., forgotten_shuffles: _Optional[_Iterable[int]] = ...) -> None: ...

class EndShuffles(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ShuffleReply(_message.Message):
    __slots__ = ("proof", "directory")
    PROOF_FIELD_NUMBER: _ClassVar[int]
    DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    proof: bytes
    directory: str
    def __init__(self, proof: _Optional[bytes] = ..., directory: _Optional[str] = ...) -> None: ...

class ShuffleGreeting(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: str
    def __init__(self, version: _Optional[str] = ...) -> None: ...
