"""Worker processes: what is told of the tasks that run in them, and of their ends.

Source: Spark's "Configuration" page; `spark.minimesos.*` are ours.
"""

from __future__ import annotations

from minimesos.spark.setting_kinds import flag, mebibytes, one_of, text

DEBUG_RECORD = flag(
    "spark.minimesos.debug.record",
    True,
    "Whether the error of a job shows, in short, the record that the function was given that "
    "raised. To be turned off where records are secret; it costs nothing.",
)
EXECUTOR_PYSPARK_MEMORY = mebibytes(
    "spark.executor.pyspark.memory",
    None,
    "Address space of an executor's workers, of which each has an equal share; above it a task "
    "fails with MemoryError. No limit if unset.",
    minimum=1,
)
TASK_OUTPUT = one_of(
    "spark.minimesos.task.output",
    "driver",
    ("driver", "executor"),
    "Where what tasks print is shown: on the driver's terminal, each line with its stage, task and "
    "host, and in the executor's log; or there only.",
)
SIMPLIFIED_TRACEBACK = flag(
    "spark.python.simplifiedTraceback",
    True,
    "Whether the traceback of a task has the user's own frames only.",
)
PYTHON_PROFILE = flag(
    "spark.python.profile",
    False,
    "Whether tasks run under a profiler, for `SparkContext.show_profiles`; shown at the end, too.",
)
PYTHON_PROFILE_DUMP = text(
    "spark.python.profile.dump",
    None,
    "Directory of the driver where profiles are written at the end, instead of being shown.",
)
