"""Starts one of the executors: `python -P -m minimesos_executor <kind> [options]`.

The command `minimesos-executor` of an installation is the same, and so is that of an executor
package, which goes through `start`. Each kind is imported only when it is asked for, because their
start-up time counts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run the executor named by the first argument; returns the exit code."""
    match arguments[:1]:
        case ["command"]:
            from minimesos_executor.command import main as run_command

            return run_command(arguments[1:])
        case ["spark"]:
            from minimesos_executor.spark import main as run_spark

            return run_spark(arguments[1:])
        case ["fine"]:
            from minimesos_executor.fine import main as run_fine

            return run_fine(arguments[1:])
        case ["local"]:
            from minimesos_executor.local import main as run_local

            return run_local(arguments[1:])
    print("usage: python -P -m minimesos_executor command|spark|fine|local ...", file=sys.stderr)
    return 2


def script() -> int:
    """Run as the command `minimesos-executor`; returns the exit code."""
    if not sys.flags.safe_path:
        del sys.path[0]  # the folder of commands; -P does without it too
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
