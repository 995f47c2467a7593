"""What the coarse-grained backend remembers: executors, what they hold, and where some failed.

Kept by `coarse`, read and written by `offers`. An executor is entered when it is launched and
struck out when its Mesos task has ended; its id, a decimal counter, is also that task's.

Source: Spark's documentation "Running Spark on Mesos", coarse-grained mode. Unlike there, an agent
on which executors fail is excluded for a time only, by the rule of Spark's own `HealthTracker`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from minimesos.proto.mesos.v1 import mesos_pb2

_DIGITS_MAX = 18
"""Of an id that may be one of ours."""


@dataclass(slots=True)
class Executor:
    """An executor that was launched and has not ended, as far as is known."""

    agent_id: str
    cores: int
    gpus: int = 0
    state: int = mesos_pb2.TASK_STAGING
    has_attached: bool = False
    is_leaving: bool = False
    """The driver wants it to end, whatever for."""
    was_killed: bool = False
    """The driver did not need it any more, so that no end of it is a failure."""
    is_doubted: bool = False
    """It is connected, but the master knows nothing of it."""


@dataclass(slots=True)
class Agent:
    """What the application remembers of an agent, from its first executor there for good."""

    hostname: str
    executor_ids: set[str] = field(default_factory=set)
    failed_at_s: list[float] = field(default_factory=list)
    """When executors failed, of late and since it was last excluded."""
    excluded_until_s: float = 0.0
    last_failure: str = ""

    def is_excluded(self, now: float) -> bool:
        """Too many executors have failed on it for another one yet."""
        return now < self.excluded_until_s

    def failed(self, reason: str, after: int, timeout_s: float, now: float) -> bool:
        """Note a failure; True if `after` of them within the timeout exclude the agent for it."""
        self.last_failure = reason
        self.failed_at_s = [each for each in self.failed_at_s if each > now - timeout_s] + [now]
        if len(self.failed_at_s) < after:
            return False
        self.failed_at_s.clear()
        self.excluded_until_s = now + timeout_s
        return True


@dataclass(slots=True)
class Ledger:
    """The executors launched so far and what they hold; how many there may be, and where."""

    executor_limit: int | None = None
    next_executor_id: int = 0
    executors: dict[str, Executor] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    total_cores_acquired: int = 0
    total_gpus_acquired: int = 0
    has_worked: bool = False
    """An executor has connected to the driver once."""
    is_launching: bool = False
    """There may be more executors than there are."""
    locality_wait_start_s: float = 0.0
    local_tasks: Mapping[str, int] = field(default_factory=dict)
    """Tasks that wait, by the host that they prefer."""

    @property
    def is_full(self) -> bool:
        """There are as many executors as there may be."""
        return self.executor_limit is not None and len(self.executors) >= self.executor_limit

    def launch(self, agent_id: str, hostname: str, cores: int, gpus: int = 0) -> str:
        """Enter a new executor and return its id."""
        executor_id = str(self.next_executor_id)
        self.next_executor_id += 1
        self.agents.setdefault(agent_id, Agent(hostname)).executor_ids.add(executor_id)
        self.executors[executor_id] = Executor(agent_id, cores, gpus)
        self.total_cores_acquired += cores
        self.total_gpus_acquired += gpus
        return executor_id

    def end(self, executor_id: str) -> Executor | None:
        """Strike an executor out and return it; None if it is not there, or not any more."""
        executor = self.executors.pop(executor_id, None)
        if executor is not None:
            self.total_cores_acquired -= executor.cores
            self.total_gpus_acquired -= executor.gpus
            self.agents[executor.agent_id].executor_ids.discard(executor_id)
        return executor

    def heard_of(self, executor_id: str) -> None:
        """Never give out an id that is known to be taken, were it by an earlier driver."""
        if executor_id.isascii() and executor_id.isdigit() and len(executor_id) <= _DIGITS_MAX:
            self.next_executor_id = max(self.next_executor_id, int(executor_id) + 1)

    def has_executor_at(self, hostname: str) -> bool:
        """Whether there is an executor on a host."""
        return any(
            agent.executor_ids and agent.hostname == hostname for agent in self.agents.values()
        )

    def is_stuck(self, now: float) -> bool:
        """No executor is left, and no agent that had one may have another yet."""
        agents = self.agents.values()
        return not self.executors and bool(agents) and all(a.is_excluded(now) for a in agents)
