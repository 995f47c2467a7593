"""What one task has read and spilled, for its metrics.

Made by a task's context when an operator first has something to count; sent to the driver by
`scheduler.task`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Measures that operators add to while a task runs."""

    read_bytes: int = 0
    """Shuffle data read, as it is stored: compressed."""
    read_records: int = 0
    """Entries in that; a combined key is one."""
    memory_spilled_bytes: int = 0
    """By which the resident set shrank when operators spilled."""
    disk_spilled_bytes: int = 0
    """Written to spill files."""
