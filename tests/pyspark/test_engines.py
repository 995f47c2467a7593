"""The engines run what they are given, and tell apart what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .engines import Engine, Failed, Returned

OFFSET = 3


def squares(sc: Any, count: int) -> Any:
    return sc.parallelize(range(count), 2).map(lambda n: shifted(n * n)).glom().collect()


def shifted(number: int) -> int:
    return number + OFFSET


def failing(sc: Any) -> Any:
    return sc.parallelize([1, 0], 1).map(lambda n: 1 / n).collect()


def which(sc: Any) -> str:
    return type(sc).__module__


SCRIPT = """
import sys
from pyspark import SparkContext

with SparkContext(appName="script") as sc:
    print(sys.argv[1:], sc.master, sc.parallelize("abc").map(lambda c: c * 2).collect())
sys.exit(3)
"""


@pytest.fixture(params=["ours", "real"])
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.getfixturevalue(request.param)
    return engine


def test_each_engine_is_the_one_it_is_called(ours: Engine, real: Engine) -> None:
    assert ours.run(which) == Returned("minimesos.spark.context")
    assert real.run(which) == Returned("pyspark.context")


def test_a_program_takes_along_what_its_module_defines(engine: Engine) -> None:
    assert engine.run(squares, 4) == Returned([[3, 4], [7, 12]])


def test_a_failed_task_names_the_users_exception(engine: Engine) -> None:
    failed = engine.run(failing)

    assert isinstance(failed, Failed)
    assert failed.of_task == "ZeroDivisionError: division by zero"


def test_a_script_has_its_arguments_a_master_and_an_exit_code(
    engine: Engine, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    printed = engine.run_script(script, "--flag", "x")

    assert printed.output == "['--flag', 'x'] local[2] ['aa', 'bb', 'cc']\n", printed.errors
    assert printed.exit_code == 3
