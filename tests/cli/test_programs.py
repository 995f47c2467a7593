"""Master, agent and local cluster as real programs on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

PATIENCE_S = 30.0  # a test that waits for so long has failed


class Program:
    """A `minimesos` command that runs; its lines are read as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def line_with(self, words: str) -> str:
        """Wait for the next line of its log that has these words."""
        assert self.process.stderr is not None
        while line := await asyncio.wait_for(self.process.stderr.readline(), PATIENCE_S):
            self.lines.append(line.decode().rstrip("\n"))
            if words in self.lines[-1]:
                return self.lines[-1]
        raise AssertionError(f"no line with {words!r} in:\n" + "\n".join(self.lines))

    async def ended(self) -> int:
        """Wait for its end; returns the exit code. The rest of its log is in `lines`."""
        assert self.process.stderr is not None
        rest = await asyncio.wait_for(self.process.stderr.read(), PATIENCE_S)
        self.lines += rest.decode().splitlines()
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)


@asynccontextmanager
async def minimesos(*arguments: str) -> AsyncIterator[Program]:
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("MESOS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "minimesos.cli.main", *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )  # fmt: skip
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.terminate()
            # Read to the end, so that it cannot hang on a full pipe.
            await asyncio.wait_for(process.communicate(), PATIENCE_S)


@asynccontextmanager
async def master(*arguments: str) -> AsyncIterator[tuple[Program, str]]:
    async with minimesos("master", "--registry=in_memory", "--port=0", *arguments) as program:
        line = await program.line_with("Serving gRPC, HTTP and the console on")
        yield program, line.rpartition("//")[2]


def agent_of(address: str, work_dir: Path, *arguments: str) -> tuple[str, ...]:
    return (
        "agent",
        f"--master={address}",
        "--port=0",
        f"--work_dir={work_dir}",
        "--resources=cpus:2;mem:512;disk:100",
        "--registration_backoff_factor=10ms",
        *arguments,
    )


async def get(address: str, path: str) -> Any:
    def read() -> Any:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE_S) as response:
            return json.loads(response.read())

    return await asyncio.to_thread(read)


async def test_an_agent_registers_and_the_console_shows_it(tmp_path: Path) -> None:
    async with (
        master("--cluster=lab") as (_, address),
        minimesos(*agent_of(address, tmp_path, "--attributes=rack:r1")) as agent,
    ):
        line = await agent.line_with("Registered with master")
        state = await get(address, "/master/state")
        assert line.endswith("-S0")
        assert [one["id"] for one in state["slaves"]] == [line.split()[-1]]
        assert state["slaves"][0]["resources"]["cpus"] == 2.0
        assert state["slaves"][0]["attributes"] == {"rack": "r1"}
        assert state["cluster"] == "lab"
        roles = await get(address, "/roles")
        assert [role["name"] for role in roles["roles"]] == ["*"]

        own_address = state["slaves"][0]["pid"].partition("@")[2]
        own = await get(own_address, "/slave(1)/state")
        assert own["id"] == line.split()[-1]
        assert await get(own_address, "/containers") == []
        assert (await get(own_address, "/metrics/snapshot"))["slave/registered"] == 1


async def test_both_say_at_the_start_what_the_walk_through_promises(tmp_path: Path) -> None:
    async with master() as (program, address):
        started = await program.line_with(" started on ")
        log = "\n".join(program.lines)
        assert "Version: " in log
        assert "Using 'hierarchical' allocator" in log
        assert re.search(rf" Master [0-9a-f-]{{36}} \(localhost\) started on {address}$", started)

        async with minimesos(*agent_of(address, tmp_path)) as agent:
            await agent.line_with("Registered with master")
            log = "\n".join(agent.lines)
            assert "Using isolation { posix/cpu, posix/mem }" in log
            assert "Mesos agent started on (1)@127.0.0.1:" in log
            assert f"New master detected master=master@{address}" in log


async def test_an_agent_finds_a_master_that_starts_after_it(tmp_path: Path) -> None:
    async with master() as (first, address):
        first.process.terminate()
        assert await first.ended() == 0
    port = address.rpartition(":")[2]
    async with minimesos(*agent_of(address, tmp_path)) as agent:
        await agent.line_with("Cannot reach the master, will try again")
        async with minimesos("master", f"--port={port}"):
            await agent.line_with("Registered with master")


async def test_an_agent_gives_up_after_the_time_that_it_was_given(tmp_path: Path) -> None:
    arguments = agent_of("127.0.0.1:1", tmp_path, "--master_detection_timeout=200ms")
    async with minimesos(*arguments) as agent:
        assert await agent.ended() == 1
        assert "no master at 127.0.0.1:1 took this agent in 200ms" in "\n".join(agent.lines)
        assert "--master_detection_timeout" in agent.lines[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_stop_both_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    async with master() as (program, address):
        async with minimesos(*agent_of(address, tmp_path)) as agent:
            await agent.line_with("Registered with master")
            agent.process.send_signal(number)
            assert await agent.ended() == 0
        await program.line_with("Agent disconnected")
        program.process.send_signal(number)
        assert await program.ended() == 0
        assert "Traceback" not in "\n".join(program.lines + agent.lines)


async def test_an_agent_that_leaves_for_good_is_removed(tmp_path: Path) -> None:
    async with (
        master() as (_, address),
        minimesos(*agent_of(address, tmp_path)) as agent,
    ):
        await agent.line_with("Registered with master")
        agent.process.send_signal(signal.SIGUSR1)
        assert await agent.ended() == 0
        assert (await get(address, "/state"))["slaves"] == []


async def test_a_port_in_use_is_one_clear_line() -> None:
    async with master() as (_, address):
        port = address.rpartition(":")[2]
        async with minimesos("master", f"--port={port}") as second:
            assert await second.ended() == 1
            assert second.lines[-1].startswith(f"minimesos master: port {port} on 127.0.0.1 is in")
            assert "Traceback" not in "\n".join(second.lines)


async def test_a_work_directory_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with minimesos(*agent_of("127.0.0.1:1", tmp_path / "file")) as agent:
        assert await agent.ended() == 1
        assert agent.lines[-1] == (
            f"minimesos agent: cannot write to the work directory {tmp_path / 'file'}:"
            " it is a file; choose another with --work_dir"
        )


async def test_whoever_listens_to_everybody_is_warned_loudly() -> None:
    async with master("--ip=0.0.0.0") as (program, _):
        assert any("WITHOUT AUTHENTICATION" in line for line in program.lines)


async def test_an_ip_that_is_not_this_hosts_is_one_clear_line() -> None:
    async with minimesos("master", "--ip=192.0.2.1", "--port=0") as program:
        assert await program.ended() == 1
        assert program.lines == [
            "minimesos master: this host has no address 192.0.2.1; choose one of its own with --ip"
        ]


async def test_garbage_does_not_hurt_a_master() -> None:
    async with master() as (program, address):
        host, _, port = address.partition(":")
        for garbage in (
            b"\x00" * 1000,
            b"GET / HTTP/9.9\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 1000,
        ):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(garbage)
            await asyncio.wait_for(reader.read(), PATIENCE_S)
            writer.close()
        assert (await get(address, "/state"))["slaves"] == []
        program.process.terminate()
        assert await program.ended() == 0
        assert "Traceback" not in "\n".join(program.lines)


async def test_a_local_cluster_says_where_it_is_and_ends_with_its_stdin(tmp_path: Path) -> None:
    address_file = tmp_path / "address"
    arguments = ("--agents=2", "--cpus=1.5", "--mem=256", f"--address_file={address_file}")
    async with minimesos("local", *arguments, "--exit_on_stdin_eof") as cluster:
        process = cluster.process
        assert process.stdin is not None
        assert process.stdout is not None
        address = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode().strip()
        assert address_file.read_text() == f"{address}\n"
        for _ in range(2):
            await cluster.line_with("Registered with master")
        state = await get(address, "/state")
        assert [agent["resources"]["cpus"] for agent in state["slaves"]] == [1.5, 1.5]
        process.stdin.close()
        assert await cluster.ended() == 0
        assert "Traceback" not in "\n".join(cluster.lines)
