"""The surroundings in which a driver script starts: environment, interpreter, module search path.

Used by `minimesos submit` and `minimesos shell`, which then become that interpreter. They are gone
before anything runs, so this imports as little as it can.

Source: Spark's "Configuration" page, "Environment Variables", and PySpark's launch scripts.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

from minimesos.spark.compat import SEARCH_PATH
from minimesos.spark.compat.real import asks_for_real, real_settings
from minimesos.spark.conf_files import conf_directory, conf_file
from minimesos.spark.settings.application import MASTER, PYSPARK_ALIAS
from minimesos.spark.submit import (
    REAL_MASTER_VARIABLE,
    SUBMIT_ARGS_VARIABLE,
    Submission,
    SubmitError,
    is_uri,
)

SHELL_STARTUP = os.path.join(os.path.dirname(__file__), "shell_startup.py")
OLD_STARTUP_VARIABLE = "OLD_PYTHONSTARTUP"

_LOADED = "SPARK_ENV_LOADED"
_ENV_SCRIPT = "spark-env.sh"
_SHELLS_OWN = ("_", "OLDPWD", "PWD", "SHLVL")
_REMOVED = ("IPYTHON", "IPYTHON_OPTS")
_PYTHON = re.compile(r"python[\d.]*")


def with_spark_env(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment as `spark-env.sh` of the configuration directory leaves it.

    All that it sets is exported. It runs once: SPARK_ENV_LOADED says that it has. What it prints
    goes to stderr. Raises SubmitError if it fails.
    """
    if environment.get(_LOADED):
        return dict(environment)
    given = {**environment, _LOADED: "1"}
    directory = conf_directory(given)
    if directory is None:
        return given
    given["SPARK_CONF_DIR"] = str(directory)
    script = conf_file(_ENV_SCRIPT, given)
    return given if script is None else _sourced(os.path.abspath(script), given)


def _sourced(script: str, environment: dict[str, str]) -> dict[str, str]:
    import shutil
    import subprocess

    command = 'set -a; . "$1" >&2; exec env -0'
    done = subprocess.run(
        [shutil.which("bash") or "sh", "-c", command, _ENV_SCRIPT, script],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    if done.returncode or not done.stdout:
        raise SubmitError(f"{script} ended with {done.returncode} and did not set variables")
    entries = (entry.partition("=") for entry in os.fsdecode(done.stdout).split("\0") if entry)
    left = {name: value for name, _, value in entries if name not in _SHELLS_OWN}
    return left | {name: environment[name] for name in _SHELLS_OWN if name in environment}


def driver_python(properties: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """Return the path of the interpreter of a script: by default the one that runs this.

    Raises SubmitError that says where one was named that is not there.
    """
    for origin, name in (
        ("spark.pyspark.driver.python", properties.get("spark.pyspark.driver.python")),
        ("spark.pyspark.python", properties.get("spark.pyspark.python")),
        ("PYSPARK_DRIVER_PYTHON", environment.get("PYSPARK_DRIVER_PYTHON")),
        ("PYSPARK_PYTHON", environment.get("PYSPARK_PYTHON")),
    ):
        if name:
            import shutil

            path = shutil.which(name, path=environment.get("PATH"))
            if path is None:
                raise SubmitError(f"{origin}: there is no program '{name}' on this machine")
            return path
    return sys.executable


def script_command(submission: Submission, python: str) -> list[str]:
    """Return the command that runs a script."""
    assert submission.primary is not None
    return [python, submission.primary, *submission.arguments]


def shell_command(python: str, environment: Mapping[str, str]) -> list[str]:
    """Return the command of an interactive shell; it runs `shell_startup`.

    Raises SubmitError for variables that once chose the shell.
    """
    removed = [name for name in _REMOVED if environment.get(name)]
    if removed:
        raise SubmitError(
            f"{' and '.join(removed)} must not be set any more; use PYSPARK_DRIVER_PYTHON and "
            "PYSPARK_DRIVER_PYTHON_OPTS"
        )
    try:
        options = shlex.split(environment.get("PYSPARK_DRIVER_PYTHON_OPTS", ""))
    except ValueError as error:
        raise SubmitError(f"PYSPARK_DRIVER_PYTHON_OPTS: {error}") from error
    if not options and _PYTHON.fullmatch(os.path.basename(python)):
        options = ["-q", "-i"]  # interactive also where stdin is no terminal
    return [python, *options]


def driver_environment(
    submission: Submission, properties: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of a script's interpreter."""
    driver = dict(environment)
    driver.pop(REAL_MASTER_VARIABLE, None)
    master = properties.get(MASTER.name, "")
    if asks_for_real(master):
        driver[REAL_MASTER_VARIABLE] = master
        told = real_settings({**submission.properties, MASTER.name: master})
        submission = replace(submission, properties=told)
    driver[SUBMIT_ARGS_VARIABLE] = submission.to_submit_args()
    # Strings must hash alike in the driver and in every worker.
    if driver.get("PYTHONHASHSEED", "random") == "random":
        driver["PYTHONHASHSEED"] = "0"
    if python := properties.get("spark.pyspark.python"):
        driver["PYSPARK_PYTHON"] = python
    search_path = [*_python_path(properties), driver.get("PYTHONPATH", "")]
    if PYSPARK_ALIAS.read(properties):
        search_path.insert(0, SEARCH_PATH)
    if any(search_path):
        driver["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, search_path)))
    return driver


def shell_environment(driver: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an interactive shell, from those of a driver."""
    shell = {**driver, "PYTHONSTARTUP": SHELL_STARTUP}
    if "PYTHONSTARTUP" in driver:
        shell[OLD_STARTUP_VARIABLE] = driver["PYTHONSTARTUP"]
    return shell


def _python_path(properties: Mapping[str, str]) -> Iterator[str]:
    """Yield where the modules of `--py-files` are, as a script may import them at its top."""
    for path in properties.get("spark.submit.pyFiles", "").split(","):
        if path and not is_uri(path):
            yield os.path.dirname(path) if path.endswith(".py") else path
