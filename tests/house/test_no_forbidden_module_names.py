"""A module is named by its concept; a name that fits everything gathers everything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import pytest

from .conftest import Source, parse

FORBIDDEN = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}


def forbidden_names(sources: Iterable[Source]) -> Iterator[str]:
    for source in sources:
        for part in PurePosixPath(source.path).with_suffix("").parts:
            if FORBIDDEN & set(part.split("_")):
                yield f"{source.path}: {part}"


def test_modules_are_named_by_their_concept(sources: list[Source]) -> None:
    assert list(forbidden_names(sources)) == []


@pytest.mark.parametrize(
    "path", ["minimesos/utils.py", "minimesos/common/text.py", "tests/test_task_manager.py"]
)
def test_a_name_that_fits_everything_is_found(path: str) -> None:
    assert len(list(forbidden_names([parse("", path)]))) == 1


def test_a_word_within_a_name_is_no_offence() -> None:
    assert list(forbidden_names([parse("", "minimesos/commonality.py")])) == []
