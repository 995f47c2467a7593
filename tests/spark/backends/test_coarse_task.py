"""An executor as a Mesos task, by the catalogue of Spark's own suite."""

from __future__ import annotations

from functools import partial

import pytest

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.backends.coarse_task import SECRET_VARIABLE, CoarseTasks
from minimesos.spark.backends.executor_command import COARSE, executor_command
from minimesos.spark.backends.offers import Launch
from minimesos.spark.conf import SparkConf
from minimesos.testing import builders


def task(**settings: object) -> mesos_pb2.TaskInfo:
    conf = SparkConf(loadDefaults=False)
    for name, value in settings.items():
        conf.set("spark." + name.replace("_", "."), value)
    offer = builders.offer(agent_id="agent", hostname="host")
    launch = Launch("7", 4, list(offer.resources))
    command = partial(executor_command, conf, COARSE, environment={})
    tasks = CoarseTasks(conf, "app", b"\xab\xcd", command)
    return tasks.task_info(offer, launch, "driver:7077", "F")


def test_a_task_is_named_after_the_application_and_has_what_was_taken() -> None:
    made = task()
    assert (made.name, made.task_id.value, made.agent_id.value) == ("app 7", "7", "agent")
    assert list(made.resources) == list(builders.offer().resources)
    assert not made.HasField("container")
    assert not made.HasField("labels")


def test_an_executor_is_told_whom_to_work_for() -> None:
    made = task()
    words = "spark --driver-url driver:7077 --executor-id 7 --cores 4 --app-id F --hostname host"
    assert made.command.value.endswith(words)
    variables = {each.name: each.value for each in made.command.environment.variables}
    assert variables[SECRET_VARIABLE] == "abcd"


def test_extra_cores_are_advertised_but_not_acquired() -> None:
    assert " --cores 6 " in task(mesos_extra_cores=2).command.value


def test_an_executor_on_a_network_of_its_own_finds_its_name_itself() -> None:
    made = task(mesos_network_name="net", mesos_network_labels="k:v")
    assert "--hostname" not in made.command.value
    (network,) = made.container.network_infos
    assert (network.name, network.labels.labels[0].key) == ("net", "k")


def test_labels_and_container_are_those_of_the_settings() -> None:
    made = task(mesos_task_labels="key:value", mesos_executor_docker_image="image")
    assert [(each.key, each.value) for each in made.labels.labels] == [("key", "value")]
    assert made.container.docker.image == "image"


@pytest.mark.parametrize("cache", [True, False])
def test_the_archive_of_the_executor_is_fetched(cache: bool) -> None:
    made = task(executor_uri="http://h/app-1.0.tgz", mesos_fetcherCache_enable=cache)
    (uri,) = made.command.uris
    assert (uri.value, uri.cache) == ("http://h/app-1.0.tgz", cache)


def test_secrets_are_variables_of_the_executor() -> None:
    made = task(mesos_executor_secret_names="/path/to/key", mesos_executor_secret_envkeys="KEY")
    secrets = [each for each in made.command.environment.variables if each.name == "KEY"]
    assert secrets[0].secret.reference.name == "/path/to/key"
