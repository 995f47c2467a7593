"""The command line: help is quick, mistakes are told all at once."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from minimesos.cli.main import COMMANDS, main


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments))
    return result.exit_code, result.output


def test_help_names_every_command() -> None:
    code, output = run("--help")
    assert code == 0
    assert all(name in output for name in COMMANDS)


def test_help_imports_neither_grpc_nor_aiohttp_nor_protobuf() -> None:
    script = (
        "import sys\n"
        "from minimesos.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'grpc', 'aiohttp', 'google.protobuf'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["master", "agent", "local"])
def test_each_program_lists_its_flags(command: str) -> None:
    code, output = run(command, "--help")
    assert code == 0
    assert f"Usage: minimesos {command}" in output
    assert "--port=VALUE" in output


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        (
            ["master", "--prot=1", "--port=x", "--allocation_interval=soon"],
            ["prot", "port", "allocation_interval", "See 'minimesos master --help'"],
        ),
        (
            ["agent", "--resources", "--isolation=magic", "--port=70000"],
            ["resources", "isolation", "port", "Missing required option '--master'"],
        ),
        (["agent", "--master=h:1", "--resources=cpus", "--attributes=x"], ["resources", "attrib"]),
        (["local", "--agents=0", "--cpus=-1", "--mem=lots"], ["agents", "cpus", "mem"]),
    ],
)
def test_all_problems_of_the_flags_are_told_at_once(
    arguments: list[str], problems: list[str]
) -> None:
    code, output = run(*arguments)
    assert code == 2
    assert [problem for problem in problems if problem not in output] == []


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run("mastre")[0] == 2
