"""The project's own Python files, read and parsed once for all house rules."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("benchmarks", "docs", "examples", "executor", "minimesos", "proto", "tests")
GENERATED = "minimesos/proto/"


@dataclass(frozen=True)
class Source:
    """A parsed file. `path` is relative to the repository, with slashes."""

    path: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")


def parse(text: str, path: str = "minimesos/example.py") -> Source:
    tree = ast.parse(text, path)
    return Source(path, text, tree, tuple(ast.walk(tree)))


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    """All hand-written files, in the order of their paths."""
    files = (file for folder in FOLDERS for file in (REPOSITORY / folder).rglob("*.py"))
    paths = sorted(file.relative_to(REPOSITORY).as_posix() for file in files)
    return [
        parse((REPOSITORY / path).read_text(encoding="utf-8"), path)
        for path in paths
        if not path.startswith(GENERATED)
    ]
