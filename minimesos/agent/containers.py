"""What an agent asks of a containerizer, and what it hears back.

The agent core emits these effects; the real containerizer (`minimesos.agent.containerizer`) and
the simulated one (`minimesos.testing`) perform them and report with these stimuli.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from minimesos.actor import Effect, Stimulus
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources


@dataclass(frozen=True, slots=True)
class LaunchContainer(Effect):
    """Make the sandbox, fetch the command's URIs into it, and start the command isolated.

    Answered by `ContainerLaunched`, or by `ContainerExited` with a `reason` if it cannot start.
    """

    container_id: str
    framework_id: str
    executor_id: str
    command: mesos_pb2.CommandInfo
    environment: Mapping[str, str] = field(repr=False)  # complete; may hold secrets
    resources: Resources
    sandbox: str  # absolute path of the run directory, .../runs/<container id>
    user: str


@dataclass(frozen=True, slots=True)
class UpdateContainer(Effect):
    """Change a running container's limits to `resources`."""

    container_id: str
    resources: Resources


@dataclass(frozen=True, slots=True)
class DestroyContainer(Effect):
    """Kill everything in the container: SIGTERM, and SIGKILL after `grace_s` (0: at once).

    Answered by `ContainerExited`; harmless if the container is unknown or already gone.
    """

    container_id: str
    grace_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ContainerLaunched(Stimulus):
    """The container's first process runs as `pid`."""

    container_id: str
    pid: int


@dataclass(frozen=True, slots=True)
class ContainerExited(Stimulus):
    """Nothing of the container runs any more.

    `status` is the first process's wait(2) status, None if it never ran. `reason` and `message`
    are set when the containerizer ended it or could not start it (launch failed, memory limit);
    of one that failed by itself the message is what it said last on stderr.
    """

    container_id: str
    status: int | None
    reason: mesos_pb2.TaskStatus.Reason | None = None
    message: str = ""
