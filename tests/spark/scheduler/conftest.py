"""A scheduler with simulated executors in virtual time.

The scheduler's core and the code of tasks are the real ones, and map outputs are real files;
executors, network and time are simulated. Each executor is a host of its own, so that reading
another's files can fail.
"""

from __future__ import annotations

import heapq
import itertools
import pickle
import shutil
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from minimesos.actor import SetTimer
from minimesos.proto.minimesos import spark_pb2
from minimesos.spark import accumulators
from minimesos.spark.conf import SparkConf
from minimesos.spark.context import SparkContext
from minimesos.spark.env import Location, Range, WorkerEnv
from minimesos.spark.raised import describe_failure
from minimesos.spark.scheduler.allocation import AllocationSettings
from minimesos.spark.scheduler.dag import DagScheduler
from minimesos.spark.scheduler.effects import (
    AccumulatorsUpdated,
    ForgetShuffles,
    JobFailed,
    JobSucceeded,
    KillExecutors,
    RequestExecutors,
    Revive,
    SendFrame,
    WarnOfStarvation,
)
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.pools import Pools
from minimesos.spark.scheduler.stage import Job
from minimesos.spark.scheduler.task import load_stage
from minimesos.spark.storage import BlockStore
from minimesos.spark.storage_level import block_name
from minimesos.testing.spark_executors import DirectFetch

DELAY_S = 0.001
STARTUP_S = 0.3
"""Until an executor is there that was asked for."""
STEPS_MAX = 20_000


@dataclass
class Executor:
    """A simulated executor: tasks in the order in which they came, one per core at a time."""

    id: str
    cores: int
    env: WorkerEnv
    location: Location
    queue: deque[tuple[int, int, int, int, bytes, int]] = field(default_factory=deque)
    running: dict[int, int] = field(default_factory=dict)
    stages: dict[int, bytes] = field(default_factory=dict)
    frames: list[spark_pb2.DriverFrame] = field(default_factory=list)
    is_alive: bool = True


class Cluster(SparkContext):
    """Executors, a scheduler and virtual time; also a context, so tests write ordinary RDDs."""

    def __init__(
        self,
        directory: Path,
        limits: Limits | None = None,
        pools: Pools | None = None,
        allocation: AllocationSettings | None = None,
    ) -> None:
        self.scheduler = DagScheduler(limits, pools, allocation=allocation)
        self.now = 0.0
        self.executors: dict[str, Executor] = {}
        self.ended: dict[int, JobSucceeded | JobFailed] = {}
        self.launched: list[tuple[int, int, int]] = []
        """(stage id, partition, attempt) of every task that began to run."""
        self.revived = 0
        self.warned_at: list[float] = []
        """When the user was told that tasks starve."""
        self.requests: list[tuple[float, int]] = []
        """(when, how many executors in all) of every request."""
        self.killed: list[tuple[float, str]] = []
        """(when, executor id) of every executor that was given back."""
        self.limit: int | None = None
        """Executors that are wanted; only under dynamic allocation."""
        self.executor_cores = 1
        """Of executors that come because they are wanted."""
        self.forgotten_shuffles: list[int] = []
        """What shuffle services were told to delete."""
        self.timers_fired: Counter[str] = Counter()
        self.steps = 0
        self.duration: Callable[[int, int], float] = lambda stage, partition: 0.01
        self.before_step: Callable[[int], None] = lambda step: None
        self._timers: dict[str, float] = {}
        excludes = limits.exclusion if limits is not None else None
        self._ends_busy_ones = excludes is not None and excludes.kills
        self._files_stay = limits is not None and limits.outputs_outlive_executors
        self._directory = directory
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._job_ids = itertools.count()
        self._next_rdd_id = itertools.count()
        self._next_shuffle_id = itertools.count()
        self._executor_ids = itertools.count()
        self._batch_size = 0
        self._runner = None
        self._conf = SparkConf(loadDefaults=False)
        self.master = self.appName = "simulated"

    # What RDDs ask of their context.

    @property
    def defaultParallelism(self) -> int:
        return 4

    has_default_parallelism = False

    def run_job(self, rdd: Any, function: Any, partitions: Any = None) -> list[Any]:
        job = self.submit(rdd, function, partitions)
        self.run_until(lambda: job in self.ended)
        return self.results(job)

    def clean_up(self, rdd_ids: Any = (), shuffle_ids: Any = (), broadcast_ids: Any = ()) -> None:
        self.after(0, lambda: self.scheduler.forget(rdd_ids, shuffle_ids, broadcast_ids, self.now))

    def _running(self) -> Any:
        return self

    # The stage directions.

    def add_executor(self, cores: int = 1, host: str = "") -> Executor:
        """Start an executor, on a host of its own unless one is given."""
        name = str(next(self._executor_ids))
        root = self._directory / f"executor-{name}"
        root.mkdir()
        location = Location(name, host or f"host-{name}", f"host-{name}:1", str(root))
        conf: dict[str, str] = {}
        env = WorkerEnv(
            executor_id=name,
            host=location.host,
            local_dir=str(root),
            conf=conf,
            blocks=BlockStore.of(conf, cores, str(root)),
            fetch=self._fetch,
            begin_fetch=self._begin_fetch,
        )
        executor = self.executors[name] = Executor(name, cores, env, location)
        self.scheduler.executor_added(location, cores, self.now)
        self._perform()
        return executor

    def kill(self, executor: Executor, noticed_after_s: float = DELAY_S) -> None:
        """End an executor, with its files unless a shuffle service has them; the scheduler is told
        after a while."""
        if not executor.is_alive:
            return
        executor.is_alive = False
        if not self._files_stay:
            shutil.rmtree(executor.location.root)
        self.after(noticed_after_s, lambda: self._removed(executor))

    def lose_files(self, executor: Executor) -> None:
        """Delete what an executor has written; nobody is told."""
        for path in Path(executor.location.root).iterdir():
            path.unlink()

    def _removed(self, executor: Executor) -> None:
        self.scheduler.executor_removed(executor.id, "killed by the test", True, self.now)
        self.after(STARTUP_S, self._launch)

    def submit(
        self,
        rdd: Any,
        function: Any,
        partitions: Any = None,
        pool: str | None = None,
        properties: dict[str, str] | None = None,
    ) -> int:
        """Start a job; returns its id."""
        wanted = range(rdd.num_partitions) if partitions is None else list(partitions)
        if pool is not None:
            properties = {"spark.scheduler.pool": pool}
        job = Job(next(self._job_ids), rdd, function, wanted, properties)
        self.scheduler.submit(job, self.now)
        self._perform()
        return job.id

    def results(self, job: int) -> list[Any]:
        """Return a job's results, or raise its error."""
        end = self.ended[job]
        if isinstance(end, JobFailed):
            raise end.error
        return [pickle.loads(result) for result in end.results]

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._events, (self.now + delay_s, next(self._order), call))

    def step(self) -> None:
        """Let the next thing happen."""
        self.before_step(self.steps)
        self.steps += 1
        at_s, _, call = heapq.heappop(self._events)
        self.now = max(self.now, at_s)
        call()
        self._perform()

    def run_until(self, is_reached: Callable[[], bool]) -> None:
        """Let things happen until something is so."""
        for _ in range(STEPS_MAX):
            if is_reached():
                return
            assert self._events, "nothing happens any more"
            self.step()
        raise AssertionError(f"not reached within {STEPS_MAX} steps")

    def settle(self) -> None:
        """Let everything happen that was under way."""
        self.run_until(lambda: not self._events)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.step()
        self.now = end

    def launches(self, stage: int) -> Counter[int]:
        """Return how often each partition of a stage was begun."""
        return Counter(partition for where, partition, _ in self.launched if where == stage)

    # The world.

    def _perform(self) -> None:
        for effect in self.scheduler.take_effects():
            if isinstance(effect, SendFrame):
                executor = self.executors[effect.executor_id]
                frame = spark_pb2.DriverFrame.FromString(effect.frame.SerializeToString())
                self.after(DELAY_S, lambda e=executor, f=frame: self._received(e, f))
            elif isinstance(effect, SetTimer):
                self._timers[effect.name] = effect.at_s
                self.after(effect.at_s - self.now, lambda timer=effect: self._timer_fired(timer))
            elif isinstance(effect, ForgetShuffles):
                self.forgotten_shuffles.extend(effect.shuffle_ids)
            elif isinstance(effect, AccumulatorsUpdated):
                accumulators.add_updates(effect.updates)
            elif isinstance(effect, Revive):
                self.revived += 1
            elif isinstance(effect, WarnOfStarvation):
                self.warned_at.append(self.now)
            elif isinstance(effect, RequestExecutors):
                self.requests.append((self.now, effect.total))
                self.limit = effect.total
                self.after(STARTUP_S, self._launch)
            elif isinstance(effect, KillExecutors):
                for executor in map(self.executors.__getitem__, effect.executor_ids):
                    is_busy = bool(executor.running or executor.queue)
                    assert self._ends_busy_ones or not is_busy, "it has something to do"
                    self.killed.append((self.now, executor.id))
                    self.kill(executor)
            else:
                assert isinstance(effect, JobSucceeded | JobFailed), effect
                assert effect.job_id not in self.ended, "a job ends once"
                self.ended[effect.job_id] = effect

    def _timer_fired(self, timer: SetTimer) -> None:
        if self._timers.get(timer.name) == timer.at_s:  # not replaced by a later one
            del self._timers[timer.name]
            self.timers_fired[timer.name] += 1
            self.scheduler.timer_fired(timer.name, self.now)

    def _launch(self) -> None:
        alive = sum(executor.is_alive for executor in self.executors.values())
        for _ in range((self.limit or 0) - alive):
            self.add_executor(self.executor_cores)

    def _received(self, executor: Executor, frame: spark_pb2.DriverFrame) -> None:
        if not executor.is_alive:
            return
        executor.frames.append(frame)
        for stage in frame.stages:
            executor.stages[stage.stage_key] = stage.binary
        for batch in frame.tasks:
            payloads = batch.payloads or [b""] * len(batch.task_ids)
            workers = batch.workers or [-1] * len(batch.task_ids)
            for row in zip(
                batch.task_ids, batch.partitions, batch.attempts, payloads, workers, strict=True
            ):
                executor.queue.append((batch.stage_key, *row))
        for copy in frame.copy_blocks:
            self._copy_block(executor, copy)
        if frame.HasField("cancel"):
            self._cancelled(executor, set(frame.cancel.task_ids), frame.cancel.interrupt)
        self._start_tasks(executor)

    def _copy_block(self, executor: Executor, copy: spark_pb2.BlockCopy) -> None:
        name = block_name(copy.block.rdd_id, copy.block.partition)
        source = self.executors[copy.executor_id].env.local_dir
        shutil.copyfile(f"{source}/{name}", f"{executor.env.local_dir}/{name}")
        blocks = [copy.block]
        self.after(DELAY_S, lambda: self.scheduler.blocks_copied(executor.id, blocks, self.now))

    def _cancelled(self, executor: Executor, task_ids: set[int], interrupt: bool) -> None:
        dropped = [task[1] for task in executor.queue if task[1] in task_ids]
        executor.queue = deque(task for task in executor.queue if task[1] not in task_ids)
        if interrupt:
            running = [task_id for task_id in executor.running if task_id in task_ids]
            for task_id in running:
                del executor.running[task_id]
            dropped += running
        for task_id in dropped:
            self._answer(executor, task_id, spark_pb2.CANCELLED, b"", 0)

    def _start_tasks(self, executor: Executor) -> None:
        while executor.queue and len(executor.running) < executor.cores:
            key, task_id, partition, attempt, payload, wanted = executor.queue.popleft()
            stage = load_stage(executor.stages[key], executor.env)
            free = set(range(executor.cores)) - set(executor.running.values())
            worker = wanted if wanted in free else min(free)
            executor.running[task_id] = worker
            self.launched.append((stage.stage_id, partition, attempt))
            self.after(
                self.duration(stage.stage_id, partition),
                lambda e=executor, s=stage, t=(task_id, partition, attempt, payload): (
                    self._end_task(e, s, *t)
                ),
            )

    def _end_task(
        self,
        executor: Executor,
        stage: Any,
        task_id: int,
        partition: int,
        attempt: int,
        data: bytes,
    ) -> None:
        if not executor.is_alive or task_id not in executor.running:
            return
        worker = executor.running.pop(task_id)
        outcome = 0
        try:
            payload = stage.run(executor.env, task_id, partition, attempt, data)
        except WorkerKilled as error:
            outcome, payload = spark_pb2.WORKER_LOST, str(error).encode()
        except Exception as error:  # noqa: BLE001 - as a worker does
            outcome, payload = describe_failure(error)
        self._answer(executor, task_id, outcome, payload, worker)
        self._start_tasks(executor)

    def _answer(
        self, executor: Executor, task_id: int, outcome: int, payload: bytes, worker: int
    ) -> None:
        results = spark_pb2.TaskResults(task_ids=[task_id], payloads=[payload], workers=[worker])
        if outcome:
            results.outcomes.append(outcome)

        def deliver() -> None:
            if executor.is_alive:
                self.scheduler.results(executor.id, results, self.now)

        self.after(DELAY_S, deliver)

    def _begin_fetch(self, location: Location, ranges: Sequence[Range]) -> DirectFetch:
        return DirectFetch(location, ranges, self._directory / f"fetched-{next(self._order)}")

    def _fetch(self, location: Location, path: str, offset: int, length: int) -> str:
        return self._begin_fetch(location, [Range(path, offset, length)]).result()


class WorkerKilled(BaseException):
    """Raised by a task to say that its worker dies."""


@pytest.fixture
def worker_killed() -> type[WorkerKilled]:
    return WorkerKilled


@pytest.fixture(autouse=True)
def _seeded_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")


@pytest.fixture
def new_cluster(tmp_path: Path) -> Callable[..., Cluster]:
    """Make clusters; several in one test do not share anything."""
    numbers = itertools.count()

    def make(
        executors: int = 2,
        cores: int = 1,
        limits: Limits | None = None,
        pools: Pools | None = None,
        allocation: AllocationSettings | None = None,
    ) -> Cluster:
        directory = tmp_path / f"cluster-{next(numbers)}"
        directory.mkdir()
        cluster = Cluster(directory, limits, pools, allocation)
        for _ in range(executors):
            cluster.add_executor(cores)
        return cluster

    return make
