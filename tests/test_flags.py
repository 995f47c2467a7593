"""Flags from the command line and the environment, and all problems at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from minimesos.errors import InvalidFlags
from minimesos.flags import (
    boolean,
    duration,
    flags_at_startup,
    integer,
    load,
    load_or_exit,
    number,
    path,
    size,
    text,
    to_json,
    usage,
)


def not_privileged(port: int) -> str | None:
    return None if port > 1023 else f"port {port} is privileged"


@dataclass(frozen=True, slots=True)
class Flags:
    port: int = integer(5050, help="Port to listen on.", check=not_privileged)
    quiet: bool = boolean(False, help="Log nothing.")
    ping_timeout: float = duration("15secs", help="Time to answer.", deprecated=("slave_ping",))
    headroom: float = number(0.1, help="Part of the disk that is kept free.")
    cache: int = size("2GB", help="Size of the cache.")
    work_dir: Path = path("/tmp/mesos", help="Where state is kept.")  # noqa: RUF009
    cluster: str | None = text(None, help="Name shown to people.")

    def problems(self) -> Iterable[str]:
        if self.quiet and self.cluster:
            yield "a quiet master has no name"


@dataclass(frozen=True, slots=True)
class Demanding:
    master: str = text(None, help="Where the master is.", required=True)


def loaded(*arguments: str, **environment: str) -> Flags:
    return load(Flags, arguments, environment)[0]


def problems_of(*arguments: str, **environment: str) -> Sequence[str]:
    with pytest.raises(InvalidFlags) as error:
        load(Flags, arguments, environment)
    return error.value.problems


def test_without_flags_all_have_their_defaults() -> None:
    assert loaded() == Flags()
    assert Flags().ping_timeout == 15.0
    assert Flags().cache == 2 * 2**30


def test_values_are_read_by_their_type() -> None:
    flags = loaded(
        "--port=6060", "--ping_timeout=1mins", "--headroom=.5", "--cache=1MB", "--work_dir=/x"
    )
    assert flags == Flags(6060, False, 60.0, 0.5, 2**20, Path("/x"))


@pytest.mark.parametrize(
    ("arguments", "quiet"),
    [
        (["--quiet"], True),
        (["--quiet=1"], True),
        (["--quiet=true"], True),
        (["--quiet=0"], False),
        (["--no-quiet"], False),
    ],
)
def test_booleans_have_a_short_form(arguments: list[str], quiet: bool) -> None:
    assert loaded(*arguments, MESOS_QUIET="false" if quiet else "true").quiet is quiet


def test_the_command_line_wins_over_the_environment_and_that_over_the_default() -> None:
    flags = loaded("--port=6060", MESOS_PORT="7070", MESOS_CACHE="1KB", MESOS_NO_QUIET="")
    assert (flags.port, flags.cache, flags.quiet) == (6060, 1024, False)


def test_foreign_variables_and_arguments_that_are_no_flags_are_skipped() -> None:
    assert loaded("run", "-x", "--", "--nonsense", MESOS_NATIVE_LIBRARY="x", PORT="1") == Flags()


def test_names_are_trimmed_and_in_any_case() -> None:
    assert loaded("--PORT =6060").port == 6060


def test_a_value_may_be_in_a_file_except_for_paths(tmp_path: Path) -> None:
    file = tmp_path / "name"
    file.write_text("prod\n")
    assert loaded(f"--cluster=file://{file}").cluster == "prod"
    assert loaded(f"--work_dir=file://{file}").work_dir == file


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_printed_instead_of_running(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        load_or_exit(Flags, "minimesos master", [option, "--nonsense"], {})
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("Usage: minimesos master")


def test_all_problems_are_reported_at_once() -> None:
    problems = problems_of(
        "--prot=1",
        "--port",
        "--quiet=maybe",
        "--no-quiet=1",
        "--ping_timeout=5",
        "--headroom=nan",
        "--cluster=file:///does/not/exist",
        "--no-port",
        MESOS_CACHE="big",
    )
    assert [problem.partition(":")[0] for problem in problems] == [
        "Failed to load unknown flag 'prot' (did you mean '--port'?)",
        "Failed to load flag 'port'",
        "Failed to load boolean flag 'quiet'",
        "Failed to load unknown flag 'no-port' (did you mean '--port'?)",
        "Failed to load flag 'cache'",
        "Failed to load flag 'quiet'",
        "Failed to load flag 'ping_timeout'",
        "Failed to load flag 'headroom'",
        "Failed to load flag 'cluster'",
    ]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--port=80"], "Failed to load flag 'port': port 80 is privileged"),
        (["--port=1", "--port=6060"], "Flag 'port' is already loaded via another argument"),
        (["--quiet", "--no-quiet"], "Flag 'quiet' is already loaded via another argument"),
        (["--quiet", "--cluster=x"], "a quiet master has no name"),
    ],
)
def test_rules_about_values_are_checked(arguments: list[str], problem: str) -> None:
    assert problem in problems_of(*arguments)


def test_a_number_too_long_to_convert_is_a_problem_like_others() -> None:
    assert len(problems_of("--port=" + "9" * 5000, "--cache=" + "9" * 5000 + "GB")) == 2


def test_a_required_flag_must_be_given() -> None:
    with pytest.raises(InvalidFlags, match="Missing required option '--master'"):
        load(Demanding, [], {})
    assert load(Demanding, ["--master=m:5050"], {})[0].master == "m:5050"


def test_a_deprecated_name_works_with_a_warning() -> None:
    flags, warnings = load(Flags, ["--slave_ping=5secs"], {})
    assert flags.ping_timeout == 5.0
    assert warnings == ["Flag 'slave_ping' is deprecated, use 'ping_timeout'"]
    assert problems_of("--slave_ping=5secs", "--ping_timeout=5secs")


def test_flags_print_as_they_are_written() -> None:
    assert to_json(Flags(quiet=True)) == {
        "cache": "2GB",
        "headroom": "0.1",
        "ping_timeout": "15secs",
        "port": "5050",
        "quiet": "true",
        "work_dir": "/tmp/mesos",
    }
    assert flags_at_startup(Flags()).startswith('Flags at startup: --cache="2GB" --headroom="0.1"')


def test_help_shows_each_flag_with_unit_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        load_or_exit(Flags, "minimesos master", ["--help"], {})
    assert exit_.value.code == 0
    assert capsys.readouterr().out.strip() == usage(Flags, "minimesos master")
    assert "--port=VALUE\n      Port to listen on. (a whole number; default: 5050)" in usage(
        Flags, "x"
    )


def test_bad_flags_exit_with_two_and_point_to_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        load_or_exit(Flags, "minimesos master", ["--x=1", "--port=y"], {})
    assert exit_.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "Failed to load unknown flag 'x'",
        "Failed to load flag 'port': expecting a whole number, got 'y'",
        "See 'minimesos master --help'",
    ]


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        load_or_exit(Flags, "minimesos master", ["--version"], {})
    assert exit_.value.code == 0
    assert capsys.readouterr().out.startswith("minimesos ")
