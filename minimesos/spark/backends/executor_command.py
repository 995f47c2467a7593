"""The command by which an agent starts an executor, from wherever its program comes.

Used by the backends for each launch. The program is an archive that the agent fetches, an
installation on the agent, or the driver's own interpreter, which needs the same paths there.

Source: Spark's "Running Spark on Mesos" page; our launcher stands for its `spark-class`.
"""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.application import spark_user
from minimesos.spark.backends.containers import secret_variables
from minimesos.spark.conf import SparkConf
from minimesos.spark.mesos_texts import archive_base
from minimesos.spark.settings import executor_environment
from minimesos.spark.settings.executors import (
    BLOCK_MANAGER_PORT,
    EXECUTOR_MEMORY,
    PYSPARK_PYTHON,
    SPARK_HOME,
)
from minimesos.spark.settings.mesos import (
    MESOS_EXECUTOR_HOME,
    MESOS_EXECUTOR_URI,
    MESOS_FETCHER_CACHE_ENABLE,
    MESOS_URIS,
)

LAUNCHER = "bin/minimesos-executor"
COARSE = "spark"
"""The kind of executor that is a Mesos task."""
FINE = "fine"
"""The kind of executor whose Spark tasks are Mesos tasks."""
DRIVER_PYTHON_VARIABLE = "MINIMESOS_DRIVER_PYTHON"
"""Tells the launcher which Python the driver would not refuse, such as 3.12."""


def executor_command(
    conf: SparkConf,
    kind: str,
    arguments: Sequence[str],
    environment: Mapping[str, str] = os.environ,
) -> mesos_pb2.CommandInfo:
    """Return what starts an executor of a kind (`spark`, `fine`) with some arguments.

    `environment` is the driver's. The application's secret is not in the command's.
    """
    uri = MESOS_EXECUTOR_URI.read(conf) or environment.get("SPARK_EXECUTOR_URI")
    command = mesos_pb2.CommandInfo()
    port = BLOCK_MANAGER_PORT.read(conf)
    own = ["--block-manager-port", str(port)] if port and kind == COARSE else []
    words = shlex.join([kind, *arguments, *own])
    home = None if uri else _home(conf, environment)
    if uri:
        # The archive lies beside what is in it, so only a directory will do.
        base = shlex.quote(archive_base(uri))
        command.value = f"cd {base}*/ && exec ./{LAUNCHER} {words}"
    elif home is not None:
        command.value = f"exec {shlex.quote(os.path.join(home, LAUNCHER))} {words}"
    else:
        program = shlex.join([sys.executable, "-P", "-m", "minimesos_executor"])
        command.value = f"exec {program} {words}"
    if uri or home is not None:
        version = ".".join(platform.python_version_tuple()[:2])
        command.environment.variables.add(name=DRIVER_PYTHON_VARIABLE, value=version)
    cache = MESOS_FETCHER_CACHE_ENABLE.read(conf)
    for each in (*((uri,) if uri else ()), *MESOS_URIS.read(conf)):
        command.uris.add(value=each, cache=cache)
    for name, value in _variables(conf, environment).items():
        command.environment.variables.add(name=name, value=value)
    command.environment.variables.extend(secret_variables(conf))
    return command


def _home(conf: SparkConf, environment: Mapping[str, str]) -> str | None:
    """Return where agents have an executor, None for the driver's own.

    Many a user has Spark itself installed, and SPARK_HOME or the script say so. Where that can be
    seen from here it is not meant for us.
    """
    home = MESOS_EXECUTOR_HOME.read(conf)
    if home is not None:
        return home
    home = SPARK_HOME.read(conf)
    if home and (_has_launcher(home) or not os.path.isdir(home)):
        return home
    home = environment.get("SPARK_HOME")
    return home if home and _has_launcher(home) else None


def _has_launcher(home: str) -> bool:
    return os.access(os.path.join(home, LAUNCHER), os.X_OK)


def _variables(conf: SparkConf, environment: Mapping[str, str]) -> dict[str, str]:
    variables = {
        "SPARK_USER": spark_user(),
        "SPARK_EXECUTOR_MEMORY": f"{EXECUTOR_MEMORY.read(conf)}m",
    }
    python = PYSPARK_PYTHON.read(conf) or environment.get("PYSPARK_PYTHON")
    if python:
        variables["PYSPARK_PYTHON"] = python
    return variables | executor_environment(conf.as_mapping())
