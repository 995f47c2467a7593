"""Which sandbox a virtual path of `/files/*` leads to.

Used by the agent's server. Only what is below a run directory can be named, so neither the agent's
own records nor other files of the machine can.

Source: Mesos 1.11 endpoints documentation, `/files/*`; the layout is in `agent.sandbox`.
"""

from __future__ import annotations

from pathlib import Path

from minimesos.agent.sandbox import run_directory

_RUN = ("frameworks", "executors", "runs")


def locate_sandbox(work_dir: Path, agent_id: str, virtual: str) -> tuple[Path, str] | None:
    """Return the run directory that `virtual` is in, and the path below it; None if there is none.

    A run is named by its absolute path below `work_dir` (which is absolute), or from `/frameworks`
    on for this agent. `latest` is a run too.
    """
    parts = [part for part in virtual.split("/") if part]
    root = [part for part in str(work_dir).split("/") if part]
    if parts[: len(root) + 1] == [*root, "slaves"]:
        agent_id, *parts = [*parts[len(root) + 1 :], ""]
        parts = parts[:-1] if parts else []
    if len(parts) < 6 or tuple(parts[0:6:2]) != _RUN:
        return None
    names = (agent_id, *parts[1:6:2])
    if any(name in ("", ".", "..") for name in names):
        return None
    run = Path(run_directory(str(work_dir), *names))
    return (run, "/".join(parts[6:])) if run.is_dir() else None
