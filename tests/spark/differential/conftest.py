from __future__ import annotations

import pytest

from minimesos.spark import SparkContext
from minimesos.spark.shuffle import memory

from ..conftest import StartContext


@pytest.fixture
def spilling(start_context: StartContext, monkeypatch: pytest.MonkeyPatch) -> SparkContext:
    """A context whose tasks are always short of memory."""
    monkeypatch.setattr(memory, "_RECORDS_FIRST", 3)
    monkeypatch.setattr(memory.MemoryLimit, "exceeded", lambda self: True)
    return start_context()
