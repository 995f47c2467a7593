"""The Spark executor backend: what runs on an agent for a driver on a cluster.

Started by an agent as `python -P -m minimesos_executor spark ...`, with the application's secret
in MINIMESOS_SPARK_SECRET. This is only its start: the zygote is forked before grpc is imported and
before the secret is read, so neither exists in the workers. Connects back to the driver; exits
with 0 when the driver is done with it, with 1 when the driver is lost or refuses it.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from minimesos_executor import environment
from minimesos_executor.zygote import Zygote

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

SECRET_VARIABLE = "MINIMESOS_SPARK_SECRET"
TERMINATED = "it was terminated (SIGTERM)"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with 2 if it is malformed."""
    parser = argparse.ArgumentParser(prog="minimesos_executor spark", description=__doc__)
    parser.add_argument("--driver-url", required=True, metavar="HOST:PORT")
    parser.add_argument("--executor-id", required=True)
    parser.add_argument("--cores", type=int, required=True, help="worker slots")
    parser.add_argument("--app-id", required=True)
    parser.add_argument(
        "--hostname",
        default=socket.gethostname(),
        help="the agent's name for this host; its own if the executor has a network of its own",
    )
    parser.add_argument("--block-manager-port", type=int, default=0, help="0: any")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run the executor until the driver is gone or wants it to end."""
    options = parse(arguments)

    def connect(secret: bytes, zygote: Zygote, after_workers: AsyncExitStack) -> Connection:
        from minimesos_executor.control import Identity
        from minimesos_executor.driver_link import DriverLink

        identity = Identity(
            options.executor_id,
            options.hostname,
            options.cores,
            block_manager_port=options.block_manager_port,
        )
        return DriverLink(
            options.driver_url,
            secret,
            options.app_id,
            zygote,
            identity,
            os.environ,
            after_workers,
        )

    return run_executor(connect)


class Connection(Protocol):
    """What ties an executor to those whom it works for."""

    def give_up(self, reason: str) -> None:
        """End the executor as failed."""

    async def run(self) -> int:
        """Work until either side ends it; returns the exit code."""
        ...


def run_executor(connect: Callable[[bytes, Zygote, AsyncExitStack], Connection]) -> int:
    """Fork the zygote, take the secret, and then run what `connect` makes of them on a loop.

    `connect` may import what workers must not have. What it puts on the stack is given back after
    their end. Returns 2 if there is no secret, and else ends the process with the exit code.
    """
    zygote = Zygote(forget=(SECRET_VARIABLE,))
    secret = secret_of(environment.take(SECRET_VARIABLE))
    if secret is None:
        print(f"{SECRET_VARIABLE} must hold the application's secret in hex", file=sys.stderr)
        zygote.close()
        return 2

    import asyncio
    from contextlib import AsyncExitStack

    from minimesos import log

    log.setup()

    async def run() -> int:
        async with AsyncExitStack() as after_workers:
            connection = connect(secret, zygote, after_workers)
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, connection.give_up, TERMINATED)
            return await connection.run()

    code = asyncio.run(run())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # not waiting for what gRPC's threads may still be doing


def secret_of(text: str | None) -> bytes | None:
    """Return the secret that a variable holds in hex, None if it holds none."""
    try:
        return bytes.fromhex(text or "") or None
    except ValueError:
        return None
