"""The traceback of a failed job: the user's frames, and one of ours."""

from __future__ import annotations

import traceback

import pytest

from minimesos.spark.errors import SparkException
from minimesos.spark.scheduler.effects import JobAborted
from minimesos.spark.short_tracebacks import short_tracebacks


def engine() -> list[int]:
    raise JobAborted("Job aborted")


@short_tracebacks
class Actions:
    """Stands in for the layers of RDD."""

    def collect(self) -> list[int]:
        """Fail in the engine."""
        return engine()

    def max(self) -> int:
        """Fail in another action."""
        return max(self.collect())

    def wrong(self) -> None:
        """Fail for another reason."""
        int("x")


@pytest.mark.parametrize("action", ["collect", "max"])
def test_below_the_action_there_are_no_frames(action: str) -> None:
    with pytest.raises(SparkException, match="Job aborted") as caught:
        getattr(Actions(), action)()

    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names == ["test_below_the_action_there_are_no_frames", action]


def test_errors_of_other_kinds_keep_their_frames() -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught:
        Actions().wrong()

    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names == ["test_errors_of_other_kinds_keep_their_frames", "wrong", "wrong"]


def test_an_action_keeps_its_name_for_call_sites() -> None:
    assert Actions.collect.__doc__ == "Fail in the engine."
    assert Actions.collect.__code__.co_name == "collect"
