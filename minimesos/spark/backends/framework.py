"""What the application says of itself to a Mesos master, and how it proves who it is.

Used by the backends when they subscribe.

Source: Spark's "Running Spark on Mesos" page.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.application import spark_user
from minimesos.spark.backends.executor_memory import container_memory_mb
from minimesos.spark.errors import SparkException
from minimesos.spark.setting_kinds import Setting, Texts
from minimesos.spark.settings.application import APP_NAME, DRIVER_HOST
from minimesos.spark.settings.executors import EXECUTOR_CORES
from minimesos.spark.settings.mesos import (
    MESOS_COARSE,
    MESOS_FAILOVER_TIMEOUT,
    MESOS_FRAMEWORK_ID,
    MESOS_GPUS_MAX,
    MESOS_PRINCIPAL,
    MESOS_PRINCIPAL_FILE,
    MESOS_ROLE,
    MESOS_SECRET,
    MESOS_SECRET_FILE,
    MESOS_WEBUI_URL,
)
from minimesos.spark.settings.scheduling import TASK_CPUS

_REMOVED = "Framework has been removed"
"""What a master says to an id of which it knows that nobody may come back as it."""

_frameworks = itertools.count()
"""Numbers the frameworks of this process."""


def framework_info(
    conf: Texts, webui_url: str = "", environment: Mapping[str, str] = os.environ
) -> mesos_pb2.FrameworkInfo:
    """Describe a new framework of this process; `webui_url` is where the application has pages.

    Two contexts of one process never share an id: each but the first appends its number to the one
    that is configured. Raises SparkException as `credential` does.
    """
    number = next(_frameworks)
    info = mesos_pb2.FrameworkInfo(
        user=spark_user(),
        name=APP_NAME.read(conf) or "minimesos",
        hostname=environment.get("SPARK_PUBLIC_DNS") or DRIVER_HOST.read(conf),
        role=MESOS_ROLE.read(conf),
        failover_timeout=MESOS_FAILOVER_TIMEOUT.read(conf),
    )
    info.offer_filters[info.role].CopyFrom(useful_offers(conf))
    webui_url = MESOS_WEBUI_URL.read(conf) or webui_url
    if webui_url:
        info.webui_url = webui_url
    framework_id = MESOS_FRAMEWORK_ID.read(conf)
    if framework_id is not None:
        info.id.value = f"{framework_id}-{number:04}" if number else framework_id
    proof = credential(conf, environment)
    if proof is not None:
        info.principal = proof.principal
    if MESOS_GPUS_MAX.read(conf):
        info.capabilities.add(type=mesos_pb2.FrameworkInfo.Capability.GPU_RESOURCES)
    return info


def useful_offers(conf: Texts) -> mesos_pb2.OfferFilters:
    """Say which offers are of use; the first is how much will do where others want cores too.

    That is an executor of the coarse-grained mode, a task of the other one. In the former an offer
    of any whole core may tell why there is no executor. Memory alone would cost us cores: what is
    offered counts as ours until we decline it.
    """
    if MESOS_COARSE.read(conf):
        cores, memory_mb = EXECUTOR_CORES.read(conf) or 1, container_memory_mb(conf)
        choices = [{"cpus": cores, "mem": memory_mb}, {"cpus": 1}]
    else:
        choices = [{"cpus": TASK_CPUS.read(conf)}]
    filters = mesos_pb2.OfferFilters()
    for choice in choices:
        least = filters.min_allocatable_resources.quantities.add()
        for name, amount in choice.items():
            least.quantities[name].value = amount
    return filters


def with_advice(error: str, conf: Texts) -> str:
    """Return a master's error to the framework, and what to do about it where that is known."""
    if error != _REMOVED or MESOS_FRAMEWORK_ID.read(conf) is None:
        return error
    return (
        f"{error}: it was stopped, or nobody came back within its {MESOS_FAILOVER_TIMEOUT.name}; "
        f"to start a new one leave out {MESOS_FRAMEWORK_ID.shown(conf)}"
    )


def credential(
    conf: Texts, environment: Mapping[str, str] = os.environ
) -> mesos_pb2.Credential | None:
    """Return principal and secret, None if there is no principal.

    Each comes from the configuration, else a variable, else a file that the configuration names,
    else a file that a variable names. Raises SparkException for a secret without a principal, and
    for a file that cannot be read.
    """
    principal = _given(
        conf, environment, MESOS_PRINCIPAL, MESOS_PRINCIPAL_FILE, "SPARK_MESOS_PRINCIPAL"
    )
    secret = _given(conf, environment, MESOS_SECRET, MESOS_SECRET_FILE, "SPARK_MESOS_SECRET")
    if principal:
        return mesos_pb2.Credential(principal=principal, secret=secret)
    if secret:
        raise SparkException(
            f"{MESOS_PRINCIPAL.name} must be configured when {MESOS_SECRET.name} is set"
        )
    return None


def _given(
    conf: Texts,
    environment: Mapping[str, str],
    setting: Setting[str | None],
    file_setting: Setting[str | None],
    variable: str,
) -> str | None:
    value = setting.read(conf) or environment.get(variable)
    if value:
        return value
    for origin, path in (
        (file_setting.name, file_setting.read(conf)),
        (f"{variable}_FILE", environment.get(f"{variable}_FILE")),
    ):
        if path:
            try:
                with open(path, encoding="utf-8") as file:
                    return file.read().rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise SparkException(f"{origin}: cannot read {path}: {error}") from error
    return None
