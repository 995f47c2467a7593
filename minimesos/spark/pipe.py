"""Partitions through another program's standard input and output. Runs in tasks, for `RDD.pipe`."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable, Iterator
from threading import Thread
from typing import IO, TYPE_CHECKING, Any

from minimesos.spark.errors import PySparkRuntimeError

if TYPE_CHECKING:
    from minimesos.spark.taskcontext import TaskContext


def pipe(
    command: str,
    env: dict[str, str],
    check_code: bool,
    index: int,
    items: Iterator[Any],
    task: TaskContext,
) -> Iterable[str]:
    """Yield the lines that `command`, given the items as lines, prints. `env` is all it gets."""
    process = subprocess.Popen(
        shlex.split(command), env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    failure: list[BaseException] = []
    writer = Thread(target=_feed, args=(items, process.stdin, failure), daemon=True)
    writer.start()
    with process:
        for line in process.stdout:
            yield line.rstrip(b"\n").decode("utf-8")
        writer.join()
    if failure:
        raise failure[0]
    if check_code and process.returncode:
        raise PySparkRuntimeError(
            f"Pipe function `{command}` exited with error code {process.returncode}",
            "PIPE_FUNCTION_EXITED",
        )


def _feed(items: Iterator[Any], stdin: IO[bytes], failure: list[BaseException]) -> None:
    try:
        with stdin:
            for item in items:
                stdin.write(f"{str(item).rstrip(chr(10))}\n".encode())
    except BrokenPipeError:
        pass  # the program has read all that it wants
    except BaseException as error:  # noqa: BLE001 (raised in the task's own thread)
        failure.append(error)
