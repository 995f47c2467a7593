"""What the application is, and how its driver is reached and shown.

Source: Spark's "Configuration" and "Running Spark on Mesos" pages.
"""

from __future__ import annotations

import logging

from minimesos.spark.setting_kinds import (
    falling_back,
    flag,
    mebibytes,
    one_of,
    pattern,
    port,
    seconds,
    size_bytes,
    text,
    whole,
    words,
)

_CLUSTER_LOG_LEVELS = ("INFO", "WARNING", "ERROR")
LOG_LEVELS = {
    "ALL": logging.DEBUG,
    "DEBUG": logging.DEBUG,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
    "INFO": logging.INFO,
    "OFF": logging.CRITICAL + 1,
    "TRACE": logging.DEBUG,
    "WARN": logging.WARNING,
}
"""Spark's names of levels, as levels of the standard library."""

MASTER = text("spark.master", None, "Where it runs; required. See `minimesos submit --help`.")
APP_NAME = text("spark.app.name", None, "Name for people; required, but `submit` has one to offer.")
DEPLOY_MODE = one_of(
    "spark.submit.deployMode", "client", ("client",), "Where the script runs; only here as yet."
)
PY_FILES = words("spark.submit.pyFiles", "Modules and archives that tasks can import from.")
FILES = words("spark.files", "Files that tasks find by `SparkFiles.get`.")
ARCHIVES = words(
    "spark.archives",
    "Archives that tasks find unpacked by `SparkFiles.get`: in a directory of the archive's name, "
    "or of that in `archive#name`.",
)
FILES_OVERWRITE = flag(
    "spark.files.overwrite", False, "Whether `addFile` replaces a file that was added before."
)
LOCAL_DIR = words(
    "spark.local.dir",
    "Directories for scratch files, the first of which is used; SPARK_LOCAL_DIRS wins. By default "
    "TMPDIR, else /tmp.",
)
IO_ENCRYPTION_ENABLED = flag(
    "spark.io.encryption.enabled",
    False,
    "Encryption of such files; refused, as there is none.",
)
RETAINED_JOBS = whole(
    "spark.ui.retainedJobs", 1000, "Ended jobs that the status tracker remembers.", minimum=0
)
RETAINED_STAGES = whole(
    "spark.ui.retainedStages", 1000, "Ended stages that the status tracker remembers.", minimum=0
)
SHOW_CONSOLE_PROGRESS = flag(
    "spark.ui.showConsoleProgress",
    True,
    "Whether stages are shown as a bar on a terminal's stderr.",
)
LOG_LEVEL = one_of(
    "spark.log.level",
    None,
    tuple(LOG_LEVELS),
    "What driver and executors log; if unset, the driver from WARN up and executors on a cluster "
    "from INFO up.",
)
REDACTION_REGEX = pattern(
    "spark.redaction.regex",
    "(?i)secret|password|token|access[.]key",
    "Settings of which the values are not shown, by their names.",
)
PYSPARK_DRIVER_PYTHON = text(
    "spark.pyspark.driver.python",
    None,
    "Interpreter of a script that is submitted; else `spark.pyspark.python`, "
    "PYSPARK_DRIVER_PYTHON, PYSPARK_PYTHON, or the one of `minimesos submit`.",
)
PYSPARK_ALIAS = flag(
    "spark.minimesos.pyspark.alias",
    False,
    "Whether `import pyspark` gives minimesos in tasks. `minimesos submit` and `minimesos shell` "
    "set it, and see to it in the driver, unless it is set to false.",
)
DRIVER_MEMORY = mebibytes(
    "spark.driver.memory", "1g", "Memory of a driver; shown only, as drivers run unbounded."
)
DRIVER_CORES = whole("spark.driver.cores", 1, "Cores of a driver; shown only.", minimum=1)
DRIVER_HOST = text("spark.driver.host", "127.0.0.1", "Address at which executors reach the driver.")
DRIVER_BIND_ADDRESS = falling_back(
    "spark.driver.bindAddress", DRIVER_HOST, "Address that the driver listens on."
)
DRIVER_PORT = port("spark.driver.port", 0, "Port that the driver listens on; 0: any.")
PORT_MAX_RETRIES = whole(
    "spark.port.maxRetries", 16, "Ports that are tried after one that is taken.", minimum=0
)
DRIVER_MAX_RESULT_SIZE = size_bytes(
    "spark.driver.maxResultSize", "1g", "Serialised results of one job; 0: any size."
)
REGISTRATION_TIMEOUT = seconds(
    "spark.minimesos.registrationTimeout", "60s", "How long a driver looks for its master."
)
CLUSTER_LOG_LEVEL = one_of(
    "spark.minimesos.cluster.logLevel",
    "WARNING",
    _CLUSTER_LOG_LEVELS,
    "What the private cluster of `local-cluster[n,cores,mem]` logs.",
)
