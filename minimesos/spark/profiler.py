"""Profiles of what tasks spend their time on, by RDD, where `spark.python.profile` is on.

Each stage's RDD has a profiler; a task runs under it and adds what it has measured to an
accumulator, so that a profile comes to the driver as any sum does. `Profiling` is the part of
`SparkContext` that keeps the profilers and shows what they have.

Source: PySpark 3.5's profilers and their texts.
"""

from __future__ import annotations

import atexit
import cProfile
import os
import pstats
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from minimesos.spark.accumulators import AccumulatorParam
from minimesos.spark.errors import PySparkRuntimeError
from minimesos.spark.settings.workers import PYTHON_PROFILE, PYTHON_PROFILE_DUMP

if TYPE_CHECKING:
    from minimesos.spark.conf import SparkConf
    from minimesos.spark.context import SparkContext
    from minimesos.spark.lineage import Lineage


class Profiler:
    """Base of profilers, for `SparkContext(profiler_cls=...)`: override `profile` and `stats`."""

    def __init__(self, ctx: SparkContext) -> None:
        """Called on the driver for each RDD; what it keeps travels to tasks."""

    def profile(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `func` in a task, and return what it returns."""
        raise NotImplementedError

    def stats(self) -> pstats.Stats | None:
        """Return what tasks have measured so far, on the driver."""
        raise NotImplementedError

    def show(self, id: int) -> None:
        """Print the profile of an RDD."""
        stats = self.stats()
        if stats:
            print("=" * 60)
            print(f"Profile of RDD<id={id}>")
            print("=" * 60)
            stats.sort_stats("time", "cumulative").print_stats()

    def dump(self, id: int, path: str) -> None:
        """Write the profile of an RDD to a file in a directory, for `pstats`."""
        os.makedirs(path, exist_ok=True)
        stats = self.stats()
        if stats:
            stats.dump_stats(os.path.join(path, f"rdd_{id}.pstats"))


class PStatsParam(AccumulatorParam[Any]):
    """Adds statistics."""

    def zero(self, value: Any) -> Any:
        return None

    def addInPlace(self, value1: Any, value2: Any) -> Any:
        return value2 if value1 is None else value1.add(value2)


class BasicProfiler(Profiler):
    """Measures with cProfile."""

    def __init__(self, ctx: SparkContext) -> None:
        super().__init__(ctx)
        self._accumulator = ctx.accumulator(None, PStatsParam())

    def profile(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        measured = cProfile.Profile()
        result = measured.runcall(func, *args, **kwargs)
        stats = pstats.Stats(measured)
        stats.stream = None  # type: ignore[attr-defined]
        stats.strip_dirs()
        self._accumulator.add(stats)
        return result

    def stats(self) -> pstats.Stats | None:
        stats: pstats.Stats | None = self._accumulator.value
        return stats


class Profiling:
    """What a context knows of profiles. Base of `SparkContext`."""

    is_profiling: bool = False

    def _start_profiling(self, conf: SparkConf, profiler_cls: type[Profiler] | None) -> None:
        self._profilers: dict[int, Profiler] = {}
        self._shown: set[int] = set()
        self._profiler_cls = profiler_cls or BasicProfiler
        self.is_profiling = PYTHON_PROFILE.read(conf)
        if self.is_profiling:
            directory = PYTHON_PROFILE_DUMP.read(conf)
            at_exit = (
                self.show_profiles if directory is None else partial(self.dump_profiles, directory)
            )
            atexit.register(at_exit)

    def profile_stage(self, rdd: Lineage[Any]) -> None:
        """Have tasks that compute an RDD at the end of a stage run under a profiler."""
        if rdd.profiler is None:
            rdd.profiler = self._profiler_cls(cast("SparkContext", self))
            self._profilers[rdd.rdd_id] = rdd.profiler

    def show_profiles(self) -> None:
        """Print the profiles of all RDDs that have not been shown yet."""
        self._require_profiling()
        for rdd_id, profiler in self._profilers.items():
            if rdd_id not in self._shown:
                self._shown.add(rdd_id)
                profiler.show(rdd_id)

    def dump_profiles(self, path: str) -> None:
        """Write the profiles of all RDDs to a directory."""
        self._require_profiling()
        for rdd_id, profiler in self._profilers.items():
            profiler.dump(rdd_id, path)

    def _require_profiling(self) -> None:
        if not self.is_profiling:
            raise PySparkRuntimeError(
                f"`{PYTHON_PROFILE.name}` or `spark.python.profile.memory` configuration must be "
                "set to `true` to enable Python profile.",
                "INCORRECT_CONF_FOR_PROFILE",
            )
