"""What programs say in their logs reads as one text, whoever wrote the line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "minimesos"
PROGRAMS = ("master", "agent", "allocator", "drivers", "runtime", "http", "cli")
LEVELS = {"debug", "info", "warning", "error", "exception", "fatal"}


def phrases() -> Iterator[tuple[str, str]]:
    """Every constant phrase that the programs log, and where it is."""
    for folder in PROGRAMS:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr=level),
                        args=[ast.Constant(value=str(phrase))],
                    ) if level in LEVELS:
                        yield f"{path.relative_to(PACKAGE)}:{node.lineno}", phrase


def test_phrases_begin_with_a_capital_as_mesoss_do() -> None:
    found = dict(phrases())
    assert len(found) > 50
    assert [where for where, phrase in found.items() if phrase[:1].islower()] == []
