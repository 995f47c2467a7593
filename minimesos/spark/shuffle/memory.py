"""When an operator must spill, and how: the worker's resident memory against a limit.

The limit is advisory: it makes an operator spill, it never fails a task. It is compared with the
whole process's resident set, as in PySpark, so a worker that holds a large broadcast spills
earlier. Looking costs microseconds, so operators look after thousands of records.

Source: PySpark's shuffle module (`spark.python.worker.memory`, growth by 5 % after a spill).
"""

from __future__ import annotations

import os
from collections.abc import Callable

import psutil

from minimesos.spark.io.compression import DEFAULT, Codec, codec_of
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.executors import WORKER_MEMORY
from minimesos.spark.settings.storage import SHUFFLE_SPILL_COMPRESS

_GROWTH_AFTER_SPILL = 1.05

_RECORDS_FIRST = 2_000
_RECORDS_MAX = 100_000

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Return this process's resident set size."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read(128).split()[1]) * _PAGE_BYTES
    except OSError:
        return int(psutil.Process().memory_info().rss)


class MemoryLimit:
    """Says when to spill, and after how many records to ask next.

    `records_until_check` starts small and grows while memory is far below the limit. What is
    spilled is compressed by `compression`.
    """

    __slots__ = ("_limit_bytes", "_resident", "compression", "records_until_check")

    def __init__(
        self,
        limit_bytes: int,
        resident: Callable[[], int] = resident_bytes,
        compression: Codec | None = DEFAULT,
    ) -> None:
        self.compression = compression
        self._limit_bytes = limit_bytes
        self._resident = resident
        self.records_until_check = _RECORDS_FIRST

    @classmethod
    def of(cls, conf: Texts, fraction: float = 1.0) -> MemoryLimit:
        """A fraction of what the conf allows a worker."""
        limit_bytes = int(WORKER_MEMORY.read(conf) * fraction)
        return cls(limit_bytes, compression=codec_of(conf, SHUFFLE_SPILL_COMPRESS))

    def exceeded(self) -> bool:
        """Look at the process's memory."""
        resident = self._resident()
        if resident >= self._limit_bytes:
            return True
        if 2 * resident < self._limit_bytes:
            self.records_until_check = min(2 * self.records_until_check, _RECORDS_MAX)
        return False

    def spilled(self) -> None:
        """The operator has spilled. Freed memory does not all go back to the system at once."""
        self._limit_bytes = max(self._limit_bytes, int(self._resident() * _GROWTH_AFTER_SPILL))
        self.records_until_check = max(self.records_until_check // 2, _RECORDS_FIRST)
