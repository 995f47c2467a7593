"""The hierarchical DRF allocator: each agent goes to the role and framework furthest behind.

Theory of operation. One sorter orders roles, and one per role orders its frameworks. A run takes
agents in random order. Each is offered to the first role and framework that may have it, and that
gets everything it may have of it (coarse-grained); what is left goes on to the next. Only where
others want it too, one that is at home on the agent and has said how little it can use gets that
much (`portions`), and then it is asked again who is first.

A run looks only at what changed. What is left on an agent after a run nobody wanted, and as
whatever is refused is also refused when less is free, nobody will until something changes:
something comes back, a filter expires (all may take again), or a framework comes or revives (it
alone is asked).

Kept true between calls: (1) on each agent total = available + sum of what is charged; (2) each
sorter holds exactly the sums of what agents have charged; (3) roles and frameworks are clients of
sorters while a framework is subscribed there or something is charged there, and active while one
wants offers.

Quota will be a stage of its own before `_share_out`. Shared volumes are charged per copy for now.

Source: Mesos 1.11, the allocator's run without quota (stage 2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain, islice
from random import Random

from minimesos.allocator.allocator import (
    AllocatorConfig,
    Alternatives,
    Capability,
    OfferGrant,
    RoleShare,
    Share,
)
from minimesos.allocator.eligibility import AgentState, Eligibility, FrameworkState, Refusal
from minimesos.allocator.explain import why_no_offers
from minimesos.allocator.filters import OfferFilters
from minimesos.allocator.portions import portion
from minimesos.allocator.sorter import ClusterTotal, Sorter
from minimesos.errors import InvariantViolated
from minimesos.resources import Resources


class HierarchicalAllocator:
    """Implements `Allocator`; see there for the methods and in the module for how."""

    def __init__(self, config: AllocatorConfig, random: Random) -> None:
        self._random = random
        self._total = ClusterTotal(config.fair_sharing_excluded)
        self._roles = Sorter(self._total)
        self._frameworks_of: dict[str, Sorter] = {}
        self._weights: dict[str, Fraction] = {}
        self._frameworks: dict[str, FrameworkState] = {}
        self._agents: dict[str, AgentState] = {}
        self._agents_charged: Counter[tuple[str, str]] = Counter()  # by framework id and role
        self._filters = OfferFilters(config.allocation_interval_s)
        self._eligibility = Eligibility(config, self._filters)
        # Agents to look at, as dicts because the order of sets differs from process to process.
        self._now: dict[str, None] = {}
        self._next_period: dict[str, None] = {}
        # Frameworks, by role, that have not yet seen what the others left on all agents.
        self._newcomers: dict[str, set[str]] = {}

    # -- frameworks -------------------------------------------------------------------------------

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
        if framework_id in self._frameworks:
            raise InvariantViolated(f"framework {framework_id} is already known")
        framework = FrameworkState(
            framework_id,
            frozenset(roles),
            frozenset(suppressed_roles),
            frozenset(capabilities),
            dict(min_allocatable or {}),
            active,
        )
        self._frameworks[framework_id] = framework
        self._track(framework, framework.roles)
        self._welcome(framework, framework.roles)

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
        framework = self._framework(framework_id)
        affected = framework.roles | frozenset(roles)
        for role in framework.roles.difference(roles):
            self._filters.forget_owner((framework_id, role))
        framework.roles = frozenset(roles)
        framework.suppressed = frozenset(suppressed_roles)
        framework.capabilities = frozenset(capabilities)
        framework.min_allocatable = dict(min_allocatable or {})
        self._track(framework, affected)
        self._welcome(framework, framework.roles)

    def remove_framework(self, framework_id: str) -> None:
        framework = self._framework(framework_id)
        roles = framework.roles
        self.deactivate_framework(framework_id)
        framework.roles = frozenset()
        self._track(framework, roles)
        del self._frameworks[framework_id]

    def activate_framework(
        self, framework_id: str, suppressed_roles: Collection[str], now: float
    ) -> None:
        framework = self._framework(framework_id)
        framework.active = True
        framework.suppressed = frozenset(suppressed_roles)
        self._track(framework, framework.roles)
        self._welcome(framework, framework.roles)

    def deactivate_framework(self, framework_id: str) -> None:
        framework = self._framework(framework_id)
        framework.active = False
        for role in framework.roles:
            self._filters.forget_owner((framework_id, role))
        self._track(framework, framework.roles)

    def suppress(self, framework_id: str, roles: Collection[str]) -> None:
        framework = self._framework(framework_id)
        framework.suppressed |= frozenset(roles) or framework.roles
        self._track(framework, framework.roles)

    def revive(self, framework_id: str, roles: Collection[str], now: float) -> None:
        framework = self._framework(framework_id)
        revived = frozenset(roles) or framework.roles
        framework.suppressed -= revived
        for role in revived:
            self._filters.forget_owner((framework_id, role))
        self._track(framework, framework.roles)
        self._welcome(framework, revived)

    def _framework(self, framework_id: str) -> FrameworkState:
        try:
            return self._frameworks[framework_id]
        except KeyError:
            raise InvariantViolated(f"framework {framework_id} is not known") from None

    def _track(self, framework: FrameworkState, roles: Iterable[str]) -> None:
        """Make a framework's place in the sorters of some roles what its state says it is."""
        for role in sorted(roles):
            if role in framework.roles:
                frameworks = self._client(role, framework.framework_id)
                if framework.wants(role):
                    frameworks.activate(framework.framework_id)
                    self._roles.activate(role)
                    continue
                frameworks.deactivate(framework.framework_id)
            self._untrack_idle(role, framework.framework_id)

    def _welcome(self, framework: FrameworkState, roles: Iterable[str]) -> None:
        """Let a framework see in the next run what is free on all agents."""
        for role in roles:
            if framework.wants(role):
                self._newcomers.setdefault(role, set()).add(framework.framework_id)

    def _client(self, role: str, framework_id: str) -> Sorter:
        """Return a role's sorter of frameworks, in which the framework is a client."""
        if role not in self._roles:
            self._roles.add(role)
            self._frameworks_of[role] = Sorter(self._total)
        frameworks = self._frameworks_of[role]
        if framework_id not in frameworks:
            frameworks.add(framework_id)
        return frameworks

    def _untrack_idle(self, role: str, framework_id: str) -> None:
        """Drop clients neither subscribed nor charged; deactivate a role without takers."""
        frameworks = self._frameworks_of.get(role)
        if frameworks is None:
            return
        framework = self._frameworks.get(framework_id)
        subscribed = framework is not None and role in framework.roles
        if framework_id in frameworks and not subscribed:
            frameworks.deactivate(framework_id)
            if not self._agents_charged[framework_id, role]:
                frameworks.remove(framework_id)
                del self._agents_charged[framework_id, role]
        if not frameworks:
            self._roles.remove(role)
            del self._frameworks_of[role]
        elif not frameworks.has_active:
            self._roles.deactivate(role)

    # -- agents -----------------------------------------------------------------------------------

    def add_agent(
        self, agent_id: str, hostname: str, total: Resources, used: Mapping[str, Resources]
    ) -> None:
        if agent_id in self._agents:
            raise InvariantViolated(f"agent {agent_id} is already known")
        agent = AgentState(agent_id, hostname, total, available=total)
        self._agents[agent_id] = agent
        self._total.add(total.quantities())
        for framework_id, resources in used.items():
            for role, part in _by_role(resources):
                self._charge(agent, framework_id, role, part)
        self._now[agent_id] = None

    def remove_agent(self, agent_id: str) -> None:
        agent = self._agent(agent_id)
        for (framework_id, role), resources in list(agent.charged.items()):
            self._discharge(agent, framework_id, role, resources)
        self._total.subtract(agent.total.quantities())
        self._filters.forget_agent(agent_id)
        del self._agents[agent_id]

    def activate_agent(self, agent_id: str) -> None:
        self._agent(agent_id).active = True
        self._next_period[agent_id] = None

    def deactivate_agent(self, agent_id: str) -> None:
        self._agent(agent_id).active = False

    def update_agent_total(self, agent_id: str, total: Resources) -> None:
        agent = self._agent(agent_id)
        available = total
        for resources in agent.charged.values():
            available -= resources
        self._total.subtract(agent.total.quantities())
        self._total.add(total.quantities())
        agent.total, agent.available = total, available
        self._now[agent_id] = None

    def _agent(self, agent_id: str) -> AgentState:
        try:
            return self._agents[agent_id]
        except KeyError:
            raise InvariantViolated(f"agent {agent_id} is not known") from None

    # -- charges ----------------------------------------------------------------------------------

    def update_allocation(
        self, framework_id: str, agent_id: str, consumed: Resources, produced: Resources
    ) -> None:
        agent = self._agent(agent_id)
        if consumed.quantities() != produced.quantities():
            raise InvariantViolated(f"{consumed} cannot become {produced}: quantities differ")
        produced_by_role = dict(_by_role(produced))
        for role, part in _by_role(consumed):
            held = agent.charged.get((framework_id, role), Resources.EMPTY)
            agent.charged[framework_id, role] = held - part + produced_by_role[role]
        agent.total = agent.total - consumed.unallocated() + produced.unallocated()

    def recover_resources(
        self,
        framework_id: str,
        agent_id: str,
        resources: Resources,
        refuse_seconds: float | None,
        now: float,
    ) -> None:
        agent = self._agents.get(agent_id)
        if agent is None:
            return
        framework = self._frameworks.get(framework_id)
        for role, part in _by_role(resources):
            self._discharge(agent, framework_id, role, part)
            if refuse_seconds is not None and framework is not None and role in framework.roles:
                self._filters.add((framework_id, role), agent_id, part, refuse_seconds, now)
        self._next_period[agent_id] = None

    def _charge(self, agent: AgentState, framework_id: str, role: str, part: Resources) -> None:
        agent.available -= part
        owner = (framework_id, role)
        if owner not in agent.charged:
            self._agents_charged[owner] += 1
        agent.charged[owner] = agent.charged.get(owner, Resources.EMPTY) + part
        self._client(role, framework_id).allocated(framework_id, part.quantities())
        self._roles.allocated(role, part.quantities())

    def _discharge(self, agent: AgentState, framework_id: str, role: str, part: Resources) -> None:
        owner = (framework_id, role)
        left = agent.charged.get(owner, Resources.EMPTY) - part
        if left:
            agent.charged[owner] = left
        elif agent.charged.pop(owner, None) is not None:
            self._agents_charged[owner] -= 1
        agent.available += part
        self._frameworks_of[role].unallocated(framework_id, part.quantities())
        self._roles.unallocated(role, part.quantities())
        self._untrack_idle(role, framework_id)

    # -- allocation -------------------------------------------------------------------------------

    def update_weights(self, weights: Mapping[str, float]) -> None:
        for role, weight in weights.items():
            self._weights[role] = Fraction(str(weight))
            self._roles.update_weight(role, self._weights[role])

    @property
    def run_wanted(self) -> bool:
        return bool(self._newcomers or self._now)

    def allocate(
        self, now: float, agents: Iterable[str] | None = None, *, periodic: bool = False
    ) -> list[OfferGrant]:
        self._next_period.update(dict.fromkeys(self._filters.expire(now)))
        if agents is not None:
            self._now.update(dict.fromkeys(agents))
        changed = self._now
        if periodic or self._newcomers:
            changed = self._now | self._next_period
            self._next_period = {}
        else:
            self._next_period = {n: None for n in self._next_period if n not in self._now}
        newcomers, self._newcomers, self._now = self._newcomers, {}, {}
        if periodic:
            self._filters.count_periodic_run()
        grants: list[OfferGrant] = []
        for agent in self._shuffled(self._agents if newcomers else changed):
            takers = None if agent.agent_id in changed else newcomers
            grants += self._share_out(agent, takers)
        return grants

    def _shuffled(self, names: Iterable[str]) -> list[AgentState]:
        """Return those of some agents that are active and have something free, in random order."""
        known = (self._agents[name] for name in names if name in self._agents)
        agents = [agent for agent in known if agent.active and agent.available]
        self._random.shuffle(agents)
        return agents

    def _share_out(
        self, agent: AgentState, takers: Mapping[str, Collection[str]] | None
    ) -> Iterable[OfferGrant]:
        """Grant what is free on an agent, to those furthest behind first.

        If `takers` is given only those are asked: the others had their turn and nothing has
        changed.
        """
        granted: dict[tuple[str, str], Resources] = {}
        while agent.available and (taker := self._next_taker(agent, takers)) is not None:
            framework, role, offer = taker
            owner = (framework.framework_id, role)
            self._charge(agent, *owner, offer)
            granted[owner] = granted.get(owner, Resources.EMPTY) + offer
        for (framework_id, role), offer in granted.items():
            yield OfferGrant(framework_id, role, agent.agent_id, offer.allocated_to(role))

    def _next_taker(
        self, agent: AgentState, takers: Mapping[str, Collection[str]] | None
    ) -> tuple[FrameworkState, str, Resources] | None:
        """Return who is given something that is free on an agent next, in which role, and what.

        Whoever has declined as much as its portion has no use for one. If nobody has, the first may
        still want all of it.
        """
        candidates = self._candidates(agent, takers)
        foremost = list(islice(candidates, 2))
        if len(foremost) > 1:
            for framework, role, offer in chain(foremost, candidates):
                owner = (framework.framework_id, role)
                least = framework.min_allocatable.get(role)
                if not least or owner not in agent.charged:
                    return framework, role, offer
                part = portion(offer, least)
                if self._filters.blocking(owner, agent.agent_id, part) is None:
                    return framework, role, part
        return foremost[0] if foremost else None

    def _candidates(
        self, agent: AgentState, takers: Mapping[str, Collection[str]] | None
    ) -> Iterator[tuple[FrameworkState, str, Resources]]:
        """Yield who may have something that is free on an agent, in which role, and what.

        Those furthest behind come first. Not to be used further once something was granted.
        """
        for role in self._roles.sort():
            asked = None if takers is None else takers.get(role, ())
            free = agent.available.allocatable_to(role)
            if not free or (asked is not None and not asked):
                continue
            for framework_id in self._frameworks_of[role].sort():
                if asked is not None and framework_id not in asked:
                    continue
                framework = self._frameworks[framework_id]
                offer = self._eligibility.offer(agent, framework, role, free)
                if not isinstance(offer, Refusal):
                    yield framework, role, offer

    # -- what consoles show -----------------------------------------------------------------------

    def shares(self) -> Mapping[str, RoleShare]:
        return {
            role: RoleShare(
                Share(*self._roles.dominant(role), self._weights.get(role, Fraction(1))),
                {name: Share(*frameworks.dominant(name)) for name in frameworks.clients()},
            )
            for role, frameworks in sorted(self._frameworks_of.items())
        }

    def why_no_offers(self, framework_id: str) -> list[str]:
        framework = self._frameworks.get(framework_id)
        return why_no_offers(framework, self._agents.values(), self._eligibility)


def _by_role(resources: Resources) -> Iterable[tuple[str, Resources]]:
    """Split by the role that resources are allocated to, and take the mark off."""
    for role, part in resources.allocations().items():
        if role is None:
            raise InvariantViolated(f"{part} is not marked with the role it is allocated to")
        yield role, part.unallocated()
