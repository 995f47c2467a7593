"""A `local[N]` executor of real processes, and a gate that holds its tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from minimesos.spark.backends.local import LocalBackend
from minimesos.testing.spark_executors import Gate, RecordingListener, wait_for_end

Start = Callable[..., Awaitable[tuple[LocalBackend, RecordingListener]]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a local backend with some workers; its first executor is "0"."""
    backends: list[LocalBackend] = []

    async def start(cores: int, **settings: str) -> tuple[LocalBackend, RecordingListener]:
        conf = {f"spark.{name.replace('_', '.')}": value for name, value in settings.items()}
        backend, listener = (
            LocalBackend(cores, conf, str(tmp_path)),
            RecordingListener(str(tmp_path)),
        )
        backends.append(backend)
        await backend.start(listener)
        await listener.until(lambda: "0" in listener.added)
        return backend, listener

    yield start
    for backend in backends:
        await backend.stop()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.remove()


@pytest.fixture
def ends() -> Callable[[int], None]:
    """Wait until a process has ended, which need not be a child of ours."""
    return wait_for_end
