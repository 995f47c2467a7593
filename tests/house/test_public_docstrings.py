"""What others may call says what it does.

What needs no words of its own: a method that a base or a Protocol of ours has told of, and a
property, which is read like a field.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest

from .conftest import Source, parse

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Class:
    """A class by what the rule asks of it: its bases' names and its methods."""

    bases: tuple[str, ...]
    methods: frozenset[str]


def undocumented(sources: Iterable[Source]) -> Iterator[str]:
    sources = list(sources)
    classes = {
        node.name: Class(
            tuple(map(last_name, node.bases)),
            frozenset(m.name for m in node.body if isinstance(m, Function)),
        )
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.ClassDef)
    }
    told = {
        method.name
        for source in sources
        for node in source.nodes
        if isinstance(node, ast.ClassDef) and "Protocol" in map(last_name, node.bases)
        for method in node.body
        if isinstance(method, Function) and ast.get_docstring(method) is not None
    }
    for source in sources:
        if ast.get_docstring(source.tree) is None and source.text.strip():
            yield source.path
        for node in source.tree.body:
            for line, name in undocumented_within(node, classes, told):
                yield f"{source.path}:{line} {name}"


def undocumented_within(
    node: ast.stmt, classes: dict[str, Class], told: set[str]
) -> Iterator[tuple[int, str]]:
    if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
        return
    if ast.get_docstring(node) is None and not is_exempt(node):
        yield node.lineno, node.name
    if isinstance(node, ast.ClassDef):
        for member in node.body:
            known = isinstance(member, Function) and (
                member.name in told or is_inherited(member.name, node.name, classes)
            )
            if not known:
                for line, name in undocumented_within(member, classes, told):
                    yield line, f"{node.name}.{name}"


def is_inherited(method: str, of: str, classes: dict[str, Class]) -> bool:
    """Say whether a base has the method, or may have it because it is not ours to read."""
    bases = [base for base in classes[of].bases if base not in ("object", "Protocol", "Generic")]
    return any(
        base not in classes
        or method in classes[base].methods
        or is_inherited(method, base, classes)
        for base in bases
    )


def is_exempt(node: Function | ast.ClassDef) -> bool:
    """Overloads and setters are other faces of what has been told; properties are fields."""
    names = {last_name(decorator) for decorator in node.decorator_list}
    return bool(names & {"overload", "setter", "property", "cached_property"})


def last_name(node: ast.expr) -> str:
    match node:
        case ast.Subscript(value=value) | ast.Call(func=value):
            return last_name(value)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def test_everything_public_is_documented(sources: list[Source]) -> None:
    ours = [source for source in sources if source.path.startswith(("minimesos/", "executor/"))]
    assert list(undocumented(ours)) == []


DOCUMENTED = '"""Module."""\nclass A:\n    """A class."""\n    def run(self):\n        """Run."""\n'


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("x = 1", "minimesos/example.py"),
        ('"""M."""\ndef f(): ...', "minimesos/example.py:2 f"),
        ('"""M."""\nasync def f(): ...', "minimesos/example.py:2 f"),
        ('"""M."""\nclass C: ...', "minimesos/example.py:2 C"),
        (DOCUMENTED + "    def walk(self): ...", "minimesos/example.py:6 A.walk"),
        (
            DOCUMENTED + 'class B(A):\n    """B."""\n    def walk(self): ...',
            "minimesos/example.py:8 B.walk",
        ),
    ],
)
def test_a_lacking_docstring_is_found(text: str, name: str) -> None:
    assert list(undocumented([parse(text)])) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "",
        DOCUMENTED,
        DOCUMENTED + "    def _walk(self): ...",
        DOCUMENTED + 'class B(A):\n    """B."""\n    def run(self): ...',
        DOCUMENTED + 'class B(A):\n    """B."""\nclass C(B):\n    """C."""\n    def run(self): ...',
        DOCUMENTED + 'class B(ast.NodeVisitor):\n    """B."""\n    def visit(self, node): ...',
        DOCUMENTED + "    @overload\n    def walk(self): ...",
        DOCUMENTED + "    @property\n    def legs(self): ...",
        DOCUMENTED.replace("A:", "A(Protocol):") + 'class B:\n    """B."""\n    def run(self): ...',
    ],
)
def test_private_and_inherited_things_need_none(text: str) -> None:
    assert list(undocumented([parse(text)])) == []
