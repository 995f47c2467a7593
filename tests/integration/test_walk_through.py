"""The README's walk-through, with real processes from the first step to the last."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from minimesos.testing.processes import ProcessCluster

from .conftest import REPOSITORY, clean_environment, eventually, minimesos, state_of

pytestmark = pytest.mark.integration
EXAMPLES = REPOSITORY / "examples"


def test_the_master_logs_who_and_where_it_is(cluster: ProcessCluster) -> None:
    log = "".join(cluster.master.log)
    assert re.search(r"^I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ \w+\.py:\d+\] Version: ", log, re.M)
    assert "Using 'hierarchical' allocator" in log
    assert state_of(cluster)["id"] in log
    assert cluster.address in log


def test_an_agent_logs_its_isolation_its_master_and_its_id(cluster: ProcessCluster) -> None:
    log = "".join(cluster.agents[0].log)
    assert "posix/cpu" in log
    assert "posix/mem" in log
    assert f"master@{cluster.address}" in log
    assert re.search(r"Registered with master \S+; given agent ID \S+-S\d", log)


def test_the_shell_counts_and_its_framework_is_completed_afterwards(
    cluster: ProcessCluster,
) -> None:
    shell = subprocess.Popen(
        [sys.executable, "-m", "minimesos", "shell", "--master", cluster.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    with shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write("'the count is', sc.parallelize(range(0, 11), 8).count()\n")
        shell.stdin.flush()
        lines = []
        for line in shell.stdout:
            lines.append(line)
            if "the count is" in line:
                break
        state = eventually(
            lambda: len(tasks_of(cluster)) == 2 and state_of(cluster), "both executors run"
        )
        shell.stdin.close()
        assert shell.wait(60) == 0
    (framework,) = state["frameworks"]
    greeting = f"Spark context available as sc (master = {cluster.url}, app id = {framework['id']})"
    assert greeting in "".join(lines)
    assert "('the count is', 11)" in lines[-1]
    assert framework["active"]
    assert framework["used_resources"]["cpus"] == 2
    after = state_of(cluster)
    assert after["frameworks"] == []
    assert [each["id"] for each in after["completed_frameworks"]] == [framework["id"]]
    eventually(
        lambda: all(each["used_resources"]["cpus"] == 0 for each in state_of(cluster)["slaves"]),
        "the agents' resources are free",
    )


def tasks_of(cluster: ProcessCluster) -> list[dict[str, object]]:
    tasks = [task for each in state_of(cluster)["frameworks"] for task in each["tasks"]]
    return [task for task in tasks if task["state"] == "TASK_RUNNING"]


def test_submit_runs_a_script_in_a_role_with_limits(cluster: ProcessCluster) -> None:
    done = minimesos(
        "submit", "--master", cluster.url, "--total-executor-cores", "2",
        "--executor-memory", "1G", "--conf", "spark.mesos.role=dev", str(EXAMPLES / "pi.py"), "4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"Pi is roughly 3\.\d+\n", done.stdout)
    (framework,) = state_of(cluster)["completed_frameworks"]
    assert framework["name"] == "pi"
    assert "dev" in (framework.get("role"), *framework.get("roles", ()))


@pytest.mark.parametrize("master", ["local[2]", "local-cluster[2,1,512]"])
def test_the_same_script_runs_without_a_cluster_and_with_a_private_one(master: str) -> None:
    done = minimesos("submit", "--master", master, str(EXAMPLES / "count.py"))
    assert (done.returncode, done.stdout) == (0, "11\n"), done.stderr
