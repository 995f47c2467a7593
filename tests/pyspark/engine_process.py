"""One engine's process: runs what `engines.Engine` sends it until its connection is closed.

python engine_process.py ours|real FD
"""

from __future__ import annotations

import io
import os
import pickle
import runpy
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from multiprocessing.connection import Connection
from typing import Any


def _context() -> Any:
    from pyspark import SparkContext

    return SparkContext.getOrCreate()


def _stop_context() -> None:
    from pyspark import SparkContext

    if SparkContext._active_spark_context is not None:
        SparkContext._active_spark_context.stop()


def run_program(pickled: bytes) -> tuple[Any, ...]:
    """Return ("returned", value) or ("failed", kind, text, trace)."""
    program, arguments = pickle.loads(pickled)
    try:
        return "returned", program(_context(), *arguments)
    except Exception as error:  # noqa: BLE001 (it is the result)
        return "failed", type(error).__name__, str(error), traceback.format_exc()


def run_script_in_here(path: str, arguments: Sequence[str]) -> tuple[str, int, str]:
    """Run a script on the real engine, whose JVM is up already."""
    _stop_context()
    output, code, errors = io.StringIO(), 0, ""
    given, sys.argv = sys.argv, [path, *arguments]
    try:
        with redirect_stdout(output):
            runpy.run_path(path, run_name="__main__")
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 (it is the result)
        code, errors = 1, traceback.format_exc()
    finally:
        sys.argv = given
        _stop_context()
    return output.getvalue(), code, errors


def submit_script(path: str, arguments: Sequence[str]) -> tuple[str, int, str]:
    """Run a script on our engine as users do."""
    command = [sys.executable, "-m", "minimesos", "submit", "--master", "local[2]", path]
    environment = {k: v for k, v in os.environ.items() if k != "PYSPARK_SUBMIT_ARGS"}
    done = subprocess.run(
        [*command, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True
    )
    return done.stdout.decode(), done.returncode, done.stderr.decode()


def serve(connection: Connection, run_script: Callable[..., tuple[str, int, str]]) -> None:
    """Answer until the other side is gone."""
    while True:
        try:
            kind, what = connection.recv()
        except EOFError:
            return
        answer = run_program(what) if kind == "program" else run_script(*what)
        connection.send(answer)


def main(name: str, fd: str) -> None:
    """Become an engine."""
    if name == "ours":
        from minimesos.spark.compat import install_as_pyspark

        install_as_pyspark()
    serve(Connection(int(fd)), submit_script if name == "ours" else run_script_in_here)
    _stop_context()


if __name__ == "__main__":
    main(*sys.argv[1:])
