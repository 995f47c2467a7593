"""Every public member of PySpark's classes is here, with the same parameters and defaults."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import minimesos.spark

MEMBERS = Path(__file__).with_name("pyspark_members.txt")
"""A section for each class, a line for each member: a property by its name, a method with its
parameters."""


def _members() -> list[tuple[str, str]]:
    members, kind = [], ""
    for line in MEMBERS.read_text().splitlines():
        if line.startswith("["):
            kind = line.strip("[]")
        elif line:
            members.append((kind, line))
    return members


def _described(kind: type, name: str) -> str:
    member = inspect.getattr_static(kind, name)
    if isinstance(member, classmethod):
        signature = inspect.signature(member.__func__)
    elif callable(member):
        signature = inspect.signature(member)
    else:
        return name
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in list(signature.parameters.values())[1:]
    ]
    shown = ", ".join(
        f"{parameter.name}=*"
        if _is_object(parameter.default)
        else str(parameter).replace(" = ", "=")
        for parameter in parameters
    )
    return f"{name}({shown})"


def _is_object(default: object) -> bool:
    return default is not inspect.Parameter.empty and not isinstance(
        default, int | float | str | None
    )


def _without_objects(line: str) -> str:
    name, bracket, rest = line.partition("(")
    rest = re.sub(r"=lambda x: x", "=*", rest)
    rest = re.sub(r"=(portable_hash|StorageLevel\.\w+)", "=*", rest)
    return name + bracket + rest


@pytest.mark.parametrize(("kind", "member"), _members(), ids=lambda text: text.partition("(")[0])
def test_a_member_of_pyspark_is_here(kind: str, member: str) -> None:
    ours = getattr(minimesos.spark, kind)
    name = member.partition("(")[0]
    assert hasattr(ours, name) or name in ours.__annotations__, f"{kind}.{name}"
    if "(" in member or name not in ours.__annotations__:
        assert _described(ours, name) == _without_objects(member)
