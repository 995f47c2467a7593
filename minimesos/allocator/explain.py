"""Why does my framework get no offers? Answered from the allocator's own rules.

Used by `hierarchical` for consoles and endpoints. It changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from minimesos.allocator.eligibility import AgentState, Eligibility, FrameworkState, Refusal


def why_no_offers(
    framework: FrameworkState | None, agents: Collection[AgentState], eligibility: Eligibility
) -> list[str]:
    """Return a sentence per cause; empty if an agent would be offered at the framework's turn."""
    if framework is None:
        return ["The framework is not subscribed."]
    if not framework.active:
        return ["The framework is not active: it is disconnected or was deactivated."]
    if not framework.roles:
        return ["The framework is subscribed to no role."]
    if not agents:
        return ["There are no agents."]
    active = [agent for agent in agents if agent.active]
    if not active:
        return [f"All {len(agents)} agents are deactivated or disconnected."]
    reasons: list[str] = []
    for role in sorted(framework.roles):
        if role in framework.suppressed:
            reasons.append(f"In role '{role}': offers are suppressed until the framework revives.")
            continue
        refusals: Counter[Refusal] = Counter()
        for agent in active:
            offer = eligibility.offer(agent, framework, role, agent.available.allocatable_to(role))
            if not isinstance(offer, Refusal):
                return []
            refusals[offer] += 1
        reasons += [
            f"In role '{role}': {count} of {len(active)} agents {refusal.value}."
            for refusal, count in refusals.most_common()
        ]
    return reasons
