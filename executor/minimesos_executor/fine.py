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
from collections.abc import Sequence
from typing import TYPE_CHECKING

from minimesos_executor.spark import Connection, run_executor

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

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

    def connect(secret: bytes, zygote: Zygote, after_workers: AsyncExitStack) -> Connection:
        from minimesos_executor.agent_bond import FineExecutor

        return FineExecutor(
            options.driver_url,
            secret,
            zygote,
            os.environ,
            after_workers,
            options.block_manager_port,
        )

    return run_executor(connect)
