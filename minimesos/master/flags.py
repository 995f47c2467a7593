"""The flags of `minimesos master`.

Source: Mesos 1.11 documentation "Configuration"; flags of things that are not there yet (quota,
authentication, maintenance, a replicated registry) are not accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from minimesos.allocator.allocator import MIN_ALLOCATABLE, parse_alternatives
from minimesos.errors import InvalidValue
from minimesos.flags import (
    boolean,
    duration,
    integer,
    ip_address,
    one_of,
    port_number,
    read_by,
    text,
)
from minimesos.ids import DEFAULT_ROLE, role_problem
from minimesos.log import FORMATS, LEVELS

REGISTRIES = ("in_memory",)


def _at_least(minimum: float, words: str) -> Callable[[float], str | None]:
    def check(value: float) -> str | None:
        return None if value >= minimum else f"must be at least {words}"

    return check


def _positive_duration(value: float) -> str | None:
    return None if value > 0 else "must be greater than zero"


def _ping_timeout_problem(value: float) -> str | None:
    return None if 1 <= value <= 15 * 60 else "must be between 1secs and 15mins"


def _roles_problem(value: str) -> str | None:
    return next(filter(None, map(role_problem, value.split(","))), None)


def _parse_weights(value: str) -> dict[str, float]:
    weights = {}
    for pair in value.split(","):
        role, equals, number = pair.partition("=")
        problem = role_problem(role) if equals else "expecting role=weight"
        if problem is not None:
            raise InvalidValue(f"bad weight '{pair}': {problem}")
        try:
            weights[role] = float(number)
        except ValueError:
            raise InvalidValue(f"bad weight '{pair}': '{number}' is not a number") from None
        if not 0 < weights[role] < float("inf"):
            raise InvalidValue(f"bad weight '{pair}': a weight must be greater than 0")
    return weights


@dataclass(frozen=True, slots=True)
class MasterFlags:
    """See the fields' help."""

    ip: str = ip_address("127.0.0.1", help="Address to listen on.")
    port: int = port_number(5050, help="Port to listen on; 0 takes a free one.")
    advertise_ip: str | None = ip_address(help="Address to tell others, if not --ip.")
    advertise_port: int | None = port_number(help="Port to tell others, if not --port.")
    hostname: str | None = text(help="Host name to tell others, if not the address.")
    work_dir: str | None = text(help="Directory for what the master must remember.")
    registry: str = text(
        "in_memory",
        help="Where what must survive a restart is kept: in_memory (nowhere).",
        check=one_of(*REGISTRIES),
    )
    cluster: str | None = text(help="Name of the cluster, for people.")
    allocator: str = text(
        "hierarchical", help="The allocator.", check=one_of("hierarchical", "HierarchicalDRF")
    )
    allocation_interval: float = duration(
        "1secs", help="Time between periodic allocations.", check=_positive_duration
    )
    min_allocatable_resources: str = text(
        MIN_ALLOCATABLE,
        help="What an offer holds at the least; '|' separates alternatives, ';' means and.",
        check=read_by(parse_alternatives),
    )
    fair_sharing_excluded_resource_names: str | None = text(
        help="Resources that do not count in the dominant share, separated by commas."
    )
    filter_gpu_resources: bool = boolean(
        True, help="Offer agents with GPUs only to frameworks that have GPU_RESOURCES."
    )
    offer_timeout: float | None = duration(
        help="Rescind an offer that is not answered in this time; never if not set.",
        check=_positive_duration,
    )
    roles: str | None = text(
        help="The only roles that frameworks may have, separated by commas; '*' always may.",
        check=_roles_problem,
    )
    weights: str | None = text(
        help="Weights of roles, like role1=2,role2=0.5; 1 if not given.",
        check=read_by(_parse_weights),
    )
    root_submissions: bool = boolean(True, help="Accept frameworks whose user is root.")
    agent_ping_timeout: float = duration(
        "15secs",
        help="Time an agent has to answer a ping.",
        check=_ping_timeout_problem,
        deprecated=("slave_ping_timeout",),
    )
    max_agent_ping_timeouts: int = integer(
        5,
        help="Pings in a row that an agent may miss before it is unreachable.",
        check=_at_least(1, "1"),
        deprecated=("max_slave_ping_timeouts",),
    )
    agent_reregister_timeout: float = duration(
        "10mins",
        help="Time an agent whose connection broke has to re-register before it is unreachable.",
        check=_at_least(600, "10mins"),
        deprecated=("slave_reregister_timeout",),
    )
    max_completed_frameworks: int = integer(
        50, help="Completed frameworks to remember.", check=_at_least(0, "0")
    )
    max_completed_tasks_per_framework: int = integer(
        1000, help="Completed tasks to remember of each framework.", check=_at_least(0, "0")
    )
    max_unreachable_tasks_per_framework: int = integer(
        1000, help="Unreachable tasks to remember of each framework.", check=_at_least(0, "0")
    )
    logging_level: str = text(
        "INFO", help="Least severe log lines to print.", check=one_of(*LEVELS)
    )
    log_format: str = text("glog", help="Form of log lines: glog or json.", check=one_of(*FORMATS))
    quiet: bool = boolean(False, help="Log nothing to standard error.")

    def problems(self) -> Iterable[str]:
        """Say what is wrong between flags."""
        allowed = self.allowed_roles
        unknown = sorted(set(self.weight_of_role) - allowed) if allowed is not None else []
        if unknown:
            yield f"--weights names roles that --roles does not: {', '.join(unknown)}"

    @property
    def total_ping_timeout_s(self) -> float:
        """How long an agent may be silent before it is unreachable."""
        return self.agent_ping_timeout * self.max_agent_ping_timeouts

    @property
    def allowed_roles(self) -> frozenset[str] | None:
        """The roles frameworks may have; None for all."""
        if self.roles is None:
            return None
        return frozenset(self.roles.split(",")) | {DEFAULT_ROLE}

    @property
    def weight_of_role(self) -> Mapping[str, float]:
        """The weights given, by role."""
        return _parse_weights(self.weights) if self.weights else {}
