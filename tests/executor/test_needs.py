"""What an executor package asks of the Python it is started with."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from minimesos_executor import needs
from minimesos_executor.needs import NEEDS, Need, complaint

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of libraries that is looked at."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(site: Path, module: str, metadata: str) -> None:
    """Make a library as installers do: its package, and a folder with its metadata."""
    package = site.joinpath(*module.split("."))
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('nobody needs to import it')")
    (site / metadata).mkdir()


def test_here_is_everything_that_is_needed():
    assert complaint() is None


def test_the_needs_are_those_of_the_project():
    with PYPROJECT.open("rb") as file:
        dependencies = tomllib.load(file)["project"]["dependencies"]
    wanted = [f"{need.distribution}>={need.minimum_text}" for need in NEEDS]
    assert [each for each in wanted if each not in dependencies] == []


@pytest.mark.parametrize(
    ("module", "metadata"),
    [
        ("sprocket", "Sprocket-1.10.0.dist-info"),
        ("sprocket", "sprocket-1.10.0.dist-info"),
        ("sprocket", "sprocket-1.9.egg-info"),
        ("sprocket", "sprocket-2.0rc1-py3.11.egg-info"),
        ("sprocket", "another-0.1.dist-info"),  # so nobody knows
        ("gears.sprocket", "sprocket-1.9.1.dist-info"),
    ],
)
def test_what_is_new_enough_or_of_unknown_age_will_do(site, monkeypatch, module, metadata):
    install(site, module, metadata)
    monkeypatch.setattr(needs, "NEEDS", (Need("sprocket", module, (1, 9)),))
    assert complaint() is None


def test_what_is_too_old_is_told_with_its_version(site, monkeypatch):
    install(site, "sprocket", "sprocket-1.8.3.dist-info")
    monkeypatch.setattr(needs, "NEEDS", (Need("sprocket", "sprocket", (1, 9)),))
    assert "this executor needs sprocket >= 1.9 (there is 1.8.3) on" in str(complaint())


def test_all_that_is_missing_is_told_in_a_line_with_what_to_do(monkeypatch):
    lacking = (Need("sprocket", "nowhere.sprocket", (1, 9)), Need("cog", "cog", (2,)))
    monkeypatch.setattr(needs, "NEEDS", lacking)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert complaint() == (
        "this executor needs sprocket >= 1.9 and cog >= 2 on the agent's "
        f"{sys.executable} ({version}): "
        f"{sys.executable} -m pip install 'sprocket>=1.9' 'cog>=2'"
    )
