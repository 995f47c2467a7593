"""`minimesos master`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from minimesos.cli.programs import RAW, run_program
from minimesos.flags import load_or_exit
from minimesos.master.flags import MasterFlags

if TYPE_CHECKING:
    from minimesos.http.routing import Handler

PROGRAM = "minimesos master"


@click.command(context_settings=RAW, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def master(arguments: tuple[str, ...]) -> None:
    """Run a master."""
    flags, warnings = load_or_exit(MasterFlags, PROGRAM, arguments)
    level = "ERROR" if flags.quiet else flags.logging_level
    run_program(PROGRAM, serve(flags), warnings, level, flags.log_format)


async def serve(flags: MasterFlags) -> int:
    """Run a master until SIGTERM or SIGINT; returns the exit code."""
    from minimesos.master.server import MasterServer
    from minimesos.runtime.server import on_signals

    server = MasterServer(flags, pages)
    await server.start()
    on_signals(lambda number: server.stop(f"received {number.name}"))
    return await server.run()


def pages() -> Mapping[str, Handler]:
    """Return the routes of the master's console."""
    from minimesos.console import views

    return views.routes("master.html", "master")
