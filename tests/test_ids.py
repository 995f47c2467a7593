"""Which ids and roles are valid, and that new ids depend on the seed alone."""

from __future__ import annotations

from random import Random
from uuid import UUID

import pytest

from minimesos.ids import (
    RandomIds,
    container_id_problem,
    id_problem,
    is_role_within,
    is_strict_subrole,
    role_problem,
)


@pytest.mark.parametrize("value", ["t1", "a.b", "...", "ä b", "x" * 255])
def test_valid_ids(value: str) -> None:
    assert id_problem(value) is None


@pytest.mark.parametrize("value", ["", ".", "..", "a/b", "a\\b", "a\nb", "\x7f", "x" * 256])
def test_invalid_ids(value: str) -> None:
    assert id_problem(value) is not None


@pytest.mark.parametrize("value", ["", "a.b", "a b", "a/b", "x" * 243])
def test_container_ids_are_stricter(value: str) -> None:
    assert container_id_problem(value) is not None
    assert container_id_problem("x" * 242) is None


@pytest.mark.parametrize("role", ["*", "foo", "foo/bar", "a.b", "a*"])
def test_valid_roles(role: str) -> None:
    assert role_problem(role) is None


@pytest.mark.parametrize(
    "role",
    [
        "",
        ".",
        "..",
        "-foo",
        "/x",
        "x/",
        "a//b",
        "a/*",
        "*/a",
        "a/..",
        "a/-b",
        "a b",
        "a\tb",
        "a\x08",
    ],
)
def test_invalid_roles(role: str) -> None:
    assert role_problem(role) is not None


def test_roles_form_a_tree() -> None:
    assert is_strict_subrole("eng/web", "eng")
    assert not is_strict_subrole("eng", "eng")
    assert not is_strict_subrole("engine", "eng")
    assert is_role_within("eng", "eng")
    assert not is_role_within("eng", "eng/web")


def test_the_same_seed_mints_the_same_ids() -> None:
    first, second = RandomIds(Random(7)), RandomIds(Random(7))
    minted = [first.uuid() for _ in range(3)]
    assert minted == [second.uuid() for _ in range(3)]
    assert len(set(minted)) == 3
    assert UUID(minted[0]).version == 4
