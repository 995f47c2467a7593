"""Where an agent keeps the directories of its executors, below its work directory.

    <work_dir>/slaves/<agent>/frameworks/<framework>/executors/<executor>/runs/<container>

Used by the agent core to name sandboxes and by whoever serves or cleans them. Strings in, strings
out: nothing here touches a disk. Ids have been checked to be single path components.

Source: Mesos documentation "Sandbox".
"""

from __future__ import annotations

import posixpath


def agent_directory(work_dir: str, agent_id: str) -> str:
    """Directory of everything that ran under this agent id."""
    return posixpath.join(work_dir, "slaves", agent_id)


def framework_directory(work_dir: str, agent_id: str, framework_id: str) -> str:
    """Directory of a framework's executors."""
    return posixpath.join(agent_directory(work_dir, agent_id), "frameworks", framework_id)


def executor_directory(work_dir: str, agent_id: str, framework_id: str, executor_id: str) -> str:
    """Directory of all runs of an executor id."""
    framework = framework_directory(work_dir, agent_id, framework_id)
    return posixpath.join(framework, "executors", executor_id)


def run_directory(
    work_dir: str, agent_id: str, framework_id: str, executor_id: str, container_id: str
) -> str:
    """Return the sandbox of one run: the working directory of the executor's process."""
    executor = executor_directory(work_dir, agent_id, framework_id, executor_id)
    return posixpath.join(executor, "runs", container_id)


def latest_run_link(run: str) -> str:
    """Return the path of the symbolic link `latest` that stands beside a run directory."""
    return posixpath.join(posixpath.dirname(run), "latest")
