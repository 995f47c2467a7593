"""What a Mesos task of the application is put into and given: container, labels, secrets.

Used by the backends once, when they start; the messages are the same for all executors. Whether an
agent has a containerizer for an image, and a store for secrets by name, it says itself.

Source: Spark's "Running Spark on Mesos" page. As there, malformed volumes, port mappings and
parameters are skipped with a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from minimesos.log import get_logger
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.mesos_texts import (
    Labels,
    parse_parameter,
    parse_port_map,
    parse_volume,
)
from minimesos.spark.setting_kinds import Setting, Texts
from minimesos.spark.settings.containers import (
    MESOS_CONTAINERIZER,
    MESOS_DOCKER_FORCE_PULL_IMAGE,
    MESOS_DOCKER_IMAGE,
    MESOS_DOCKER_PARAMETERS,
    MESOS_DOCKER_PORTMAPS,
    MESOS_DOCKER_VOLUMES,
    MESOS_NETWORK_LABELS,
    MESOS_NETWORK_NAME,
    MESOS_SECRET_ENVKEYS,
    MESOS_SECRET_FILENAMES,
    MESOS_SECRET_NAMES,
    MESOS_SECRET_VALUES,
)
from minimesos.spark.settings.mesos import MESOS_TASK_LABELS

T = TypeVar("T")

_Container = mesos_pb2.ContainerInfo
_Variable = mesos_pb2.Environment.Variable

_log = get_logger(__name__)


def container_info(conf: Texts) -> mesos_pb2.ContainerInfo | None:
    """Describe the container of an executor; None if nothing is asked for but a process."""
    image = MESOS_DOCKER_IMAGE.read(conf)
    network = MESOS_NETWORK_NAME.read(conf)
    secret_volumes = list(_secret_volumes(conf))
    if not (image or network or secret_volumes):
        return None
    by_docker = image is not None and MESOS_CONTAINERIZER.read(conf) == "docker"
    info = _Container(type=_Container.DOCKER if by_docker else _Container.MESOS)
    if image:
        if by_docker:
            _describe_docker(info.docker, image, conf)
        else:
            _describe_image(info.mesos.image, image, conf)
        info.volumes.extend(_volumes(conf))
    info.volumes.extend(secret_volumes)
    if network:
        info.network_infos.add(name=network).labels.CopyFrom(
            _labels(MESOS_NETWORK_LABELS.read(conf))
        )
        if by_docker:
            info.docker.network = _Container.DockerInfo.USER
            info.docker.parameters.add(key="net", value=network)
    return info


def task_labels(conf: Texts) -> mesos_pb2.Labels:
    """Return the labels of the application's Mesos tasks."""
    return _labels(MESOS_TASK_LABELS.read(conf))


def secret_variables(conf: Texts) -> list[mesos_pb2.Environment.Variable]:
    """Return the variables of executors that hold secrets."""
    return [
        _Variable(name=name, type=_Variable.SECRET, secret=secret)
        for name, secret in zip(MESOS_SECRET_ENVKEYS.read(conf), _secrets(conf), strict=False)
    ]


def _describe_docker(docker: _Container.DockerInfo, image: str, conf: Texts) -> None:
    docker.image = image
    docker.force_pull_image = MESOS_DOCKER_FORCE_PULL_IMAGE.read(conf)
    for mapping in _well_formed(MESOS_DOCKER_PORTMAPS, parse_port_map, conf):
        docker.port_mappings.add(**mapping._asdict())
    for key, value in _well_formed(MESOS_DOCKER_PARAMETERS, parse_parameter, conf):
        docker.parameters.add(key=key, value=value)


def _describe_image(target: mesos_pb2.Image, image: str, conf: Texts) -> None:
    target.type = mesos_pb2.Image.DOCKER
    target.docker.name = image
    target.cached = not MESOS_DOCKER_FORCE_PULL_IMAGE.read(conf)


def _volumes(conf: Texts) -> Iterator[mesos_pb2.Volume]:
    for volume in _well_formed(MESOS_DOCKER_VOLUMES, parse_volume, conf):
        mode = mesos_pb2.Volume.RO if volume.is_read_only else mesos_pb2.Volume.RW
        yield mesos_pb2.Volume(
            container_path=volume.container_path, host_path=volume.host_path or None, mode=mode
        )


def _secret_volumes(conf: Texts) -> Iterator[mesos_pb2.Volume]:
    for path, secret in zip(MESOS_SECRET_FILENAMES.read(conf), _secrets(conf), strict=False):
        source = mesos_pb2.Volume.Source(type=mesos_pb2.Volume.Source.SECRET, secret=secret)
        yield mesos_pb2.Volume(container_path=path, mode=mesos_pb2.Volume.RO, source=source)


def _secrets(conf: Texts) -> Sequence[mesos_pb2.Secret]:
    by_name = [
        mesos_pb2.Secret(
            type=mesos_pb2.Secret.REFERENCE, reference=mesos_pb2.Secret.Reference(name=name)
        )
        for name in MESOS_SECRET_NAMES.read(conf)
    ]
    by_value = [
        mesos_pb2.Secret(
            type=mesos_pb2.Secret.VALUE, value=mesos_pb2.Secret.Value(data=value.encode())
        )
        for value in MESOS_SECRET_VALUES.read(conf)
    ]
    return by_name or by_value


def _well_formed(
    setting: Setting[tuple[str, ...]], parse: Callable[[str], T | None], conf: Texts
) -> Iterator[T]:
    for text in setting.read(conf):
        parsed = parse(text)
        if parsed is None:
            _log.warning("malformed entry of a setting skipped", setting=setting.name, entry=text)
        else:
            yield parsed


def _labels(pairs: Labels) -> mesos_pb2.Labels:
    return mesos_pb2.Labels(labels=[mesos_pb2.Label(key=key, value=value) for key, value in pairs])
