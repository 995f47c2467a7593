"""Cores touch nothing of the world, also not through what needs no import to be found guilty.

That they import no clock, socket or thread is a contract in `pyproject.toml`; which modules are
cores is read from there.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from .conftest import REPOSITORY, Source, parse

BUILTINS = {"breakpoint", "input", "open", "print"}
FROM_THE_WORLD = {
    "datetime": {"now", "today", "utcnow"},
    "Path": {"cwd", "home"},
    "sys": {"exit"},
    "uuid": {"uuid1", "uuid4"},
}


def core_contract() -> dict[str, Any]:
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (contract,) = (each for each in contracts if each["name"].startswith("Cores "))
    return dict(contract)


def is_within(module: str, expressions: Iterable[str]) -> bool:
    prefixes = {expression.removesuffix(".*") for expression in expressions}
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def cores(sources: Iterable[Source]) -> Iterator[Source]:
    contract = core_contract()
    ignored = (each.split(" -> ") for each in contract["ignore_imports"])
    shells = [importer for importer, imported in ignored if imported == "**"]
    for source in sources:
        module = source.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if is_within(module, contract["source_modules"]) and not is_within(module, shells):
            yield source


def worldly_calls(sources: Iterable[Source]) -> Iterator[str]:
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.Call) and is_worldly(node):
                yield f"{source.path}:{node.lineno} {ast.unparse(node.func)}"


def is_worldly(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id="Random") | ast.Attribute(value=ast.Name(id="random"), attr="Random"):
            return not call.args  # seeded by the operating system
        case ast.Name(id=name):
            return name in BUILTINS | {"SystemRandom"}
        case ast.Attribute(value=ast.Name(id="random")):
            return True  # the generator that all modules share
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return name in FROM_THE_WORLD.get(owner, ())
    return False


def test_cores_call_nothing_of_the_world(sources: list[Source]) -> None:
    assert list(worldly_calls(cores(sources))) == []


def test_the_cores_are_found_and_their_shells_are_not(sources: list[Source]) -> None:
    found = {source.path for source in cores(sources)}
    assert {
        "minimesos/master/master.py",
        "minimesos/agent/agent.py",
        "minimesos/allocator/sorter.py",
        "minimesos/drivers/scheduler_session.py",
        "minimesos/spark/scheduler/dag.py",
    } <= found
    assert (
        not {
            "minimesos/master/server.py",
            "minimesos/agent/containerizer/posix.py",
            "minimesos/drivers/driver.py",
            "minimesos/spark/scheduler/job_runner.py",
        }
        & found
    )


@pytest.mark.parametrize(
    "text",
    [
        "open('records')",
        "random.choice(agents)",
        "Random()",
        "random.Random()",
        "SystemRandom()",
        "datetime.now()",
        "uuid.uuid4()",
    ],
)
def test_a_worldly_call_is_found(text: str) -> None:
    assert len(list(worldly_calls([parse(text)]))) == 1


@pytest.mark.parametrize("text", ["Random(seed)", "self.random.choice(agents)", "offer.open()"])
def test_what_comes_from_outside_is_left_alone(text: str) -> None:
    assert list(worldly_calls([parse(text)])) == []
