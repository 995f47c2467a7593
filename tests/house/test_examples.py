"""An example says what it is for, how it is run and what it prints, and fits on two screens.

That every example runs and prints it is tested in `tests/integration/test_examples.py`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from .conftest import Source, parse

LINES_MAX = 100
HEADER = re.compile(
    r"(?P<purpose>[A-Z][^\n]+[.])\n"
    r"\n"
    r"Run: {5}(?P<command>\S[^\n]*)\n"
    r"(?: {3}or {4}\S[^\n]*\n)*"
    r"Prints: {2}(?P<output>\S.*)",
    re.DOTALL,
)


def problems(example: Source) -> Iterator[str]:
    lines = len(example.text.splitlines())
    if lines > LINES_MAX:
        yield f"{example.path} has {lines} lines"
    header = HEADER.fullmatch(ast.get_docstring(example.tree) or "")
    if header is None:
        yield f"{example.path} lacks a header of purpose, 'Run:' and 'Prints:'"
    elif example.path not in header["command"] and "make " not in header["command"]:
        yield f"{example.path} names another file in 'Run:'"


def test_examples_tell_their_purpose_command_and_output(sources: list[Source]) -> None:
    examples = [source for source in sources if source.path.startswith("examples/")]
    assert examples
    assert [problem for example in examples for problem in problems(example)] == []


GOOD = '"""Count.\n\nRun:     minimesos submit examples/a.py\nPrints:  11\n"""\n'


def test_a_full_header_is_enough() -> None:
    assert list(problems(parse(GOOD, "examples/a.py"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "print(11)\n",
        GOOD.replace("Prints", "Gives"),
        GOOD.replace("Run: ", "Start"),
        GOOD.replace("Count.", ""),
        GOOD.replace("a.py", "b.py"),
        GOOD + "pass\n" * LINES_MAX,
    ],
)
def test_a_lacking_or_long_example_is_found(text: str) -> None:
    assert len(list(problems(parse(text, "examples/a.py")))) == 1
