"""Only what is in a sandbox has a virtual path."""

from __future__ import annotations

from pathlib import Path

import pytest

from minimesos.agent.sandbox_files import locate_sandbox


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "slaves/S0/frameworks/F/executors/E/runs/C"
    directory.mkdir(parents=True)
    (directory.parent / "latest").symlink_to("C")
    return directory


@pytest.mark.parametrize("rest", ["", "stdout", "logs/a"])
def test_a_sandbox_is_found_by_its_absolute_path(tmp_path: Path, run: Path, rest: str) -> None:
    assert locate_sandbox(tmp_path, "S9", f"{run}/{rest}") == (run, rest)


def test_a_sandbox_is_found_by_its_place_in_this_agent(tmp_path: Path, run: Path) -> None:
    latest = run.parent / "latest"
    path = "/frameworks/F/executors/E/runs/latest/stdout"
    assert locate_sandbox(tmp_path, "S0", path) == (latest, "stdout")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc/passwd",
        "/frameworks/F/executors/E/runs",
        "/frameworks/F/executors/E/runs/other",
        "/frameworks/F/executors/../runs/C",
        "/frameworks/F/executors/E/runs/..",
        "/{work_dir}/meta/slaves/S0",
        "/{work_dir}/slaves",
        "/{work_dir}/slaves/S0/frameworks/F/executors/E",
        "/{work_dir}/slaves/../meta/frameworks/F/executors/E/runs/C",
    ],
)
@pytest.mark.usefixtures("run")
def test_nothing_else_is_found(tmp_path: Path, path: str) -> None:
    assert locate_sandbox(tmp_path, "S0", path.format(work_dir=tmp_path)) is None


@pytest.mark.usefixtures("run")
def test_before_the_agent_has_an_id_its_sandboxes_have_no_short_paths(tmp_path: Path) -> None:
    assert locate_sandbox(tmp_path, "", "/frameworks/F/executors/E/runs/C") is None
