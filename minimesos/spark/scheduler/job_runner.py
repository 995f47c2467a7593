"""Runs jobs: the shell around the scheduler's core, and the door between two threads.

The user's threads call `run_job` and wait; the core, the backend and all timers belong to the loop
thread. Each call from there enters the core with the time, and then the core's effects are
performed. Results stay pickled until the thread that waits for them has them.

Made by SparkContext. Decides nothing about stages and tasks.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from minimesos.actor import Effect, SetTimer
from minimesos.log import get_logger
from minimesos.proto.minimesos import spark_pb2
from minimesos.runtime.clock import Clock
from minimesos.runtime.loop import LoopThread
from minimesos.spark.accumulators import add_updates
from minimesos.spark.application import read_pools
from minimesos.spark.backends.backend import Backend
from minimesos.spark.backends.connect import connect
from minimesos.spark.conf import SparkConf
from minimesos.spark.env import DRIVER, Location
from minimesos.spark.errors import SparkException
from minimesos.spark.scheduler.allocation import AllocationSettings
from minimesos.spark.scheduler.dag import DagScheduler
from minimesos.spark.scheduler.effects import (
    AccumulatorsUpdated,
    ForgetShuffles,
    JobFailed,
    JobSucceeded,
    KillExecutors,
    LargeResult,
    RequestExecutors,
    Revive,
    SendFrame,
    WarnOfStarvation,
)
from minimesos.spark.scheduler.executor import WorkerOffer
from minimesos.spark.scheduler.limits import Limits
from minimesos.spark.scheduler.pools import Pools
from minimesos.spark.scheduler.progress import FIRST_AFTER_S, REFRESH_S, ConsoleProgress
from minimesos.spark.scheduler.stage import Job
from minimesos.spark.scheduler.status_store import StatusStore
from minimesos.spark.scheduler.task import result_lost
from minimesos.spark.settings.allocation import DYNAMIC_ALLOCATION_ENABLED
from minimesos.spark.settings.application import DRIVER_HOST
from minimesos.spark.shipment import Shipment
from minimesos.spark.stored_results import (
    PickledResult,
    StoredContent,
    TaskEnds,
    load_result,
    take_stored,
)
from minimesos.spark.taskcontext import TaskContext

if TYPE_CHECKING:
    from minimesos.spark.lineage import Lineage

CANCEL_TIMEOUT_S = 2.0
STOP_TIMEOUT_S = 30.0
PROGRESS_TIMER = "progress"
PAUSE_COLLECTOR_BYTES = 2**20  # of results, from which on they are unpickled without collections

T = TypeVar("T")
U = TypeVar("U")
Results = list[PickledResult]


class _End(Future[Results]):
    """The end of a job, for which a thread waits; it may load large results meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: SimpleQueue[StoredContent | None] = SimpleQueue()
        """Large results as they come, then None."""
        self.add_done_callback(lambda _: self.arrived.put(None))


_log = get_logger(__name__)


class JobRunner:
    """The scheduler of one application. Public methods are for the user's threads, any of them."""

    def __init__(
        self,
        backend: Backend,
        limits: Limits,
        threads: LoopThread,
        progress: ConsoleProgress | None = None,
        allocation: AllocationSettings | None = None,
        pools: Pools | None = None,
    ) -> None:
        self.driver_location = Location(DRIVER, "localhost", "", "")
        """Where the driver's own blocks (broadcasts) are."""
        self._backend = backend
        self._clock = Clock()
        self._core = DagScheduler(
            limits, pools, self._clock.now(), allocation, backend.launches_on_offers
        )
        self._threads = threads
        self._loop = threads.loop
        self._job_ids = itertools.count()
        self._waiting: dict[int, _End] = {}
        self._lock = threading.Lock()
        self._end: SparkException | None = None
        """Why no more jobs are taken."""
        self._is_stopped = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._progress = progress
        self._performers: dict[type[Effect], Callable[[Any], None]] = {
            SendFrame: lambda effect: backend.send(effect.executor_id, effect.frame),
            SetTimer: self._set_timer,
            Revive: lambda effect: backend.revive(),
            WarnOfStarvation: self._warn_of_starvation,
            RequestExecutors: lambda effect: backend.request_total_executors(
                effect.total, effect.local_tasks
            ),
            KillExecutors: lambda effect: backend.kill_executors(effect.executor_ids),
            ForgetShuffles: lambda effect: backend.forget_shuffles(effect.shuffle_ids),
            AccumulatorsUpdated: _add_accumulators,
            LargeResult: self._arrived,
            JobSucceeded: self._succeeded,
            JobFailed: self._failed,
        }

    @classmethod
    def start(cls, master: str, conf: SparkConf, local_dir: str) -> JobRunner:
        """Connect to a master; returns once the application has its id.

        Raises SparkException for a master URL of no known form, MinimesosError if the cluster
        refuses the application or cannot be reached.
        """
        threads = LoopThread.shared()
        wanted = ConsoleProgress.is_wanted(conf, sys.stderr)
        progress = ConsoleProgress(sys.stderr) if wanted else None
        pools = read_pools(conf)

        async def begin() -> JobRunner:
            backend = connect(master, conf, local_dir)
            host = DRIVER_HOST.read(conf)
            is_dynamic = DYNAMIC_ALLOCATION_ENABLED.read(conf)
            allocation = AllocationSettings.of(conf) if is_dynamic else None
            runner = cls(backend, Limits.of(conf), threads, progress, allocation, pools)
            await backend.start(runner)
            runner.driver_location = Location(DRIVER, host, backend.blocks_address, local_dir)
            runner._enter(runner._core.start)
            return runner

        return threads.call(begin())

    # ------------------------------------------------------------------- for the user's threads

    @property
    def application_id(self) -> str:
        """The framework id on Mesos, `local-<time>` locally."""
        return self._backend.application_id

    @property
    def default_parallelism(self) -> int:
        """Partitions of a collection whose caller names none."""
        return self._backend.default_parallelism

    def run_job(
        self,
        rdd: Lineage[T],
        action: Callable[[TaskContext, Any], U],
        partitions: Sequence[int],
        properties: Mapping[str, str] | None = None,
        call_site: str = "",
    ) -> list[U]:
        """Apply an action to partitions of an RDD; returns what it returns, in their order.

        Raises JobAborted, whose text begins with the user's own traceback, JobCancelled, and
        PicklingError for a closure that cannot be sent. An interrupt (Ctrl-C) cancels the job.
        """
        job = Job(next(self._job_ids), rdd, action, partitions, properties, call_site)
        return _loaded(self._results(job))

    def run_job_for(
        self,
        rdd: Lineage[T],
        action: Callable[[TaskContext, Any], U],
        partitions: Sequence[int],
        timeout_s: float,
        properties: Mapping[str, str] | None = None,
        call_site: str = "",
    ) -> list[U]:
        """Run a job like `run_job`, but end it after a time; returns what there is by then.

        Results are in the order of their partitions; those of the others are left out.
        """
        job = Job(next(self._job_ids), rdd, action, partitions, properties, call_site)
        return _loaded(self._results(job, timeout_s))

    def _results(self, job: Job, timeout_s: float | None = None) -> Results:
        """Run a job and wait for it; after `timeout_s` it is content with the results it has."""
        done = _End()
        with self._lock:
            if self._end is not None:
                raise self._end
            self._waiting[job.id] = done
        try:
            self._post(self._submit, job)  # here already an interrupt finds a job that runs
            if timeout_s is None:
                _load_early(done.arrived)
            try:
                error = done.exception(timeout_s)
            except TimeoutError:
                self._post(self._core.content, job.id)
                error = done.exception()
        except KeyboardInterrupt:
            self._post(self._core.cancel, job.id, "by an interrupt")
            try:
                done.exception(CANCEL_TIMEOUT_S)
            except TimeoutError:
                _log.warning("job not cancelled in time", job=job.id)
            raise
        if error is not None:
            raise error
        return done.result()

    def cancel_all(self, reason: str = "as part of cancellation of all jobs") -> None:
        """Cancel all jobs; returns at once."""
        self._post(self._core.cancel_all, reason)

    def cancel_group(self, group: str) -> None:
        """Cancel the jobs whose property `spark.jobGroup.id` is `group`; returns at once."""
        self._post(self._core.cancel_group, group)

    def cancel_tagged(self, tag: str) -> None:
        """Cancel the jobs that have a tag; returns at once."""
        self._post(self._core.cancel_tagged, tag)

    def ask_status(self, question: Callable[[StatusStore], T]) -> T:
        """Ask what is known of jobs and stages."""

        async def ask() -> T:
            return question(self._core.status)

        return self._threads.call(ask())

    def call_between_jobs(self, call: Callable[[], None]) -> bool:
        """Call a function on the loop if no job is there; returns whether."""

        async def try_it() -> bool:
            if self._waiting:
                return False
            call()
            return True

        return self._threads.call(try_it())

    def clean_up(
        self,
        rdd_ids: Sequence[int] = (),
        shuffle_ids: Sequence[int] = (),
        broadcast_ids: Sequence[int] = (),
    ) -> None:
        """The driver needs these no more; returns at once."""
        self._post(self._core.forget, rdd_ids, shuffle_ids, broadcast_ids)

    def ship(self, version: int) -> None:
        """Tasks of stages that are submitted from now on see the files of this version."""
        self._post(self._core.ship, Shipment(version, self.driver_location))

    def stop(self) -> None:
        """Cancel all jobs and release the executors. Calling it again does nothing."""
        with self._lock:
            if self._is_stopped:
                return
            self._is_stopped = True
            stopped = SparkException("Cannot call methods on a stopped SparkContext.")
            self._end = self._end or stopped  # what has given up must be released all the same
        self.cancel_all("because SparkContext was shut down")
        try:
            self._threads.call(self._backend.stop(), STOP_TIMEOUT_S)
        except TimeoutError:
            _log.warning("executors not released in time", seconds=STOP_TIMEOUT_S)

    # ---------------------------------------------------------- what the backend calls, on the loop

    def executor_added(self, executor_id: str, host: str, cores: int, location: Location) -> None:
        """An executor takes tasks from now on."""
        self._enter(self._core.executor_added, location, cores)

    def executor_lost(self, executor_id: str, reason: str, caused_by_tasks: bool = True) -> None:
        """An executor is gone with everything it held."""
        self._enter(self._core.executor_removed, executor_id, reason, caused_by_tasks)

    def resource_offers(self, offers: Sequence[WorkerOffer]) -> None:
        """Fill cores with tasks, this once."""
        self._enter(self._core.resource_offers, offers)

    def results(self, executor_id: str, results: spark_pb2.TaskResults) -> None:
        """Tasks have ended on an executor."""
        if spark_pb2.STORED in results.outcomes:
            self._enter(self._core.results, executor_id, self._with_stored(results))
        else:
            self._enter(self._core.results, executor_id, results)

    def printed(self, executor_id: str, printed: Sequence[spark_pb2.Printed]) -> None:
        """Tasks have printed: show it, in place of the progress bar, which comes again."""
        if self._progress is not None:
            self._progress.clear()
        for each in printed:
            stream = sys.stderr if each.is_stderr else sys.stdout
            try:
                stream.write(each.text)
                stream.flush()
            except (OSError, ValueError, AttributeError):
                pass  # it is closed, or nobody is there

    def barrier_calls(self, executor_id: str, calls: Sequence[spark_pb2.BarrierCall]) -> None:
        """Tasks of barrier stages wait for an answer."""
        self._enter(self._core.barrier_calls, executor_id, calls)

    def blocks_copied(self, executor_id: str, blocks: Sequence[spark_pb2.CachedBlock]) -> None:
        """An executor has copies of other executors' cached partitions."""
        self._enter(self._core.blocks_copied, executor_id, blocks)

    def backend_failed(self, message: str) -> None:
        """No executor will ever come: fail all jobs, now and later."""
        with self._lock:
            self._end = self._end or SparkException(message)
        self._enter(self._core.fail_all, message)

    # ------------------------------------------------------------------------------- on the loop

    def _with_stored(self, results: spark_pb2.TaskResults) -> TaskEnds:
        """Take what is in files; a task whose result cannot be taken has failed."""
        ends = TaskEnds(
            list(results.task_ids),
            list(results.outcomes),
            list(results.payloads),
            list(results.workers),
        )
        columns = zip(results.task_ids, results.outcomes, results.payloads, strict=True)
        for at, (task_id, outcome, answer) in enumerate(columns):
            if outcome == spark_pb2.STORED:
                try:
                    stored = take_stored(self.driver_location.root, task_id, answer)
                except OSError as error:
                    ends.outcomes[at] = spark_pb2.FAILED
                    ends.payloads[at] = result_lost(str(error))
                else:
                    ends.outcomes[at] = spark_pb2.SUCCESS
                    ends.payloads[at] = stored
        return ends

    def _post(self, call: Callable[..., None], *arguments: Any) -> None:
        """Enter the core from another thread."""
        try:
            self._loop.call_soon_threadsafe(self._enter, call, *arguments)
        except RuntimeError:
            pass  # the loop is closed: the process ends, and so did our executors

    def _enter(self, call: Callable[..., None], *arguments: Any) -> None:
        """Call the core with the time, then perform its effects."""
        try:
            call(*arguments, self._clock.now())
            for effect in self._core.take_effects():
                self._performers[type(effect)](effect)
        except Exception as error:  # noqa: BLE001
            # The scheduler has lost count: whoever waits must not wait for ever.
            _log.exception("stopping because of a bug in the scheduler")
            self._give_up(SparkException(f"the scheduler failed: {type(error).__name__}: {error}"))

    def _submit(self, job: Job, now: float) -> None:
        if self._progress is not None and PROGRESS_TIMER not in self._timers:
            self._set_timer(SetTimer(PROGRESS_TIMER, now + FIRST_AFTER_S))
        self._core.submit(job, now)

    def _set_timer(self, effect: SetTimer) -> None:
        older = self._timers.get(effect.name)
        if older is not None:
            older.cancel()
        at = self._clock.monotonic_at(effect.at_s)
        self._timers[effect.name] = self._loop.call_at(at, self._timer_fired, effect.name)

    def _timer_fired(self, name: str) -> None:
        del self._timers[name]
        if name == PROGRESS_TIMER:
            self._show_progress()
        elif self._end is None:  # else the backend may have been stopped
            self._enter(self._core.timer_fired, name)

    def _show_progress(self) -> None:
        if self._progress is not None and self._waiting:
            now = self._clock.now()
            self._progress.draw(self._core.progress(), now)
            self._set_timer(SetTimer(PROGRESS_TIMER, now + REFRESH_S))

    def _warn_of_starvation(self, effect: WarnOfStarvation) -> None:
        lines = [
            "Initial job has not accepted any resources; check your cluster UI to ensure that "
            "workers are registered and have sufficient resources",
            *self._backend.shortage(),
        ]
        _log.warning("\n  ".join(lines))

    def _arrived(self, effect: LargeResult) -> None:
        done = self._waiting.get(effect.job_id)
        if done is not None:
            done.arrived.put(effect.result)

    def _succeeded(self, effect: JobSucceeded) -> None:
        done = self._taken(effect.job_id)
        if done is not None:
            done.set_result(effect.results)

    def _failed(self, effect: JobFailed) -> None:
        done = self._taken(effect.job_id)
        if done is not None:
            done.set_exception(effect.error)

    def _taken(self, job_id: int) -> _End | None:
        done = self._waiting.pop(job_id, None)
        if self._progress is not None and not self._waiting:
            self._progress.clear()
            timer = self._timers.pop(PROGRESS_TIMER, None)
            if timer is not None:
                timer.cancel()
        return done

    def _give_up(self, error: SparkException) -> None:
        with self._lock:
            self._end = self._end or error
            waiting, self._waiting = self._waiting, {}
        for done in waiting.values():
            done.set_exception(error)


def _load_early(arrived: SimpleQueue[StoredContent | None]) -> None:
    """Load results as they come, until the job has ended."""
    for result in iter(arrived.get, None):
        with suppress(Exception), _without_collections():  # raised again by `_loaded`
            result.load()


def _loaded(results: Results) -> list[Any]:
    """Unpickle results, giving up each one's bytes before the next is looked at."""
    results.reverse()
    is_large = sum(map(len, results)) > PAUSE_COLLECTOR_BYTES
    with _without_collections() if is_large else nullcontext():
        return [load_result(results.pop()) for _ in range(len(results))]


@contextmanager
def _without_collections() -> Iterator[None]:
    """What is unpickled survives: looking through it again and again is waste."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _add_accumulators(effect: AccumulatorsUpdated) -> None:
    try:
        add_updates(effect.updates)
    except Exception:  # noqa: BLE001 - runs addInPlace of the user's class
        _log.exception("failed to update accumulators")
