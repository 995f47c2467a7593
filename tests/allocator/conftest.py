"""A cluster as an allocator sees it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fractions import Fraction
from random import Random

from minimesos.allocator.allocator import Allocator, AllocatorConfig, OfferGrant
from minimesos.allocator.hierarchical import HierarchicalAllocator
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.resources import Resources

Capability = mesos_pb2.FrameworkInfo.Capability


class Cluster:
    """An allocator with a clock; offers are as (framework, agent), grants by framework are kept."""

    def __init__(self, config: AllocatorConfig | None = None, seed: int = 1) -> None:
        self.allocator: Allocator = HierarchicalAllocator(config or AllocatorConfig(), Random(seed))
        self.now = 0.0
        self.grants: list[OfferGrant] = []

    def framework(
        self,
        name: str,
        *roles: str,
        suppressed: Collection[str] = (),
        capabilities: Collection[Capability.Type] = (),
        **options: object,
    ) -> list[tuple[str, str]]:
        self.allocator.add_framework(
            name,
            roles or ("*",),
            suppressed,
            capabilities,
            self.now,
            **options,  # type: ignore[arg-type]
        )
        return self.run()

    def agent(
        self, name: str, resources: str, used: Mapping[str, Resources] | None = None
    ) -> list[tuple[str, str]]:
        self.allocator.add_agent(name, name, Resources.parse(resources), used or {})
        return self.run()

    def run(self, periodic: bool = False) -> list[tuple[str, str]]:
        granted = self.allocator.allocate(self.now, periodic=periodic)
        self.grants += granted
        return sorted((grant.framework_id, grant.agent_id) for grant in granted)

    def next_period(self, seconds: float = 1.0) -> list[tuple[str, str]]:
        self.now += seconds
        return self.run(periodic=True)

    def give_back(self, *, refuse_seconds: float | None = None, agent: str | None = None) -> None:
        kept = []
        for grant in self.grants:
            if agent is not None and grant.agent_id != agent:
                kept.append(grant)
                continue
            self.allocator.recover_resources(
                grant.framework_id, grant.agent_id, grant.resources, refuse_seconds, self.now
            )
        self.grants = kept

    def share(self, role: str) -> Fraction:
        return self.allocator.shares()[role].share.share
