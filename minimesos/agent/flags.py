"""What an operator can set about an agent.

Read by the agent's program, which turns it into an `AgentInfo`, a containerizer and an agent core.

Source: Mesos documentation "Agent Configuration"; names and defaults are Mesos's, except that an
agent listens on 127.0.0.1 unless told otherwise and keeps `/tmp/mesos` as its work directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from minimesos import log
from minimesos.agent.environment import parse_variables
from minimesos.attributes import parse_attributes
from minimesos.detector import master_address
from minimesos.errors import InvalidValue
from minimesos.flags import (
    boolean,
    duration,
    integer,
    ip_address,
    one_of,
    path,
    port_number,
    read_by,
    size,
    text,
)
from minimesos.ids import role_problem
from minimesos.resources import Resources

ISOLATORS = ("posix/cpu", "posix/mem")
_ISOLATION_ALIASES = {"process": ISOLATORS}
_BACKOFF_FACTOR_MAX_S = 60.0


def isolators(isolation: str) -> tuple[str, ...]:
    """Return the isolators that `--isolation` names; raises InvalidValue for unknown ones."""
    names: list[str] = []
    for name in filter(None, (part.strip() for part in isolation.split(","))):
        names += _ISOLATION_ALIASES.get(name, (name,))
    unknown = [name for name in names if name not in ISOLATORS]
    if unknown:
        known = ", ".join(ISOLATORS)
        raise InvalidValue(f"unknown isolation '{unknown[0]}', expecting some of {known}")
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class AgentFlags:
    """Flags of `minimesos agent`. Durations are in seconds."""

    master: str = text(
        required=True, check=read_by(master_address), help="Address of the master, host:port."
    )
    master_detection_timeout: float | None = duration(
        help="Time to look for a master before giving up; looks for ever if not set."
    )
    ip: str = ip_address("127.0.0.1", help="Address to listen on.")
    port: int = port_number(5051, help="Port to listen on, 0 for any that is free.")
    hostname: str | None = text(help="Name that others should know this machine by.")
    work_dir: Path = path(  # noqa: RUF009  (declares a flag)
        "/tmp/mesos", help="Directory of the executors' sandboxes."
    )
    resources: str | None = text(
        check=read_by(Resources.parse),
        help="What this agent offers, name(role):value;... or JSON; what is not named is detected.",
    )
    attributes: str | None = text(
        check=read_by(parse_attributes), help="Facts about this machine, like rack:r1;speed:2.5."
    )
    default_role: str = text(
        "*", check=role_problem, help="Role of resources that are given without one."
    )
    isolation: str = text(
        ",".join(ISOLATORS), check=read_by(isolators), help="Isolators, separated by commas."
    )
    switch_user: bool = boolean(
        True, help="Run tasks as their own user; needs the privilege to do so."
    )
    frameworks_home: str | None = text(help="Directory that relative URIs are taken from.")
    fetcher_cache_dir: Path | None = path(  # noqa: RUF009  (declares a flag)
        help="Directory of the fetcher's cache; `fetch` in the work directory if not set."
    )
    fetcher_cache_size: int = size("2GB", help="How much the fetcher's cache holds at most.")
    fetcher_stall_timeout: float = duration(
        "1mins",
        check=lambda s: None if s > 0 else "expecting more than nothing",
        help="Time without a byte after which a download is given up.",
    )
    cgroups_enable_cfs: bool = boolean(
        False, help="Never let a container use more CPU than it was given, even if it is idle."
    )
    executor_environment_variables: str | None = text(
        check=read_by(parse_variables),
        help="JSON object of the variables that executors start with; none are inherited.",
    )
    executor_registration_timeout: float = duration(
        "1mins", help="Time that an executor has from its launch to its subscription."
    )
    executor_shutdown_grace_period: float = duration(
        "5secs", help="Time that an executor has to shut down before it is killed."
    )
    registration_backoff_factor: float = duration(
        "1secs",
        check=lambda s: None if s < _BACKOFF_FACTOR_MAX_S else "expecting less than 1mins",
        help="Bound of the random delay before the first registration; doubles with each attempt.",
    )
    shuffle_service: bool = boolean(
        False, help="Keep the map outputs of Spark executors on this host when these go."
    )
    shuffle_service_port: int = port_number(
        7337, help="Port of that service, 0 for any that is free."
    )
    shuffle_service_local_dirs: str | None = text(
        help="Its directories, separated by commas; the work directory if not set."
    )
    shuffle_service_authenticate_secret_file: Path | None = path(  # noqa: RUF009
        help="File with a secret that applications must know to use that service."
    )
    shuffle_service_cleaner_interval: float = duration(
        "30secs",
        check=lambda s: None if s > 0 else "expecting more than nothing",
        help="Time between its looks for applications whose drivers are gone.",
    )
    max_completed_executors_per_framework: int = integer(
        150,
        check=lambda count: None if count >= 0 else "expecting no negative number",
        help="Finished executors to remember for each framework.",
    )
    logging_level: str = text(
        "INFO",
        check=one_of(*log.LEVELS),
        help="Least severity that is logged.",
    )
    log_format: str = text(
        "glog",
        check=one_of(*log.FORMATS),
        help="Form of log lines: glog for people, json for programs.",
    )
