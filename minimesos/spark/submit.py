"""spark-submit's command line, and the configuration that a script finds when it starts.

`minimesos submit` and `minimesos shell` turn their options into properties and hand them to the
script's own interpreter in PYSPARK_SUBMIT_ARGS, the variable that PySpark reads for the same
purpose; `SparkConf()` calls `default_properties` to find them there. Precedence, high to low:
settings in code, options, the properties file, environment variables, built-in defaults. Cluster
deploy mode is not here.

Source: Spark documentation "Submitting Applications".
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from minimesos.errors import MinimesosError

SUBMIT_ARGS_VARIABLE = "PYSPARK_SUBMIT_ARGS"
SHELL = "pyspark-shell"  # the primary resource that means "no script, an interactive shell"

OPTIONS: Mapping[str, str] = {
    "--master": "spark.master",
    "--deploy-mode": "spark.submit.deployMode",
    "--name": "spark.app.name",
    "--py-files": "spark.submit.pyFiles",
    "--files": "spark.files",
    "--archives": "spark.archives",
    "--driver-memory": "spark.driver.memory",
    "--driver-cores": "spark.driver.cores",
    "--executor-memory": "spark.executor.memory",
    "--total-executor-cores": "spark.cores.max",
    "--executor-cores": "spark.executor.cores",
    "--num-executors": "spark.executor.instances",
}
# Options of other cluster managers and of the JVM: accepted so that command lines run unchanged.
IGNORED_OPTIONS = frozenset(
    {
        "--proxy-user", "--principal", "--keytab", "--queue", "--class", "--jars", "--packages",
        "--exclude-packages", "--repositories", "--driver-java-options", "--driver-library-path",
        "--driver-class-path",
    }
)  # fmt: skip
_OTHERS = frozenset({"--conf", "-c", "--properties-file"})
_ENVIRONMENT = {
    "spark.master": "MASTER",
    "spark.submit.deployMode": "DEPLOY_MODE",
    "spark.driver.memory": "SPARK_DRIVER_MEMORY",
    "spark.executor.memory": "SPARK_EXECUTOR_MEMORY",
    "spark.executor.cores": "SPARK_EXECUTOR_CORES",
}
_PROPERTY = re.compile(r"\s*([^\s=:#!][^\s=:]*)(?:\s*[=:]\s*|\s+|$)(.*)")


class SubmitError(MinimesosError):
    """A command line or properties file that cannot be used; the text says which part."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A parsed command line."""

    properties: dict[str, str]  # of options and --conf, without the properties file
    properties_file: str | None
    primary: str | None  # the script, or None if none was named
    arguments: list[str]  # the script's own
    verbose: bool
    warnings: list[str]

    def to_submit_args(self) -> str:
        """Write the properties as PYSPARK_SUBMIT_ARGS of the script's interpreter."""
        words: list[str] = []
        if self.properties_file is not None:
            words += ["--properties-file", self.properties_file]
        for key, value in self.properties.items():
            words += ["--conf", f"{key}={value}"]
        return shlex.join([*words, SHELL])


def parse_arguments(arguments: Sequence[str]) -> Submission:
    """Read options up to the first word that is none; the rest is the script's.

    Raises SubmitError that lists every problem.
    """
    reading = _Reading(list(arguments))
    while reading.words and reading.words[0].startswith("-"):
        reading.take_option()
    mode = reading.of_options.get("spark.submit.deployMode", "client")
    if mode != "client":
        reading.problems.append(f"--deploy-mode must be client, not {mode}: nothing else is here")
    if reading.problems:
        raise SubmitError("; ".join(reading.problems))
    return Submission(
        properties={**reading.of_conf, **reading.of_options},
        properties_file=reading.properties_file,
        primary=reading.words[0] if reading.words else None,
        arguments=reading.words[1:],
        verbose=reading.verbose,
        warnings=reading.warnings,
    )


@dataclass(slots=True)
class _Reading:
    """A command line half read."""

    words: list[str]
    of_options: dict[str, str] = field(default_factory=dict)
    of_conf: dict[str, str] = field(default_factory=dict)
    properties_file: str | None = None
    verbose: bool = False
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take_option(self) -> None:
        option, inline, value = self.words.pop(0).partition("=")
        if option in ("--verbose", "-v"):
            self.verbose = True
        elif option not in OPTIONS and option not in IGNORED_OPTIONS and option not in _OTHERS:
            self.problems.append(f"Unrecognized option: {option}")
        elif not inline and not self.words:
            self.problems.append(f"option {option} needs a value")
        else:
            self.set_option(option, value if inline else self.words.pop(0))

    def set_option(self, option: str, value: str) -> None:
        if option in OPTIONS:
            self.of_options[OPTIONS[option]] = value
        elif option == "--properties-file":
            self.properties_file = value
        elif option in IGNORED_OPTIONS:
            self.warnings.append(f"option {option} means nothing here and is ignored")
        else:
            self.set_property(value)

    def set_property(self, text: str) -> None:
        key, equals, value = text.partition("=")
        if not equals:
            self.problems.append(f"Spark config without '=': {text}")
        elif key.startswith("spark."):
            self.of_conf[key] = value
        else:
            self.warnings.append(f"Ignoring non-spark config property: {text}")


def parse_properties(text: str) -> dict[str, str]:
    """Read `spark-defaults.conf`: `key value`, `key=value` or `key: value` lines, # comments."""
    properties: dict[str, str] = {}
    for line in text.splitlines():
        match = _PROPERTY.match(line)
        if match is not None and match[1].startswith("spark."):
            properties[match[1]] = match[2].strip()
    return properties


def default_properties(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what `SparkConf()` starts from: environment, properties file, submit's options.

    Raises SubmitError for a malformed PYSPARK_SUBMIT_ARGS or an unreadable properties file.
    """
    try:
        words = shlex.split(environment.get(SUBMIT_ARGS_VARIABLE, ""))
    except ValueError as error:
        raise SubmitError(f"{SUBMIT_ARGS_VARIABLE}: {error}") from error
    submission = parse_arguments(words)
    properties = {
        name: environment[variable]
        for name, variable in _ENVIRONMENT.items()
        if environment.get(variable)
    }
    path = _properties_path(submission, environment)
    if path is not None:
        try:
            properties |= parse_properties(path.read_text())
        except OSError as error:
            raise SubmitError(f"properties file {path}: {error.strerror}") from error
    return properties | submission.properties


def _properties_path(submission: Submission, environment: Mapping[str, str]) -> Path | None:
    if submission.properties_file is not None:
        return Path(submission.properties_file)
    directory = environment.get("SPARK_CONF_DIR")
    if directory is None:
        return None
    path = Path(directory, "spark-defaults.conf")
    return path if path.exists() else None
