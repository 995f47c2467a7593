"""The executor of the fine-grained mode: each of its Spark tasks is a Mesos task.

Started by an agent as `python -P -m minimesos_executor fine ...`, with the application's secret in
MINIMESOS_SPARK_SECRET and what Mesos tells executors in MESOS_*. This is only its start, which is
that of `spark`: workers have neither grpc nor the secret. Exits with 0 when driver or agent are
done with it, with 1 when one of them is lost or refuses it.

Source: Spark's documentation "Running Spark on Mesos", fine-grained mode.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from minimesos_executor import environment
from minimesos_executor.spark import SECRET_VARIABLE, TERMINATED, secret_of
from minimesos_executor.zygote import Zygote


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; exits with 2 if it is malformed."""
    parser = argparse.ArgumentParser(prog="minimesos_executor fine", description=__doc__)
    parser.add_argument("--driver-url", required=True, metavar="HOST:PORT")
    parser.add_argument("--block-manager-port", type=int, default=0, help="0: any")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run the executor until the driver or the agent is gone, or wants it to end."""
    options = parse(arguments)
    zygote = Zygote(forget=(SECRET_VARIABLE,))
    secret = secret_of(environment.take(SECRET_VARIABLE))
    if secret is None:
        print(f"{SECRET_VARIABLE} must hold the application's secret in hex", file=sys.stderr)
        zygote.close()
        return 2

    import asyncio
    from contextlib import AsyncExitStack

    from minimesos import log
    from minimesos_executor.agent_bond import FineExecutor

    log.setup()

    async def run() -> int:
        async with AsyncExitStack() as after_workers:
            executor = FineExecutor(
                options.driver_url,
                secret,
                zygote,
                os.environ,
                after_workers,
                options.block_manager_port,
            )
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, executor.give_up, TERMINATED)
            return await executor.run()

    code = asyncio.run(run())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # not waiting for what gRPC's threads may still be doing
