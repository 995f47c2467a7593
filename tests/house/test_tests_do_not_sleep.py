"""A test waits for what it waits for, or moves virtual time. Sleeping is slow and still a guess."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

import pytest

from .conftest import Source, parse

# Polls between two looks at a process that has no other way to tell; each has a deadline.
POLLING = {"tests/integration/conftest.py": 1}


def sleeps(sources: Iterable[Source]) -> Iterator[str]:
    for source in sources:
        for node in source.nodes:
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="asyncio"), attr="sleep")):
                    if not is_zero(node):  # sleep(0) gives way to other coroutines, no more
                        yield f"{source.path}:{node.lineno}"
                case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr="sleep")):
                    yield f"{source.path}:{node.lineno}"
                case ast.ImportFrom(module="time" | "asyncio", names=names):
                    if any(alias.name == "sleep" for alias in names):
                        yield f"{source.path}:{node.lineno}"


def is_zero(call: ast.Call) -> bool:
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and not call.args[0].value


def test_tests_do_not_sleep(sources: list[Source]) -> None:
    tests = [source for source in sources if source.is_test]
    found: dict[str, list[str]] = {}
    for place in sleeps(tests):
        found.setdefault(place.partition(":")[0], []).append(place)
    assert [p for path, places in found.items() for p in places[POLLING.get(path, 0) :]] == []
    assert {path: len(found.get(path, ())) for path in POLLING} == POLLING, "an exception too many"


@pytest.mark.parametrize(
    "text",
    [
        "time.sleep(0)",
        "async def f(): await asyncio.sleep(0.1)",
        "async def f(): await asyncio.sleep(delay)",
        "from time import sleep",
    ],
)
def test_a_sleep_is_found(text: str) -> None:
    assert len(list(sleeps([parse(text)]))) == 1


@pytest.mark.parametrize("text", ["async def f(): await asyncio.sleep(0)", "clock.sleep(3)"])
def test_what_is_no_sleep_is_left_alone(text: str) -> None:
    assert list(sleeps([parse(text)])) == []
