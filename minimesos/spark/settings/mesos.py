"""The application as a Mesos framework, and the program that its executors are.

Source: Spark's "Configuration" and "Running Spark on Mesos" pages.
"""

from __future__ import annotations

from minimesos.spark.mesos_texts import (
    Constraints,
    Labels,
    parse_archive_uri,
    parse_constraints,
    parse_labels,
    parse_role,
)
from minimesos.spark.setting_kinds import (
    Setting,
    falling_back,
    flag,
    mebibytes,
    number,
    path,
    seconds,
    text,
    whole,
    words,
)

MESOS_COARSE = flag(
    "spark.mesos.coarse",
    True,
    "Whether executors hold their cores for as long as they live; if not, each Spark task is a "
    "Mesos task.",
)
MESOS_ROLE: Setting[str] = Setting(
    "spark.mesos.role", "*", "*", parse_role, "a role", "Role of the framework."
)
MESOS_PRINCIPAL = text("spark.mesos.principal", None, "Principal of the framework.")
MESOS_PRINCIPAL_FILE = text("spark.mesos.principal.file", None, "File that holds the principal.")
MESOS_SECRET = text("spark.mesos.secret", None, "Secret of the principal.")
MESOS_SECRET_FILE = text("spark.mesos.secret.file", None, "File that holds the secret.")
MESOS_WEBUI_URL = text(
    "spark.mesos.driver.webui.url",
    None,
    "Where the framework has a web page; the application's own if unset.",
)
MESOS_FAILOVER_TIMEOUT = number(
    "spark.mesos.driver.failoverTimeout",
    0.0,
    "Seconds that the master keeps executors of a driver that has gone.",
)
MESOS_FRAMEWORK_ID = text(
    "spark.mesos.driver.frameworkId", None, "Id of a framework to come back as."
)
MESOS_CONSTRAINTS: Setting[Constraints] = Setting(
    "spark.mesos.constraints",
    {},
    "",
    parse_constraints,
    "attribute:value,...;...",
    "Attributes that an agent must have, each with one of the values; with any if none is given.",
)
MESOS_TASK_LABELS: Setting[Labels] = Setting(
    "spark.mesos.task.labels",
    (),
    "",
    parse_labels,
    "key:value,...",
    "Labels of the Mesos tasks.",
)
MESOS_EXECUTOR_URI: Setting[str | None] = Setting(
    "spark.executor.uri",
    None,
    "",
    parse_archive_uri,
    "a URI",
    "An archive that agents fetch and run executors from; see `minimesos package-executor`.",
)
MESOS_EXECUTOR_HOME = path(
    "spark.mesos.executor.home",
    "Where agents have an executor (`bin/minimesos-executor`); the driver's own if unset.",
)
MESOS_URIS = words("spark.mesos.uris", "What agents fetch into the sandboxes of executors besides.")
MESOS_FETCHER_CACHE_ENABLE = flag(
    "spark.mesos.fetcherCache.enable", False, "Whether agents keep what they fetch for the next."
)
MESOS_GPUS_MAX = whole(
    "spark.mesos.gpus.max", 0, "GPUs that it takes at most, where there are some.", minimum=0
)
MESOS_MEMORY_OVERHEAD = mebibytes(
    "spark.mesos.executor.memoryOverhead",
    None,
    "What Mesos is asked for beyond `spark.executor.memory`; if unset a tenth, 384 MiB at least.",
)
MESOS_EXTRA_CORES = whole(
    "spark.mesos.extra.cores",
    0,
    "Task slots of each executor beyond the cores it acquires.",
    minimum=0,
)
MESOS_EXECUTOR_CORES = number(
    "spark.mesos.mesosExecutor.cores",
    1.0,
    "Cores of an executor itself, besides those of its tasks, where each of these is a Mesos task.",
)
MESOS_REJECT_OFFER_DURATION = seconds(
    "spark.mesos.rejectOfferDuration",
    "120s",
    "Default of settings that say how long declined offers stay away.",
)
MESOS_REJECT_OFFER_DURATION_FOR_REACHED_MAX_CORES = falling_back(
    "spark.mesos.rejectOfferDurationForReachedMaxCores",
    MESOS_REJECT_OFFER_DURATION,
    "How long offers stay away once `spark.cores.max` is reached.",
)
MESOS_REJECT_OFFER_DURATION_FOR_UNMET_CONSTRAINTS = falling_back(
    "spark.mesos.rejectOfferDurationForUnmetConstraints",
    MESOS_REJECT_OFFER_DURATION,
    "How long offers of agents stay away that do not meet `spark.mesos.constraints`.",
)
EXCLUDE_AGENT_AFTER_FAILURES = whole(
    "spark.minimesos.excludeOnFailure.maxFailuresPerAgent",
    2,
    "Executors that fail on an agent before it gets no more of them for a while.",
    minimum=1,
)
# A bad agent that is tried again costs two launches of a second or so; one that was bad only for a
# moment and is not tried again costs all its cores. So soon rather than late, unlike Spark, which
# never tries again: five minutes keep the first cost near a hundredth of the second.
EXCLUDE_AGENT_TIMEOUT = seconds(
    "spark.minimesos.excludeOnFailure.timeout",
    "5min",
    "How long that is, and how long such a failure is remembered; Spark never forgets. 5 s in "
    "`local-cluster`, unless it is set: all its agents are one machine.",
)
MESOS_COARSE_SHUTDOWN_TIMEOUT = seconds(
    "spark.mesos.coarse.shutdownTimeout",
    "10s",
    "How long `SparkContext.stop` waits for executors to end by themselves.",
    unit="ms",
)
