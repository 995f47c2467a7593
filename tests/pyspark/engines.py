"""The engines that are compared: ours and the real PySpark, each in a process of its own.

`Engine.run` runs a program there and gives back what it returned or how it failed:

    def evens(sc, limit):
        return sc.parallelize(range(limit), 2).filter(lambda n: n % 2 == 0).glom().collect()

    assert ours.run(evens, 10) == real.run(evens, 10)

A program is any function of a SparkContext of two cores (`local[2]`) and plain data. It travels by
value, together with what its module defines, so it may stand in a test. It imports what it needs of
PySpark inside, as `from pyspark import StorageLevel`: that is PySpark there and ours here. It
returns plain data, sorted where the API promises no order.

`Engine.run_script` runs a whole script, which makes its own context, and tells what it printed.

The processes live as long as the tests: a first job in real Spark takes four seconds, the next ones
a fifth of one. The fixtures `ours` and `real` have them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import cloudpickle

PROCESS = Path(__file__).parent / "engine_process.py"
REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 120.0
"""How long one program may take, before it is called hung."""

_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_PYTHON": sys.executable,
    "PYSPARK_SUBMIT_ARGS": "--master local[2] --conf spark.ui.enabled=false "
    "--conf spark.ui.showConsoleProgress=false pyspark-shell",
}
_LAST_LINE = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception|Interrupt|Exit|Stop\w+): .*)$", re.M)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a program returned."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """How a program failed."""

    kind: str
    """The exception's class, without its module. Those of failed jobs differ between engines."""
    text: str
    trace: str

    @property
    def of_task(self) -> str | None:
        """The user's exception in a failed job, as `ValueError: text`; None if there is none."""
        found = _LAST_LINE.findall(self.text)
        return found[0] if found else None


Outcome = Returned | Failed


@dataclass(frozen=True, slots=True)
class Printed:
    """What a script printed to its standard output, and its exit code."""

    output: str
    exit_code: int
    errors: str
    """Its standard error, or what is known of its failure: not to be compared."""


class Engine:
    """A process that runs one program after the other on one engine."""

    def __init__(self, name: str, directory: Path) -> None:
        """Start it. `name` is `ours` or `real`; `directory` is where scripts run."""
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by stop)
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, PROCESS, name, str(theirs.fileno())],
                cwd=directory,
                env=environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
            )

    def run(self, program: Callable[..., Any], *arguments: Any) -> Outcome:
        """Run a program with a context and the arguments."""
        status, *answer = self._ask("program", _by_value((program, arguments)))
        return Returned(answer[0]) if status == "returned" else Failed(*answer)

    def run_script(self, path: Path, *arguments: str) -> Printed:
        """Run a script as `__main__`. The context of the programs before it is stopped."""
        return Printed(*self._ask("script", (str(path), arguments)))

    def stop(self) -> None:
        """End the process and what it has started."""
        self._connection.close()
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._errors.close()

    def _ask(self, kind: str, what: Any) -> Any:
        try:
            self._connection.send((kind, what))
            if self._connection.poll(PATIENCE_S):
                return self._connection.recv()
            problem = f"has not answered for {PATIENCE_S:.0f} s"
            self._process.kill()
        except (EOFError, OSError):
            problem = f"has ended with exit code {self._process.wait()}"
        self._errors.seek(0)
        raise AssertionError(f"the engine '{self.name}' {problem}:\n{self._errors.read()[-4000:]}")


def environment() -> dict[str, str]:
    """Return the variables of an engine's process: without settings of who runs the tests."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    # For workers of both engines; a checkout, not what is installed, is what is tested.
    paths = [str(REPOSITORY), str(REPOSITORY / "executor")]
    return clean | _ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(paths)}


def _by_value(what: tuple[Callable[..., Any], Sequence[Any]]) -> bytes:
    module = sys.modules[what[0].__module__]
    cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(what)
    finally:
        cloudpickle.unregister_pickle_by_value(module)
