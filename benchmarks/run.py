"""Run the peers and us on the same work, alternating, and print the tables.

    python benchmarks/run.py [ROW ...] [--rounds 5] [--scale 1.0] [--only ENGINE,...]

Each engine runs in a fresh process tree per round and row; engines alternate within a round, so a
slow spell of the machine hits all of them. Results are checked in the programs and compared between
engines. Each row ends with what must be reached, and whether it was.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from measuring import spread
from process_tree import Measure, run_engine
from rdd_programs import prepare

HERE = Path(__file__).parent
SMALL = ["first_count", "sequential_counts", "empty_tasks"]

OURS_CLUSTER, OURS_LOCAL = "ours:local-cluster[2,1,1024]", "ours:local[2]"
SPARK_CLUSTER, SPARK_LOCAL = "pyspark:local-cluster[2,1,2048]", "pyspark:local[2]"
SPARK_SMALL_CLUSTER = "pyspark:local-cluster[2,1,512]"
OURS_SMALL_CLUSTER = "ours:local-cluster[2,1,512]"
BOTH = [OURS_LOCAL, OURS_CLUSTER, SPARK_LOCAL]
LARGE_RESULTS = ["spark.driver.maxResultSize=4g", "spark.driver.memory=4g"]

Runs = dict[str, dict[str, list[Measure]]]
"""By workload and engine."""


@dataclass
class Goal:
    """What must be reached: a figure of ours, at most so many times one of a peer's."""

    what: str
    figure: Callable[[Measure], float]
    workload: str
    ours: str
    factor: float
    peer: str | None = None
    peer_workload: str | None = None
    at_least: bool = False

    def verdict(self, runs: Runs) -> str:
        def median(workload: str, engine: str) -> float | None:
            measures = runs.get(workload, {}).get(engine)
            return statistics.median(map(self.figure, measures)) if measures else None

        value = median(self.workload, self.ours)
        base = 1.0 if self.peer is None else median(self.peer_workload or self.workload, self.peer)
        if value is None or base is None:
            return f"{self.what}: not measured"
        ratio = value / base
        is_reached = ratio >= self.factor if self.at_least else ratio <= self.factor
        bound = "at least" if self.at_least else "at most"
        of = f" x {self.peer}" if self.peer else ""
        word = "reached" if is_reached else "NOT REACHED"
        return f"{self.what}: {ratio:.3g}{of}, must be {bound} {self.factor:g}: {word}"


@dataclass
class Row:
    """Engines that run the same workloads in one tree each."""

    engines: list[str]
    workloads: list[str]
    goals: list[Goal]
    conf: list[str] = field(default_factory=list)
    scales: list[int] = field(default_factory=lambda: [1])
    """How much data, as multiples; other than 1 is told in the workload's name."""


def seconds(measure: Measure) -> float:
    return measure.value


def memory(measure: Measure) -> float:
    return measure.pss_mb


def p99(measure: Measure) -> float:
    assert measure.p99 is not None
    return measure.p99


def times(workload: str, factor: float, peer: str = SPARK_LOCAL, ours: str = OURS_LOCAL) -> Goal:
    return Goal(f"{ours}, time", seconds, workload, ours, factor, peer)


def half_the_memory(workload: str) -> Goal:
    return Goal(f"{OURS_LOCAL}, memory", memory, workload, OURS_LOCAL, 0.5, SPARK_LOCAL)


def against_local_spark(workload: str, factor: float, conf: list[str] | None = None) -> Row:
    goals = [times(workload, factor), half_the_memory(workload)]
    return Row(BOTH, [workload], goals, conf or [])


def small_goals(ours: str, first_count_s: float) -> list[Goal]:
    return [
        Goal(f"{ours}, first count, s", seconds, "first_count", ours, first_count_s),
        Goal(f"{ours}, count, ms", seconds, "sequential_counts", ours, 2.5),
        Goal(f"{ours}, count, p99 ms", p99, "sequential_counts", ours, 10),
        Goal(f"{ours}, empty tasks", seconds, "empty_tasks", ours, 1, "pool", at_least=True),
        Goal(f"{ours}, memory, MB", memory, "empty_tasks", ours, 200),
    ]


ROWS = {
    "small": Row(
        [OURS_CLUSTER, OURS_LOCAL, SPARK_CLUSTER, SPARK_LOCAL, "dask", "ray", "pool"],
        SMALL,
        [*small_goals(OURS_CLUSTER, 0.8), *small_goals(OURS_LOCAL, 0.25)],
    ),
    "pi": Row(
        [OURS_CLUSTER, OURS_LOCAL, SPARK_LOCAL, "dask", "ray", "pool"],
        ["pi"],
        [times("pi", 1.05, "pool"), times("pi", 1.05, "pool", OURS_CLUSTER)],
    ),
    "word_count": Row(
        [*BOTH, "pool"],
        ["word_count"],
        [
            times("word_count", 0.4),
            times("word_count", 1.25, "pool"),
            half_the_memory("word_count"),
        ],
    ),
    "sort_by_key": against_local_spark("sort_by_key", 0.5),
    "join": against_local_spark("join", 0.5),
    "page_rank": against_local_spark("page_rank", 1 / 3),
    "broadcast": against_local_spark("broadcast", 1 / 3),
    "repartition": against_local_spark("repartition", 0.5),
    "collect": against_local_spark("collect", 1 / 3, LARGE_RESULTS),
    "growth": Row(
        [OURS_LOCAL],
        ["word_count", "sort_by_key"],
        [
            Goal(
                f"{workload}, {scale} times the data, {what}",
                figure,
                f"{workload} x{scale}",
                OURS_LOCAL,
                factor,
                OURS_LOCAL,
                workload,
            )
            for workload in ("word_count", "sort_by_key")
            for scale in (4, 16)
            for what, figure, factor in (("time", seconds, 1.2 * scale), ("memory", memory, 2.5))
        ],
        scales=[1, 4, 16],
    ),
    "group_and_sort": Row(
        [OURS_SMALL_CLUSTER, SPARK_SMALL_CLUSTER],
        ["group_and_sort"],
        [
            times("group_and_sort", 0.5, SPARK_SMALL_CLUSTER, OURS_SMALL_CLUSTER),
            Goal("memory, MB", memory, "group_and_sort", OURS_SMALL_CLUSTER, 1200),
        ],
        ["spark.executor.memory=512m"],
    ),
    "executor_killed": Row(
        [OURS_CLUSTER],
        ["undisturbed", "executor_killed"],
        [
            Goal(
                "with an executor killed",
                seconds,
                "executor_killed",
                OURS_CLUSTER,
                1.1,
                OURS_CLUSTER,
                "undisturbed",
            )
        ],
    ),
}


def measure_row(row: Row, options: argparse.Namespace) -> Runs:
    runs: Runs = defaultdict(lambda: defaultdict(list))
    for scale in row.scales:
        with tempfile.TemporaryDirectory(prefix="minimesos-bench-") as directory:
            for workload in row.workloads:
                prepare(workload, Path(directory), scale * options.scale)
            measure_scale(row, scale, options, directory, runs)
    return runs


def measure_scale(
    row: Row, scale: int, options: argparse.Namespace, directory: str, runs: Runs
) -> None:
    arguments = ["--directory", directory, "--scale", str(scale * options.scale)]
    arguments += [part for setting in row.conf for part in ("--conf", setting)]
    for round_number in range(1, options.rounds + 1):
        for engine in row.engines:
            if options.only and not engine.startswith(tuple(options.only.split(","))):
                continue
            peer = engine.startswith(("pyspark", "dask", "ray"))
            python = options.peer_python if peer else sys.executable
            for workload, measure in run_engine(python, engine, row.workloads, *arguments).items():
                name = workload if scale == 1 else f"{workload} x{scale}"
                runs[name][engine].append(measure)
                told = f"{measure.value:.4g} {measure.unit}, CPU {measure.cpu_s:.4g} s"
                print(f"    {round_number} {engine} {name}: {told}", file=sys.stderr, flush=True)


def report(name: str, row: Row, runs: Runs) -> None:
    print(f"\n## {name}")
    for workload, by_engine in runs.items():
        unit = next(iter(by_engine.values()))[0].unit
        print(f"{workload}, {unit}; CPU s; peak PSS and RSS of the tree, MB")
        for engine, done in by_engine.items():
            figures = (
                [getattr(m, f) for m in done] for f in ("value", "cpu_s", "pss_mb", "rss_mb")
            )
            print(f"  {engine:<31}" + "".join(map(spread, figures)))
        results = {str(m.result) for done in by_engine.values() for m in done}
        if len(results) > 1:
            raise SystemExit(f"engines disagree on {workload}: {sorted(results)}")
    for goal in row.goals:
        print(f"  {goal.verdict(runs)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the data, for trying out")
    parser.add_argument("--only", default="", help="engines whose names begin so")
    parser.add_argument("--peer-python", default=str(HERE.parent / ".venv-bench/bin/python"))
    options = parser.parse_args()
    cores = psutil.cpu_count()
    print(f"{cores} cores, Python {sys.version.split()[0]}, {options.rounds} rounds")
    for name in options.rows or ROWS:
        report(name, ROWS[name], measure_row(ROWS[name], options))


if __name__ == "__main__":
    main()
