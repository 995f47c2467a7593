"""How a driver script is started: environment, interpreter, module search path."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from minimesos.spark.launch import (
    SHELL_STARTUP,
    driver_environment,
    driver_python,
    shell_command,
    shell_environment,
    with_spark_env,
)
from minimesos.spark.submit import SUBMIT_ARGS_VARIABLE, SubmitError, parse_arguments

PATH = {"PATH": os.environ["PATH"]}


def spark_env(directory: Path, script: str) -> dict[str, str]:
    (directory / "spark-env.sh").write_text(script)
    return {"SPARK_CONF_DIR": str(directory), "PWD": "/here", **PATH}


@pytest.mark.integration
def test_variables_of_spark_env_are_exported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = spark_env(tmp_path, "echo hello; A='two words'\nB=$A\"\n\"lines; unset GONE; cd /\n")
    left = with_spark_env({**given, "GONE": "x", "KEPT": "y"})
    assert left == {
        **given, "KEPT": "y", "A": "two words", "B": "two words\nlines", "SPARK_ENV_LOADED": "1",
    }  # fmt: skip
    assert capfd.readouterr() == ("", "hello\n")


@pytest.mark.integration
def test_a_spark_env_that_fails_is_named(tmp_path: Path) -> None:
    for script in ("exit 3", "exit 0"):
        with pytest.raises(SubmitError, match=rf"{tmp_path}/spark-env.sh ended with {script[-1]}"):
            with_spark_env(spark_env(tmp_path, script))


def test_spark_env_runs_once(tmp_path: Path) -> None:
    given = spark_env(tmp_path, "exit 3") | {"SPARK_ENV_LOADED": "1"}
    assert with_spark_env(given) == given


def test_without_a_spark_env_the_environment_stays_as_it_is(tmp_path: Path) -> None:
    assert with_spark_env({"A": "1"}) == {"A": "1", "SPARK_ENV_LOADED": "1"}
    assert with_spark_env({"SPARK_HOME": str(tmp_path)}) == {
        "SPARK_HOME": str(tmp_path),
        "SPARK_CONF_DIR": str(tmp_path / "conf"),
        "SPARK_ENV_LOADED": "1",
    }


def test_the_interpreter_is_the_first_one_that_is_named(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).touch(mode=0o755)
    environment = {"PATH": str(tmp_path)}
    properties: dict[str, str] = {}
    assert driver_python(properties, environment) == sys.executable
    environment["PYSPARK_PYTHON"] = "d"
    assert driver_python(properties, environment) == str(tmp_path / "d")
    environment["PYSPARK_DRIVER_PYTHON"] = "c"
    assert driver_python(properties, environment) == str(tmp_path / "c")
    properties["spark.pyspark.python"] = "b"
    assert driver_python(properties, environment) == str(tmp_path / "b")
    properties["spark.pyspark.driver.python"] = "a"
    assert driver_python(properties, environment) == str(tmp_path / "a")


def test_an_interpreter_that_is_not_there_is_named_with_who_named_it(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "PYSPARK_PYTHON": "python9"}
    with pytest.raises(SubmitError, match="PYSPARK_PYTHON: there is no program 'python9'"):
        driver_python({}, environment)


def test_a_script_is_told_its_settings_and_hashes_strings_as_its_workers_do() -> None:
    submission = parse_arguments(["--master", "local[2]", "x.py"])
    driver = driver_environment(submission, submission.properties, {"A": "1"})
    assert driver == {
        "A": "1",
        "PYTHONHASHSEED": "0",
        SUBMIT_ARGS_VARIABLE: "--conf 'spark.master=local[2]' pyspark-shell",
    }
    for given, left in (("7", "7"), ("random", "0")):
        driver = driver_environment(submission, {}, {"PYTHONHASHSEED": given})
        assert driver["PYTHONHASHSEED"] == left


def test_modules_of_py_files_can_be_imported_before_there_is_a_context() -> None:
    properties = {"spark.submit.pyFiles": "/lib/a.py,/lib/b.zip,http://host/c.py,/lib/d.py"}
    driver = driver_environment(parse_arguments([]), properties, {"PYTHONPATH": "/mine"})
    assert driver["PYTHONPATH"] == "/lib:/lib/b.zip:/mine"


def test_the_python_of_executors_is_exported() -> None:
    driver = driver_environment(parse_arguments([]), {"spark.pyspark.python": "py"}, {})
    assert driver["PYSPARK_PYTHON"] == "py"


def test_the_users_startup_file_is_kept_for_after_ours() -> None:
    assert shell_environment({}) == {"PYTHONSTARTUP": SHELL_STARTUP}
    assert shell_environment({"PYTHONSTARTUP": "mine.py"}) == {
        "PYTHONSTARTUP": SHELL_STARTUP,
        "OLD_PYTHONSTARTUP": "mine.py",
    }
    assert Path(SHELL_STARTUP).exists()


def test_a_plain_python_is_made_interactive_and_others_get_their_own_options() -> None:
    assert shell_command("/bin/python3.12", {}) == ["/bin/python3.12", "-q", "-i"]
    assert shell_command("/bin/ipython", {}) == ["/bin/ipython"]
    options = {"PYSPARK_DRIVER_PYTHON_OPTS": "notebook --no-browser"}
    assert shell_command("/bin/jupyter", options) == ["/bin/jupyter", "notebook", "--no-browser"]


@pytest.mark.parametrize("name", ["IPYTHON", "IPYTHON_OPTS"])
def test_variables_that_once_chose_the_shell_are_refused(name: str) -> None:
    with pytest.raises(SubmitError, match=f"^{name} must not be set any more; use PYSPARK_DRIVER"):
        shell_command("/bin/python3", {name: "1"})
