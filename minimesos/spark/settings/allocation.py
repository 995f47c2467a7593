"""Executors by need: dynamic allocation.

Source: Spark's "Configuration" and "Job Scheduling" pages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from minimesos.spark.setting_kinds import (
    Setting,
    Texts,
    falling_back,
    flag,
    number,
    parse_seconds,
    seconds,
    whole,
)
from minimesos.spark.settings.executors import EXECUTOR_CORES
from minimesos.spark.settings.mesos import MESOS_COARSE
from minimesos.spark.settings.scheduling import TASK_CPUS
from minimesos.spark.settings.shuffle import SHUFFLE_SERVICE_ENABLED

_NEVER = "infinity"


def _parse_timeout(text: str) -> float:
    return math.inf if text.strip().lower() == _NEVER else parse_seconds(text)


def _timeout(name: str, help: str) -> Setting[float]:
    """A time that by default never comes."""
    return Setting(name, math.inf, _NEVER, _parse_timeout, f"a time (bare: s) or {_NEVER}", help)


DYNAMIC_ALLOCATION_ENABLED = flag(
    "spark.dynamicAllocation.enabled",
    False,
    "Whether executors are asked for while tasks wait, and given back when idle; not on `local`.",
)
MIN_EXECUTORS = whole(
    "spark.dynamicAllocation.minExecutors", 0, "Executors that are kept, also idle.", minimum=0
)
MAX_EXECUTORS = whole(
    "spark.dynamicAllocation.maxExecutors",
    None,
    "Executors that are asked for at most; no limit if unset.",
    minimum=1,
)
INITIAL_EXECUTORS = falling_back(
    "spark.dynamicAllocation.initialExecutors",
    MIN_EXECUTORS,
    "Executors that are asked for at the start, if it is more than `spark.executor.instances`.",
)
EXECUTOR_INSTANCES = whole(
    "spark.executor.instances",
    None,
    "Executors that dynamic allocation asks for at the start. No limit otherwise: see "
    "`spark.cores.max`.",
    minimum=0,
)
SCHEDULER_BACKLOG_TIMEOUT = seconds(
    "spark.dynamicAllocation.schedulerBacklogTimeout",
    "1s",
    "How long tasks wait until more executors are asked for.",
)
SUSTAINED_SCHEDULER_BACKLOG_TIMEOUT = falling_back(
    "spark.dynamicAllocation.sustainedSchedulerBacklogTimeout",
    SCHEDULER_BACKLOG_TIMEOUT,
    "How long they still wait until twice as many are asked for.",
)
EXECUTOR_IDLE_TIMEOUT = seconds(
    "spark.dynamicAllocation.executorIdleTimeout",
    "60s",
    "How long an executor is idle until it is given back.",
)
CACHED_EXECUTOR_IDLE_TIMEOUT = _timeout(
    "spark.dynamicAllocation.cachedExecutorIdleTimeout",
    "The same for an executor that holds cached partitions.",
)
EXECUTOR_ALLOCATION_RATIO = number(
    "spark.dynamicAllocation.executorAllocationRatio",
    1.0,
    "Executors that are asked for, as a share of what would run all tasks at once; not 0.",
    most=1,
)
SHUFFLE_TRACKING_ENABLED = flag(
    "spark.dynamicAllocation.shuffleTracking.enabled",
    True,
    "Whether executors are kept while shuffles that they wrote may be read; without effect under "
    "`spark.shuffle.service.enabled`, which keeps the files without them.",
)
SHUFFLE_TRACKING_TIMEOUT = _timeout(
    "spark.dynamicAllocation.shuffleTracking.timeout",
    "How long an idle executor is kept for such shuffles, unless a running job reads them.",
)


def disagreements(conf: Texts) -> Iterator[str]:
    """Yield what is wrong between settings that are well-formed each."""
    if not DYNAMIC_ALLOCATION_ENABLED.read(conf):
        return
    enabled = DYNAMIC_ALLOCATION_ENABLED.shown(conf)
    if not MESOS_COARSE.read(conf):
        yield f"{enabled} does not go with {MESOS_COARSE.shown(conf)}, which frees cores by itself"
    for setting in (
        SCHEDULER_BACKLOG_TIMEOUT,
        SUSTAINED_SCHEDULER_BACKLOG_TIMEOUT,
        EXECUTOR_ALLOCATION_RATIO,
    ):
        if conf.get(setting.name) is not None and not setting.read(conf):
            yield f"{setting.shown(conf)} must be above 0"
    if not (SHUFFLE_SERVICE_ENABLED.read(conf) or SHUFFLE_TRACKING_ENABLED.read(conf)):
        yield (
            f"{enabled} needs {SHUFFLE_SERVICE_ENABLED.name} or {SHUFFLE_TRACKING_ENABLED.name}: "
            "what an executor has written for a shuffle must outlive it, or keep it"
        )
    if EXECUTOR_CORES.read(conf) is None and TASK_CPUS.read(conf) > 1:
        yield f"{enabled} needs {EXECUTOR_CORES.name}, as {TASK_CPUS.shown(conf)} is above 1"
    most = MAX_EXECUTORS.read(conf)
    if most is not None and MIN_EXECUTORS.read(conf) > most:
        yield f"{MIN_EXECUTORS.shown(conf)} must not be above {MAX_EXECUTORS.shown(conf)}"
