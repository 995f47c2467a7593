"""Holds what an engine has returned against what is promised."""

from __future__ import annotations

from typing import Any

from .lists import Dataset, Promise


def promised(data: Dataset, parts: list[list[Any]]) -> Any:
    """Reduce partitions to what is certain of them, so that equal ones are equal."""
    items = [item for part in parts for item in part]
    if data.promise is Promise.EXACT:
        return parts
    if data.promise is Promise.ORDERED:
        return items
    if data.promise is Promise.PLACED:
        return [sorted(part, key=repr) for part in parts]
    return sorted(items, key=repr)
