"""Copies of slow tasks, and executors on which tasks fail.

Source: Spark's "Configuration" page, "Scheduling".
"""

from __future__ import annotations

from collections.abc import Iterator

from minimesos.spark.setting_kinds import (
    Setting,
    Texts,
    flag,
    number,
    parse_seconds,
    seconds,
    whole,
)
from minimesos.spark.settings.scheduling import TASK_MAX_FAILURES

_EXCLUDE = "spark.excludeOnFailure"

SPECULATION = flag(
    "spark.speculation",
    False,
    "Whether a task that takes long beside its stage's others is run a second time, on another "
    "host; the first that ends counts.",
)
SPECULATION_INTERVAL = seconds(
    "spark.speculation.interval", "100ms", "How often slow tasks are looked for.", unit="ms"
)
SPECULATION_MULTIPLIER = number(
    "spark.speculation.multiplier", 1.5, "How many medians a slow task has taken at least."
)
SPECULATION_QUANTILE = number(
    "spark.speculation.quantile",
    0.75,
    "Share of a stage's tasks that must have ended before any is slow.",
    most=1,
)
SPECULATION_MIN_RUNTIME = seconds(
    "spark.speculation.minTaskRuntime", "100ms", "Tasks that ran shorter are not slow.", unit="ms"
)
SPECULATION_THRESHOLD: Setting[float | None] = Setting(
    "spark.speculation.task.duration.threshold",
    None,
    "",
    lambda text: parse_seconds(text, "ms"),
    "a time (bare: ms)",
    "Where a stage has no more tasks than one executor runs at once: from when one is slow, "
    "whatever the others took.",
)

EXCLUDE_ON_FAILURE = flag(
    f"{_EXCLUDE}.enabled",
    False,
    "Whether executors, and hosts, on which tasks fail get no more of them.",
)
EXCLUDE_TIMEOUT = seconds(
    f"{_EXCLUDE}.timeout", "1h", "How long the whole application leaves out an executor or host."
)
EXCLUDE_TASK_PER_EXECUTOR = whole(
    f"{_EXCLUDE}.task.maxTaskAttemptsPerExecutor",
    1,
    "Failures of one task on an executor, after which it is not tried there again.",
    minimum=1,
)
EXCLUDE_TASK_PER_NODE = whole(
    f"{_EXCLUDE}.task.maxTaskAttemptsPerNode",
    2,
    "Failures of one task on a host, after which it is not tried there again.",
    minimum=1,
)
EXCLUDE_STAGE_PER_EXECUTOR = whole(
    f"{_EXCLUDE}.stage.maxFailedTasksPerExecutor",
    2,
    "Tasks of a stage that have failed on an executor, after which it gets no more of the stage.",
    minimum=1,
)
EXCLUDE_STAGE_PER_NODE = whole(
    f"{_EXCLUDE}.stage.maxFailedExecutorsPerNode",
    2,
    "Executors of a host that a stage leaves out, after which it leaves out the host.",
    minimum=1,
)
EXCLUDE_APPLICATION_PER_EXECUTOR = whole(
    f"{_EXCLUDE}.application.maxFailedTasksPerExecutor",
    2,
    "Tasks, of stages that succeeded, that have failed on an executor, after which the whole "
    "application leaves it out.",
    minimum=1,
)
EXCLUDE_APPLICATION_PER_NODE = whole(
    f"{_EXCLUDE}.application.maxFailedExecutorsPerNode",
    2,
    "Executors of a host that the application leaves out, after which it leaves out the host.",
    minimum=1,
)
EXCLUDE_FETCH_FAILURE = flag(
    f"{_EXCLUDE}.application.fetchFailure.enabled",
    False,
    "Whether an executor whose map outputs cannot be read is left out at once.",
)
EXCLUDE_KILL = flag(
    f"{_EXCLUDE}.killExcludedExecutors",
    False,
    "Whether executors that the whole application leaves out are ended.",
)
EXCLUDE_UNSCHEDULABLE_TIMEOUT = seconds(
    "spark.scheduler.excludeOnFailure.unschedulableTaskSetTimeout",
    "120s",
    "How long a task that may run nowhere waits for a new executor, once an idle one was ended "
    "for it.",
)


def disagreements(conf: Texts) -> Iterator[str]:
    """Yield what is wrong between settings that are well-formed each."""
    if EXCLUDE_ON_FAILURE.read(conf) and TASK_MAX_FAILURES.read(conf) <= EXCLUDE_TASK_PER_NODE.read(
        conf
    ):
        yield (
            f"{EXCLUDE_TASK_PER_NODE.shown(conf)} must be less than {TASK_MAX_FAILURES.shown(conf)}"
        )
