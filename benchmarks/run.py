"""Run the peers and us on the same work, alternating, and print the table.

    python benchmarks/run.py [--rounds 3] [--engines ours-cluster,dask,...] [--text-mb 200]

Each engine runs in a fresh process tree per round; engines alternate within a round, so a slow
spell of the machine hits all of them. Results are checked in the engines and compared between
them. Memory is of the whole tree: PSS and RSS summed over its processes, the peak of samples.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psutil

HERE = Path(__file__).parent
SMALL = ["first_count", "sequential_counts", "empty_tasks"]
ENGINES = [
    "ours-cluster", "ours-local", "pyspark-cluster", "pyspark-local", "dask", "ray", "pool",
]  # fmt: skip
TEXT_ENGINES = ["ours-cluster", "ours-local", "pyspark-cluster", "pyspark-local"]
PEERS = ("pyspark", "dask", "ray")
SAMPLE_S = 0.25
TIMEOUT_S = 900


@dataclass
class Run:
    """What one process tree did."""

    values: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    results: dict[str, object] = field(default_factory=dict)
    pss_mb: float = 0.0
    rss_mb: float = 0.0
    cpu_s: float = 0.0


class Sampler(threading.Thread):
    """Samples memory and CPU time of a process tree until it is gone."""

    def __init__(self, pid: int, run: Run) -> None:
        super().__init__(daemon=True)
        self.root = psutil.Process(pid)
        self.run_record = run
        self.cpu_by_pid: dict[int, float] = {}
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(SAMPLE_S):
            self.sample()

    def sample(self) -> None:
        pss = rss = 0
        try:
            tree = [self.root, *self.root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in tree:
            try:
                memory = process.memory_full_info()
                times = process.cpu_times()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            pss += memory.pss
            rss += memory.rss
            self.cpu_by_pid[process.pid] = times.user + times.system
        record = self.run_record
        record.pss_mb = max(record.pss_mb, pss / 1e6)
        record.rss_mb = max(record.rss_mb, rss / 1e6)
        record.cpu_s = sum(self.cpu_by_pid.values())


def python_of(engine: str, peer_python: str) -> str:
    return peer_python if engine.startswith(PEERS) else sys.executable


def run_engine(engine: str, workloads: list[str], text: Path | None, peer_python: str) -> Run:
    """Run one engine through its workloads in a tree of its own; raises if it fails."""
    command = [python_of(engine, peer_python), str(HERE / "engines.py"), engine, *workloads]
    if text is not None:
        command += ["--text", str(text)]
    run = Run()
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    sampler = Sampler(process.pid, run)
    sampler.start()
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
    reader.start()
    for line in process.stdout:
        if not line.startswith("{"):
            continue
        record = json.loads(line)
        name = record["workload"]
        run.values[name] = record.get("value", time.perf_counter() - start)
        run.units[name] = record.get("unit", "s")
        run.results[name] = record.get("result")
        if len(run.values) == len(workloads):
            break
    sampler.sample()
    sampler.done.set()
    process.stdin.close()
    process.wait(TIMEOUT_S)
    reader.join(5)
    if len(run.values) != len(workloads):
        raise SystemExit(f"{engine} failed:\n{''.join(errors[-30:])}")
    return run


def make_text(directory: Path, size_mb: int) -> Path:
    """Write `size_mb` megabytes of Python source: the standard library, over and over."""
    sources = [
        path.read_bytes()
        for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
        if "site-packages" not in path.parts
    ]
    path = directory / f"text-{size_mb}mb.txt"
    with path.open("wb") as out:
        while out.tell() < size_mb * 1_000_000:
            for source in sources:
                out.write(source)
                if out.tell() >= size_mb * 1_000_000:
                    break
    return path


def report(runs: dict[str, list[Run]]) -> None:
    workloads = list(dict.fromkeys(n for done in runs.values() for run in done for n in run.values))
    width = max(map(len, runs))
    for name in workloads:
        print(f"\n{name}")
        for engine, done in runs.items():
            values = [run.values[name] for run in done if name in run.values]
            if values:
                unit = next(run.units[name] for run in done if name in run.units)
                print(f"  {engine:<{width}}  {spread(values)} {unit}")
    print("\npeak memory of the tree, MB: PSS, RSS; CPU seconds")
    for engine, done in runs.items():
        pss, rss, cpu = ([getattr(run, f) for run in done] for f in ("pss_mb", "rss_mb", "cpu_s"))
        print(f"  {engine:<{width}}  {spread(pss)}   {spread(rss)}   {spread(cpu)}")


def spread(values: list[float]) -> str:
    median = statistics.median(values)
    return f"{median:>10,.4g}  ({min(values):,.4g} - {max(values):,.4g}, n={len(values)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--text-mb", type=int, default=200, help="0: no word count")
    parser.add_argument("--skip-small", action="store_true", help="only the word count")
    parser.add_argument("--peer-python", default=str(HERE.parent / ".venv-bench/bin/python"))
    options = parser.parse_args()
    engines = options.engines.split(",")
    small: dict[str, list[Run]] = defaultdict(list)
    text_runs: dict[str, list[Run]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="minimesos-bench-") as directory:
        text = make_text(Path(directory), options.text_mb) if options.text_mb else None
        for round_number in range(1, options.rounds + 1):
            for engine in engines:
                print(f"round {round_number}: {engine}", file=sys.stderr, flush=True)
                if not options.skip_small:
                    small[engine].append(run_engine(engine, SMALL, None, options.peer_python))
                if text is not None and engine in TEXT_ENGINES:
                    run = run_engine(engine, ["word_count"], text, options.peer_python)
                    text_runs[engine].append(run)
    if small:
        report(small)
    if text_runs:
        report(text_runs)
        results = {str(run.results["word_count"]) for each in text_runs.values() for run in each}
        if len(results) != 1:
            raise SystemExit(f"engines disagree on the word count: {sorted(results)}")


if __name__ == "__main__":
    main()
