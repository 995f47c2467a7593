"""What frameworks may wish of a container, and what of it no container here can be.

Ours are processes of the host, in its file system and on its network. Whoever asked for something
else must not run as if it had been given, so `tasks` refuses such a container before there is one.
What only narrows a process (limits, capabilities) is ignored, as by a Mesos agent without the
isolator for it.

Source: Mesos 1.11, `MesosContainerizerProcess::launch` and the `filesystem/posix` isolator. One
message stands for the three that Mesos has, and unlike there a network that is named is refused
too: Mesos would use the host's unless it has the `network/cni` isolator.
"""

from __future__ import annotations

from collections.abc import Iterator

from minimesos.proto.mesos.v1 import mesos_pb2


def container_problem(container: mesos_pb2.ContainerInfo) -> str | None:
    """Say why there can be no such container here, None if there can."""
    wishes = ", ".join(_beyond_us(container))
    if not wishes:
        return None
    return (
        "None of the enabled containerizers (mesos) could create a container for the provided "
        f"TaskInfo/ExecutorInfo message: this agent has no {wishes}"
    )


def _beyond_us(container: mesos_pb2.ContainerInfo) -> Iterator[str]:
    if container.type == mesos_pb2.ContainerInfo.DOCKER:
        yield f"DOCKER containers ('{container.docker.image}')"
    if container.mesos.HasField("image"):
        yield f"images ('{container.mesos.image.docker.name}')"
    for network in container.network_infos:
        if network.name:
            yield f"network '{network.name}' but the host's"
    for volume in container.volumes:
        yield f"volume for '{volume.container_path}'"
