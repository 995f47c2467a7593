"""The application as a Mesos framework.

Source: Spark's "Configuration" and "Running Spark on Mesos" pages.
"""

from __future__ import annotations

from minimesos.spark.setting_kinds import (
    falling_back,
    flag,
    mebibytes,
    number,
    path,
    seconds,
    text,
    whole,
)

MESOS_COARSE = flag(
    "spark.mesos.coarse",
    True,
    "Whether executors hold their cores for as long as they live; if not, each Spark task is a "
    "Mesos task.",
)
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
