"""Which executors to launch on which offers: the coarse-grained backend's decision, and its ledger.

A pure function of offers, settings and ledger, so it is tested without a cluster. The backend
(`mesos_coarse`) carries the answers out. One Mesos task is one executor; its id, a decimal counter,
is both the Mesos task id and the Spark executor id. Constraints, ports and locality are not decided
here yet.

Source: Spark's documentation "Running Spark on Mesos", coarse-grained mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.backends.offered import amount, take
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.executors import CORES_MAX, EXECUTOR_CORES, EXECUTOR_MEMORY
from minimesos.spark.settings.mesos import (
    MESOS_EXTRA_CORES,
    MESOS_MEMORY_OVERHEAD,
    MESOS_REJECT_OFFER_DURATION_FOR_REACHED_MAX_CORES,
)
from minimesos.values import THOUSANDTHS

MAX_AGENT_FAILURES = 2
_UNLIMITED_CORES = 2**31 - 1
_MIN_OVERHEAD_MB = 384
_OVERHEAD_FACTOR = 0.10


@dataclass(frozen=True, slots=True)
class CoarseSettings:
    """What the user asked for, derived once from the configuration."""

    executor_cores: int | None  # None: an executor takes all whole cores of its offer
    max_cores: int  # of the application, a multiple of what one executor takes at least
    extra_cores: int  # advertised by each executor, never acquired
    executor_memory_mb: int
    container_memory_mb: int  # executor memory plus overhead: what is asked of Mesos
    reached_max_cores_reject_s: float

    @classmethod
    def from_conf(cls, conf: Texts) -> CoarseSettings:
        """Read the settings. Raises InvalidValue for the first that is malformed."""
        cores = EXECUTOR_CORES.read(conf)
        most = CORES_MAX.read(conf) or _UNLIMITED_CORES
        memory = EXECUTOR_MEMORY.read(conf)
        overhead = MESOS_MEMORY_OVERHEAD.read(conf)
        return cls(
            executor_cores=cores,
            max_cores=most - most % (cores or 1),
            extra_cores=MESOS_EXTRA_CORES.read(conf),
            executor_memory_mb=memory,
            container_memory_mb=memory + (overhead or default_overhead_mb(memory)),
            reached_max_cores_reject_s=MESOS_REJECT_OFFER_DURATION_FOR_REACHED_MAX_CORES.read(conf),
        )


def default_overhead_mb(executor_memory_mb: int) -> int:
    """Memory beyond the executor's own that its container gets: a tenth, 384 MB at least."""
    return int(max(_OVERHEAD_FACTOR * executor_memory_mb, _MIN_OVERHEAD_MB))


@dataclass(slots=True)
class Agent:
    """What the application remembers of one agent; kept for ever, so failures are not forgotten."""

    hostname: str
    task_ids: set[str] = field(default_factory=set)
    failures: int = 0

    @property
    def is_excluded(self) -> bool:
        """Too many executors have failed on it for another."""
        return self.failures >= MAX_AGENT_FAILURES


@dataclass(slots=True)
class Ledger:
    """The executors launched so far and the cores they hold."""

    next_task_id: int = 0
    cores_by_task_id: dict[str, int] = field(default_factory=dict)
    agent_by_task_id: dict[str, str] = field(default_factory=dict)
    total_cores_acquired: int = 0
    agents: dict[str, Agent] = field(default_factory=dict)

    def launch(self, agent_id: str, hostname: str, cores: int) -> str:
        """Enter a new executor and return its id."""
        task_id = str(self.next_task_id)
        self.next_task_id += 1
        self.agents.setdefault(agent_id, Agent(hostname)).task_ids.add(task_id)
        self.cores_by_task_id[task_id] = cores
        self.agent_by_task_id[task_id] = agent_id
        self.total_cores_acquired += cores
        return task_id

    def finish(self, task_id: str, failed: bool) -> bool:
        """Strike an executor out; False if it was struck out before, or is unknown."""
        cores = self.cores_by_task_id.pop(task_id, None)
        if cores is None:
            return False
        self.total_cores_acquired -= cores
        agent = self.agents[self.agent_by_task_id.pop(task_id)]
        agent.task_ids.discard(task_id)
        agent.failures += failed
        return True

    def is_stuck(self) -> bool:
        """No executor is left, and no agent that had one may have another."""
        agents = self.agents.values()
        return not self.cores_by_task_id and bool(agents) and all(a.is_excluded for a in agents)


@dataclass(frozen=True, slots=True)
class Launch:
    """One executor to launch."""

    task_id: str
    cores: int
    resources: list[mesos_pb2.Resource]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to do with one offer: launch executors on it, or decline it."""

    offer: mesos_pb2.Offer
    launches: list[Launch]
    refuse_seconds: float | None = None  # None: the master's default
    reason: str = ""


def answer_offers(
    offers: Sequence[mesos_pb2.Offer], settings: CoarseSettings, ledger: Ledger
) -> list[Answer]:
    """Place executors round robin, one per offer and pass, and enter them in the ledger."""
    remaining = [list(offer.resources) for offer in offers]
    launches: list[list[Launch]] = [[] for _ in offers]
    placed = True
    while placed:
        placed = False
        for index, offer in enumerate(offers):
            launch = _place(offer, remaining[index], settings, ledger)
            if launch is not None:
                launches[index].append(launch)
                placed = True
    return [_answer(offer, launches[index], settings, ledger) for index, offer in enumerate(offers)]


def _answer(
    offer: mesos_pb2.Offer, launches: list[Launch], settings: CoarseSettings, ledger: Ledger
) -> Answer:
    if launches:
        return Answer(offer, launches)
    if ledger.total_cores_acquired >= settings.max_cores:
        seconds = settings.reached_max_cores_reject_s
        return Answer(offer, [], seconds, "reached spark.cores.max")
    return Answer(offer, [], None, _unmet(offer, settings, ledger))


def _unmet(offer: mesos_pb2.Offer, settings: CoarseSettings, ledger: Ledger) -> str:
    agent = ledger.agents.get(offer.agent_id.value)
    if agent is not None and agent.is_excluded:
        return f"excluded: {agent.failures} executors failed on agent {agent.hostname}"
    cores = settings.executor_cores or 1
    return (
        f"an executor needs {cores} cpus and {settings.container_memory_mb} MB, offered are "
        f"{amount(offer.resources, 'cpus') / THOUSANDTHS:g} cpus and "
        f"{amount(offer.resources, 'mem') / THOUSANDTHS:g} MB"
    )


def _place(
    offer: mesos_pb2.Offer,
    remaining: list[mesos_pb2.Resource],
    settings: CoarseSettings,
    ledger: Ledger,
) -> Launch | None:
    free_cores = amount(remaining, "cpus") // THOUSANDTHS
    left_to_acquire = settings.max_cores - ledger.total_cores_acquired
    cores = settings.executor_cores or min(free_cores, left_to_acquire)
    memory = settings.container_memory_mb * THOUSANDTHS
    agent = ledger.agents.get(offer.agent_id.value)
    if (
        not 0 < cores <= min(free_cores, left_to_acquire)
        or memory > amount(remaining, "mem")
        or (agent is not None and agent.is_excluded)
    ):
        return None
    taken = take(remaining, "cpus", cores * THOUSANDTHS) + take(remaining, "mem", memory)
    task_id = ledger.launch(offer.agent_id.value, offer.hostname, cores)
    return Launch(task_id, cores, taken)
