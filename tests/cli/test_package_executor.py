"""`minimesos package-executor` says what it wrote, how to use it, and why it could not."""

from __future__ import annotations

from click.testing import CliRunner

import minimesos
from minimesos.cli.main import main

NAME = f"minimesos-executor-{minimesos.__version__}.tgz"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["package-executor", *arguments])
    return result.exit_code, result.output


def test_it_says_what_it_wrote_and_how_to_use_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output = run()
    written, use = output.splitlines()
    assert code == 0
    assert written.startswith(f"Wrote {NAME} (")
    assert f"--conf spark.executor.uri={tmp_path / NAME} " in use
    assert (tmp_path / NAME).exists()


def test_a_directory_gets_a_package_of_the_usual_name(tmp_path):
    assert run("--output", str(tmp_path))[0] == 0
    assert (tmp_path / NAME).exists()


def test_an_output_that_cannot_be_written_is_told_in_a_line(tmp_path):
    path = tmp_path / "nowhere" / "package.tgz"
    code, output = run("--output", str(path))
    assert code == 1
    assert output == (
        f"minimesos package-executor: cannot write '{path}': No such file or directory\n"
    )
