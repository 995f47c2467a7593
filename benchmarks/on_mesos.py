"""Measure Spark's modes on our clusters, side by side, against the figures they must reach.

    python benchmarks/on_mesos.py [ROW ...] [--rounds 3] [--text-mb 200] [--seconds 60]

Rows are coarse, fine, allocation, five, shuffle and fair; without any, all of them. What is
compared alternates within a round, each in fresh processes, so a slow spell of the machine hits
both. What each row does on which cluster, and why so: see README.md.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from measuring import Application, Row, leaks, measure, state_of, wait_until
from process_tree import HERE, run_engine
from rdd_programs import write_text

from minimesos.testing.processes import ProcessCluster

LOCAL = "local[2]"
PEER = "pyspark:local-cluster[2,1,2048]"
MEMORY = "spark.executor.memory=512m"
COARSE = (MEMORY, "spark.executor.cores=1", "spark.cores.max=2")
FINE = (MEMORY, "spark.mesos.coarse=false")
FINE_IDLE = (*FINE, "spark.mesos.mesosExecutor.cores=0")  # executors without tasks hold no core
ON_DEMAND = (
    MEMORY,
    "spark.executor.cores=1",
    "spark.dynamicAllocation.enabled=true",
    "spark.dynamicAllocation.executorIdleTimeout=1s",
)
OVER_THE_NETWORK = (*COARSE, "spark.shuffle.readHostLocalDisk=false")
SHUFFLE_SERVICE = ("--shuffle_service", "--shuffle_service_port=0")  # each agent has its own
APPLICATIONS = 5
TIMES = 5
AGENT_MEM_MB = 8192  # never what is short
SAMPLE_S = 0.1


def in_turn(number: int, *compared: Any) -> Iterable[Any]:
    """Return what is compared, in the other order every other round: one finds what one leaves."""
    return reversed(compared) if number % 2 else compared


def coarse(options: argparse.Namespace) -> None:
    row = Row("coarse mode against local[2], once executors are up")
    results = set()
    with tempfile.TemporaryDirectory(prefix="minimesos-bench-") as directory:
        text = Path(directory) / "text"
        write_text(text, options.text_mb * 1_000_000)
        workloads = {"counts": (), "pi": (), "words": ("--text", str(text))}
        for number in range(options.rounds):
            for workload, arguments in workloads.items():
                # The walk-through's cluster: one agent has the machine, one executor takes it all.
                with ProcessCluster(1, 2, AGENT_MEM_MB) as cluster:
                    for mode, master in in_turn(number, ("local", LOCAL), ("coarse", cluster.url)):
                        said = measure(workload, master, (), "--slots=2", *arguments)
                        row.add(f"{workload}, {mode}", said["value"], said["unit"])
                        if "result" in said:
                            results.add(str(said["result"]))
    row.show()
    for workload in workloads:
        ratio = row.median(f"{workload}, coarse") / row.median(f"{workload}, local")
        row.judge(f"{workload}: coarse / local", ratio, 1.1)
    if len(results) != 1:
        raise SystemExit(f"word counts differ: {sorted(results)}")


def fine(options: argparse.Namespace) -> None:
    row = Row("fine mode: a count of 8 partitions")
    for number in range(options.rounds):
        # Room for all 8 tasks at once beside the executors' own cores, and for two at once.
        for slots, cpus in (("8 at once", 5), ("2 at once", 2)):
            with ProcessCluster(2, cpus, AGENT_MEM_MB) as cluster:
                for mode, conf in in_turn(number, ("coarse", (MEMORY,)), ("fine", FINE)):
                    said = measure("counts", cluster.url, conf, "--slots=2")
                    row.add(f"{slots}, {mode}", said["value"], said["unit"])
        if options.peer_python.exists():
            workloads = ["first_count", "sequential_counts"]
            peer = run_engine(str(options.peer_python), PEER, workloads)
            row.add("PySpark, coarse", peer["sequential_counts"].value, "ms")
    row.show()
    fine, coarse = (row.median(f"8 at once, {mode}") for mode in ("fine", "coarse"))
    row.judge("8 at once, fine / coarse", fine / coarse, 10)
    row.judge("fine, ms", max(fine, row.median("2 at once, fine")), 100)


def allocation(options: argparse.Namespace) -> None:
    row = Row("dynamic allocation: from pending tasks to the first task on a new executor")
    for _ in range(options.rounds):
        with (
            ProcessCluster(2, 1, AGENT_MEM_MB) as cluster,
            Application("first_tasks", cluster.url, ON_DEMAND) as application,
        ):
            application.hear()
            for _ in range(TIMES):
                wait_until(lambda: not executors_in(cluster), "no executor is left")
                application.tell()
                said = application.hear()
                row.add("first task after", said["value"], said["unit"])
            application.end()
    row.show()
    row.judge("first task after, s", row.median("first task after"), 1.5)


def executors_in(cluster: ProcessCluster) -> int:
    return sum(len(framework["tasks"]) for framework in state_of(cluster)["frameworks"])


def five(options: argparse.Namespace) -> None:
    row = Row(f"{APPLICATIONS} applications at once on 2 agents, 200 jobs each")
    for _ in range(options.rounds):
        # In coarse mode a core of each agent for each; in fine mode two of each agent for all.
        for mode, conf, cpus in (("coarse", COARSE, APPLICATIONS), ("fine", FINE_IDLE, 2)):
            ends = run_together(conf, cpus)
            first = min(each[-1] for each in ends)
            done = [sum(end <= first for end in each) for each in ends]
            row.add(f"{mode}: fewer jobs than the first, of 1", 1 - min(done) / max(done), "")
            began = min(each[0] for each in ends)
            row.add(f"{mode}: all done after", max(each[-1] for each in ends) - began, "s")
    row.show()
    for mode in ("coarse", "fine"):
        name = f"{mode}: fewer jobs than the first, of 1"
        row.judge(name, row.median(name), 0.15)


def run_together(conf: Sequence[str], cpus: float) -> list[list[float]]:
    """Run five applications; return when their jobs ended. Nothing may be left of them."""
    with ExitStack() as held:
        scratch = held.enter_context(tempfile.TemporaryDirectory(prefix="minimesos-bench-"))
        held.enter_context(mock.patch.dict(os.environ, TMPDIR=scratch))
        with ProcessCluster(2, cpus, AGENT_MEM_MB) as cluster, ExitStack() as running:
            applications = [
                running.enter_context(Application("jobs", cluster.url, conf, "--slots=1"))
                for _ in range(APPLICATIONS)
            ]
            for application in applications:
                application.hear()
            for application in applications:
                application.tell()
            ends = [application.hear()["ends"] for application in applications]
            for application in applications:
                application.end()
            wait_until(lambda: not list(leaks(cluster)), "nothing is left in the cluster")
        left = os.listdir(scratch)
        if left:
            raise SystemExit(f"scratch directories are left: {left}")
    return ends


def shuffle(options: argparse.Namespace) -> None:
    row = Row("reading 400 MB of shuffle: through the service, and from executors")
    service = (*OVER_THE_NETWORK, "spark.shuffle.service.enabled=true")
    for number in range(options.rounds):
        with ProcessCluster(2, 1, AGENT_MEM_MB, SHUFFLE_SERVICE) as cluster:
            for way, conf in in_turn(number, ("executors", OVER_THE_NETWORK), ("service", service)):
                said = measure("shuffle", cluster.url, conf, "--slots=2")
                row.add(way, said["value"], said["unit"])
    row.show()
    row.judge("service / executors", row.median("service") / row.median("executors"), 1.1)


def fair(options: argparse.Namespace) -> None:
    row = Row("cores held by two applications in fine mode, roles with weights 2:1, endless work")
    for _ in range(options.rounds):
        with (
            ProcessCluster(2, 6, AGENT_MEM_MB, (), ["--weights=heavy=2,light=1"]) as cluster,
            ExitStack() as running,
        ):
            for role in ("light", "heavy"):
                conf = (*FINE, f"spark.mesos.role={role}")
                application = Application("endless", cluster.url, conf, "--slots=1")
                running.enter_context(application).hear()
            time.sleep(2)  # the first one's tasks end, and the second one has its share
            held = {"light": 0.0, "heavy": 0.0}
            samples = int(options.seconds / SAMPLE_S)
            for _ in range(samples):
                time.sleep(SAMPLE_S)
                for framework in state_of(cluster)["frameworks"]:
                    held[framework["role"]] += framework["used_resources"]["cpus"]
        for role, cores in held.items():
            row.add(role, cores / samples, "cores")
        row.add("heavy / light", held["heavy"] / held["light"], "")
    row.show()
    row.judge("off from 2:1, of 1", abs(row.median("heavy / light") / 2 - 1), 0.1)


ROWS: dict[str, Callable[[argparse.Namespace], None]] = {
    each.__name__: each for each in (coarse, fine, allocation, five, shuffle, fair)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--text-mb", type=int, default=200, help="size of the text for coarse")
    parser.add_argument("--seconds", type=float, default=60, help="how long fair looks")
    parser.add_argument("--peer-python", type=Path, default=HERE.parent / ".venv-bench/bin/python")
    options = parser.parse_args()
    unknown = sorted(set(options.rows) - set(ROWS))
    if unknown:
        parser.error(f"no such rows: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    for row in options.rows or ROWS:
        ROWS[row](options)


if __name__ == "__main__":
    main()
