"""Saving from real workers, some of which die while they write."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from minimesos.spark import SparkConf, SparkContext, TaskContext

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sc() -> Iterator[SparkContext]:
    conf = SparkConf(loadDefaults=False)
    with SparkContext("local[2,4]", "saving", conf=conf) as context:
        yield context


def test_a_worker_that_dies_while_it_writes_leaves_nothing_of_its_attempt(
    sc: SparkContext, tmp_path: Path
) -> None:
    def die_at_first(number: int) -> str:
        task = TaskContext.get()
        assert task is not None
        if number == 70_000 and task.attemptNumber() == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return str(number)

    out = tmp_path / "out"
    sc.parallelize(range(100_000), 3).map(die_at_first).saveAsTextFile(str(out))
    parts = [f"part-0000{index}" for index in range(3)]
    assert sorted(path.name for path in out.iterdir()) == ["_SUCCESS", *parts]
    lines = "".join((out / part).read_text() for part in parts).splitlines()
    assert lines == [str(number) for number in range(100_000)]


def test_a_shipped_module_shadows_one_that_python_has(sc: SparkContext, tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("ANSWER = 42\n")  # a module of Python's own
    sc.addPyFile(str(tmp_path / "colorsys.py"))

    def answer(_: int) -> int:
        import colorsys

        return int(colorsys.ANSWER)  # type: ignore[attr-defined]

    assert sc.parallelize(range(4), 4).map(answer).collect() == [42] * 4
