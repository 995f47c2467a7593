"""When a task is slow, and when an executor is left out: what the application has set.

Part of `Limits`; used by `speculation` and `exclusion`.
"""

from __future__ import annotations

from dataclasses import dataclass

from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.mishaps import (
    EXCLUDE_APPLICATION_PER_EXECUTOR,
    EXCLUDE_APPLICATION_PER_NODE,
    EXCLUDE_FETCH_FAILURE,
    EXCLUDE_KILL,
    EXCLUDE_ON_FAILURE,
    EXCLUDE_STAGE_PER_EXECUTOR,
    EXCLUDE_STAGE_PER_NODE,
    EXCLUDE_TASK_PER_EXECUTOR,
    EXCLUDE_TASK_PER_NODE,
    EXCLUDE_TIMEOUT,
    EXCLUDE_UNSCHEDULABLE_TIMEOUT,
    SPECULATION,
    SPECULATION_INTERVAL,
    SPECULATION_MIN_RUNTIME,
    SPECULATION_MULTIPLIER,
    SPECULATION_QUANTILE,
    SPECULATION_THRESHOLD,
)


@dataclass(frozen=True, slots=True)
class SpeculationSettings:
    """When a task is slow."""

    interval_s: float = SPECULATION_INTERVAL.default
    multiplier: float = SPECULATION_MULTIPLIER.default
    quantile: float = SPECULATION_QUANTILE.default
    min_runtime_s: float = SPECULATION_MIN_RUNTIME.default
    threshold_s: float | None = SPECULATION_THRESHOLD.default
    """From when tasks are slow where one executor can run all of a set at once."""

    @classmethod
    def of(cls, conf: Texts) -> SpeculationSettings | None:
        """Read the settings; None if no copies are to be run. Raises InvalidValue."""
        if not SPECULATION.read(conf):
            return None
        return cls(
            interval_s=SPECULATION_INTERVAL.read(conf),
            multiplier=SPECULATION_MULTIPLIER.read(conf),
            quantile=SPECULATION_QUANTILE.read(conf),
            min_runtime_s=SPECULATION_MIN_RUNTIME.read(conf),
            threshold_s=SPECULATION_THRESHOLD.read(conf),
        )


@dataclass(frozen=True, slots=True)
class ExclusionSettings:
    """How many failures exclude an executor or a host from what, and for how long."""

    task_per_executor: int = EXCLUDE_TASK_PER_EXECUTOR.default
    task_per_host: int = EXCLUDE_TASK_PER_NODE.default
    stage_per_executor: int = EXCLUDE_STAGE_PER_EXECUTOR.default
    stage_per_host: int = EXCLUDE_STAGE_PER_NODE.default
    application_per_executor: int = EXCLUDE_APPLICATION_PER_EXECUTOR.default
    application_per_host: int = EXCLUDE_APPLICATION_PER_NODE.default
    timeout_s: float = EXCLUDE_TIMEOUT.default
    by_fetch_failure: bool = EXCLUDE_FETCH_FAILURE.default
    kills: bool = EXCLUDE_KILL.default
    unschedulable_s: float = EXCLUDE_UNSCHEDULABLE_TIMEOUT.default

    @classmethod
    def of(cls, conf: Texts) -> ExclusionSettings | None:
        """Read the settings; None if nothing is to be excluded. Raises InvalidValue."""
        if not EXCLUDE_ON_FAILURE.read(conf):
            return None
        return cls(
            task_per_executor=EXCLUDE_TASK_PER_EXECUTOR.read(conf),
            task_per_host=EXCLUDE_TASK_PER_NODE.read(conf),
            stage_per_executor=EXCLUDE_STAGE_PER_EXECUTOR.read(conf),
            stage_per_host=EXCLUDE_STAGE_PER_NODE.read(conf),
            application_per_executor=EXCLUDE_APPLICATION_PER_EXECUTOR.read(conf),
            application_per_host=EXCLUDE_APPLICATION_PER_NODE.read(conf),
            timeout_s=EXCLUDE_TIMEOUT.read(conf),
            by_fetch_failure=EXCLUDE_FETCH_FAILURE.read(conf),
            kills=EXCLUDE_KILL.read(conf),
            unschedulable_s=EXCLUDE_UNSCHEDULABLE_TIMEOUT.read(conf),
        )
