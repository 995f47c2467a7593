"""What an application starts from: its configuration, its user, its scratch directory, its pools.

Called by SparkContext when it starts, before anything else of the application exists.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minimesos.errors import InvalidValue
from minimesos.log import get_logger
from minimesos.runtime.scratch import Scratch
from minimesos.spark.compat import is_installed
from minimesos.spark.conf import SparkConf
from minimesos.spark.conf_files import conf_file
from minimesos.spark.errors import PySparkRuntimeError
from minimesos.spark.io.compression import find_codec
from minimesos.spark.settings import EXECUTOR_ENV_PREFIX, check, unknown
from minimesos.spark.settings.application import APP_NAME, LOCAL_DIR, MASTER
from minimesos.spark.settings.scheduling import SCHEDULER_ALLOCATION_FILE, SCHEDULER_MODE
from minimesos.spark.settings.storage import IO_COMPRESSION_CODEC, RDD_COMPRESS

if TYPE_CHECKING:
    from minimesos.spark.scheduler.pools import Pools

# What PySpark puts into every application's configuration.
_DEFAULTS = {RDD_COMPRESS.name: "true", "spark.serializer.objectStreamReset": "100"}
_POOLS_FILE = "fairscheduler.xml"

_log = get_logger(__name__)

_warned: set[str] = set()
"""Settings that this process has looked at for warnings."""


def application_settings(
    conf: SparkConf | None,
    master: str | None,
    app_name: str | None,
    spark_home: str | None,
    environment: Mapping[str, Any] | None,
) -> SparkConf:
    """Return the application's own configuration.

    Raises PySparkRuntimeError if a needed setting is missing, and InvalidValue that names all that
    are malformed.
    """
    settings = conf.copy() if conf is not None else SparkConf()
    for key, value in _DEFAULTS.items():
        settings.setIfMissing(key, value)
    if master:
        settings.setMaster(master)
    if app_name:
        settings.setAppName(app_name)
    if spark_home:
        settings.setSparkHome(spark_home)
    for name, text in (environment or {}).items():
        settings.setExecutorEnv(name, text)
    # Workers of one application must agree on the hashes of strings.
    hash_seed = f"{EXECUTOR_ENV_PREFIX}PYTHONHASHSEED"
    seed = os.environ.get("PYTHONHASHSEED", "random")
    settings.setIfMissing(hash_seed, "0" if seed == "random" else seed)
    if is_installed():  # PySpark's own launcher has these
        settings.setIfMissing(MASTER.name, "local[*]").setIfMissing(APP_NAME.name, "pyspark-shell")
    if MASTER.read(settings) is None:
        raise PySparkRuntimeError(
            "A master URL must be set in your configuration.", "MASTER_URL_NOT_SET"
        )
    if APP_NAME.read(settings) is None:
        raise PySparkRuntimeError(
            "An application name must be set in your configuration.", "APPLICATION_NAME_NOT_SET"
        )
    check(settings)
    return settings


def warn_of_settings(conf: SparkConf) -> None:
    """Log, once in this process, which settings nobody knows, in one line, or have no effect."""
    names = set(conf.as_mapping()) - _warned
    _warned.update(names)
    problem = unknown(names)
    if problem is not None:
        _log.warning(problem)
    codec = IO_COMPRESSION_CODEC.read(conf)
    if IO_COMPRESSION_CODEC.name in names and find_codec(codec) is None:
        _log.warning(
            "Codec is not installed here; what the driver sends is not compressed",
            codec=codec,
            install="minimesos[fast]",
        )


def spark_user() -> str:
    """Return the user to report: SPARK_USER, or who runs the driver."""
    return os.environ.get("SPARK_USER") or getpass.getuser()


def make_scratch(conf: SparkConf) -> Scratch:
    """Make the application's own scratch directory."""
    configured = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")
    named = (*configured, *LOCAL_DIR.read(conf), os.environ.get("TMPDIR", ""), "/tmp")
    return Scratch(next(filter(None, named)), "spark")


def read_pools(conf: SparkConf) -> Pools | None:
    """Return the pools between which jobs share cores; None where the oldest job comes first.

    Raises InvalidValue for an allocation file that cannot be read.
    """
    if SCHEDULER_MODE.read(conf) == "FIFO":
        return None
    from minimesos.spark.io.filesystem import local_path
    from minimesos.spark.scheduler.pools import Pools, parse_pools

    named = SCHEDULER_ALLOCATION_FILE.read(conf)
    path = conf_file(_POOLS_FILE, os.environ) if named is None else Path(local_path(named))
    if path is None:
        return Pools()
    try:
        pools, warnings = parse_pools(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # also InvalidValue
        raise InvalidValue(f"{SCHEDULER_ALLOCATION_FILE.name}: {path}: {error}") from error
    for warning in warnings:
        _log.warning("Value of a pool is not used", file=path, reason=warning)
    return Pools(pools)
