"""An executor of the coarse-grained mode as a Mesos task.

Made by `coarse` for each launch; what all launches have in common is read from the configuration
once.

Source: Spark's documentation "Running Spark on Mesos", coarse-grained mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.backends.containers import container_info, task_labels
from minimesos.spark.backends.offers import Launch
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.containers import MESOS_NETWORK_NAME
from minimesos.spark.settings.mesos import MESOS_EXTRA_CORES

SECRET_VARIABLE = "MINIMESOS_SPARK_SECRET"
"""Tells executors the application's secret, in hex."""

Command = Callable[[Sequence[str]], mesos_pb2.CommandInfo]
"""Returns what starts an executor with some arguments, apart from the secret."""


class CoarseTasks:
    """Describes the executors of one application to Mesos."""

    def __init__(self, conf: Texts, app_name: str, secret: bytes, command: Command) -> None:
        self._app_name = app_name
        self._secret = secret
        self._command = command
        self._extra_cores = MESOS_EXTRA_CORES.read(conf)
        self._has_own_network = MESOS_NETWORK_NAME.read(conf) is not None
        self._labels = task_labels(conf)
        self._container = container_info(conf)

    def task_info(
        self, offer: mesos_pb2.Offer, launch: Launch, driver_url: str, framework_id: str
    ) -> mesos_pb2.TaskInfo:
        """Describe one executor, which is to find the driver at `driver_url` (host:port)."""
        arguments = [
            *("--driver-url", driver_url),
            *("--executor-id", launch.executor_id),
            *("--cores", str(launch.cores + self._extra_cores)),
            *("--app-id", framework_id),
        ]
        if not self._has_own_network:
            arguments += ["--hostname", offer.hostname]
        task = mesos_pb2.TaskInfo(
            name=f"{self._app_name} {launch.executor_id}",
            task_id=mesos_pb2.TaskID(value=launch.executor_id),
            agent_id=offer.agent_id,
            resources=launch.resources,
            command=self._command(arguments),
        )
        task.command.environment.variables.add(name=SECRET_VARIABLE, value=self._secret.hex())
        if self._labels.labels:
            task.labels.CopyFrom(self._labels)
        if self._container is not None:
            task.container.CopyFrom(self._container)
        return task
