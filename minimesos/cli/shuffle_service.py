"""`minimesos shuffle-service`, and the same service on the loop of an agent.

Executors that an agent starts are told by a variable where its service listens, so that several
agents of one host can have one each.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from minimesos.agent.environment import parse_variables
from minimesos.cli.programs import RAW, run_program
from minimesos.errors import MinimesosError
from minimesos.flags import duration, ip_address, load_or_exit, one_of, path, port_number, text
from minimesos.log import FORMATS, LEVELS, get_logger
from minimesos.spark.settings.shuffle import SHUFFLE_SERVICE_PORT_VARIABLE

if TYPE_CHECKING:
    from minimesos.agent.flags import AgentFlags

PROGRAM = "minimesos shuffle-service"

_DEFAULT_DIR = "/tmp"
_EVERYWHERE = "0.0.0.0"
_LOOPBACK = "127.0.0.1"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ShuffleServiceFlags:
    """Flags of `minimesos shuffle-service`. Durations are in seconds."""

    ip: str = ip_address(_LOOPBACK, help="Address to listen on.")
    port: int = port_number(7337, help="Port to listen on, 0 for any that is free.")
    local_dirs: str | None = text(
        help="Directories for map outputs, separated by commas; SPARK_LOCAL_DIRS if not set, else "
        f"{_DEFAULT_DIR}."
    )
    authenticate_secret_file: Path | None = path(  # noqa: RUF009  (declares a flag)
        help="File with a secret. If set, only applications are served that know it, by "
        "spark.authenticate.secret."
    )
    cleaner_interval: float = duration(
        "30secs",
        check=lambda s: None if s > 0 else "expecting more than nothing",
        help="Time between two looks for applications whose drivers are gone.",
    )
    logging_level: str = text("INFO", check=one_of(*LEVELS), help="Least severity that is logged.")
    log_format: str = text("glog", check=one_of(*FORMATS), help="Form of log lines: glog or json.")

    def directories(self, environment: Mapping[str, str]) -> list[Path]:
        """Return the directories for map outputs. Raises MinimesosError if none is named."""
        named = self.local_dirs or environment.get("SPARK_LOCAL_DIRS") or _DEFAULT_DIR
        return split_dirs(named)


@click.command(context_settings=RAW, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def shuffle_service(arguments: tuple[str, ...]) -> None:
    """Run a shuffle service."""
    flags, warnings = load_or_exit(ShuffleServiceFlags, PROGRAM, arguments)
    run_program(PROGRAM, serve(flags), warnings, flags.logging_level, flags.log_format)


async def serve(flags: ShuffleServiceFlags) -> int:
    """Run a shuffle service until SIGTERM or SIGINT; returns the exit code."""
    from minimesos.runtime.server import on_signals
    from minimesos.spark.backends.shuffle_server import ShuffleServer

    stopping = asyncio.Event()
    on_signals(lambda number: stopping.set())
    server = ShuffleServer(
        flags.ip,
        flags.port,
        flags.directories(os.environ),
        shared_secret=read_secret(flags.authenticate_secret_file),
        cleaner_interval_s=flags.cleaner_interval,
    )
    await server.start()
    await stopping.wait()
    await server.stop()
    return 0


@asynccontextmanager
async def beside_agent(flags: AgentFlags) -> AsyncIterator[AgentFlags]:
    """Run the service that an agent is to have; yields the flags for an agent that tells of it.

    Another service that listens there already will do. Raises MinimesosError.
    """
    if not flags.shuffle_service:
        yield flags
        return
    from minimesos.spark.backends.shuffle_client import greet
    from minimesos.spark.backends.shuffle_server import PortTaken, ShuffleServer

    server = ShuffleServer(
        flags.ip,
        flags.shuffle_service_port,
        split_dirs(flags.shuffle_service_local_dirs or str(flags.work_dir)),
        shared_secret=read_secret(flags.shuffle_service_authenticate_secret_file),
        cleaner_interval_s=flags.shuffle_service_cleaner_interval,
    )
    try:
        await server.start()
    except PortTaken:
        port = flags.shuffle_service_port
        host = _LOOPBACK if flags.ip == _EVERYWHERE else flags.ip
        version = await greet(f"{host}:{port}")
        if version is None:
            raise
        _log.warning("Another shuffle service is there already", port=port, version=version)
        yield telling_port(flags, port)
        return
    try:
        yield telling_port(flags, server.port)
    finally:
        await server.stop()


def telling_port(flags: AgentFlags, port: int) -> AgentFlags:
    """Return the flags for an agent whose executors are told the port of a service."""
    variables = parse_variables(flags.executor_environment_variables or "{}")
    told = json.dumps({SHUFFLE_SERVICE_PORT_VARIABLE: str(port)} | variables)
    return dataclasses.replace(flags, executor_environment_variables=told)


def read_secret(file: Path | None) -> bytes | None:
    """Return the secret that a file holds, None without a file. Raises MinimesosError."""
    if file is None:
        return None
    try:
        secret = file.read_bytes().strip()
    except OSError as error:
        raise MinimesosError(f"cannot read the secret: {error}") from error
    if not secret:
        raise MinimesosError(f"{file} is empty, but should hold a secret")
    return secret


def split_dirs(text: str) -> list[Path]:
    """Return the directories that a text names, with commas between them. Raises MinimesosError."""
    directories = [Path(each.strip()) for each in text.split(",") if each.strip()]
    if not directories:
        raise MinimesosError(f"{text!r} names no directory for map outputs")
    return directories
