"""Settings that bound the jobs of one application: what they take, wait for, send and return.

Read once, when the application starts. `is_ready` says when the first task may start.
"""

from __future__ import annotations

from dataclasses import dataclass

from minimesos.spark.io.compression import DEFAULT, Codec, codec_of
from minimesos.spark.scheduler.mishaps import ExclusionSettings, SpeculationSettings
from minimesos.spark.setting_kinds import MIB, Texts
from minimesos.spark.settings.application import (
    DRIVER_MAX_RESULT_SIZE,
    RETAINED_JOBS,
    RETAINED_STAGES,
)
from minimesos.spark.settings.executors import CORES_MAX
from minimesos.spark.settings.scheduling import (
    BARRIER_CHECK_INTERVAL,
    BARRIER_CHECK_MAX_FAILURES,
    BARRIER_SYNC_TIMEOUT,
    LOCALITY_WAIT_NODE,
    LOCALITY_WAIT_PROCESS,
    MAX_REGISTERED_RESOURCES_WAITING_TIME,
    MIN_REGISTERED_RESOURCES_RATIO,
    RPC_MESSAGE_MAX_SIZE,
    STAGE_MAX_CONSECUTIVE_ATTEMPTS,
    STARVATION_TIMEOUT,
    TASK_CPUS,
    TASK_MAX_FAILURES,
)
from minimesos.spark.settings.shuffle import (
    FETCH_FAILURE_UNREGISTER_OUTPUT_ON_HOST,
    REDUCE_LOCALITY,
    SHUFFLE_SERVICE_ENABLED,
)
from minimesos.spark.settings.storage import BROADCAST_COMPRESS, CLOSURE_COMPRESSION_THRESHOLD


@dataclass(frozen=True, slots=True)
class Limits:
    """What the scheduler is allowed."""

    task_failures: int = TASK_MAX_FAILURES.default
    """Failures of one task within a stage attempt that end its job."""
    stage_attempts: int = STAGE_MAX_CONSECUTIVE_ATTEMPTS.default
    """Attempts at a stage in a row that could not fetch their input, and end its jobs."""
    locality_waits_s: tuple[float, float] = (
        LOCALITY_WAIT_PROCESS.default,
        LOCALITY_WAIT_NODE.default,
    )
    """How long a task waits for the executor that holds its input, and then for that one's host."""
    prefers_map_outputs: bool = REDUCE_LOCALITY.default
    """Tasks that read a shuffle prefer hosts that hold a good part of their input."""
    result_bytes: int = DRIVER_MAX_RESULT_SIZE.default
    """Serialised results of one job; 0 for no limit."""
    task_cpus: int = TASK_CPUS.default
    """Cores of an executor that each task takes up."""
    closure_bytes: int = CLOSURE_COMPRESSION_THRESHOLD.default
    """Size of a stage's closure above which it is compressed."""
    compression: Codec | None = DEFAULT
    """The codec for that, if there is one."""
    message_bytes: int = RPC_MESSAGE_MAX_SIZE.default * MIB
    """Largest input of one task, as it is sent."""
    starvation_s: float = STARVATION_TIMEOUT.default
    """How long tasks wait without any core before a warning."""
    outputs_outlive_executors: bool = SHUFFLE_SERVICE_ENABLED.default
    """Map outputs are at shuffle services, so the loss of an executor is none of its outputs."""
    outputs_fail_by_host: bool = FETCH_FAILURE_UNREGISTER_OUTPUT_ON_HOST.default
    """If one map output at a shuffle service cannot be read, none of its host can."""
    retained_jobs: int = RETAINED_JOBS.default
    retained_stages: int = RETAINED_STAGES.default
    """How many ended jobs and stages are remembered, for whoever asks."""
    ready_cores: float = 0.0
    """Cores that must be there before the first task starts."""
    ready_wait_s: float = MAX_REGISTERED_RESOURCES_WAITING_TIME.default
    """How long after the application's start the first task waits for those at most."""

    barrier_wait_s: float = BARRIER_SYNC_TIMEOUT.default
    """How long tasks of a barrier stage wait for each other."""
    barrier_check_s: float = BARRIER_CHECK_INTERVAL.default
    """From one look whether there are enough slots for a barrier stage to the next."""
    barrier_checks: int = BARRIER_CHECK_MAX_FAILURES.default
    """Failed looks after which one more ends its job."""
    speculation: SpeculationSettings | None = None
    """When slow tasks are run twice; None for never."""
    exclusion: ExclusionSettings | None = None
    """When executors on which tasks fail get no more; None for never."""

    @classmethod
    def of(cls, conf: Texts) -> Limits:
        """Read the settings of an application. Raises InvalidValue."""
        ratio = min(MIN_REGISTERED_RESOURCES_RATIO.read(conf), 1.0)
        return cls(
            task_failures=TASK_MAX_FAILURES.read(conf),
            stage_attempts=STAGE_MAX_CONSECUTIVE_ATTEMPTS.read(conf),
            locality_waits_s=(LOCALITY_WAIT_PROCESS.read(conf), LOCALITY_WAIT_NODE.read(conf)),
            prefers_map_outputs=REDUCE_LOCALITY.read(conf),
            result_bytes=DRIVER_MAX_RESULT_SIZE.read(conf),
            task_cpus=TASK_CPUS.read(conf),
            closure_bytes=CLOSURE_COMPRESSION_THRESHOLD.read(conf),
            compression=codec_of(conf, BROADCAST_COMPRESS),
            message_bytes=RPC_MESSAGE_MAX_SIZE.read(conf) * MIB,
            starvation_s=STARVATION_TIMEOUT.read(conf),
            outputs_outlive_executors=SHUFFLE_SERVICE_ENABLED.read(conf),
            outputs_fail_by_host=FETCH_FAILURE_UNREGISTER_OUTPUT_ON_HOST.read(conf),
            retained_jobs=RETAINED_JOBS.read(conf),
            retained_stages=RETAINED_STAGES.read(conf),
            ready_cores=ratio * (CORES_MAX.read(conf) or 0),
            ready_wait_s=MAX_REGISTERED_RESOURCES_WAITING_TIME.read(conf),
            barrier_wait_s=BARRIER_SYNC_TIMEOUT.read(conf),
            barrier_check_s=BARRIER_CHECK_INTERVAL.read(conf),
            barrier_checks=BARRIER_CHECK_MAX_FAILURES.read(conf),
            speculation=SpeculationSettings.of(conf),
            exclusion=ExclusionSettings.of(conf),
        )

    def compression_of(self, closure: bytes) -> Codec | None:
        """Return how the closure of a stage is compressed; None for not at all."""
        return self.compression if len(closure) > self.closure_bytes else None

    def is_ready(self, registered_cores: int, waited_s: float) -> bool:
        """Say whether tasks may start, this long after the application has."""
        return registered_cores >= self.ready_cores or waited_s >= self.ready_wait_s
