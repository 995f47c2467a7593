"""What a valid identifier and a valid role look like, and where new identifiers come from.

Validation uses the `*_problem` functions: they return the reason, or None. Cores mint identifiers
through an `Ids` that their world gives them, so that a simulation with the same seed mints the same
ones.

Source: Mesos 1.11, `common/validation` and the documentation "Roles".
"""

from __future__ import annotations

import re
from random import Random
from typing import Protocol
from uuid import UUID

ID_LENGTH_MAX = 255
CONTAINER_ID_LENGTH_MAX = 242
DEFAULT_ROLE = "*"

_ID_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\]")
_ROLE_FORBIDDEN = re.compile(r"[\s\x08]")


class Ids(Protocol):
    """Mints identifiers that no one else has."""

    def uuid(self) -> str:
        """Return a new random UUID, lower case with dashes."""
        ...


class RandomIds:
    """`Ids` from a source of randomness: seeded in simulation, `SystemRandom` in a process."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def uuid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))


def id_problem(value: str) -> str | None:
    """Say why `value` cannot be the id of a task, executor, framework..., None if it can."""
    if not value:
        return "ID must not be empty"
    if len(value) > ID_LENGTH_MAX:
        return f"ID must not be longer than {ID_LENGTH_MAX} characters, it has {len(value)}"
    if value in (".", ".."):
        return f"'{value}' is not allowed as an ID"
    if _ID_FORBIDDEN.search(value):
        return f"ID {value!r} contains a control character, '/' or '\\'"
    return None


def container_id_problem(value: str) -> str | None:
    """Say why `value` cannot be one level of a container id, None if it can."""
    problem = id_problem(value)
    if problem is not None:
        return problem
    if len(value) > CONTAINER_ID_LENGTH_MAX:
        return f"container ID must not be longer than {CONTAINER_ID_LENGTH_MAX} characters"
    if "." in value or " " in value:
        return f"container ID '{value}' contains a period or a space"
    return None


def role_problem(role: str) -> str | None:
    """Say why `role` is not a role name; None if it is `*` or a path like `eng/web`."""
    if role == DEFAULT_ROLE:
        return None
    if not role:
        return "role must not be empty"
    if _ROLE_FORBIDDEN.search(role):
        return f"role {role!r} contains white space or a backspace"
    if role.startswith("/") or role.endswith("/"):
        return f"role '{role}' must not start or end with '/'"
    for part in role.split("/"):
        if part in ("", ".", "..", DEFAULT_ROLE):
            return f"role '{role}' has the invalid component '{part}'"
        if part.startswith("-"):
            return f"role '{role}' has a component that starts with '-'"
    return None


def is_strict_subrole(role: str, ancestor: str) -> bool:
    """Tell whether `role` lies below `ancestor` in the role tree (`eng/web` is below `eng`)."""
    return role.startswith(ancestor + "/")


def is_role_within(role: str, ancestor: str) -> bool:
    """Tell whether `role` is `ancestor` or lies below it."""
    return role == ancestor or is_strict_subrole(role, ancestor)
