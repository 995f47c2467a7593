"""The check of layouts finds what it is there to find."""

from __future__ import annotations

from typing import Any

import pytest

from .state_layout import LABELS, NUMBER, Amounts, Each, problems

LAYOUT = {"id": str, "at": NUMBER, "active": bool, "labels?": LABELS, "by": Each(Amounts())}
AMOUNTS = {"cpus": 1.0, "gpus": 0.0, "mem": 2, "disk": 0.0, "ports": "[1-2]"}
GOOD: dict[str, Any] = {"id": "a", "at": 1.5, "active": True, "by": {"dev": AMOUNTS}}


def test_what_has_the_layout_has_no_problem() -> None:
    assert list(problems(GOOD, LAYOUT)) == []
    assert list(problems(GOOD | {"labels": [{"key": "k"}]}, LAYOUT)) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"id": 1}, ".id"),
        ({"at": "1.5"}, ".at"),
        ({"at": True}, ".at"),
        ({"active": 1}, ".active"),
        ({"labels": {}}, ".labels"),
        ({"labels": [{"value": "v"}]}, ".labels[0].key"),
        ({"more": 1}, ".more"),
        ({"by": []}, ".by"),
        ({"by": {"dev": {**AMOUNTS, "cpus": "1"}}}, ".by.dev.cpus"),
        ({"by": {"dev": {"cpus": 1.0, "gpus": 0.0, "mem": 2}}}, ".by.dev.disk"),
    ],
)
def test_what_deviates_is_named(change: dict[str, Any], path: str) -> None:
    (problem,) = problems(GOOD | change, LAYOUT)
    assert problem.startswith(f"{path}: ")


def test_an_array_that_must_be_empty_is_not_filled() -> None:
    assert list(problems([], [])) == []
    assert list(problems([1], [])) == [": not empty: [1]"]
