"""How tasks are placed and tried again.

Source: Spark's "Configuration" and "Running Spark on Mesos" pages.
"""

from __future__ import annotations

from minimesos.spark.setting_kinds import falling_back, flag, seconds, whole

DEFAULT_PARALLELISM = whole(
    "spark.default.parallelism",
    None,
    "Partitions of collections and shuffles for which none are given; if unset, the cores there "
    "are.",
    minimum=1,
)
TASK_CPUS = whole("spark.task.cpus", 1, "What `TaskContext.cpus` says.", minimum=1)
TASK_MAX_FAILURES = whole(
    "spark.task.maxFailures",
    4,
    "Failures of one task that fail its job; 1 on `local[N]`.",
    minimum=1,
)
STAGE_MAX_CONSECUTIVE_ATTEMPTS = whole(
    "spark.stage.maxConsecutiveAttempts",
    4,
    "Attempts at a stage in a row that could not fetch their input, and fail its jobs.",
    minimum=1,
)
LOCALITY_WAIT = seconds(
    "spark.locality.wait",
    "3s",
    "How long a task waits for the executor that has its input.",
    unit="ms",
)
LOCALITY_WAIT_PROCESS = falling_back(
    "spark.locality.wait.process",
    LOCALITY_WAIT,
    "How long a task waits for the worker process that has its input.",
)
VALIDATE_OUTPUT_SPECS = flag(
    "spark.hadoop.validateOutputSpecs", True, "Whether saving refuses a directory that exists."
)
