"""An executor of the fine-grained mode and its tasks, by the catalogue of Spark's own suite."""

from __future__ import annotations

from functools import partial

from google.protobuf.json_format import MessageToDict

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.backends.coarse_task import SECRET_VARIABLE
from minimesos.spark.backends.executor_command import FINE, executor_command
from minimesos.spark.backends.fine_task import FineTasks
from minimesos.spark.conf import SparkConf
from minimesos.testing import builders


def tasks(**settings: object) -> FineTasks:
    conf = SparkConf(loadDefaults=False)
    for name, value in settings.items():
        conf.set("spark." + name.replace("_", "."), value)
    return FineTasks(
        conf, "app", b"\xab\xcd", partial(executor_command, conf, FINE, environment={})
    )


def executor(**settings: object) -> mesos_pb2.ExecutorInfo:
    return tasks(**settings).executor_info("a1", "driver:7077", builders.offer().resources)


def test_an_executor_bears_its_agents_id_and_is_told_where_the_driver_is() -> None:
    info = executor()
    assert (info.executor_id.value, info.name) == ("a1", "app")
    assert list(info.resources) == list(builders.offer().resources)
    assert info.command.value.endswith(" fine --driver-url driver:7077")
    variables = {each.name: each.value for each in info.command.environment.variables}
    assert variables[SECRET_VARIABLE] == "abcd"
    assert not info.HasField("container")


def test_a_fixed_port_of_blocks_is_told_to_the_executor() -> None:
    words = executor(blockManager_port=30100).command.value.split()
    assert words[-2:] == ["--block-manager-port", "30100"]


def test_the_image_its_volumes_and_its_port_mappings_are_the_executors() -> None:
    info = executor(
        mesos_executor_docker_image="some/spark:3",
        mesos_executor_docker_volumes="/a,/b:/b,/c:/c:rw,/d:ro,/e:/e:ro",
        mesos_executor_docker_portmaps="8080:80:tcp",
    )
    assert MessageToDict(info.container) == {
        "type": "DOCKER",
        "docker": {
            "image": "some/spark:3",
            "forcePullImage": False,
            "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}],
        },
        "volumes": [
            {"containerPath": "/a", "mode": "RW"},
            {"containerPath": "/b", "hostPath": "/b", "mode": "RW"},
            {"containerPath": "/c", "hostPath": "/c", "mode": "RW"},
            {"containerPath": "/d", "mode": "RO"},
            {"containerPath": "/e", "hostPath": "/e", "mode": "RO"},
        ],
    }


def test_labels_are_the_tasks() -> None:
    made = tasks(mesos_task_labels="key:value")
    info = made.executor_info("a1", "driver:7077", [])
    task = made.task_info("7", info, [], spark_pb2.TaskBatch(task_ids=[7], names=["task 7.0"]))
    assert (task.name, task.task_id.value, task.agent_id.value) == ("task 7.0", "7", "a1")
    assert [(each.key, each.value) for each in task.labels.labels] == [("key", "value")]
    assert task.executor == info
