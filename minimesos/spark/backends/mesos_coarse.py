"""How an application of a Mesos backend describes itself, and what its executors run in.

Source: Spark's documentation "Running Spark on Mesos".
"""

from __future__ import annotations

import os
import sys

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.application import spark_user
from minimesos.spark.conf import SparkConf
from minimesos.spark.settings.application import APP_NAME, DRIVER_HOST
from minimesos.spark.settings.mesos import (
    MESOS_EXECUTOR_HOME,
    MESOS_FAILOVER_TIMEOUT,
    MESOS_FRAMEWORK_ID,
    MESOS_PRINCIPAL,
    MESOS_ROLE,
)

SECRET_VARIABLE = "MINIMESOS_SPARK_SECRET"


def framework_info(conf: SparkConf) -> mesos_pb2.FrameworkInfo:
    """Describe the application to the master."""
    info = mesos_pb2.FrameworkInfo(
        user=spark_user(),
        name=APP_NAME.read(conf) or "minimesos",
        hostname=os.environ.get("SPARK_PUBLIC_DNS") or DRIVER_HOST.read(conf),
        role=MESOS_ROLE.read(conf),
        failover_timeout=MESOS_FAILOVER_TIMEOUT.read(conf),
    )
    framework_id = MESOS_FRAMEWORK_ID.read(conf)
    if framework_id is not None:
        info.id.value = framework_id
    principal = MESOS_PRINCIPAL.read(conf)
    if principal is not None:
        info.principal = principal
    return info


def executor_python(conf: SparkConf) -> str:
    """Return the interpreter that executors run in: of spark.mesos.executor.home, or the driver's.

    Whether agents have it shows there.
    """
    home = MESOS_EXECUTOR_HOME.read(conf)
    return sys.executable if home is None else os.path.join(home, "bin", "python")
