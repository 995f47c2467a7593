"""What the scheduler itself costs: jobs on executors that answer at once and run nothing.

    python benchmarks/scheduler_overhead.py [--profile]

Prints CPU time per job of 8 tasks and per task of a job of 20,000, and the rate that follows. The
core and its frames are real; serialising frames, processes and user code are left out. Nothing
else is to be busy on the machine.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import pickle
import pstats
import statistics
import time
from collections import deque
from typing import Any

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.context import SparkContext
from minimesos.spark.env import Location
from minimesos.spark.scheduler.dag import DagScheduler
from minimesos.spark.scheduler.effects import JobSucceeded, SendFrame
from minimesos.spark.scheduler.stage import Job

EXECUTORS = 2
RESULT = pickle.dumps(1, protocol=5)
TASK_S = 20e-6
"""How long executors pretend that a task takes, in virtual time."""


class InstantCluster(SparkContext):
    """A context whose executors answer in the order in which frames come."""

    def __init__(self) -> None:
        self._next_rdd_id = itertools.count()
        self._job_ids = itertools.count()
        self._scheduler = DagScheduler()
        self._now = 0.0
        for number in range(EXECUTORS):
            location = Location(str(number), "host", "", "")
            self._scheduler.executor_added(location, 1, self._now)

    def run_job(self, rdd: Any, function: Any, partitions: Any = None) -> list[Any]:
        job = Job(next(self._job_ids), rdd, function, range(rdd.num_partitions))
        self._scheduler.submit(job, self._now)
        frames: deque[SendFrame] = deque()
        while True:
            for effect in self._scheduler.take_effects():
                if isinstance(effect, SendFrame):
                    frames.append(effect)
                elif isinstance(effect, JobSucceeded):
                    return [pickle.loads(result) for result in effect.results]
            self._answer(frames.popleft())

    def _answer(self, effect: SendFrame) -> None:
        for batch in effect.frame.tasks:
            count = len(batch.task_ids)
            self._now += count * TASK_S / EXECUTORS
            results = spark_pb2.TaskResults(
                task_ids=batch.task_ids, payloads=[RESULT] * count, workers=[0] * count
            )
            self._scheduler.results(effect.executor_id, results, self._now)


def jobs_of_8(context: InstantCluster) -> float:
    """Return the median CPU seconds of 200 counts of 8 partitions."""
    rdd = context.parallelize(range(11), 8)
    seconds = []
    for _ in range(200):
        started = time.process_time()
        assert rdd.count() == 8
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


def tasks_of_20_000(context: InstantCluster) -> float:
    """Return the CPU seconds of a job of 20,000 tasks."""
    rdd = context.parallelize(range(20_000), 20_000)
    started = time.process_time()
    assert rdd.count() == 20_000
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    profiler = cProfile.Profile() if parser.parse_args().profile else None
    context = InstantCluster()
    if profiler is not None:
        profiler.enable()
    job_s = jobs_of_8(context)
    tasks_s = min(tasks_of_20_000(context) for _ in range(3))
    if profiler is not None:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    print(f"a job of 8 tasks        {job_s * 1e6:8.0f} us of CPU")
    print(f"a task of 20,000        {tasks_s / 20_000 * 1e6:8.2f} us of CPU")
    print(f"so at most              {20_000 / tasks_s:8.0f} tasks/s")


if __name__ == "__main__":
    main()
