"""Which executors to launch on which offers: the coarse-grained backend's decision.

`answer_offers` is a function of offers, settings, ledger and time, so it is tested without a
cluster; what it launches it enters in the ledger. `coarse` carries the answers out.

Source: Spark's documentation "Running Spark on Mesos", coarse-grained mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from minimesos.proto.mesos.v1 import mesos_pb2
from minimesos.spark.backends.constraints import unmet
from minimesos.spark.backends.executor_memory import container_memory_mb
from minimesos.spark.backends.ledger import Ledger
from minimesos.spark.backends.offered import (
    Remaining,
    amount,
    has_ports,
    take,
    take_gpus,
    take_ports,
    wanted_ports,
)
from minimesos.spark.mesos_texts import Constraints
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.executors import CORES_MAX, EXECUTOR_CORES
from minimesos.spark.settings.mesos import (
    MESOS_CONSTRAINTS,
    MESOS_GPUS_MAX,
    MESOS_REJECT_OFFER_DURATION_FOR_REACHED_MAX_CORES,
    MESOS_REJECT_OFFER_DURATION_FOR_UNMET_CONSTRAINTS,
)
from minimesos.spark.settings.scheduling import LOCALITY_WAIT
from minimesos.values import THOUSANDTHS, format_scalar

_UNLIMITED_CORES = 2**31 - 1
_EXCLUDED_REJECT_MAX_S = 120.0
"""How long an excluded agent's offers stay away at most, before they are declined once more."""


@dataclass(frozen=True, slots=True)
class CoarseSettings:
    """What the user asked for, derived once from the configuration."""

    executor_cores: int | None  # None: an executor takes all whole cores of its offer
    max_cores: int  # of the application, a multiple of what one executor takes at least
    max_gpus: int
    memory_mb: int  # of an executor, with its overhead
    ports: tuple[int, ...]  # that each executor has to have
    constraints: Constraints
    locality_wait_s: float
    reached_max_cores_reject_s: float
    unmet_constraints_reject_s: float

    @classmethod
    def from_conf(cls, conf: Texts) -> CoarseSettings:
        """Read the settings. Raises InvalidValue for the first that is malformed."""
        cores = EXECUTOR_CORES.read(conf)
        most = CORES_MAX.read(conf) or _UNLIMITED_CORES
        return cls(
            executor_cores=cores,
            max_cores=most - most % (cores or 1),
            max_gpus=MESOS_GPUS_MAX.read(conf),
            memory_mb=container_memory_mb(conf),
            ports=wanted_ports(conf),
            constraints=MESOS_CONSTRAINTS.read(conf),
            locality_wait_s=LOCALITY_WAIT.read(conf),
            reached_max_cores_reject_s=MESOS_REJECT_OFFER_DURATION_FOR_REACHED_MAX_CORES.read(conf),
            unmet_constraints_reject_s=MESOS_REJECT_OFFER_DURATION_FOR_UNMET_CONSTRAINTS.read(conf),
        )


@dataclass(frozen=True, slots=True)
class Launch:
    """One executor to launch."""

    executor_id: str
    cores: int
    resources: list[mesos_pb2.Resource]


@dataclass(slots=True)
class Answer:
    """What to do with one offer: launch executors on it, or decline it, for a reason."""

    offer: mesos_pb2.Offer
    launches: list[Launch] = field(default_factory=list)
    refuse_seconds: float | None = None  # None: the master's default
    reason: str = ""
    is_lacking: bool = False
    """The reason is what the agent is or has, so that waiting for this offer is no use."""


def answer_offers(
    offers: Sequence[mesos_pb2.Offer], settings: CoarseSettings, ledger: Ledger, now: float
) -> list[Answer]:
    """Answer each offer, in their order. `now` is in epoch seconds.

    Executors are placed round robin, one per offer and pass, and entered in the ledger.
    """
    if ledger.is_full:
        ledger.is_launching = False
        reason = f"reached the limit of {ledger.executor_limit} executors"
        return [Answer(offer, reason=reason) for offer in offers]
    if not ledger.is_launching:
        ledger.is_launching = True
        ledger.locality_wait_start_s = now
    answers = [Answer(offer) for offer in offers]
    matching = [answer for answer in answers if _meets_constraints(answer, settings)]
    allowed = [answer for answer in matching if not _is_excluded(answer, ledger, now)]
    placing = [(answer, list(answer.offer.resources)) for answer in allowed]
    while placing:
        # What stands against an executor is not taken away by others that are launched.
        placing = [each for each in placing if _place(*each, settings, ledger, now)]
    for answer in matching:
        if answer.launches:
            answer.reason, answer.is_lacking = "", False
        elif ledger.total_cores_acquired >= settings.max_cores:
            answer.refuse_seconds = settings.reached_max_cores_reject_s
            answer.reason, answer.is_lacking = f"reached {CORES_MAX.name}", False
    return answers


def _meets_constraints(answer: Answer, settings: CoarseSettings) -> bool:
    unmet_ones = unmet(settings.constraints, answer.offer.attributes)
    if unmet_ones:
        answer.refuse_seconds = settings.unmet_constraints_reject_s
        answer.reason = f"unmet constraints: {unmet_ones}"
        answer.is_lacking = True
    return not unmet_ones


def _is_excluded(answer: Answer, ledger: Ledger, now: float) -> bool:
    agent = ledger.agents.get(answer.offer.agent_id.value)
    if agent is None or not agent.is_excluded(now):
        return False
    # It is wanted again at once when its time is over, not a default filter later.
    answer.refuse_seconds = min(agent.excluded_until_s - now, _EXCLUDED_REJECT_MAX_S)
    answer.reason = f"excluded: executors failed on agent {agent.hostname}: {agent.last_failure}"
    return True


def _place(
    answer: Answer, remaining: Remaining, settings: CoarseSettings, ledger: Ledger, now: float
) -> bool:
    """Launch one more executor on what remains of an offer, or note the reason why not."""
    offer = answer.offer
    answer.reason = lacks = _lacking(remaining, settings)
    if not lacks:
        answer.reason = _obstacle(offer, remaining, settings, ledger, now)
    if answer.reason:
        answer.is_lacking = bool(lacks)
        return False
    cores = _cores(remaining, settings, ledger)
    taken = [
        *take(remaining, "cpus", cores * THOUSANDTHS),
        *take(remaining, "mem", settings.memory_mb * THOUSANDTHS),
    ]
    gpus = take_gpus(remaining, settings.max_gpus - ledger.total_gpus_acquired)
    taken += [*gpus, *take_ports(remaining, settings.ports)]
    gpus_count = amount(gpus, "gpus") // THOUSANDTHS
    executor_id = ledger.launch(offer.agent_id.value, offer.hostname, cores, gpus_count)
    answer.launches.append(Launch(executor_id, cores, taken))
    return True


def _cores(remaining: Remaining, settings: CoarseSettings, ledger: Ledger) -> int:
    """Return the cores of the next executor, were it for cores alone."""
    left = settings.max_cores - ledger.total_cores_acquired
    return settings.executor_cores or min(amount(remaining, "cpus") // THOUSANDTHS, left)


def _lacking(remaining: Remaining, settings: CoarseSettings) -> str:
    """Say what there is too little of for an executor; empty if there is enough of all."""
    lacking = []
    for name, needed, unit in (
        ("cpus", settings.executor_cores or 1, "cpus"),
        ("mem", settings.memory_mb, "MB"),
    ):
        has = amount(remaining, name)
        if has < needed * THOUSANDTHS:
            lacking.append(f"needs {needed} {unit}, has {format_scalar(has)}")
    if not has_ports(remaining, settings.ports):
        ports = ", ".join(map(str, settings.ports))
        lacking.append(f"needs port {ports}, which is not offered")
    return "; ".join(lacking)


def _obstacle(
    offer: mesos_pb2.Offer,
    remaining: Remaining,
    settings: CoarseSettings,
    ledger: Ledger,
    now: float,
) -> str:
    """Say what stands against an executor where there is enough for one; empty if nothing does."""
    left = settings.max_cores - ledger.total_cores_acquired
    cores = _cores(remaining, settings, ledger)
    if not 0 < cores <= left:
        return f"{left} cores are left of {CORES_MAX.name}"
    if ledger.is_full:
        return f"reached the limit of {ledger.executor_limit} executors"
    if not _suits_locality(offer.hostname, settings, ledger, now):
        return "tasks prefer other hosts"
    return ""


def _suits_locality(hostname: str, settings: CoarseSettings, ledger: Ledger, now: float) -> bool:
    """Whether an executor may go to a host: to one that tasks prefer at first, then to any."""
    if not ledger.local_tasks or now - ledger.locality_wait_start_s > settings.locality_wait_s:
        return True
    return hostname in ledger.local_tasks and not ledger.has_executor_at(hostname)
