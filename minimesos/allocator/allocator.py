"""The allocator as the master sees it: it is told what changes, and says who is offered what.

The master calls it synchronously and owns the timer of the periodic run. An allocator is pure:
`now` is handed in, randomness is injected. All resources it is told to charge or recover are marked
with the role they are allocated to (`Resources.allocated_to`), so are those that it grants; an
agent's total is not.

Whatever is granted is charged at once and stays charged, offered or in use, until it is recovered.
The caller checks what peers claim (an agent's total contains what runs on it) before it tells the
allocator.

Source: the allocator interface of Mesos 1.11. Quota and inverse offers are not part of it yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from minimesos.errors import InvalidValue
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources

Capability = mesos_pb2.FrameworkInfo.Capability.Type

Alternatives = tuple[Mapping[str, int], ...]
"""Least offers, any one of which will do: scalars in thousandths. If there are none all will do."""


def parse_alternatives(text: str) -> Alternatives:
    """Read the flag `min_allocatable_resources`: `cpus:0.01|mem:32`, `;` meaning and, `|` or."""
    alternatives = tuple(Resources.parse(part).quantities() for part in text.split("|"))
    if not all(alternatives):
        raise InvalidValue(f"'{text}' has an alternative without resources")
    return alternatives


MIN_ALLOCATABLE = "cpus:0.01|mem:32"


@dataclass(frozen=True, slots=True)
class AllocatorConfig:
    """What the master's flags decide about allocation."""

    allocation_interval_s: float = 1.0
    min_allocatable: Alternatives = field(
        default_factory=lambda: parse_alternatives(MIN_ALLOCATABLE)
    )
    filter_gpu_resources: bool = True
    fair_sharing_excluded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OfferGrant:
    """What is to be offered: resources of one agent to one framework in one of its roles."""

    framework_id: str
    role: str
    agent_id: str
    resources: Resources


@dataclass(frozen=True, slots=True)
class Share:
    """The resource that somebody has most of, and its ratio to the total; not divided by weight."""

    dominant: str | None
    share: Fraction
    weight: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class RoleShare:
    """The share of a role, without those of the roles below it, and of its frameworks by id."""

    share: Share
    frameworks: Mapping[str, Share]


class Allocator(Protocol):
    """Decides who is offered what."""

    def add_framework(
        self,
        framework_id: str,
        roles: Collection[str],
        suppressed_roles: Collection[str],
        capabilities: Collection[Capability],
        now: float,
        *,
        active: bool = True,
        min_allocatable: Mapping[str, Alternatives] | None = None,
    ) -> None:
        """Add a framework. `min_allocatable` overrides the cluster's least offer, by role."""

    def update_framework(
        self,
        framework_id: str,
        roles: Collection[str],
        suppressed_roles: Collection[str],
        capabilities: Collection[Capability],
        now: float,
        *,
        min_allocatable: Mapping[str, Alternatives] | None = None,
    ) -> None:
        """Replace what a framework subscribed with; what it holds stays charged."""

    def remove_framework(self, framework_id: str) -> None:
        """Remove a framework; what it holds stays charged until it is recovered."""

    def activate_framework(
        self, framework_id: str, suppressed_roles: Collection[str], now: float
    ) -> None:
        """Offer to a framework again, in all its roles but the suppressed."""

    def deactivate_framework(self, framework_id: str) -> None:
        """Offer nothing to a framework and forget its filters; what it holds stays charged."""

    def suppress(self, framework_id: str, roles: Collection[str]) -> None:
        """Offer nothing to a framework in these roles (none given: all)."""

    def revive(self, framework_id: str, roles: Collection[str], now: float) -> None:
        """Offer to a framework again in these roles (none given: all), also what it declined."""

    def add_agent(
        self, agent_id: str, hostname: str, total: Resources, used: Mapping[str, Resources]
    ) -> None:
        """Add an agent; `used` are the resources, by framework, that already run there."""

    def remove_agent(self, agent_id: str) -> None:
        """Remove an agent. All that was charged on it is given back."""

    def activate_agent(self, agent_id: str) -> None:
        """Offer an agent's resources again."""

    def deactivate_agent(self, agent_id: str) -> None:
        """Offer nothing of an agent. What is charged there stays charged."""

    def update_agent_total(self, agent_id: str, total: Resources) -> None:
        """Change what an agent has; it must contain what is charged there."""

    def update_allocation(
        self, framework_id: str, agent_id: str, consumed: Resources, produced: Resources
    ) -> None:
        """Turn charged resources into others of equal quantity, as an offer operation does."""

    def recover_resources(
        self,
        framework_id: str,
        agent_id: str,
        resources: Resources,
        refuse_seconds: float | None,
        now: float,
    ) -> None:
        """Give back what was granted; `refuse_seconds`, if not None, filters it for so long.

        If the agent has been removed nothing happens: its removal gave everything back.
        Raises InvariantViolated if the framework does not hold them.
        """

    def update_weights(self, weights: Mapping[str, float]) -> None:
        """Set weights of role paths, all above zero."""

    @property
    def run_wanted(self) -> bool:
        """Whether `allocate` should run now, before the next period."""

    def allocate(
        self, now: float, agents: Iterable[str] | None = None, *, periodic: bool = False
    ) -> list[OfferGrant]:
        """Grant what is free on the agents where something changed, and charge it.

        A run at once considers what `run_wanted` is about; a periodic one all that changed since
        the last. `agents` adds agents to be looked at.
        """

    def shares(self) -> Mapping[str, RoleShare]:
        """Return the shares of all roles that have frameworks or resources, by role."""

    def why_no_offers(self, framework_id: str) -> list[str]:
        """Say in sentences why nothing would be offered to a framework; empty if it would."""
