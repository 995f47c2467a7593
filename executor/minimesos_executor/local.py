"""The executor of `local[N]`: control process and workers without gRPC, beside the driver.

Started as `python -P -m minimesos_executor local` by the driver's local backend. This is only its
start: the zygote is forked before anything is imported that it has no use for, and then imports
what tasks need on one core while this process imports the rest on another.
"""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Sequence

from minimesos_executor.zygote import Zygote


def main(arguments: Sequence[str]) -> int:
    """Run the executor until the driver is gone or wants it to end."""
    parser = argparse.ArgumentParser(prog="minimesos_executor local", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="our end of the socketpair")
    parser.add_argument("--executor-id", required=True)
    parser.add_argument("--host", required=True, help="the name by which the driver knows us")
    parser.add_argument("--cores", type=int, required=True, help="worker slots")
    parser.add_argument("--dir", required=True, help="directory of this executor's blocks")
    parser.add_argument("--path", default="", help="module search path of the driver")
    options = parser.parse_args(arguments)
    driver = socket.socket(fileno=options.fd)
    driver.set_inheritable(False)
    zygote = Zygote(close=(driver,))

    from minimesos import log
    from minimesos_executor.control import Identity
    from minimesos_executor.local_link import LocalLink

    log.setup("WARNING")
    identity = Identity(
        options.executor_id,
        options.host,
        options.cores,
        tuple(filter(None, options.path.split(os.pathsep))),
    )
    return LocalLink(driver, zygote, identity, options.dir).run()
