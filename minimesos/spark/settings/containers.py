"""What executors run in: image, volumes, network, secrets.

Source: Spark's "Running Spark on Mesos" page.
"""

from __future__ import annotations

from collections.abc import Iterator

from minimesos.spark.mesos_texts import Labels, parse_labels
from minimesos.spark.setting_kinds import Setting, Texts, flag, one_of, text, words

MESOS_CONTAINERIZER = one_of(
    "spark.mesos.containerizer",
    "docker",
    ("docker", "mesos"),
    "Which containerizer of an agent runs an executor that has an image.",
)
MESOS_DOCKER_IMAGE = text(
    "spark.mesos.executor.docker.image", None, "Image that executors run in; none if unset."
)
MESOS_DOCKER_FORCE_PULL_IMAGE = flag(
    "spark.mesos.executor.docker.forcePullImage",
    False,
    "Whether the image is pulled even if an agent has it.",
)
MESOS_DOCKER_VOLUMES = words(
    "spark.mesos.executor.docker.volumes",
    "Directories to mount in the image: `[host:]container[:ro|:rw]`.",
)
MESOS_DOCKER_PORTMAPS = words(
    "spark.mesos.executor.docker.portmaps",
    "Ports to map: `host:container[:tcp|:udp]`.",
)
MESOS_DOCKER_PARAMETERS = words(
    "spark.mesos.executor.docker.parameters", "Further arguments of `docker run`: `key=value`."
)
MESOS_NETWORK_NAME = text("spark.mesos.network.name", None, "Network that executors join.")
MESOS_NETWORK_LABELS: Setting[Labels] = Setting(
    "spark.mesos.network.labels",
    (),
    "",
    parse_labels,
    "key:value,...",
    "Labels for the network.",
)
MESOS_SECRET_NAMES = words(
    "spark.mesos.executor.secret.names", "Secrets by their names in the agents' secret store."
)
MESOS_SECRET_VALUES = words("spark.mesos.executor.secret.values", "Secrets by value.")
MESOS_SECRET_ENVKEYS = words(
    "spark.mesos.executor.secret.envkeys", "A variable for each secret, in their order."
)
MESOS_SECRET_FILENAMES = words(
    "spark.mesos.executor.secret.filenames", "A file for each secret, in their order."
)


def disagreements(conf: Texts) -> Iterator[str]:
    """Yield what is wrong between the settings of secrets, for people."""
    names, values = MESOS_SECRET_NAMES.read(conf), MESOS_SECRET_VALUES.read(conf)
    if names and values:
        yield (
            f"{MESOS_SECRET_NAMES.name} and {MESOS_SECRET_VALUES.name} are both set; secrets are "
            "given by name or by value"
        )
        return
    count = len(names or values)
    for setting in (MESOS_SECRET_ENVKEYS, MESOS_SECRET_FILENAMES):
        places = len(setting.read(conf))
        if places and places != count:
            yield f"{setting.name} has {places} entries for {count} secrets"
