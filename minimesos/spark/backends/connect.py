"""From a master URL to the backend that serves it.

Used by the job runner. Imports a backend, and what it needs, only when it is asked for: `local[N]`
must not pay for gRPC.

Source: the forms of master URLs in Spark's documentation, "Submitting Applications".
"""

from __future__ import annotations

import os
import re
import secrets
from functools import partial
from typing import TYPE_CHECKING

from minimesos.detector import master_address
from minimesos.errors import InvalidValue
from minimesos.log import get_logger
from minimesos.spark.backends.backend import Backend
from minimesos.spark.conf import SparkConf
from minimesos.spark.errors import IllegalArgumentException, SparkException
from minimesos.spark.settings import for_executors
from minimesos.spark.settings.allocation import DYNAMIC_ALLOCATION_ENABLED
from minimesos.spark.settings.application import DRIVER_HOST, IO_ENCRYPTION_ENABLED
from minimesos.spark.settings.mesos import MESOS_COARSE
from minimesos.spark.settings.scheduling import (
    MIN_REGISTERED_RESOURCES_RATIO,
    TASK_CPUS,
    TASK_MAX_FAILURES,
)
from minimesos.spark.settings.shuffle import SHUFFLE_SERVICE_ENABLED

if TYPE_CHECKING:
    from minimesos.proto.mesos.v1 import mesos_pb2
    from minimesos.spark.backends.local_cluster import Cluster
    from minimesos.spark.backends.mesos_core import MesosCore

_SECRET_BYTES = 32

_log = get_logger(__name__)

_LOCAL = re.compile(r"local(?:\[\s*(\d+|\*)\s*(?:,\s*(\d+)\s*)?\])?")
_LOCAL_CLUSTER = re.compile(r"local-cluster\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]")

_LOCAL_TASK_FAILURES = "1"
"""In one process tree another attempt would fail the same way, as in Spark."""


def connect(master: str, conf: SparkConf, local_dir: str) -> Backend:
    """Return a backend that has not been started; to be called on the loop.

    Completes `conf` with what the URL says. Raises SparkException for a URL of no known form,
    InvalidValue for one that names no address or executors that are too small for a task, and
    IllegalArgumentException for settings that no backend honours.
    """
    if IO_ENCRYPTION_ENABLED.read(conf):
        raise IllegalArgumentException(
            f"{IO_ENCRYPTION_ENABLED.shown(conf)}: nothing here encrypts what is written to local "
            "disks, so this is refused, as Spark refuses it on Mesos; encrypt the disks instead"
        )
    if match := _LOCAL.fullmatch(master):
        from minimesos.spark.backends.local import HOST, LocalBackend

        conf.set(DRIVER_HOST.name, HOST)  # where its executors are, too
        if DYNAMIC_ALLOCATION_ENABLED.read(conf):
            _log.warning("Dynamic allocation means nothing here: one executor is all", url=master)
            conf.set(DYNAMIC_ALLOCATION_ENABLED.name, "false")
        if SHUFFLE_SERVICE_ENABLED.read(conf):
            conf.set(SHUFFLE_SERVICE_ENABLED.name, "false")  # the executor keeps its files itself
        cores = len(os.sched_getaffinity(0)) if match[1] == "*" else int(match[1] or 1)
        conf.set(TASK_MAX_FAILURES.name, match[2] or _LOCAL_TASK_FAILURES)
        if MIN_REGISTERED_RESOURCES_RATIO.read(conf):
            conf.set(MIN_REGISTERED_RESOURCES_RATIO.name, 0)  # there is one executor to wait for
        if cores > 0:
            _check_task_cpus(master, cores, conf)
            return LocalBackend(cores, for_executors(conf.as_mapping()), local_dir)
    elif match := _LOCAL_CLUSTER.fullmatch(master):
        from minimesos.spark.backends.local_cluster import PrivateCluster

        agents, cores, memory_mb = map(int, match.groups())
        if agents and cores and memory_mb:
            _check_task_cpus(master, cores, conf)
            cluster = PrivateCluster(agents, cores, memory_mb, conf, local_dir)
            return _on_mesos(conf, cluster, local_dir)
    elif master.startswith("mesos://"):
        from minimesos.spark.backends.local_cluster import RunningCluster

        return _on_mesos(conf, RunningCluster(master_address(master)), local_dir)
    raise SparkException(
        f"Could not parse Master URL: '{master}' (known forms: local, local[N], local[*], "
        "local[N,failures], local-cluster[executors,cores,memory], mesos://host:port)"
    )


def _check_task_cpus(master: str, cores: int, conf: SparkConf) -> None:
    if cores < TASK_CPUS.read(conf):
        raise InvalidValue(f"{master} has fewer cores than {TASK_CPUS.shown(conf)} of one task")


def _on_mesos(conf: SparkConf, cluster: Cluster, local_dir: str) -> Backend:
    """Return the backend of the mode that the configuration chooses."""
    from minimesos.spark.backends.framework import framework_info
    from minimesos.spark.backends.mesos import MesosBackend

    framework = framework_info(conf)
    secret = secrets.token_bytes(_SECRET_BYTES)
    make_core = _coarse_core if MESOS_COARSE.read(conf) else _fine_core
    core = make_core(conf, framework, secret)
    return MesosBackend(conf, cluster, local_dir, framework, core, secret)


def _coarse_core(conf: SparkConf, framework: mesos_pb2.FrameworkInfo, secret: bytes) -> MesosCore:
    from minimesos.spark.backends.coarse import CoarseGrainedCore
    from minimesos.spark.backends.coarse_task import CoarseTasks
    from minimesos.spark.backends.executor_command import COARSE, executor_command

    command = partial(executor_command, conf, COARSE)
    return CoarseGrainedCore(conf, CoarseTasks(conf, framework.name, secret, command))


def _fine_core(conf: SparkConf, framework: mesos_pb2.FrameworkInfo, secret: bytes) -> MesosCore:
    from minimesos.spark.backends.executor_command import FINE, executor_command
    from minimesos.spark.backends.fine import FineGrainedCore
    from minimesos.spark.backends.fine_task import FineTasks

    command = partial(executor_command, conf, FINE)
    return FineGrainedCore(conf, FineTasks(conf, framework.name, secret, command))
