"""How the long-running commands run: flags by Mesos's rules, logs, an event loop, an exit code.

Used by `minimesos master`, `agent` and `local`. Their arguments are not click's: Mesos's flags have
rules of their own, and all of their problems are reported at once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

from minimesos import log
from minimesos.errors import MinimesosError

RAW = {"ignore_unknown_options": True}
"""How click must leave a command's arguments alone."""

EXIT_FAILED = 1


def run_program(
    name: str, program: Coroutine[Any, Any, int], warnings: list[str], level: str, log_format: str
) -> None:
    """Run a program to its end and exit with its code; one line on stderr says why it cannot."""
    log.setup(level, log_format)
    logger = log.get_logger(__name__)
    for warning in warnings:
        logger.warning(warning)
    try:
        code = asyncio.run(program)
    except MinimesosError as error:
        print(f"{name}: {error}", file=sys.stderr)
        code = EXIT_FAILED
    sys.exit(code)
