"""A process with all that descend from it: started, watched, and what it says.

Memory and CPU time are of the whole tree. Knows nothing of engines and workloads.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SAMPLE_S = 0.25
TIMEOUT_S = 900
HERE = Path(__file__).parent


@dataclass
class Measure:
    """What one workload took."""

    value: float
    unit: str
    result: Any
    cpu_s: float
    """CPU time of the tree while it ran."""
    pss_mb: float
    rss_mb: float
    """Peaks of the tree while it ran."""
    p99: float | None = None


class Sampler(threading.Thread):
    """Samples memory and CPU time of a process tree until it is told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._cpu_by_pid: dict[int, float] = {}
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._pss = self._rss = 0.0
        self._cpu_at_start = 0.0

    def run(self) -> None:
        while not self._done.wait(SAMPLE_S):
            self._sample()

    def begin(self) -> None:
        """A workload begins: measure from here."""
        self._sample()
        with self._lock:
            self._pss = self._rss = 0.0
            self._cpu_at_start = sum(self._cpu_by_pid.values())

    def end(self) -> tuple[float, float, float]:
        """Return CPU seconds since `begin`, and peaks of PSS and RSS in MB."""
        self._sample()
        with self._lock:
            cpu_s = sum(self._cpu_by_pid.values()) - self._cpu_at_start
            return cpu_s, self._pss / 1e6, self._rss / 1e6

    def stop(self) -> None:
        self._done.set()

    def _sample(self) -> None:
        pss = rss = 0
        try:
            tree = [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        with self._lock:
            for process in tree:
                try:
                    memory = process.memory_full_info()
                    times = process.cpu_times()
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
                pss += memory.pss
                rss += memory.rss
                self._cpu_by_pid[process.pid] = times.user + times.system
            self._pss = max(self._pss, pss)
            self._rss = max(self._rss, rss)


def run_engine(python: str, engine: str, workloads: list[str], *options: str) -> dict[str, Measure]:
    """Run engines.py in a tree of its own; ends the benchmark if that fails."""
    command = [python, str(HERE / "engines.py"), engine, *workloads, *options]
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(HERE)},  # workers of peers look for our functions there
    )
    assert process.stdin is not None
    assert process.stdout is not None
    sampler = Sampler(process.pid)
    sampler.start()
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
    reader.start()
    deadline = threading.Timer(TIMEOUT_S, process.kill)
    deadline.start()
    measures: dict[str, Measure] = {}
    for line in process.stdout:
        if not line.startswith("{"):
            continue
        said = json.loads(line)
        if "begins" in said:
            sampler.begin()
            continue
        measures[said["workload"]] = Measure(
            said.get("value", time.perf_counter() - start),
            said.get("unit", "s"),
            said.get("result"),
            *sampler.end(),
            said.get("p99"),
        )
        if len(measures) == len(workloads):
            break
    sampler.stop()
    process.stdin.close()
    process.wait()
    deadline.cancel()
    reader.join(5)
    if len(measures) != len(workloads):
        raise SystemExit(f"{engine} failed:\n{''.join(errors[-40:])}")
    return measures
