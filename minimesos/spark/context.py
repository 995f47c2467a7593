"""The driver's entry: configuration, shared variables and jobs.

RDDs begin in its base `Sources`; files are added in its base `Shipping`; its base `JobControl` has
what is said of jobs, asked about them, and done to them.

One context per process is alive at a time. It runs on the user's threads; executors, stages and
tasks live on the loop thread behind the job runner, which is made when the context starts.

Source: PySpark 3.5's SparkContext.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from html import escape
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeVar, cast

import minimesos
from minimesos import log
from minimesos.log import ROOT
from minimesos.runtime.scratch import Scratch
from minimesos.spark import callsite
from minimesos.spark.accumulators import Accumulator, AccumulatorParam, default_param
from minimesos.spark.application import (
    application_settings,
    make_scratch,
    spark_user,
    warn_of_settings,
)
from minimesos.spark.broadcast import Broadcast
from minimesos.spark.compat import is_installed
from minimesos.spark.compat.real import active_context, real_context
from minimesos.spark.conf import SparkConf, set_system_property
from minimesos.spark.errors import (
    IllegalArgumentException,
    PySparkRuntimeError,
)
from minimesos.spark.interrupts import cancel_upon_interrupt
from minimesos.spark.job_control import JobControl
from minimesos.spark.jvm_only import JvmOnlySources, refuse_gateway
from minimesos.spark.profiler import Profiling
from minimesos.spark.rdd import RDD
from minimesos.spark.settings.application import (
    APP_NAME,
    LOG_LEVEL,
    LOG_LEVELS,
    MASTER,
    PYSPARK_ALIAS,
)
from minimesos.spark.settings.executors import ALLOW_SPARK_CONTEXT
from minimesos.spark.settings.scheduling import DEFAULT_PARALLELISM
from minimesos.spark.settings.storage import CHECKPOINT_DIR, CLEAN_GARBAGE
from minimesos.spark.shipping import Shipping
from minimesos.spark.sources import Sources
from minimesos.spark.taskcontext import TaskContext

if TYPE_CHECKING:
    from minimesos.spark.checkpoint import Checkpoints
    from minimesos.spark.scheduler.job_runner import JobRunner

T = TypeVar("T")
U = TypeVar("U")


class SparkContext(Sources, Shipping, JobControl, Profiling, JvmOnlySources):
    """An application: makes RDDs and runs jobs on them.

    Arguments win over `conf`. A master and an application name must come from either.
    """

    _active_spark_context: ClassVar[SparkContext | None] = None
    _lock: ClassVar[threading.RLock] = threading.RLock()

    master: str
    appName: str
    startTime: int

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Make a context, of the real PySpark where the master asks for that."""
        context: Any = real_context(*arguments, **options)
        return super().__new__(cls) if context is None else cast("Self", context)

    def __init__(
        self,
        master: str | None = None,
        appName: str | None = None,
        sparkHome: str | None = None,
        pyFiles: list[str] | None = None,
        environment: Mapping[str, Any] | None = None,
        batchSize: int = 0,
        serializer: Any = None,
        conf: SparkConf | None = None,
        gateway: Any = None,
        jsc: Any = None,
        profiler_cls: Any = None,
        udf_profiler_cls: Any = None,
        memory_profiler_cls: Any = None,
    ) -> None:
        _refuse_in_task(conf)
        refuse_gateway(gateway, jsc)
        self._call_site = callsite.short_form()
        self._runner: JobRunner | None = None
        self._scratch: Scratch | None = None
        self._checkpoints: Checkpoints | None = None
        self._batch_size = batchSize
        self._next_rdd_id = itertools.count()
        self._next_shuffle_id = itertools.count()
        self._next_broadcast_id = itertools.count()
        self._local = threading.local()
        self._release_interrupt: Callable[[], None] | None = None
        self.startTime = int(time.time() * 1000)
        with SparkContext._lock:
            self._claim(conf, master, appName)
            try:
                self._start(
                    application_settings(conf, master, appName, sparkHome, environment), pyFiles
                )
                self._start_profiling(self._conf, profiler_cls)
            except BaseException:
                self.stop()
                raise

    def _claim(self, conf: SparkConf | None, master: str | None, name: str | None) -> None:
        """Become the process's active context, or say which one is."""
        active = SparkContext._active_spark_context
        if active is not None:
            raise ValueError(
                "Cannot run multiple SparkContexts at once; existing SparkContext("
                f"app={active.appName}, master={active.master}) created by {active._call_site}"
            )
        self.appName = name or ""
        self.master = master or ""
        SparkContext._active_spark_context = self

    def _start(self, conf: SparkConf, py_files: list[str] | None) -> None:
        self._conf = conf
        _show_warnings()
        level = LOG_LEVEL.read(conf)
        if level is not None:
            self.setLogLevel(level)
        warn_of_settings(conf)
        if is_installed():
            conf.set(PYSPARK_ALIAS.name, True)
        self.master = MASTER.read(conf) or ""
        self.appName = APP_NAME.read(conf) or ""
        self._scratch = make_scratch(conf)
        atexit.register(self.stop)
        self._open_files(self._scratch.path, conf, py_files or ())
        self._runner = _start_runner(self.master, conf, self._scratch.path)
        conf.set("spark.app.id", self._runner.application_id)
        self._announce_files()
        runner = self._runner
        self._release_interrupt = cancel_upon_interrupt(lambda: runner.cancel_all())

    # Shared variables.

    def broadcast(self, value: T) -> Broadcast[T]:
        """Write a value once for all tasks to read."""
        runner = self._running()
        broadcast_id = next(self._next_broadcast_id)
        forget = partial(runner.clean_up, broadcast_ids=[broadcast_id])
        return Broadcast(broadcast_id, value, runner.driver_location, forget, self._conf)

    def accumulator(
        self, value: T, accum_param: AccumulatorParam[T] | None = None
    ) -> Accumulator[T]:
        """Return a variable that tasks add to; numbers need no `accum_param`."""
        return Accumulator(value, accum_param or default_param(value))

    # Jobs.

    def runJob(
        self,
        rdd: RDD[T],
        partitionFunc: Callable[[Iterator[T]], Iterable[U]],
        partitions: Sequence[int] | None = None,
        allowLocal: bool = False,
    ) -> list[U]:
        """Apply a function to the iterators over partitions and concatenate what it returns."""
        parts = self.run_job(rdd, partial(_listed, partitionFunc), partitions)
        return list(itertools.chain.from_iterable(parts))

    def run_job(
        self,
        rdd: RDD[T],
        function: Callable[[TaskContext, Iterator[T]], U],
        partitions: Iterable[int] | None = None,
    ) -> list[U]:
        """Apply a function of (task, items) to partitions; results are in their order.

        Blocks until the job is done. Raises SparkException if it fails or is cancelled.
        """
        wanted = range(rdd.num_partitions) if partitions is None else list(partitions)
        for index in wanted:
            if not 0 <= index < rdd.num_partitions:
                raise IllegalArgumentException(
                    f"Attempting to access a non-existent partition: {index}. "
                    f"Total number of partitions: {rdd.num_partitions}"
                )
        if self.is_profiling:
            self.profile_stage(rdd)
        results = self._running().run_job(
            rdd, function, wanted, dict(self._properties), callsite.short_form()
        )
        if self._checkpoints is not None:
            self._checkpoints.after_job(rdd)
        return results

    def run_job_for(
        self,
        rdd: RDD[T],
        function: Callable[[TaskContext, Iterator[T]], U],
        timeout_s: float,
    ) -> list[U]:
        """Run a job for some time; returns the results that are there when it, or the time, ends.

        Those of partitions that were not computed in time are missing from the list.
        """
        partitions = range(rdd.num_partitions)
        return self._running().run_job_for(
            rdd, function, partitions, timeout_s, dict(self._properties), callsite.short_form()
        )

    # About the application.

    @property
    def version(self) -> str:
        """minimesos's version."""
        return minimesos.__version__

    @property
    def applicationId(self) -> str:
        """The framework id on Mesos, `local-<time>` locally."""
        return self._running().application_id

    @property
    def uiWebUrl(self) -> str | None:
        """None: an application has no web page of its own; see the master's console."""
        return None

    @property
    def defaultParallelism(self) -> int:
        """Partitions of a collection or shuffle for which none are given."""
        configured = DEFAULT_PARALLELISM.read(self._conf)
        return configured or self._running().default_parallelism

    @property
    def defaultMinPartitions(self) -> int:
        """Partitions that files are cut into at least."""
        return min(self.defaultParallelism, 2)

    @property
    def has_default_parallelism(self) -> bool:
        """Whether `spark.default.parallelism` is set, which then rules shuffles too."""
        return DEFAULT_PARALLELISM.read(self._conf) is not None

    @property
    def resources(self) -> dict[str, Any]:
        """Custom resources of the driver: none."""
        return {}

    @classmethod
    def setSystemProperty(cls, key: str, value: str) -> None:
        """Set what later configurations of this process start from; wins over files."""
        set_system_property(key, value)

    def getConf(self) -> SparkConf:
        """Return a copy of the configuration."""
        return self._conf.copy()

    def sparkUser(self) -> str:
        """Return the user that runs the application."""
        return spark_user()

    def setLogLevel(self, logLevel: str) -> None:
        """Choose what is logged: ALL, DEBUG, ERROR, FATAL, INFO, OFF, TRACE or WARN."""
        level = logLevel.upper()
        if level not in LOG_LEVELS:
            known = ", ".join(LOG_LEVELS)
            raise IllegalArgumentException(
                f"Supplied level {logLevel} did not match one of: {known}"
            )
        log.set_level(LOG_LEVELS[level])

    # For RDDs.

    def next_rdd_id(self) -> int:
        """Return the id of a new RDD."""
        return next(self._next_rdd_id)

    def next_shuffle_id(self) -> int:
        """Return the id of a new shuffle."""
        return next(self._next_shuffle_id)

    def forget_rdd(self, rdd_id: int) -> None:
        """Have workers drop an RDD's cached partitions."""
        if self._runner is not None:
            self._runner.clean_up(rdd_ids=[rdd_id])

    def forget_shuffles(self, shuffle_ids: Sequence[int]) -> None:
        """Have executors drop the map outputs of shuffles."""
        self._running().clean_up(shuffle_ids=shuffle_ids)

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of this application; made when the first is wanted."""
        if self._checkpoints is None:
            from minimesos.spark.checkpoint import Checkpoints

            self._checkpoints = Checkpoints(self._conf, self._running().call_between_jobs)
            configured = CHECKPOINT_DIR.read(self._conf)
            if configured is not None:
                self.setCheckpointDir(configured)
        return self._checkpoints

    def setCheckpointDir(self, dirName: str) -> None:
        """Say where checkpoints are written, each application in a directory of its own there."""
        self.checkpoints.set_directory(dirName)

    def getCheckpointDir(self) -> str | None:
        """Return the URL of this application's checkpoints; None if no directory was set."""
        return self.checkpoints.shown_directory

    def forget_after(
        self, rdd: RDD[Any], *, rdd_ids: Sequence[int] = (), shuffle_ids: Sequence[int] = ()
    ) -> None:
        """Have executors drop what belongs to an RDD once nobody refers to it any more."""
        if CLEAN_GARBAGE.read(self._conf):
            forget = partial(self._running().clean_up, rdd_ids=rdd_ids, shuffle_ids=shuffle_ids)
            weakref.finalize(rdd, forget).atexit = False

    # Life.

    @classmethod
    def getOrCreate(cls, conf: SparkConf | None = None) -> SparkContext:
        """Return the active context, or a new one."""
        with cls._lock:
            if cls._active_spark_context is not None:
                return cls._active_spark_context
            settings = conf or SparkConf()
            return active_context(settings) or cls(conf=settings)

    def stop(self) -> None:
        """End the application and release its executors. Calling it again does nothing."""
        with SparkContext._lock:
            if self._release_interrupt is not None:
                self._release_interrupt()
            runner, self._runner = self._runner, None
            if runner is not None:
                runner.stop()
            if self._scratch is not None:
                self._close_files()
                atexit.unregister(self.stop)
                self._scratch.remove()
                self._scratch = None
            if SparkContext._active_spark_context is self:
                SparkContext._active_spark_context = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _running(self) -> JobRunner:
        if self._runner is None:
            raise IllegalArgumentException("Cannot call methods on a stopped SparkContext.")
        return self._runner

    def __reduce__(self) -> NoReturn:
        raise _only_on_driver()

    def _repr_html_(self) -> str:
        rows = {"Version": f"v{self.version}", "Master": self.master, "AppName": self.appName}
        cells = "".join(
            f"<dt>{name}</dt><dd><code>{escape(text)}</code></dd>" for name, text in rows.items()
        )
        return f"<div><p><b>SparkContext</b></p><dl>{cells}</dl></div>"

    def __repr__(self) -> str:
        return f"<SparkContext master={self.master} appName={self.appName}>"


def _start_runner(master: str, conf: SparkConf, local_dir: str) -> JobRunner:
    from minimesos.spark.scheduler.job_runner import JobRunner

    return JobRunner.start(master, conf, local_dir)


def _show_warnings() -> None:
    """Log to stderr from WARN up, unless the program has arranged its logging itself."""
    if not logging.getLogger(ROOT).hasHandlers():
        log.setup("WARNING")


def _refuse_in_task(conf: SparkConf | None) -> None:
    allowed = conf is not None and ALLOW_SPARK_CONTEXT.read(conf)
    if TaskContext.get() is not None and not allowed:
        raise _only_on_driver()


def _only_on_driver() -> PySparkRuntimeError:
    return PySparkRuntimeError(
        "It appears that you are attempting to reference SparkContext from a broadcast variable, "
        "action, or transformation. SparkContext can only be used on the driver, not in code that "
        "it run on workers. For more information, see SPARK-5063.",
        "CONTEXT_ONLY_VALID_ON_DRIVER",
    )


def _listed(
    function: Callable[[Iterator[T]], Iterable[U]], task: TaskContext, items: Iterator[T]
) -> list[U]:
    return list(function(items))
