"""Names of the properties that a thread gives to the jobs it starts, and what they mean.

Source: Spark's SparkContext; the scheduler reads some of them, tasks may read all.
"""

from __future__ import annotations

JOB_GROUP = "spark.jobGroup.id"
JOB_DESCRIPTION = "spark.job.description"
JOB_TAGS = "spark.job.tags"
INTERRUPT_ON_CANCEL = "spark.job.interruptOnCancel"


def tags_of(text: str | None) -> frozenset[str]:
    """Return the tags in the property that has them, between commas."""
    return frozenset(filter(None, (text or "").split(",")))
