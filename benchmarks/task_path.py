"""Measure the task path alone: a driver's backend, control process, workers; no scheduler.

    python benchmarks/task_path.py [local|lane|stream] [--tasks N] [--workers N]

Prints start-up until the first task has ended, empty tasks per second, the latency of a job of 8
tasks, and the memory (PSS) of the executor's processes. A task is one unpickled payload in and one
pickled result out.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pickle
import secrets
import statistics
import sys
import tempfile
import time

import cloudpickle
import psutil

from minimesos.proto.minimesos import spark_pb2
from minimesos.spark.conf import SparkConf
from minimesos.spark.env import Location
from minimesos.spark.scheduler import task as task_module

WINDOW = 2048  # tasks that the stub keeps at the executor
BATCH = 256
JOBS = 300


def first_item(context, items):  # type: ignore[no-untyped-def]
    return next(items)


class EmptyRdd:
    """Has one item per partition: what the task was sent."""

    profiler = None

    def iterator(self, partition, context):  # type: ignore[no-untyped-def]
        return iter((context.payload,))


STAGE = task_module.stage_binary(0, 0, cloudpickle.dumps((EmptyRdd(), first_item)), None)


class StubScheduler:
    """The least that can stand in for a task scheduler."""

    def __init__(self) -> None:
        self.executor: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.ended = 0
        self.changed = asyncio.Event()

    def executor_added(self, executor_id: str, host: str, cores: int, location: Location) -> None:
        self.executor.set_result(executor_id)

    def executor_lost(self, executor_id: str, reason: str, caused_by_tasks: bool = True) -> None:
        raise SystemExit(reason)

    def backend_failed(self, message: str) -> None:
        raise SystemExit(message)

    def results(self, executor_id: str, results: spark_pb2.TaskResults) -> None:
        for outcome, payload in zip(results.outcomes, results.payloads, strict=False):
            if outcome != spark_pb2.SUCCESS:
                raise SystemExit(payload)
        for _, payload in zip(results.task_ids, results.payloads, strict=True):
            pickle.loads(task_module.decode_success(payload)[1])
        self.ended += len(results.task_ids)
        self.changed.set()


class Job:
    """Runs tasks of one stage through a backend."""

    def __init__(self, backend, listener: StubScheduler) -> None:  # type: ignore[no-untyped-def]
        self._backend = backend
        self._listener = listener
        self._next_id = 0
        self._stages = 0

    async def run(self, tasks: int, new_stage: bool = True) -> float:
        """Run a job; returns its seconds."""
        listener = self._listener
        executor_id = listener.executor.result()
        started = time.perf_counter()
        frame = spark_pb2.DriverFrame()
        self._stages += 1
        frame.stages.add(stage_key=self._stages, binary=STAGE)
        goal = listener.ended + tasks
        left = tasks
        while listener.ended < goal:
            flying = goal - listener.ended - left
            while left and flying <= WINDOW - BATCH:
                count = min(left, BATCH)
                ids = range(self._next_id, self._next_id + count)
                batch = frame.tasks.add(stage_key=self._stages)
                batch.task_ids.extend(ids)
                batch.partitions.extend(i % 1000 for i in ids)
                batch.attempts.extend([0] * count)
                batch.payloads.extend([pickle.dumps((i, "x")) for i in ids])
                self._next_id += count
                left -= count
                flying += count
                self._backend.send(executor_id, frame)
                frame = spark_pb2.DriverFrame()
            listener.changed.clear()
            if listener.ended < goal:
                await listener.changed.wait()
        seconds = time.perf_counter() - started
        self._backend.send(
            executor_id, spark_pb2.DriverFrame(cleanup={"stage_keys": [self._stages]})
        )
        return seconds


def pss_mib() -> dict[str, float]:
    """Memory of this process and of everything below it."""
    sizes = {}
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        sizes[f"{process.pid}"] = process.memory_full_info().pss / 2**20
    return sizes


async def measure(backend, args: argparse.Namespace) -> None:  # type: ignore[no-untyped-def]
    started = time.perf_counter()
    listener = StubScheduler()
    await backend.start(listener)
    await listener.executor
    registered = time.perf_counter() - started
    job = Job(backend, listener)
    await job.run(1)
    print(
        f"registered after {registered * 1e3:.0f} ms, "
        f"first task ended after {(time.perf_counter() - started) * 1e3:.0f} ms"
    )
    await job.run(args.tasks // 4)
    rates = [args.tasks / await job.run(args.tasks) for _ in range(3)]
    print(f"empty tasks/s: {', '.join(f'{rate:,.0f}' for rate in rates)}")
    latencies = [await job.run(8) for _ in range(JOBS)]
    print(
        f"job of 8 tasks: median {statistics.median(latencies) * 1e3:.2f} ms, "
        f"p95 {statistics.quantiles(latencies, n=20)[-1] * 1e3:.2f} ms"
    )
    sizes = pss_mib()
    executor = sum(sizes.values()) - sizes[str(os.getpid())]
    print(
        f"PSS: driver {sizes[str(os.getpid())]:.0f} MiB, executor {executor:.0f} MiB in "
        f"{len(sizes) - 1} processes"
    )
    await backend.stop()


class ServerBackend:
    """One executor that attaches to a server, started by hand instead of by an agent."""

    def __init__(self, workers: int, offers_lane: bool) -> None:
        self._workers = workers
        self._offers_lane = offers_lane

    async def start(self, listener: StubScheduler) -> None:
        from minimesos.spark.backends.server import ExecutorServer

        secret = secrets.token_bytes()
        self._server = ExecutorServer(secret, SparkConf(False), listener)
        self._server.application_id = "benchmark"
        address = await self._server.start()
        if not self._offers_lane:
            self._server._lanes.name = ""  # as executors of another host find it
        self._server.expect("0")
        arguments = {
            "driver-url": address,
            "executor-id": "0",
            "cores": self._workers,
            "app-id": "benchmark",
            "hostname": "localhost",
        }
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "minimesos_executor", "spark"),
            *(f"--{key}={value}" for key, value in arguments.items()),
            env={**os.environ, "MINIMESOS_SPARK_SECRET": secret.hex()},
        )

    def send(self, executor_id: str, frame: spark_pb2.DriverFrame) -> None:
        self._server.send(executor_id, frame)

    async def stop(self) -> None:
        self._server.shut_down_executors()
        await self._process.wait()
        await self._server.stop()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", nargs="?", choices=("local", "lane", "stream"), default="local")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        if args.mode == "local":
            from minimesos.spark.backends.local import LocalBackend

            await measure(LocalBackend(args.workers, {}, directory), args)
        else:
            await measure(ServerBackend(args.workers, args.mode == "lane"), args)


if __name__ == "__main__":
    asyncio.run(main())
