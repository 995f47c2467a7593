"""Storage levels: where the partitions of an RDD are kept, in what form, and how often.

What each means here is in `docs/guides/caching.md`.

Source: PySpark 3.5's StorageLevel.
"""

from __future__ import annotations

from typing import Any, ClassVar


def block_name(rdd_id: int, partition: int) -> str:
    """Return the name of a cached partition's file in its executor's directory."""
    return f"rdd_{rdd_id}_{partition}"


def copies_key(rdd_id: int, partition: int) -> tuple[str, int, int]:
    """Return the key, in a task's payload, of where files of a cached partition are."""
    return ("block", rdd_id, partition)


class StorageLevel:
    """Where partitions are kept: disk, memory or both, in what form, and how often."""

    __slots__ = ("deserialized", "replication", "useDisk", "useMemory", "useOffHeap")

    NONE: ClassVar[StorageLevel]
    DISK_ONLY: ClassVar[StorageLevel]
    DISK_ONLY_2: ClassVar[StorageLevel]
    DISK_ONLY_3: ClassVar[StorageLevel]
    MEMORY_ONLY: ClassVar[StorageLevel]
    MEMORY_ONLY_2: ClassVar[StorageLevel]
    MEMORY_AND_DISK: ClassVar[StorageLevel]
    MEMORY_AND_DISK_2: ClassVar[StorageLevel]
    OFF_HEAP: ClassVar[StorageLevel]
    MEMORY_AND_DISK_DESER: ClassVar[StorageLevel]

    def __init__(
        self,
        useDisk: bool,
        useMemory: bool,
        useOffHeap: bool,
        deserialized: bool,
        replication: int = 1,
    ) -> None:
        self.useDisk = useDisk
        self.useMemory = useMemory
        self.useOffHeap = useOffHeap
        self.deserialized = deserialized
        self.replication = replication

    def _fields(self) -> tuple[bool, bool, bool, bool, int]:
        return (
            self.useDisk,
            self.useMemory,
            self.useOffHeap,
            self.deserialized,
            self.replication,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return StorageLevel, self._fields()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StorageLevel) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"StorageLevel({', '.join(map(repr, self._fields()))})"

    def __str__(self) -> str:
        words = ["Disk"] * self.useDisk + ["Memory"] * self.useMemory
        words += ["OffHeap"] * self.useOffHeap
        words.append("Deserialized" if self.deserialized else "Serialized")
        words.append(f"{self.replication}x Replicated")
        return " ".join(words)


StorageLevel.NONE = StorageLevel(False, False, False, False)
StorageLevel.DISK_ONLY = StorageLevel(True, False, False, False)
StorageLevel.DISK_ONLY_2 = StorageLevel(True, False, False, False, 2)
StorageLevel.DISK_ONLY_3 = StorageLevel(True, False, False, False, 3)
StorageLevel.MEMORY_ONLY = StorageLevel(False, True, False, False)
StorageLevel.MEMORY_ONLY_2 = StorageLevel(False, True, False, False, 2)
StorageLevel.MEMORY_AND_DISK = StorageLevel(True, True, False, False)
StorageLevel.MEMORY_AND_DISK_2 = StorageLevel(True, True, False, False, 2)
StorageLevel.OFF_HEAP = StorageLevel(True, True, True, False)
StorageLevel.MEMORY_AND_DISK_DESER = StorageLevel(True, True, False, True)
