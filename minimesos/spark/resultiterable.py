"""The values of one key after grouping: can be counted, and iterated many times, not indexed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TypeVar

V = TypeVar("V")


class ResultIterable(Iterable[V]):
    """The values of one key."""

    __slots__ = ("data", "maxindex")

    def __init__(self, data: Collection[V]) -> None:
        self.data = data
        self.maxindex = len(data)

    def __iter__(self) -> Iterator[V]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)
