"""Settings that bound retries, waiting and results of one application's jobs."""

from __future__ import annotations

from dataclasses import dataclass

from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.application import DRIVER_MAX_RESULT_SIZE
from minimesos.spark.settings.scheduling import (
    LOCALITY_WAIT,
    STAGE_MAX_CONSECUTIVE_ATTEMPTS,
    TASK_MAX_FAILURES,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the scheduler is allowed."""

    task_failures: int = TASK_MAX_FAILURES.default
    """Failures of one task within a stage attempt that end its job."""
    stage_attempts: int = STAGE_MAX_CONSECUTIVE_ATTEMPTS.default
    """Attempts at a stage in a row that could not fetch their input, and end its jobs."""
    locality_wait_s: float = LOCALITY_WAIT.default
    """How long a task waits for the executor that holds its input."""
    result_bytes: int = DRIVER_MAX_RESULT_SIZE.default
    """Serialised results of one job; 0 for no limit."""

    @classmethod
    def of(cls, conf: Texts) -> Limits:
        """Read the settings of an application. Raises InvalidValue."""
        return cls(
            task_failures=TASK_MAX_FAILURES.read(conf),
            stage_attempts=STAGE_MAX_CONSECUTIVE_ATTEMPTS.read(conf),
            locality_wait_s=LOCALITY_WAIT.read(conf),
            result_bytes=DRIVER_MAX_RESULT_SIZE.read(conf),
        )
