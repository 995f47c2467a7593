"""What on_mesos.py measures with: applications in processes of their own, clusters, tables.

Knows nothing of what is measured.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

import psutil

from minimesos.testing.processes import ProcessCluster

APPLICATION = Path(__file__).parent / "application.py"
ERROR_BYTES = 3000  # of what a failed application wrote, that are shown
TIMEOUT_S = 600.0
POLL_S = 0.02


class Application:
    """A run of application.py on a master, and the lines it says."""

    def __init__(
        self,
        workload: str,
        master: str,
        conf: Sequence[str] = (),
        *arguments: str,
        **variables: str,
    ) -> None:
        command = [sys.executable, str(APPLICATION), workload, "--master", master]
        for setting in conf:
            command += ["--conf", setting]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed in the end)
        self._process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | variables,
        )

    def hear(self) -> dict[str, Any]:
        """Return the next thing it says; ends the benchmark if it has failed."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                said: dict[str, Any] = json.loads(line)
                return said
        self._fail()

    def tell(self) -> None:
        """Give it the sign that it waits for."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """Let it end; ends the benchmark if it does not end well."""
        self._process.communicate(timeout=TIMEOUT_S)
        if self._process.returncode:
            self._fail()

    def _fail(self) -> NoReturn:
        code = self._process.wait(TIMEOUT_S)
        self._errors.seek(0)
        errors = self._errors.read()[-ERROR_BYTES:]
        raise SystemExit(f"{self._process.args} ended with {code}:\n{errors}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def measure(
    workload: str, master: str, conf: Sequence[str] = (), *arguments: str
) -> dict[str, Any]:
    """Run an application that measures one thing; return what it says of it."""
    with Application(workload, master, conf, *arguments) as application:
        said = application.hear()
        application.end()
    return said


class Row:
    """What was measured for one row of the table, and what must be reached."""

    def __init__(self, title: str) -> None:
        print(f"\n{title}", flush=True)
        self.values: dict[str, list[float]] = defaultdict(list)
        self._units: dict[str, str] = {}

    def add(self, name: str, value: float, unit: str) -> None:
        """Note one value."""
        self.values[name].append(value)
        self._units[name] = unit
        print(f"    {name}: {value:.4g} {unit}", file=sys.stderr, flush=True)

    def median(self, name: str) -> float:
        """Return the median of the values of that name."""
        return statistics.median(self.values[name])

    def show(self) -> None:
        """Print all values."""
        width = max(map(len, self.values))
        for name, values in self.values.items():
            print(f"  {name:<{width}}  {spread(values)} {self._units[name]}")

    def judge(self, what: str, value: float, most: float) -> None:
        """Say whether a value is as low as it must be."""
        verdict = "reached" if value <= most else "NOT REACHED"
        print(f"  {what}: {value:.3g}, must be at most {most:g}: {verdict}", flush=True)


def spread(values: list[float]) -> str:
    """Say the median, the range, and of how many."""
    median = statistics.median(values)
    return f"{median:>10,.4g}  ({min(values):,.4g} - {max(values):,.4g}, n={len(values)})"


def state_of(cluster: ProcessCluster) -> dict[str, Any]:
    """Return the master's /state."""
    with urllib.request.urlopen(f"http://{cluster.address}/state", timeout=10) as response:
        found: dict[str, Any] = json.load(response)
        return found


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Poll until something holds; ends the benchmark if it never does."""
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"never came true: {what}")
        time.sleep(POLL_S)


def leaks(cluster: ProcessCluster) -> Iterator[str]:
    """Yield what applications that have ended have left in a cluster."""
    state = state_of(cluster)
    yield from (f"framework {each['id']}" for each in state["frameworks"])
    for agent in state["slaves"]:
        for name, amount in agent["used_resources"].items():
            if isinstance(amount, int | float) and amount:
                yield f"{amount:g} {name} in use on {agent['id']}"
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(cluster.work_dir)):
                yield f"process {process.pid} {process.cmdline()}"
        except psutil.Error:
            continue  # it has just ended, or is another user's
    for blocks in cluster.work_dir.glob("**/blocks-*"):
        yield f"directory {blocks}"
