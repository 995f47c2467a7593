"""How much memory Mesos is asked for, for one executor.

Used by the backends of both modes, and by who makes agents of the size of an executor.

Source: Spark's "Running Spark on Mesos" page, `spark.mesos.executor.memoryOverhead`.
"""

from __future__ import annotations

from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.executors import EXECUTOR_MEMORY
from minimesos.spark.settings.mesos import MESOS_MEMORY_OVERHEAD

_OVERHEAD_MIN_MB = 384
_OVERHEAD_FACTOR = 0.10


def container_memory_mb(conf: Texts) -> int:
    """Return an executor's own memory and its overhead. Raises InvalidValue."""
    memory_mb = EXECUTOR_MEMORY.read(conf)
    overhead_mb = MESOS_MEMORY_OVERHEAD.read(conf)
    return memory_mb + (default_overhead_mb(memory_mb) if overhead_mb is None else overhead_mb)


def default_overhead_mb(executor_memory_mb: int) -> int:
    """Memory beyond the executor's own that its container gets: a tenth, 384 MB at least."""
    return int(max(_OVERHEAD_FACTOR * executor_memory_mb, _OVERHEAD_MIN_MB))
