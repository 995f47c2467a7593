"""What of an agent may be offered to a framework in a role, and if nothing, why.

The one place for rules of eligibility: the allocation asks it, and so does the explanation for
operators. It knows frameworks and agents one by one, nothing of shares.

Source: Mesos 1.11 documentation "Roles", "Reservation", "GPU Support"; the allocator's
`generateOffers`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from minimesos.allocator.allocator import AllocatorConfig, Alternatives, Capability
from minimesos.allocator.filters import OfferFilters
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resource_metadata import Metadata
from minimesos.resources import Resources

_FrameworkCapability = mesos_pb2.FrameworkInfo.Capability


@dataclass(slots=True)
class FrameworkState:
    """A framework as the allocator knows it."""

    framework_id: str
    roles: frozenset[str]
    suppressed: frozenset[str]
    capabilities: frozenset[Capability]
    min_allocatable: dict[str, Alternatives]
    active: bool

    def wants(self, role: str) -> bool:
        """Whether it takes offers in a role."""
        return self.active and role in self.roles and role not in self.suppressed


@dataclass(slots=True)
class AgentState:
    """An agent as the allocator knows it. `available` is its total without what is charged."""

    agent_id: str
    hostname: str
    total: Resources
    available: Resources
    active: bool = True
    charged: dict[tuple[str, str], Resources] = field(default_factory=dict)
    """What frameworks hold, by framework id and role; not marked as allocated."""


class Refusal(Enum):
    """Why an agent's resources are not offered; the value says so after `N agents`."""

    NOTHING_FREE = "have nothing free that the role may have"
    NEEDS_GPU_CAPABILITY = "have GPUs, and the framework lacks the capability GPU_RESOURCES"
    BELOW_MINIMUM = "have less free than the least offer"
    DECLINED = "are filtered, for the framework declined them"


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Applies the rules."""

    config: AllocatorConfig
    filters: OfferFilters

    def offer(
        self, agent: AgentState, framework: FrameworkState, role: str, free: Resources
    ) -> Resources | Refusal:
        """Return what may be offered of `free`: what is available there and the role may have.

        If nothing may, say why. Whatever is refused is still refused when less is free.
        """
        if not free:
            return Refusal.NOTHING_FREE
        if self._needs_gpu_capability(agent, framework):
            return Refusal.NEEDS_GPU_CAPABILITY
        free = _without_what_is_not_understood(free, framework)
        least = framework.min_allocatable.get(role, self.config.min_allocatable)
        if not free or not _reaches(free, least):
            return Refusal.BELOW_MINIMUM
        if self.filters.blocking((framework.framework_id, role), agent.agent_id, free) is not None:
            return Refusal.DECLINED
        return free

    def _needs_gpu_capability(self, agent: AgentState, framework: FrameworkState) -> bool:
        return (
            self.config.filter_gpu_resources
            and agent.total.scalar("gpus") > 0
            and _FrameworkCapability.GPU_RESOURCES not in framework.capabilities
        )


def _without_what_is_not_understood(free: Resources, framework: FrameworkState) -> Resources:
    capabilities = framework.capabilities

    def understood(metadata: Metadata) -> bool:
        if metadata.revocable and _FrameworkCapability.REVOCABLE_RESOURCES not in capabilities:
            return False
        if metadata.shared_size and _FrameworkCapability.SHARED_RESOURCES not in capabilities:
            return False
        refined = len(metadata.reservations) > 1
        return not refined or _FrameworkCapability.RESERVATION_REFINEMENT in capabilities

    return free.select(understood)


def _reaches(free: Resources, least: Alternatives) -> bool:
    quantities = free.quantities()
    return not least or any(
        all(quantities.get(name, 0) >= amount for name, amount in alternative.items())
        for alternative in least
    )
