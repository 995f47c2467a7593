"""What the application is, and how its driver is reached and shown.

Source: Spark's "Configuration" and "Running Spark on Mesos" pages.
"""

from __future__ import annotations

from minimesos.spark.setting_kinds import (
    falling_back,
    flag,
    one_of,
    seconds,
    size_bytes,
    text,
    whole,
    words,
)

_LOG_LEVELS = ("INFO", "WARNING", "ERROR")

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
SHOW_CONSOLE_PROGRESS = flag(
    "spark.ui.showConsoleProgress",
    True,
    "Whether stages are shown as a bar on a terminal's stderr.",
)
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
REGISTRATION_TIMEOUT = seconds(
    "spark.minimesos.registrationTimeout", "60s", "How long a driver looks for its master."
)
CLUSTER_LOG_LEVEL = one_of(
    "spark.minimesos.cluster.logLevel",
    "WARNING",
    _LOG_LEVELS,
    "What the private cluster of `local-cluster[n,cores,mem]` logs.",
)
