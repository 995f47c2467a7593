"""How an executor package starts: which Python it takes, and what it says of one it cannot."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from minimesos.spark.package import write_package

from .old_python import OLD_PYTHON, of_version

pytestmark = pytest.mark.integration

TELLING_PYTHON = """#!/bin/sh
echo "${0##*/}" "${PWD##*/}" "$@"
"""
USAGE = "usage: python -P -m minimesos_executor "

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpacked package."""
    place = tmp_path_factory.mktemp("package")
    write_package(place / "executor.tgz")
    with tarfile.open(place / "executor.tgz") as tar:
        tar.extractall(place, filter="data")
    return place / "executor"


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    path = tmp_path / "sandbox"
    path.mkdir()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The only folder of commands that the launcher sees."""
    path = tmp_path / "commands"
    path.mkdir()
    return path


def command(path: Path, script: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)
    return path


@pytest.fixture
def run(package: Path, sandbox: Path, path: Path) -> Run:
    """Run the launcher as an agent would, with given variables."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["./bin/minimesos-executor", *arguments],
            cwd=package,
            env={"PATH": str(path), "MESOS_SANDBOX": str(sandbox), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_an_executor_runs_from_the_package(run):
    done = run(PYSPARK_PYTHON=sys.executable)
    assert done.stderr.startswith(USAGE)
    assert done.returncode == 2


def test_nothing_in_the_sandbox_or_on_pythonpath_comes_before_the_package(run, sandbox, tmp_path):
    for folder in (sandbox, tmp_path / "elsewhere"):
        for name in ("minimesos.py", "minimesos_executor.py"):
            command(folder / name, "raise SystemExit('shadowed')")
    (sandbox / "re.py").write_text("raise SystemExit('shadowed')")
    done = run(PYSPARK_PYTHON=sys.executable, PYTHONPATH=str(tmp_path / "elsewhere"))
    assert done.stderr.startswith(USAGE)


def test_pyspark_python_is_taken_before_python3(run, path):
    for name in ("python3", "mine"):
        command(path / name, TELLING_PYTHON)
    assert run().stdout.startswith("python3 ")
    assert run(PYSPARK_PYTHON="").stdout.startswith("python3 ")
    assert run(PYSPARK_PYTHON="mine").stdout.startswith("mine ")


def test_without_python3_another_name_will_do(run, path):
    for name in ("python3.11", "python3.12"):
        command(path / name, TELLING_PYTHON)
    assert run().stdout.startswith("python3.12 ")


def test_arguments_are_passed_on_and_the_sandbox_is_the_working_directory(run, package, path):
    command(path / "python3", TELLING_PYTHON)
    start = package / "minimesos_executor" / "start.py"
    assert run("spark", "--cores", "2 *").stdout == f"python3 sandbox {start} spark --cores 2 *\n"


def test_a_relative_pyspark_python_is_one_of_the_sandbox(run, sandbox):
    command(sandbox / "environment" / "python", TELLING_PYTHON)
    assert run(PYSPARK_PYTHON="./environment/python").stdout.startswith("python sandbox")


def test_an_old_python3_gives_way_to_a_newer_one(run, path):
    command(path / "python3", OLD_PYTHON)
    command(path / "python3.12", "#!/bin/sh\nexit 127")  # a name with nothing behind it
    command(path / "python3.11", f'#!/bin/sh\nexec {sys.executable} "$@"')
    assert run().stderr.startswith(USAGE)


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        (False, f"{sys.executable} is 3.9; say where a newer one is with PYSPARK_PYTHON"),
        (True, "PYSPARK_PYTHON=python3 is 3.9"),
    ],
)
def test_a_python_that_is_too_old_is_told_in_a_line(run, path, named, problem):
    command(path / "python3", OLD_PYTHON)
    done = run("spark", PYSPARK_PYTHON="python3" if named else "")
    assert done.stderr == f"this executor needs Python >= 3.11, {problem}\n"
    assert done.returncode == 1


def test_a_python_that_the_driver_would_refuse_gives_way_to_one_of_its_version(run, path):
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    command(path / "python3", of_version(3, 99))
    command(path / f"python{ours}", f'#!/bin/sh\nexec {sys.executable} "$@"')
    assert run(MINIMESOS_DRIVER_PYTHON=ours).stderr.startswith(USAGE)


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        (False, f"{sys.executable} is 3.99; say where one is with PYSPARK_PYTHON"),
        (True, "PYSPARK_PYTHON=python3 is 3.99"),
    ],
)
def test_a_version_that_the_driver_would_refuse_is_told_before_any_library_that_it_lacks(
    run, path, named, problem
):
    command(path / "python3", of_version(3, 99).replace(" -c '", " -S -c '"))  # no libraries
    command(path / "python3.12", of_version(3, 99))  # a name that promises too much
    done = run(MINIMESOS_DRIVER_PYTHON="3.12", PYSPARK_PYTHON="python3" if named else "")
    assert done.stderr == f"this executor needs Python 3.12 as its driver, {problem}\n"
    assert done.returncode == 1


def test_a_python_that_is_not_there_is_told_in_a_line(run, path):
    done = run("spark", PYSPARK_PYTHON="/nowhere/python")
    assert done.stderr == (
        "this executor needs Python >= 3.11, PYSPARK_PYTHON=/nowhere/python is not on this agent\n"
    )
    assert done.returncode == 127
    done = run("spark")
    assert done.stderr.startswith(
        f"this executor needs Python >= 3.11, there is no python3 in {path}"
    )
    assert done.stderr.count("\n") == 1


def test_missing_libraries_are_told_in_a_line(run, path):
    command(path / "python3", f'#!/bin/sh\nexec {sys.executable} -S "$@"')  # -S: without libraries
    done = run("spark")
    assert done.stderr.startswith("this executor needs grpcio >= ")
    assert "-m pip install 'grpcio>=" in done.stderr
    assert (done.stderr.count("\n"), done.returncode) == (1, 1)


def test_the_installed_command_is_the_same_without_a_package(tmp_path):
    """As pip writes it, in a folder whose modules must not be imported."""
    (tmp_path / "logging.py").write_text("raise SystemExit('shadowed')")
    script = command(
        tmp_path / "minimesos-executor",
        f"#!{sys.executable}\nimport sys\n"
        "from minimesos_executor.__main__ import script\nsys.exit(script())\n",
    )
    done = subprocess.run([script, "spark", "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--driver-url" in done.stdout
