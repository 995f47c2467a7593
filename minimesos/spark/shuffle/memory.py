"""When an operator must spill: the resident memory of this worker against a limit from the conf.

The limit is advisory: it makes an operator spill, it never fails a task. It is compared with the
whole process's resident set, as in PySpark, so a worker that holds a large broadcast spills
earlier. Looking costs microseconds, so operators look after thousands of records.

Source: PySpark's shuffle module (`spark.python.worker.memory`, growth by 5 % after a spill).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

import psutil

from minimesos.errors import InvalidValue

WORKER_MEMORY = "spark.python.worker.memory"
_WORKER_MEMORY_DEFAULT = "512m"
_UNIT_BYTES = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
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


def parse_worker_memory(text: str) -> int:
    """Return the bytes of `<number><k|m|g|t>`. Raises InvalidValue for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmgt])", text.lower())
    if match is None:
        raise InvalidValue(f"invalid format: {text}")
    return int(float(match[1]) * _UNIT_BYTES[match[2]])


class MemoryLimit:
    """Says when to spill, and after how many records to ask next.

    `records_until_check` starts small and grows while memory is far below the limit.
    """

    __slots__ = ("_limit_bytes", "_resident", "records_until_check")

    def __init__(self, limit_bytes: int, resident: Callable[[], int] = resident_bytes) -> None:
        self._limit_bytes = limit_bytes
        self._resident = resident
        self.records_until_check = _RECORDS_FIRST

    @classmethod
    def of(cls, conf: Mapping[str, str], fraction: float = 1.0) -> MemoryLimit:
        """A fraction of what the conf allows a worker."""
        limit = parse_worker_memory(conf.get(WORKER_MEMORY, _WORKER_MEMORY_DEFAULT))
        return cls(int(limit * fraction))

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
