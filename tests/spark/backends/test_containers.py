"""Containers, labels and secrets of executors, by the catalogue of Spark's own suite."""

from __future__ import annotations

import pytest
from google.protobuf.json_format import MessageToDict

from minimesos.errors import InvalidValue
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark import settings
from minimesos.spark.backends.containers import container_info, secret_variables, task_labels

DOCKER = mesos_pb2.ContainerInfo.DOCKER
MESOS = mesos_pb2.ContainerInfo.MESOS


def executor(**conf: str) -> dict[str, str]:
    return {"spark.mesos.executor." + key.replace("_", "."): value for key, value in conf.items()}


def described(conf: dict[str, str]) -> mesos_pb2.ContainerInfo:
    info = container_info(conf)
    assert info is not None
    return info


def test_without_any_wish_an_executor_is_a_mere_process() -> None:
    assert container_info({"spark.mesos.containerizer": "mesos"}) is None


def test_an_image_is_run_by_docker() -> None:
    info = described(executor(docker_image="some/spark:3"))
    assert info.type == DOCKER
    assert info.docker.image == "some/spark:3"
    assert not info.docker.force_pull_image
    assert not info.HasField("mesos")


def test_an_image_is_run_by_mesos_if_that_is_wanted() -> None:
    conf = executor(docker_image="some/spark:3") | {"spark.mesos.containerizer": "mesos"}
    info = described(conf)
    assert info.type == MESOS
    assert info.mesos.image.type == mesos_pb2.Image.DOCKER
    assert info.mesos.image.docker.name == "some/spark:3"
    assert info.mesos.image.cached
    assert not info.HasField("docker")


@pytest.mark.parametrize("containerizer", ["docker", "mesos"])
def test_an_image_can_be_pulled_each_time(containerizer: str) -> None:
    conf = executor(docker_image="x", docker_forcePullImage="true")
    info = described(conf | {"spark.mesos.containerizer": containerizer})
    assert info.docker.force_pull_image or not info.mesos.image.cached


def test_volumes_port_mappings_and_parameters_are_for_docker() -> None:
    conf = executor(
        docker_image="x",
        docker_volumes="/a,/b:/b,/c:/c:rw,/d:ro,/e:/e:ro",
        docker_portmaps="8080:80:tcp",
        docker_parameters="a=1,b=2,c=3",
    )
    info = described(conf)
    assert [MessageToDict(volume) for volume in info.volumes] == [
        {"containerPath": "/a", "mode": "RW"},
        {"containerPath": "/b", "hostPath": "/b", "mode": "RW"},
        {"containerPath": "/c", "hostPath": "/c", "mode": "RW"},
        {"containerPath": "/d", "mode": "RO"},
        {"containerPath": "/e", "hostPath": "/e", "mode": "RO"},
    ]
    (mapping,) = info.docker.port_mappings
    assert (mapping.host_port, mapping.container_port, mapping.protocol) == (8080, 80, "tcp")
    assert [(each.key, each.value) for each in info.docker.parameters] == [
        ("a", "1"),
        ("b", "2"),
        ("c", "3"),
    ]


def test_malformed_volumes_port_mappings_and_parameters_are_skipped_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    conf = executor(
        docker_image="x",
        docker_volumes="/a:/b:xx,/c",
        docker_portmaps="80",
        docker_parameters="a,b",
    )
    info = described(conf)
    assert [volume.container_path for volume in info.volumes] == ["/c"]
    assert not info.docker.port_mappings
    assert not info.docker.parameters
    assert len(caplog.records) == 4


def test_volumes_need_an_image() -> None:
    assert container_info(executor(docker_volumes="/a")) is None


NETWORK = {
    "spark.mesos.network.name": "overlay",
    "spark.mesos.network.labels": "key1:val1,key2:val2",
}


def test_a_network_has_a_name_and_labels() -> None:
    info = described(NETWORK)
    assert info.type == MESOS
    (network,) = info.network_infos
    assert network.name == "overlay"
    assert [(each.key, each.value) for each in network.labels.labels] == [
        ("key1", "val1"),
        ("key2", "val2"),
    ]


def test_docker_is_told_of_the_network_in_its_own_way_too() -> None:
    info = described(NETWORK | executor(docker_image="x"))
    assert info.docker.network == mesos_pb2.ContainerInfo.DockerInfo.USER
    assert [(each.key, each.value) for each in info.docker.parameters] == [("net", "overlay")]


def test_labels_of_tasks() -> None:
    labels = task_labels({"spark.mesos.task.labels": r"a:1,b:x\:y"}).labels
    assert [(each.key, each.value) for each in labels] == [("a", "1"), ("b", "x:y")]
    assert not task_labels({}).labels


@pytest.mark.parametrize("by", ["names", "values"])
def test_secrets_are_variables(by: str) -> None:
    conf = executor(secret_envkeys="USER,PASSWORD") | executor(**{f"secret_{by}": "/db/u,/db/p"})
    variables = secret_variables(conf)
    assert [each.name for each in variables] == ["USER", "PASSWORD"]
    assert {each.type for each in variables} == {mesos_pb2.Environment.Variable.SECRET}
    assert [_content(each.secret) for each in variables] == [(by, "/db/u"), (by, "/db/p")]


@pytest.mark.parametrize("by", ["names", "values"])
def test_secrets_are_files(by: str) -> None:
    conf = executor(secret_filenames="/run/u,/run/p") | executor(**{f"secret_{by}": "u,p"})
    assert secret_variables(conf) == []
    volumes = described(conf).volumes
    assert [each.container_path for each in volumes] == ["/run/u", "/run/p"]
    assert {each.mode for each in volumes} == {mesos_pb2.Volume.RO}
    assert {each.source.type for each in volumes} == {mesos_pb2.Volume.Source.SECRET}
    assert [_content(each.source.secret) for each in volumes] == [(by, "u"), (by, "p")]


def _content(secret: mesos_pb2.Secret) -> tuple[str, str]:
    if secret.type == mesos_pb2.Secret.REFERENCE:
        return "names", secret.reference.name
    return "values", secret.value.data.decode()


@pytest.mark.parametrize(
    ("conf", "problem"),
    [
        (
            executor(secret_names="a", secret_values="b", secret_envkeys="A"),
            "spark.mesos.executor.secret.names and spark.mesos.executor.secret.values are both",
        ),
        (
            executor(secret_names="a,b", secret_envkeys="A"),
            "spark.mesos.executor.secret.envkeys has 1 entries for 2 secrets",
        ),
        (
            executor(secret_values="a", secret_filenames="a,b"),
            "spark.mesos.executor.secret.filenames has 2 entries for 1 secrets",
        ),
        (
            executor(secret_envkeys="A"),
            "spark.mesos.executor.secret.envkeys has 1 entries for 0 secrets",
        ),
    ],
)
def test_secrets_that_do_not_add_up_are_reported_with_all_other_settings(
    conf: dict[str, str], problem: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        settings.check(conf | {"spark.mesos.task.labels": "bad"})
    labels, secrets = str(caught.value).splitlines()
    assert labels.startswith("spark.mesos.task.labels: 'bad' has a malformed label")
    assert secrets.startswith(problem)


def test_secrets_that_add_up_are_fine() -> None:
    settings.check(executor(secret_names="a,b", secret_envkeys="A,B", secret_filenames="/a,/b"))
