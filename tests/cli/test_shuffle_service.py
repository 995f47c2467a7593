"""`minimesos shuffle-service`, and the service beside an agent."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path

import pytest

from minimesos.agent.flags import AgentFlags
from minimesos.cli.shuffle_service import (
    ShuffleServiceFlags,
    beside_agent,
    read_secret,
)
from minimesos.errors import InvalidFlags, MinimesosError
from minimesos.flags import load
from minimesos.spark.backends import shuffle_client
from minimesos.spark.backends.shuffle_client import greet
from minimesos.spark.backends.shuffle_directories import SERVICE_DIRECTORY
from minimesos.spark.backends.shuffle_server import PortTaken
from minimesos.testing.processes import Program

VARIABLE = "MINIMESOS_SHUFFLE_SERVICE_PORT"


def agent_flags(work_dir: Path, **flags: object) -> AgentFlags:
    settings = {"shuffle_service": True, "shuffle_service_port": 0, **flags}
    return AgentFlags(master="127.0.0.1:5050", work_dir=work_dir, **settings)  # type: ignore[arg-type]


def told(flags: AgentFlags) -> dict[str, str]:
    """Return what an agent with these flags tells its executors."""
    variables: dict[str, str] = json.loads(flags.executor_environment_variables or "{}")
    return variables


@pytest.mark.integration
def test_it_runs_until_it_is_terminated_and_keeps_its_directory(tmp_path: Path) -> None:
    up = re.compile(r"shuffle service started ip=127\.0\.0\.1 port=(\d+)")
    program = Program("shuffle-service", ["--port=0", f"--local_dirs={tmp_path}"], up)
    assert int(program.wait_up()) > 0
    assert program.stop(signal.SIGTERM) == 0
    assert (tmp_path / SERVICE_DIRECTORY).is_dir()


@pytest.mark.integration
def test_a_port_that_is_taken_ends_it_with_a_word(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        flags = [f"--port={port}", f"--local_dirs={tmp_path}"]
        program = Program("shuffle-service", flags, re.compile(r"(cannot listen at \S+);"))
        assert program.wait_up() == f"cannot listen at 127.0.0.1:{port}"
        assert program.process.wait() == 1


def test_its_directories_come_from_its_flag_or_sparks_variable_or_are_below_tmp() -> None:
    sparks = {"SPARK_LOCAL_DIRS": "/c"}
    assert ShuffleServiceFlags(local_dirs="/a, /b,").directories(sparks) == [Path("/a"), Path("/b")]
    assert ShuffleServiceFlags().directories(sparks) == [Path("/c")]
    assert ShuffleServiceFlags().directories({}) == [Path("/tmp")]


def test_no_directory_at_all_is_refused() -> None:
    with pytest.raises(MinimesosError, match="names no directory"):
        ShuffleServiceFlags(local_dirs=" ,").directories({})


def test_a_cleaner_that_never_rests_is_refused() -> None:
    with pytest.raises(InvalidFlags, match="expecting more than nothing"):
        load(ShuffleServiceFlags, ["--cleaner_interval=0secs"], {})


def test_the_secret_is_what_its_file_holds(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("word\n")
    assert read_secret(file) == b"word"
    assert read_secret(None) is None
    file.write_text("\n")
    with pytest.raises(MinimesosError, match="is empty"):
        read_secret(file)
    with pytest.raises(MinimesosError, match="No such file"):
        read_secret(tmp_path / "missing")


async def test_an_agent_without_one_tells_nothing(tmp_path: Path) -> None:
    flags = agent_flags(tmp_path, shuffle_service=False)
    async with beside_agent(flags) as same:
        assert same is flags


@pytest.mark.integration
async def test_an_agent_tells_its_executors_the_port_besides_what_they_are_told_anyway(
    tmp_path: Path,
) -> None:
    flags = agent_flags(tmp_path, executor_environment_variables='{"A": "1"}')
    async with beside_agent(flags) as telling:
        variables = told(telling)
        assert variables["A"] == "1"
        assert await greet(f"127.0.0.1:{variables[VARIABLE]}") is not None
        assert (tmp_path / SERVICE_DIRECTORY).is_dir()
    assert await greet(f"127.0.0.1:{variables[VARIABLE]}") is None


@pytest.mark.integration
async def test_a_second_agent_of_a_host_makes_do_with_the_service_of_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with beside_agent(agent_flags(tmp_path / "1")) as first:
        port = int(told(first)[VARIABLE])
        flags = agent_flags(tmp_path / "2", shuffle_service_port=port)
        async with beside_agent(flags) as second:
            assert told(second) == told(first)
            assert "Another shuffle service is there already" in caplog.text


@pytest.mark.integration
async def test_but_not_with_anything_else_at_that_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shuffle_client, "GREET_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        flags = agent_flags(tmp_path, shuffle_service_port=taken.getsockname()[1])
        with pytest.raises(PortTaken):
            async with beside_agent(flags):
                pass
