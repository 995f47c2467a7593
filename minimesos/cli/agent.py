"""`minimesos agent`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from minimesos.agent.flags import AgentFlags
from minimesos.cli.programs import RAW, run_program
from minimesos.cli.shuffle_service import beside_agent
from minimesos.flags import load_or_exit

if TYPE_CHECKING:
    from minimesos.http.routing import Handler

PROGRAM = "minimesos agent"


@click.command(context_settings=RAW, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def agent(arguments: tuple[str, ...]) -> None:
    """Run an agent."""
    flags, warnings = load_or_exit(AgentFlags, PROGRAM, arguments)
    run_program(PROGRAM, serve(flags), warnings, flags.logging_level, flags.log_format)


async def serve(flags: AgentFlags) -> int:
    """Run an agent until SIGTERM, SIGINT, or SIGUSR1 (leave for good); returns the exit code."""
    from minimesos.agent.server import AgentServer
    from minimesos.runtime.server import on_signals

    async with beside_agent(flags) as told:
        server = AgentServer(told, pages)
        await server.start()
        on_signals(lambda number: server.shut_down(f"received {number.name}"))
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGUSR1, lambda: server.shut_down("received SIGUSR1", unregister=True)
        )
        return await server.run()


def pages() -> Mapping[str, Handler]:
    """Return the routes of the agent's console."""
    from minimesos.console import views

    return views.routes("agent.html", "slave(1)")
