"""What an offer is good for in the fine-grained mode: tasks, and before the first an executor.

Used by `fine`, which decides what becomes of it.

Source: Spark's documentation "Running Spark on Mesos", fine-grained mode.
"""

from __future__ import annotations

from dataclasses import dataclass

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.backends.executor_memory import container_memory_mb
from minimesos.spark.backends.offered import Remaining, amount, take
from minimesos.spark.backends.shortage import AGENTS_MAX, LINES_MAX, NOT_OFFERED
from minimesos.spark.mesos_texts import Constraints
from minimesos.spark.scheduler.executor import WorkerOffer
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.mesos import (
    MESOS_CONSTRAINTS,
    MESOS_EXECUTOR_CORES,
    MESOS_REJECT_OFFER_DURATION_FOR_UNMET_CONSTRAINTS,
)
from minimesos.spark.settings.scheduling import TASK_CPUS
from minimesos.values import THOUSANDTHS, format_scalar, thousandths


@dataclass(frozen=True, slots=True)
class FineSettings:
    """What the user asked for, derived once from the configuration; amounts in thousandths."""

    executor_cpus: int  # of the executor itself, held while it lives
    executor_mem: int
    task_cpus: int
    constraints: Constraints
    unmet_constraints_reject_s: float

    @classmethod
    def from_conf(cls, conf: Texts) -> FineSettings:
        """Read the settings. Raises InvalidValue for the first that is malformed."""
        return cls(
            executor_cpus=thousandths(MESOS_EXECUTOR_CORES.read(conf)),
            executor_mem=container_memory_mb(conf) * THOUSANDTHS,
            task_cpus=TASK_CPUS.read(conf) * THOUSANDTHS,
            constraints=MESOS_CONSTRAINTS.read(conf),
            unmet_constraints_reject_s=MESOS_REJECT_OFFER_DURATION_FOR_UNMET_CONSTRAINTS.read(conf),
        )


class Opening:
    """An offer that is being used: what is left of it, and what was launched on it."""

    def __init__(self, offer: mesos_pb2.Offer) -> None:
        self.offer = offer
        self.tasks: list[mesos_pb2.TaskInfo] = []
        self._remaining: Remaining = list(offer.resources)

    def lacks(self, settings: FineSettings, has_executor: bool) -> str:
        """Say what is missing for a task, and before it an executor; empty if nothing is."""
        cpus, mem = amount(self._remaining, "cpus"), amount(self._remaining, "mem")
        need = settings.task_cpus + (0 if has_executor else settings.executor_cpus)
        offered = f"offered are cpus:{format_scalar(cpus)}, mem:{format_scalar(mem)}"
        if has_executor:
            is_enough = cpus >= need
            return "" if is_enough else f"a task needs cpus:{format_scalar(need)}, {offered}"
        if cpus >= need and mem >= settings.executor_mem:
            return ""
        wanted = f"cpus:{format_scalar(need)}, mem:{format_scalar(settings.executor_mem)}"
        return f"an executor with one task needs {wanted}, {offered}"

    def worker_offer(self, settings: FineSettings, has_executor: bool) -> WorkerOffer:
        """Return the whole cores that there are for tasks."""
        cpus = amount(self._remaining, "cpus") - (0 if has_executor else settings.executor_cpus)
        return WorkerOffer(self.offer.agent_id.value, self.offer.hostname, cpus // THOUSANDTHS)

    def take_executor(self, settings: FineSettings) -> list[mesos_pb2.Resource]:
        """Take what an executor holds while it lives."""
        cpus = take(self._remaining, "cpus", settings.executor_cpus)
        return cpus + take(self._remaining, "mem", settings.executor_mem)

    def take_task(self, settings: FineSettings) -> list[mesos_pb2.Resource]:
        """Take what a task holds while it runs."""
        return take(self._remaining, "cpus", settings.task_cpus)


class Lacking:
    """Remembers what agents lack, to be told when tasks have waited for long."""

    def __init__(self) -> None:
        self._agents: dict[str, str] = {}  # a line by agent id, the last offered last

    def note(self, offer: mesos_pb2.Offer, problem: str) -> None:
        """Nothing of an offered agent can be used; or some can, if there is no problem."""
        agent_id = offer.agent_id.value
        self._agents.pop(agent_id, None)
        if problem:
            self._agents[agent_id] = f"agent {offer.hostname}: {problem}"
        while len(self._agents) > AGENTS_MAX:
            del self._agents[next(iter(self._agents))]

    def lines(self) -> list[str]:
        """Say what each lacks, of a few."""
        told = list(self._agents.values())
        more = len(told) - LINES_MAX
        return [
            *told[:LINES_MAX],
            *([f"and {more} more"] if more > 0 else []),
            *([NOT_OFFERED] if told else []),
        ]
