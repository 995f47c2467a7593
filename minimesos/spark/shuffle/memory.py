"""When an operator must spill, and how: the worker's resident memory against a limit.

The limit is advisory: it makes an operator spill, it never fails a task. It is compared with the
whole process's resident set, as in PySpark, so a worker that holds a large broadcast spills
earlier. Looking costs a microsecond or two, so operators look after hundreds of records.

Source: PySpark's shuffle module (`spark.python.worker.memory`, growth by 5 % after a spill).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import psutil

from minimesos.spark.io.compression import DEFAULT, Codec, codec_of
from minimesos.spark.settings.executors import WORKER_MEMORY
from minimesos.spark.settings.storage import SHUFFLE_SPILL_COMPRESS
from minimesos.spark.shuffle.counters import Counters

if TYPE_CHECKING:
    from minimesos.spark.taskcontext import TaskContext

_GROWTH_AFTER_SPILL = 1.05

_RECORDS_FIRST = 64
_RECORDS_MAX = 1000
"""Records pulled at a time: enough to hide the cost, few enough to stay in the processor's cache
and in the interpreter's free list of tuples."""
_LOOKS_TO_LIMIT = 64
"""Of the limit, an operator takes about one such part unseen."""

_LOOKS_SKIPPED_MAX = 3
"""Between two looks, while memory hardly grows: a look costs as much as some fifty records."""

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Return this process's resident set size."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read(128).split()[1]) * _PAGE_BYTES
    except OSError:
        return int(psutil.Process().memory_info().rss)


class MemoryLimit:
    """Says when to spill, and how many records to take before the next look.

    `records_until_check` starts small, as records may be large, and grows while memory does not;
    then looks are left out, too.
    What is spilled is compressed by `compression` and counted in `counters`.
    """

    __slots__ = (
        "_limit_bytes",
        "_looks_skipped",
        "_looks_to_skip",
        "_resident",
        "_seen_bytes",
        "compression",
        "counters",
        "records_until_check",
    )

    def __init__(
        self,
        limit_bytes: int,
        resident: Callable[[], int] = resident_bytes,
        compression: Codec | None = DEFAULT,
        counters: Counters | None = None,
    ) -> None:
        self.compression = compression
        self.counters = counters if counters is not None else Counters()
        self.records_until_check = _RECORDS_FIRST
        """To be taken before the next look."""
        self._limit_bytes = limit_bytes
        self._resident = resident
        self._seen_bytes: int | None = None
        self._looks_to_skip = 0
        self._looks_skipped = 0

    @classmethod
    def of(cls, task: TaskContext, fraction: float = 1.0) -> MemoryLimit:
        """A fraction of what the settings allow the worker of a task."""
        conf = task.env.conf
        limit_bytes = int(WORKER_MEMORY.read(conf) * fraction)
        compression = codec_of(conf, SHUFFLE_SPILL_COMPRESS)
        return cls(limit_bytes, compression=compression, counters=task.counters)

    def chunks(self, records: Iterable[Any]) -> Iterator[list[Any]]:
        """Yield the records in lists, after each of which the memory is to be looked at."""
        records = iter(records)
        while chunk := list(islice(records, self.records_until_check)):
            yield chunk

    def exceeded(self) -> bool:
        """Look at the process's memory."""
        if self._looks_skipped < self._looks_to_skip:
            self._looks_skipped += 1
            return False
        self._looks_skipped = 0
        resident = self._resident()
        grown = 0 if self._seen_bytes is None else resident - self._seen_bytes
        self._seen_bytes = resident
        if resident >= self._limit_bytes:
            return True
        if grown * _LOOKS_TO_LIMIT < self._limit_bytes:
            if self.records_until_check == _RECORDS_MAX:
                self._looks_to_skip = min(self._looks_to_skip + 1, _LOOKS_SKIPPED_MAX)
            self.records_until_check = min(2 * self.records_until_check, _RECORDS_MAX)
        else:
            self._looks_to_skip = 0
            self.records_until_check = max(self.records_until_check // 2, 1)
        return False

    def spilled(self, disk_bytes: int) -> None:
        """The operator has spilled. Freed memory does not all go back to the system at once."""
        resident = self._resident()
        self.counters.disk_spilled_bytes += disk_bytes
        self.counters.memory_spilled_bytes += max((self._seen_bytes or 0) - resident, 0)
        self._limit_bytes = max(self._limit_bytes, int(resident * _GROWTH_AFTER_SPILL))
        self._seen_bytes = resident
