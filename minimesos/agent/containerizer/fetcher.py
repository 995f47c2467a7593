"""Runs the process that fetches a command's URIs.

A process of its own, because it must read with the rights of the task's user, and so that a
container which is destroyed meanwhile need not wait. Called by the containerizer on the agent's
loop; the work and its rules are in `fetch_process`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable

from minimesos.agent.containerizer.posix import CannotLaunch, Identity
from minimesos.proto.mesos.v1 import mesos_pb2

_INHERITED = ("PATH", "PYTHONPATH")  # enough to start Python; the rest is the agent's own business


async def fetch(
    uris: Iterable[mesos_pb2.CommandInfo.URI],
    sandbox: str,
    identity: Identity | None,
    frameworks_home: str | None,
) -> None:
    """Bring all of `uris` into the sandbox; its stderr tells what was fetched.

    Raises CannotLaunch for the first that fails. Cancelling it ends the fetching.
    """
    order = {
        "sandbox": sandbox,
        "frameworks_home": frameworks_home,
        "identity": identity and (identity.uid, identity.gid, identity.groups),
        "uris": [
            {
                "value": uri.value,
                "executable": uri.executable,
                "extract": uri.extract,
                "output_file": uri.output_file,
            }
            for uri in uris
        ],
    }
    if not order["uris"]:
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "minimesos.agent.containerizer.fetch_process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        cwd="/",
        env={name: os.environ[name] for name in _INHERITED if name in os.environ},
    )
    try:
        _, report = await process.communicate(json.dumps(order).encode())
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    await asyncio.to_thread(_append, os.path.join(sandbox, "stderr"), report)
    if process.returncode != 0:
        lines = report.decode(errors="replace").splitlines()
        raise CannotLaunch(lines[-1] if lines else "the fetcher was killed")


def _append(path: str, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)
