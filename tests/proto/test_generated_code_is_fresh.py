"""The committed generated code is what `proto/generate.py` makes of the sources."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "proto" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_committed_code_is_what_the_sources_give(generate: ModuleType) -> None:
    assert generate.stale_files() == []


def test_check_names_edited_missing_and_leftover_files(
    generate: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = tmp_path / "minimesos" / "proto" / "mesos" / "v1"
    shutil.copytree(ROOT / "minimesos" / "proto", tmp_path / "minimesos" / "proto")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    (code / "quota_pb2.py").write_text("edited by hand")
    (code / "agent_pb2.pyi").unlink()
    (code / "removed_pb2.py").write_text("its source is gone")

    assert generate.main(["--check"]) == 1

    named = {Path(line.split()[0]).name for line in capsys.readouterr().err.splitlines()}
    assert named == {"quota_pb2.py", "agent_pb2.pyi", "removed_pb2.py"}


def test_a_source_that_protoc_refuses_stops_the_generation(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "proto"
    sources.mkdir()
    (sources / "broken.proto").write_text('syntax = "proto2"; message Unfinished {')
    monkeypatch.setattr(generate, "SOURCES", sources)

    with pytest.raises(SystemExit, match=r"^protoc refused broken\.proto$"):
        generate.generate(tmp_path)
