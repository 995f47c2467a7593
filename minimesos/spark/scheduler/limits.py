"""Settings that bound retries, waiting and results of one application's jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from minimesos.errors import InvalidValue
from minimesos.spark.conf import parse_memory_mb, parse_seconds

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What the scheduler is allowed."""

    task_failures: int = 4
    """Failures of one task within a stage attempt that end its job."""
    stage_attempts: int = 4
    """Attempts at a stage in a row that could not fetch their input, and end its jobs."""
    locality_wait_s: float = 3.0
    """How long a task waits for the executor that holds its input."""
    result_bytes: int = 1024 * _MIB
    """Serialised results of one job; 0 for no limit."""

    @classmethod
    def of(cls, conf: Mapping[str, str]) -> Limits:
        """Read the settings of an application. Raises InvalidValue."""
        return cls(
            task_failures=_positive(conf, "spark.task.maxFailures", 4),
            stage_attempts=_positive(conf, "spark.stage.maxConsecutiveAttempts", 4),
            locality_wait_s=parse_seconds(conf.get("spark.locality.wait", "3s")),
            result_bytes=parse_memory_mb(conf.get("spark.driver.maxResultSize", "1g")) * _MIB,
        )


def _positive(conf: Mapping[str, str], key: str, default: int) -> int:
    text = conf.get(key, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise InvalidValue(f"{key} must be a number above 0, not '{text}'")
    return int(text)
