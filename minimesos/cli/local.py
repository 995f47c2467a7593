"""`minimesos local`: a master and some agents in one process, started as fast as possible.

This is what `local-cluster[...]` runs, and what to try things on. Executors are processes of their
own, as on any agent.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from minimesos.cli.agent import pages as agent_pages
from minimesos.cli.master import pages as master_pages
from minimesos.cli.programs import RAW, run_program
from minimesos.cli.shuffle_service import telling_port
from minimesos.errors import InvalidValue
from minimesos.flags import (
    boolean,
    integer,
    ip_address,
    load_or_exit,
    number,
    one_of,
    port_number,
    text,
)
from minimesos.log import FORMATS, LEVELS
from minimesos.resources import Resources
from minimesos.runtime.scratch import Scratch, remove_if_abandoned

if TYPE_CHECKING:
    from minimesos.agent.server import AgentServer
    from minimesos.master.server import MasterServer
    from minimesos.spark.backends.shuffle_server import ShuffleServer

PROGRAM = "minimesos local"
AGENTS_MAX = 100
REGISTRATION_BACKOFF_S = 0.01  # the master is in this process and already there


@dataclass(frozen=True, slots=True)
class LocalFlags:
    """Flags of `minimesos local`."""

    agents: int = integer(
        2,
        check=lambda n: None if 0 < n <= AGENTS_MAX else f"expecting 1 to {AGENTS_MAX}",
        help="Number of agents.",
    )
    cpus: float | None = number(
        check=lambda n: None if n > 0 else "must be greater than 0",
        help="CPUs of each agent; those of the machine if not set.",
    )
    mem: float | None = number(
        check=lambda n: None if n > 0 else "must be greater than 0",
        help="Memory of each agent in MB; that of the machine, less a part, if not set.",
    )
    ip: str = ip_address("127.0.0.1", help="Address to listen on.")
    port: int = port_number(0, help="Port of the master, 0 for any that is free.")
    work_dir: str | None = text(
        help="Directory of the agents' sandboxes; a temporary one, removed in the end, if not set."
    )
    shuffle_service: bool = boolean(
        False, help="Keep map outputs of Spark executors when these go, in a service at any port."
    )
    address_file: str | None = text(help="File to write the master's ip:port to once it listens.")
    exit_on_stdin_eof: bool = boolean(
        False, help="End when standard input does, so that no cluster outlives who started it."
    )
    abandoned_dir: str | None = text(
        help="Scratch directory of who started it, removed in the end if they were killed."
    )
    logging_level: str = text("INFO", check=one_of(*LEVELS), help="Least severity that is logged.")
    log_format: str = text("glog", check=one_of(*FORMATS), help="Form of log lines: glog or json.")

    @property
    def resources(self) -> str:
        """Return each agent's resources as Mesos's text."""
        given = {"cpus": self.cpus, "mem": self.mem}
        return ";".join(f"{name}:{value:g}" for name, value in given.items() if value is not None)

    def problems(self) -> Iterable[str]:
        """Say what the resources' own rules forbid."""
        try:
            Resources.parse(self.resources)
        except InvalidValue as error:
            yield str(error)


@click.command(context_settings=RAW, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def local(arguments: tuple[str, ...]) -> None:
    """Run a master and some agents in one process."""
    flags, warnings = load_or_exit(LocalFlags, PROGRAM, arguments)
    run_program(PROGRAM, serve(flags), warnings, flags.logging_level, flags.log_format)


async def serve(flags: LocalFlags) -> int:
    """Run the cluster until SIGTERM, SIGINT, or the end of stdin; returns the exit code."""
    with ExitStack() as at_end:
        if flags.abandoned_dir is not None:
            at_end.callback(remove_if_abandoned, flags.abandoned_dir)
        work_dir = flags.work_dir
        if work_dir is None:
            scratch = Scratch(tempfile.gettempdir(), "minimesos-local")
            at_end.callback(scratch.remove)
            work_dir = scratch.path
        return await _serve(flags, Path(work_dir))


async def _serve(flags: LocalFlags, work_dir: Path) -> int:
    from minimesos.runtime.server import on_signals

    stopping = asyncio.Event()
    on_signals(lambda number: stopping.set())
    if flags.exit_on_stdin_eof:
        _at_end_of_stdin(stopping)
    master = await _start_master(flags)
    programs = [asyncio.ensure_future(master.run())]
    service = await _start_shuffle_service(flags, work_dir) if flags.shuffle_service else None
    agents: list[AgentServer] = []
    for number_of_agent in range(flags.agents):
        directory = work_dir / str(number_of_agent)
        agents.append(await _start_agent(flags, master.address, directory, service))
        programs.append(asyncio.ensure_future(agents[-1].run()))
    stopped = asyncio.ensure_future(stopping.wait())
    await asyncio.wait([stopped, *programs], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for agent in agents:
        agent.shut_down("the cluster ends")
    codes = await asyncio.gather(*programs[1:])
    if service is not None:
        await service.stop()
    master.stop("the cluster ends")
    return max([await programs[0], *codes])


async def _start_master(flags: LocalFlags) -> MasterServer:
    from minimesos.master.flags import MasterFlags
    from minimesos.master.server import MasterServer

    master = MasterServer(MasterFlags(ip=flags.ip, port=flags.port), master_pages)
    await master.start()
    if flags.address_file is not None:
        # Whoever waits for the file must never see half of it.
        half = Path(f"{flags.address_file}.{os.getpid()}")
        half.write_text(f"{master.address}\n")
        half.replace(flags.address_file)
    print(master.address, flush=True)
    return master


async def _start_shuffle_service(flags: LocalFlags, work_dir: Path) -> ShuffleServer:
    from minimesos.spark.backends.shuffle_server import ShuffleServer

    service = ShuffleServer(flags.ip, 0, [work_dir])
    await service.start()
    return service


async def _start_agent(
    flags: LocalFlags, master: str, work_dir: Path, service: ShuffleServer | None
) -> AgentServer:
    from minimesos.agent.flags import AgentFlags
    from minimesos.agent.server import AgentServer

    agent_flags = AgentFlags(
        master=master,
        ip=flags.ip,
        port=0,
        work_dir=work_dir,
        resources=flags.resources,
        registration_backoff_factor=REGISTRATION_BACKOFF_S,
    )
    if service is not None:
        agent_flags = telling_port(agent_flags, service.port)
    agent = AgentServer(agent_flags, agent_pages)
    await agent.start()
    return agent


def _at_end_of_stdin(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def wait() -> None:
        # Not through sys.stdin: its lock would be in the way when the interpreter ends.
        while os.read(descriptor, 4096):
            pass
        loop.call_soon_threadsafe(stopping.set)

    threading.Thread(target=wait, name="stdin", daemon=True).start()
