"""Executors and their workers: size, memory, liveness.

Source: Spark's "Configuration" and "Running Spark on Mesos" pages.
"""

from __future__ import annotations

from collections.abc import Iterator

from minimesos.spark.setting_kinds import (
    Texts,
    falling_back,
    flag,
    mebibytes,
    number,
    port,
    python_size_bytes,
    seconds,
    text,
    whole,
)

CORES_MAX = whole("spark.cores.max", None, "Cores that it takes at most; all if unset.", minimum=1)
EXECUTOR_CORES = whole(
    "spark.executor.cores",
    None,
    "Cores of each executor; if unset, all whole cores of the offer it is launched on.",
    minimum=1,
)
EXECUTOR_MEMORY = mebibytes("spark.executor.memory", "1g", "Memory of each executor.", minimum=1)
MEMORY_FRACTION = number(
    "spark.memory.fraction",
    0.6,
    "Share of an executor's memory, less 300 MiB, for cached partitions.",
    most=1,
)
WORKER_MEMORY = python_size_bytes(
    "spark.python.worker.memory", "512m", "Memory of a worker process at which it spills."
)
WORKER_REUSE = flag(
    "spark.python.worker.reuse",
    True,
    "Whether worker processes run one task after another. If not, each task has a new one, and "
    "partitions are cached on disk or not at all.",
)
USE_DAEMON = flag(
    "spark.python.use.daemon",
    True,
    "Whether workers are forked from one that has imported what tasks need. They always are; if "
    "not, they are not used again either, as in Spark.",
)
TASK_KILL_TIMEOUT = seconds(
    "spark.python.task.killTimeout",
    "2s",
    "How long a task that is cancelled may go on before its worker is killed.",
    unit="ms",
)
BLOCK_MANAGER_PORT = port(
    "spark.blockManager.port",
    0,
    "Port at which an executor serves its blocks, so one on each host; 0: any.",
)
DRIVER_BLOCK_MANAGER_PORT = port(
    "spark.driver.blockManager.port",
    0,
    "Port at which the driver serves its blocks; 0: the one of `spark.driver.port`.",
)
SPARK_HOME = text(
    "spark.home", None, "Where agents have an executor, if nothing of Mesos's own says so."
)
PYSPARK_PYTHON = text(
    "spark.pyspark.python",
    None,
    "Python of executors that are fetched or installed; PYSPARK_PYTHON of the driver if unset.",
)
HEARTBEAT_INTERVAL = seconds(
    "spark.executor.heartbeatInterval", "10s", "Time between heartbeats of executors.", unit="ms"
)
NETWORK_TIMEOUT = seconds(
    "spark.network.timeout", "120s", "Silence after which a peer counts as lost."
)
BLOCK_MANAGER_SLAVE_TIMEOUT = seconds(
    "spark.storage.blockManagerSlaveTimeoutMs",
    NETWORK_TIMEOUT,
    "Old name of `spark.storage.blockManagerHeartbeatTimeoutMs`.",
    unit="ms",
)
BLOCK_MANAGER_HEARTBEAT_TIMEOUT = falling_back(
    "spark.storage.blockManagerHeartbeatTimeoutMs",
    BLOCK_MANAGER_SLAVE_TIMEOUT,
    "Silence after which an executor counts as lost.",
)
ALLOW_SPARK_CONTEXT = flag(
    "spark.executor.allowSparkContext", False, "Whether a task may make a context."
)


def reuses_workers(conf: Texts) -> bool:
    """Say whether a worker runs one task after another."""
    return WORKER_REUSE.read(conf) and USE_DAEMON.read(conf)


def disagreements(conf: Texts) -> Iterator[str]:
    """Yield what is wrong between settings that are well-formed each."""
    most = CORES_MAX.read(conf)
    if most is not None and most < (EXECUTOR_CORES.read(conf) or 1):
        yield (
            f"{CORES_MAX.shown(conf)} is below {EXECUTOR_CORES.shown(conf)}, so that there can be "
            "no executor"
        )
    interval_s = HEARTBEAT_INTERVAL.read(conf)
    for timeout in (NETWORK_TIMEOUT, BLOCK_MANAGER_HEARTBEAT_TIMEOUT):
        if interval_s >= timeout.read(conf):
            yield f"{HEARTBEAT_INTERVAL.shown(conf)} must be less than {timeout.shown(conf)}"
            return
