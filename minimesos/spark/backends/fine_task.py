"""An executor of the fine-grained mode, and each of its Spark tasks, as Mesos sees them.

Made by `fine` for each launch; what all launches have in common is read from the configuration
once. Unlike Spark's executors, ours get the settings from the driver itself, once both have proven
the application's secret, and not with the ExecutorInfo, which travels with every task.

Source: Spark's documentation "Running Spark on Mesos", fine-grained mode.
"""

from __future__ import annotations

from collections.abc import Sequence

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends.coarse_task import SECRET_VARIABLE, Command
from minimesos.spark.backends.containers import container_info, task_labels
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.executors import BLOCK_MANAGER_PORT

Resources = Sequence[mesos_pb2.Resource]


class FineTasks:
    """Describes the executors and tasks of one application to Mesos."""

    def __init__(self, conf: Texts, app_name: str, secret: bytes, command: Command) -> None:
        self._app_name = app_name
        self._secret = secret
        self._command = command
        port = BLOCK_MANAGER_PORT.read(conf)
        self._arguments = ["--block-manager-port", str(port)] if port else []
        self._labels = task_labels(conf)
        self._container = container_info(conf)

    def executor_info(
        self, agent_id: str, driver_url: str, resources: Resources
    ) -> mesos_pb2.ExecutorInfo:
        """Describe the executor of an agent, which is to find the driver at host:port."""
        info = mesos_pb2.ExecutorInfo(
            executor_id=mesos_pb2.ExecutorID(value=agent_id),
            name=self._app_name,
            resources=resources,
            command=self._command(["--driver-url", driver_url, *self._arguments]),
        )
        info.command.environment.variables.add(name=SECRET_VARIABLE, value=self._secret.hex())
        if self._container is not None:
            info.container.CopyFrom(self._container)
        return info

    def task_info(
        self,
        task_id: str,
        executor: mesos_pb2.ExecutorInfo,
        resources: Resources,
        batch: spark_pb2.TaskBatch,
    ) -> mesos_pb2.TaskInfo:
        """Describe one task, without what it is to do; `batch` holds just this one."""
        task = mesos_pb2.TaskInfo(
            name=batch.names[0] if batch.names else f"task (TID {batch.task_ids[0]})",
            task_id=mesos_pb2.TaskID(value=task_id),
            agent_id=mesos_pb2.AgentID(value=executor.executor_id.value),
            executor=executor,
            resources=resources,
        )
        if self._labels.labels:
            task.labels.CopyFrom(self._labels)
        return task
