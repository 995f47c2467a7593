"""Every `spark.*` setting that minimesos reads: its name, kind, default and meaning, once.

Read by the driver, its backends, executors and workers, as `EXECUTOR_CORES.read(conf)`. A context
calls `check` before it launches anything, so that all malformed settings are reported at once;
docs/configuration/spark.md is written from here. Other settings are kept, and sent to executors,
without being looked at.

Source: Spark's "Configuration" and "Running Spark on Mesos" pages; defaults as in Spark 3.5 and, of
`spark.mesos.*`, in Spark 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minimesos.errors import InvalidValue
from minimesos.spark.setting_kinds import (
    Setting,
    Texts,
    falling_back,
    flag,
    mebibytes,
    number,
    one_of,
    path,
    python_size_bytes,
    seconds,
    size_bytes,
    text,
    whole,
    words,
)

EXECUTOR_ENV_PREFIX = "spark.executorEnv."
"""What follows is the name of an environment variable of executors."""

_LOG_LEVELS = ("INFO", "WARNING", "ERROR")

# -- the application ------------------------------------------------------------------------------

MASTER = text("spark.master", None, "Where it runs; required. See `minimesos submit --help`.")
APP_NAME = text("spark.app.name", None, "Name for people; required, but `submit` has one to offer.")
DEPLOY_MODE = one_of(
    "spark.submit.deployMode", "client", ("client",), "Where the script runs; only here as yet."
)
PY_FILES = words("spark.submit.pyFiles", "Modules and archives that tasks can import from.")
FILES = words("spark.files", "Files that tasks find by `SparkFiles.get`.")
FILES_OVERWRITE = flag(
    "spark.files.overwrite", False, "Whether `addFile` replaces a file that was added before."
)
LOCAL_DIR = words(
    "spark.local.dir",
    "Directories for scratch files, the first of which is used; SPARK_LOCAL_DIRS wins. By default "
    "TMPDIR, else /tmp.",
)
SHOW_CONSOLE_PROGRESS = flag(
    "spark.ui.showConsoleProgress",
    True,
    "Whether stages are shown as a bar on a terminal's stderr.",
)

# -- the driver -----------------------------------------------------------------------------------

DRIVER_HOST = text("spark.driver.host", "127.0.0.1", "Address at which executors reach the driver.")
DRIVER_BIND_ADDRESS = falling_back(
    "spark.driver.bindAddress", DRIVER_HOST, "Address that the driver listens on."
)
DRIVER_PORT = whole("spark.driver.port", 0, "Port that the driver listens on; 0: any.", minimum=0)
PORT_MAX_RETRIES = whole(
    "spark.port.maxRetries", 16, "Ports that are tried after `spark.driver.port`.", minimum=0
)
DRIVER_MAX_RESULT_SIZE = size_bytes(
    "spark.driver.maxResultSize", "1g", "Serialised results of one job; 0: any size."
)

# -- executors ------------------------------------------------------------------------------------

CORES_MAX = whole("spark.cores.max", None, "Cores that it takes at most; all if unset.", minimum=1)
EXECUTOR_CORES = whole(
    "spark.executor.cores",
    None,
    "Cores of each executor; if unset, all whole cores of the offer it is launched on.",
    minimum=1,
)
EXECUTOR_MEMORY = mebibytes("spark.executor.memory", "1g", "Memory of each executor.")
MEMORY_FRACTION = number(
    "spark.memory.fraction",
    0.6,
    "Share of an executor's memory, less 300 MiB, for cached partitions.",
    most=1,
)
WORKER_MEMORY = python_size_bytes(
    "spark.python.worker.memory", "512m", "Memory of a worker process at which it spills."
)
HEARTBEAT_INTERVAL = seconds(
    "spark.executor.heartbeatInterval", "10s", "Time between heartbeats of executors.", unit="ms"
)
NETWORK_TIMEOUT = seconds(
    "spark.network.timeout", "120s", "Silence after which an executor counts as lost."
)
ALLOW_SPARK_CONTEXT = flag(
    "spark.executor.allowSparkContext", False, "Whether a task may make a context."
)

# -- scheduling -----------------------------------------------------------------------------------

DEFAULT_PARALLELISM = whole(
    "spark.default.parallelism",
    None,
    "Partitions of collections and shuffles for which none are given; if unset, the cores there "
    "are.",
    minimum=1,
)
TASK_CPUS = whole("spark.task.cpus", 1, "What `TaskContext.cpus` says.", minimum=1)
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
LOCALITY_WAIT = seconds(
    "spark.locality.wait",
    "3s",
    "How long a task waits for the executor that has its input.",
    unit="ms",
)
LOCALITY_WAIT_PROCESS = falling_back(
    "spark.locality.wait.process",
    LOCALITY_WAIT,
    "How long a task waits for the worker process that has its input.",
)
VALIDATE_OUTPUT_SPECS = flag(
    "spark.hadoop.validateOutputSpecs", True, "Whether saving refuses a directory that exists."
)

# -- on Mesos -------------------------------------------------------------------------------------

MESOS_ROLE = text("spark.mesos.role", "*", "Role of the framework.")
MESOS_PRINCIPAL = text("spark.mesos.principal", None, "Principal of the framework.")
MESOS_FAILOVER_TIMEOUT = number(
    "spark.mesos.driver.failoverTimeout",
    0.0,
    "Seconds that the master keeps executors of a driver that has gone.",
)
MESOS_FRAMEWORK_ID = text(
    "spark.mesos.driver.frameworkId", None, "Id of a framework to come back as."
)
MESOS_EXECUTOR_HOME = path(
    "spark.mesos.executor.home",
    "Where agents have a Python (`bin/python`) with minimesos; the driver's own if unset.",
)
MESOS_MEMORY_OVERHEAD = mebibytes(
    "spark.mesos.executor.memoryOverhead",
    None,
    "What Mesos is asked for beyond `spark.executor.memory`; if unset a tenth, 384 MiB at least.",
)
MESOS_EXTRA_CORES = whole(
    "spark.mesos.extra.cores",
    0,
    "Task slots of each executor beyond the cores it acquires.",
    minimum=0,
)
MESOS_REJECT_OFFER_DURATION = seconds(
    "spark.mesos.rejectOfferDuration",
    "120s",
    "Default of settings that say how long declined offers stay away.",
)
MESOS_REJECT_OFFER_DURATION_FOR_REACHED_MAX_CORES = falling_back(
    "spark.mesos.rejectOfferDurationForReachedMaxCores",
    MESOS_REJECT_OFFER_DURATION,
    "How long offers stay away once `spark.cores.max` is reached.",
)
MESOS_COARSE_SHUTDOWN_TIMEOUT = seconds(
    "spark.mesos.coarse.shutdownTimeout",
    "10s",
    "How long `SparkContext.stop` waits for executors to end by themselves.",
    unit="ms",
)

# -- ours -----------------------------------------------------------------------------------------

REGISTRATION_TIMEOUT = seconds(
    "spark.minimesos.registrationTimeout", "60s", "How long a driver looks for its master."
)
CLUSTER_LOG_LEVEL = one_of(
    "spark.minimesos.cluster.logLevel",
    "WARNING",
    _LOG_LEVELS,
    "What the private cluster of `local-cluster[n,cores,mem]` logs.",
)

SETTINGS: tuple[Setting[Any], ...] = tuple(
    sorted(
        (each for each in globals().values() if isinstance(each, Setting)),
        key=lambda setting: setting.name,
    )
)
"""All of the above, by name."""


def check(conf: Texts) -> None:
    """Raise InvalidValue that lists every malformed setting, a line each, if there is one."""
    problems = []
    for setting in SETTINGS:
        if conf.get(setting.name) is not None:
            try:
                setting.read(conf)
            except InvalidValue as error:
                problems.append(str(error))
    if problems:
        raise InvalidValue("\n".join(problems))


def executor_environment(conf: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that the application sets for its executors."""
    return {
        key.removeprefix(EXECUTOR_ENV_PREFIX): value
        for key, value in conf.items()
        if key.startswith(EXECUTOR_ENV_PREFIX)
    }
