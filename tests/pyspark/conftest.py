"""The two engines, each once for all tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from .engines import Engine


def _engine(name: str, factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(name, factory.mktemp(name))
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Our engine."""
    yield from _engine("ours", tmp_path_factory)


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The real PySpark."""
    if shutil.which("java") is None:
        pytest.skip("real PySpark needs Java, as Debian's openjdk-17-jre-headless")
    yield from _engine("real", tmp_path_factory)
