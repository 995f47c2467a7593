"""Sandboxes lie where Mesos's users look for them."""

from __future__ import annotations

from minimesos.agent.sandbox import latest_run_link, run_directory


def test_run_directory_and_its_latest_link() -> None:
    run = run_directory("/tmp/mesos", "M-S0", "M-0001", "e1", "c1")

    assert run == "/tmp/mesos/slaves/M-S0/frameworks/M-0001/executors/e1/runs/c1"
    assert latest_run_link(run) == run.removesuffix("c1") + "latest"
