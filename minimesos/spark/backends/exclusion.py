"""When an agent gets no more executors, and what is said of it: one rule for both Mesos modes.

Used by the cores `coarse` and `fine`, which know whose fault an end was. An agent's failures are
kept with the agent, in `ledger`.
"""

from __future__ import annotations

from dataclasses import dataclass

from minimesos.log import get_logger
from minimesos.spark.backends.ledger import Agent
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.mesos import EXCLUDE_AGENT_AFTER_FAILURES, EXCLUDE_AGENT_TIMEOUT

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """How many failures exclude an agent, and for how long."""

    after: int
    timeout_s: float

    @classmethod
    def of(cls, conf: Texts) -> Exclusion:
        """Read the settings. Raises InvalidValue."""
        return cls(EXCLUDE_AGENT_AFTER_FAILURES.read(conf), EXCLUDE_AGENT_TIMEOUT.read(conf))

    def blame(self, agent: Agent, reason: str, now: float) -> bool:
        """Note that an executor has failed on an agent; True if that excludes it."""
        is_excluded = agent.failed(reason, self.after, self.timeout_s, now)
        if is_excluded:
            _log.warning(
                "Agent excluded",
                agent=agent.hostname,
                failures=self.after,
                seconds=round(self.timeout_s),
                reason=reason,
            )
        return is_excluded

    def hopeless(self, last_failure: str) -> str:
        """Say that no agent is left on which there could be an executor."""
        return (
            f"no executor can be had: on each agent that was offered {self.after} "
            f"of them have failed; the last one: {last_failure}"
        )
