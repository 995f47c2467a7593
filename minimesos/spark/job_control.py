"""What a driver says of the jobs that a thread starts, and how it follows and cancels them.

A base of SparkContext. Groups, tags and descriptions are local properties: a thread sets them for
the jobs that it starts from then on, and tasks may read them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from minimesos.spark.errors import PySparkValueError
from minimesos.spark.local_properties import (
    INTERRUPT_ON_CANCEL,
    JOB_DESCRIPTION,
    JOB_GROUP,
    JOB_TAGS,
    tags_of,
)

if TYPE_CHECKING:
    from minimesos.spark.scheduler.job_runner import JobRunner
    from minimesos.spark.status import StatusTracker


class JobControl:
    """Properties, cancellation and status of jobs."""

    _local: threading.local

    def _running(self) -> JobRunner:
        raise NotImplementedError

    def cancelJobGroup(self, groupId: str) -> None:
        """Cancel the running and waiting jobs of a group."""
        self._running().cancel_group(groupId)

    def cancelJobsWithTag(self, tag: str) -> None:
        """Cancel the running and waiting jobs that have a tag."""
        self._running().cancel_tagged(_checked_tag(tag))

    def cancelAllJobs(self) -> None:
        """Cancel all running and waiting jobs."""
        self._running().cancel_all()

    def setJobGroup(self, groupId: str, description: str, interruptOnCancel: bool = False) -> None:
        """Put the jobs that this thread starts from now on into a group.

        Cancelling it interrupts running tasks whatever `interruptOnCancel` says.
        """
        self.setLocalProperty(JOB_GROUP, groupId)
        self.setLocalProperty(JOB_DESCRIPTION, description)
        self.setLocalProperty(INTERRUPT_ON_CANCEL, str(interruptOnCancel).lower())

    def setJobDescription(self, value: str | None) -> None:
        """Describe the jobs that this thread starts from now on."""
        self.setLocalProperty(JOB_DESCRIPTION, value)

    def setInterruptOnCancel(self, interruptOnCancel: bool) -> None:
        """Set a property that tasks may read; cancelled tasks are interrupted in either case."""
        self.setLocalProperty(INTERRUPT_ON_CANCEL, str(interruptOnCancel).lower())

    def addJobTag(self, tag: str) -> None:
        """Tag the jobs that this thread starts from now on."""
        self._set_tags(self.getJobTags() | {_checked_tag(tag)})

    def removeJobTag(self, tag: str) -> None:
        """Tag the jobs that this thread starts from now on with that no more."""
        self._set_tags(self.getJobTags() - {_checked_tag(tag)})

    def getJobTags(self) -> set[str]:
        """Return the tags of the jobs that this thread starts."""
        return set(tags_of(self.getLocalProperty(JOB_TAGS)))

    def clearJobTags(self) -> None:
        """Tag the jobs that this thread starts from now on with nothing."""
        self._set_tags(set())

    def _set_tags(self, tags: set[str]) -> None:
        self.setLocalProperty(JOB_TAGS, ",".join(sorted(tags)) or None)

    def statusTracker(self) -> StatusTracker:
        """Return what answers where jobs and stages stand."""
        from minimesos.spark.status import StatusTracker

        return StatusTracker(self._running())

    def setLocalProperty(self, key: str, value: str | None) -> None:
        """Set a property of the jobs that this thread starts; None removes it."""
        if value is None:
            self._properties.pop(key, None)
        else:
            self._properties[key] = value

    def getLocalProperty(self, key: str) -> str | None:
        """Return a property set on this thread."""
        return self._properties.get(key)

    def local_properties(self) -> dict[str, str]:
        """Return a copy of the properties that are set on this thread."""
        return dict(self._properties)

    def inherit_properties(self, properties: Mapping[str, str]) -> None:
        """Give this thread copies of another one's properties, and no others."""
        self._local.properties = dict(properties)

    @property
    def _properties(self) -> dict[str, str]:
        try:
            properties: dict[str, str] = self._local.properties
        except AttributeError:
            properties = self._local.properties = {}
        return properties


def _checked_tag(tag: str) -> str:
    if not tag or "," in tag:
        raise PySparkValueError(
            f"Spark job tag must be a text without commas, and not empty: {tag!r}",
            "INVALID_JOB_TAG",
        )
    return tag
