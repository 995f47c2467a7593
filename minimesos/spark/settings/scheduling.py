"""How tasks are placed and tried again.

Source: Spark's "Configuration", "Job Scheduling" and "Running Spark on Mesos" pages.
"""

from __future__ import annotations

from collections.abc import Iterator

from minimesos.spark.setting_kinds import (
    Texts,
    falling_back,
    flag,
    mebibytes,
    number,
    one_of,
    seconds,
    size_bytes,
    text,
    whole,
)
from minimesos.spark.settings.executors import EXECUTOR_CORES

_MESSAGE_MIB_MAX = 2047

DEFAULT_PARALLELISM = whole(
    "spark.default.parallelism",
    None,
    "Partitions of collections and shuffles for which none are given; if unset, the cores there "
    "are.",
    minimum=1,
)
TASK_CPUS = whole("spark.task.cpus", 1, "Cores of an executor that each task takes up.", minimum=1)
TASK_MAX_FAILURES = whole(
    "spark.task.maxFailures",
    4,
    "Failures of one task that fail its job; 1 on `local[N]`.",
    minimum=1,
)
STAGE_MAX_CONSECUTIVE_ATTEMPTS = whole(
    "spark.stage.maxConsecutiveAttempts",
    4,
    "Attempts at a stage in a row that could not fetch their input, and fail its jobs.",
    minimum=1,
)
BARRIER_SYNC_TIMEOUT = seconds(
    "spark.barrier.sync.timeout",
    "365d",
    "How long tasks of a barrier stage wait for each other in `barrier()` and `allGather()`.",
    unit="s",
)
BARRIER_CHECK_INTERVAL = seconds(
    "spark.scheduler.barrier.maxConcurrentTasksCheck.interval",
    "15s",
    "How long a barrier stage that needs more slots than there are waits for the next check.",
    unit="s",
)
BARRIER_CHECK_MAX_FAILURES = whole(
    "spark.scheduler.barrier.maxConcurrentTasksCheck.maxFailures",
    40,
    "Failed checks after which one more fails the job.",
    minimum=1,
)
LOCALITY_WAIT = seconds(
    "spark.locality.wait",
    "3s",
    "How long a task waits for where its input is; default of the two settings that follow.",
    unit="ms",
)
LOCALITY_WAIT_PROCESS = falling_back(
    "spark.locality.wait.process",
    LOCALITY_WAIT,
    "How long a task waits for the executor that has cached its input.",
)
LOCALITY_WAIT_NODE = falling_back(
    "spark.locality.wait.node",
    LOCALITY_WAIT,
    "How long a task waits, after that, for the host that has its input.",
)
SCHEDULER_MODE = one_of(
    "spark.scheduler.mode",
    "FIFO",
    ("FIFO", "FAIR"),
    "Which of several jobs gets cores: the oldest, or each its share, by pool.",
)
SCHEDULER_ALLOCATION_FILE = text(
    "spark.scheduler.allocation.file",
    None,
    "Pools of the FAIR mode, as XML; if unset `fairscheduler.xml` in SPARK_CONF_DIR, if it exists.",
)
MIN_REGISTERED_RESOURCES_RATIO = number(
    "spark.scheduler.minRegisteredResourcesRatio",
    0.0,
    "Share of `spark.cores.max` that must be there before the first task starts; not on `local`.",
)
MAX_REGISTERED_RESOURCES_WAITING_TIME = seconds(
    "spark.scheduler.maxRegisteredResourcesWaitingTime",
    "30s",
    "How long the first task waits for that at most.",
    unit="ms",
)
STARVATION_TIMEOUT = seconds(
    "spark.starvation.timeout",
    "15s",
    "How long tasks wait without any core before a warning.",
    unit="ms",
)
TASK_MAX_DIRECT_RESULT_SIZE = size_bytes(
    "spark.task.maxDirectResultSize",
    "1m",
    "Results above this go to files if the driver is on the same host, and never travel in the "
    "status updates of fine-grained tasks.",
)
RPC_MESSAGE_MAX_SIZE = mebibytes(
    "spark.rpc.message.maxSize",
    "128m",
    "Largest input of one task, such as a slice of a collection; with a larger one its job fails.",
)
VALIDATE_OUTPUT_SPECS = flag(
    "spark.hadoop.validateOutputSpecs", True, "Whether saving refuses a directory that exists."
)


def disagreements(conf: Texts) -> Iterator[str]:
    """Yield what is wrong between settings that are well-formed each."""
    cores = EXECUTOR_CORES.read(conf)
    if cores is not None and cores < TASK_CPUS.read(conf):
        yield f"{EXECUTOR_CORES.shown(conf)} must not be less than {TASK_CPUS.shown(conf)}"
    if RPC_MESSAGE_MAX_SIZE.read(conf) > _MESSAGE_MIB_MAX:
        yield f"{RPC_MESSAGE_MAX_SIZE.shown(conf)} must not be above {_MESSAGE_MIB_MAX}m"
