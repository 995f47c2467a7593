"""One concept per file, one thought per function."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from .conftest import Source, parse

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60


def long_files(sources: Iterable[Source]) -> Iterator[str]:
    for source in sources:
        lines = len(source.text.splitlines())
        if lines > FILE_LINES_MAX:
            yield f"{source.path} has {lines} lines"


def long_functions(sources: Iterable[Source]) -> Iterator[str]:
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    yield f"{source.path}:{node.lineno} {node.name} has {lines} lines"


def test_no_file_is_too_long(sources: list[Source]) -> None:
    assert list(long_files(sources)) == []


def test_no_function_is_too_long(sources: list[Source]) -> None:
    assert list(long_functions(sources)) == []


def test_a_file_with_a_line_too_many_is_found() -> None:
    allowed, too_long = (parse("pass\n" * n) for n in (FILE_LINES_MAX, FILE_LINES_MAX + 1))
    assert list(long_files([allowed])) == []
    assert list(long_files([too_long])) == [f"minimesos/example.py has {FILE_LINES_MAX + 1} lines"]


def test_a_method_with_a_line_too_many_is_found() -> None:
    method = "class C:\n    async def run(self):\n" + "        pass\n" * (FUNCTION_LINES_MAX - 1)
    assert list(long_functions([parse(method)])) == []
    assert list(long_functions([parse(method + "        pass\n")])) == [
        f"minimesos/example.py:2 run has {FUNCTION_LINES_MAX + 1} lines"
    ]
