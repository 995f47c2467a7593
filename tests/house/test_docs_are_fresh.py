"""The generated pages are what `docs/generate.py` makes of the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from .conftest import REPOSITORY

LINK = re.compile(r"\[[^\]]*\]\((?!https?://|#)([^)#]+)[^)]*\)")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "generate_docs", REPOSITORY / "docs" / "generate.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_committed_pages_are_what_the_code_says(generate: ModuleType) -> None:
    assert generate.stale_files() == []


def test_check_names_edited_missing_and_leftover_pages(
    generate: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "configuration" / "master.md").write_text("edited by hand")
    (tmp_path / "cli.md").unlink()
    (tmp_path / "configuration" / "removed.md").write_text("its program is gone")
    assert generate.main(["--check"]) == 1
    named = [line.split()[0] for line in capsys.readouterr().err.splitlines()]
    assert named == ["docs/cli.md", "docs/configuration/master.md", "docs/configuration/removed.md"]


def test_every_flag_of_a_program_has_a_row(generate: ModuleType) -> None:
    page = generate.pages()["configuration/agent.md"]
    assert "| `--port` | `MESOS_PORT` | a port | `5051` |" in page
    assert "| `--master` | `MESOS_MASTER` | text | required |" in page
    assert "| `--switch_user` | `MESOS_SWITCH_USER` | true or false | `true` |" in page
    assert page.count("\n| `--") == len(generate.specs(generate.AgentFlags))


def test_every_setting_has_a_row_below_its_origin(generate: ModuleType) -> None:
    page = generate.pages()["configuration/spark.md"]
    assert page.count("\n| `spark.") == len(generate.settings.SETTINGS)
    assert re.findall("^## (.*)", page, re.MULTILINE) == ["Spark", "Spark on Mesos", "minimesos"]
    row = "| `spark.executor.memory` | a size from 1m (bare: m) | `1g` | Memory of each executor. |"
    assert row in page
    assert "| `spark.driver.bindAddress` | text | `spark.driver.host` |" in page


def test_bars_in_help_do_not_break_the_table(generate: ModuleType) -> None:
    rows = [
        line for line in generate.pages()["configuration/master.md"].splitlines() if "`" in line
    ]
    table = [line for line in rows if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {6}


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(REPOSITORY)}: {target}"
        for page in pages
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
