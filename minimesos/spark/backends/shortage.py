"""Why there are no executors: what each agent that was offered lacks for one, in words.

Filled by `coarse` as it answers offers; read when tasks have waited for long, so that constraints
and sizes that nothing can satisfy are seen to be such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from minimesos.attributes import format_attributes
from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.backends.ledger import Ledger
from minimesos.spark.backends.offered import amount
from minimesos.spark.backends.offers import Answer, CoarseSettings
from minimesos.spark.settings.executors import CORES_MAX, EXECUTOR_CORES
from minimesos.values import format_scalar

AGENTS_MAX = 1000
"""Agents that are remembered, those that were offered last."""
LINES_MAX = 10
"""Agents that are named in one answer; of the others only the number is."""
NOT_OFFERED = (
    "agents that were not offered are not named: they are in use, or belong to another role"
)
"""Said where that may be the reason."""


class _Offered(NamedTuple):
    """An agent as it was offered last."""

    offer: mesos_pb2.Offer
    lacks: str  # for an executor; empty if nothing


class Shortage:
    """Remembers what agents were offered, and what they lack."""

    def __init__(self, settings: CoarseSettings, role: str) -> None:
        self._settings = settings
        self._role = role
        self._agents: dict[str, _Offered] = {}  # by agent id, the last offered last

    def note(self, answers: Sequence[Answer]) -> None:
        """Learn from answers to offers."""
        for answer in answers:
            agent_id = answer.offer.agent_id.value
            self._agents.pop(agent_id, None)
            lacks = answer.reason if answer.is_lacking else ""
            self._agents[agent_id] = _Offered(answer.offer, lacks)
        while len(self._agents) > AGENTS_MAX:
            del self._agents[next(iter(self._agents))]

    def lines(self, ledger: Ledger, now: float) -> list[str]:
        """Say what an executor needs, and why each agent has none; empty if nothing is wrong."""
        if not self._settings.max_cores:
            return [f"{CORES_MAX.name} is below {EXECUTOR_CORES.name}: there can be no executor"]
        if not self._agents and not ledger.agents:
            return [f"role {self._role} was offered nothing so far; {self._need()}"]
        lacking = self._lacking(ledger, now)
        told = [*self._waiting(ledger), *lacking]
        if not told and not ledger.executors:
            told = ["agents that were offered have had that; the next offers are waited for"]
        if not told:
            return []
        more = len(told) - LINES_MAX
        return [
            self._need(),
            *told[:LINES_MAX],
            *([f"and {more} more"] if more > 0 else []),
            *([NOT_OFFERED] if lacking or not ledger.executors else []),
        ]

    def _need(self) -> str:
        settings = self._settings
        ports = "".join(f", port {port}" for port in settings.ports)
        wanted = "; ".join(
            f"{name}:{','.join(values)}" for name, values in settings.constraints.items()
        )
        return (
            f"an executor needs cpus:{settings.executor_cores or 1}, mem:{settings.memory_mb}"
            + ports
            + (f" on an agent with {wanted}" if wanted else "")
        )

    def _waiting(self, ledger: Ledger) -> list[str]:
        return [
            f"executor {id} was launched on agent {ledger.agents[executor.agent_id].hostname} and "
            "has not connected yet"
            for id, executor in ledger.executors.items()
            if not executor.has_attached
        ]

    def _lacking(self, ledger: Ledger, now: float) -> list[str]:
        lines = []
        for agent_id in dict.fromkeys((*self._agents, *ledger.agents)):
            offered, agent = self._agents.get(agent_id), ledger.agents.get(agent_id)
            who = _description(offered.offer) if offered else ledger.agents[agent_id].hostname
            if agent is not None and agent.is_excluded(now):
                left_s = agent.excluded_until_s - now
                why = agent.last_failure.partition("\n")[0]
                lines.append(f"agent {who}: excluded for {left_s:.0f} s yet: {why}")
            elif offered is not None and offered.lacks:
                lines.append(f"agent {who}: {offered.lacks}")
        return lines


def _description(offer: mesos_pb2.Offer) -> str:
    amounts = ", ".join(
        f"{name}:{format_scalar(amount(offer.resources, name))}" for name in ("cpus", "mem")
    )
    attributes = ", ".join(
        format_attributes([each]).replace(":", "=", 1) for each in offer.attributes
    )
    return f"{offer.hostname} ({amounts}{'; ' if attributes else ''}{attributes})"
