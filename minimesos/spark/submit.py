"""spark-submit's command line, and the configuration that a script finds when it starts.

`minimesos submit` and `minimesos shell` turn their options into properties and hand them to the
script's own interpreter in PYSPARK_SUBMIT_ARGS, the variable that PySpark reads for the same
purpose; `SparkConf()` calls `default_properties` to find them there. Precedence, high to low:
settings in code, options, `--conf`, the properties file, environment variables, built-in defaults.
How the interpreter is started is in `launch`. Cluster deploy mode is not here.

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
from minimesos.spark.conf_files import DEFAULTS, conf_file, parse_properties

SUBMIT_ARGS_VARIABLE = "PYSPARK_SUBMIT_ARGS"
REAL_MASTER_VARIABLE = "MINIMESOS_REAL_MASTER"
"""Has the master, as it was given, where that is one of the real Spark."""
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
# Options of other cluster managers and of the JVM: accepted so that command lines run unchanged,
# and passed on where the real Spark is the engine.
IGNORED_OPTIONS = frozenset(
    {
        "--proxy-user", "--principal", "--keytab", "--queue", "--class", "--jars", "--packages",
        "--exclude-packages", "--repositories", "--driver-java-options", "--driver-library-path",
        "--driver-class-path",
    }
)  # fmt: skip
ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "spark.master": ("MASTER",),
    "spark.submit.deployMode": ("DEPLOY_MODE",),
    "spark.driver.memory": ("SPARK_DRIVER_MEMORY",),
    "spark.driver.host": ("SPARK_LOCAL_HOSTNAME", "SPARK_LOCAL_IP"),
    "spark.driver.bindAddress": ("SPARK_LOCAL_IP",),
    "spark.executor.memory": ("SPARK_EXECUTOR_MEMORY",),
    "spark.executor.cores": ("SPARK_EXECUTOR_CORES",),
    "spark.executor.uri": ("SPARK_EXECUTOR_URI",),
}
"""Variables that stand for a property where nothing else sets it; the first one that is set."""

_DRIVER_REQUESTS = ("--kill", "--status")
_OTHERS = ("--conf", "-c", "--properties-file")
_WITH_VALUE = IGNORED_OPTIONS.union(OPTIONS, _DRIVER_REQUESTS, _OTHERS)
_PATHS = ("--py-files", "--files", "--archives")
_QUESTIONS = {"--help": "--help", "-h": "--help", "--version": "--version"}
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


class SubmitError(MinimesosError):
    """A command line or properties file that cannot be used; the text says which part."""


@dataclass(slots=True)
class Submission:
    """A parsed command line."""

    properties: dict[str, str] = field(default_factory=dict)
    """Of options and `--conf`, without the properties file."""
    properties_file: str | None = None
    primary: str | None = None
    """The script, or None if none was named."""
    arguments: list[str] = field(default_factory=list)
    """The script's own."""
    verbose: bool = False
    question: str | None = None
    """`--help` or `--version`, if that is all that is wanted."""
    driver_request: tuple[str, str] | None = None
    """`--kill` or `--status`, and the driver's id."""
    warnings: list[str] = field(default_factory=list)
    for_spark: list[str] = field(default_factory=list)
    """Options, each with its value, that only the real Spark knows."""

    def to_submit_args(self) -> str:
        """Write the properties as PYSPARK_SUBMIT_ARGS of the script's interpreter."""
        words = list(self.for_spark)
        if self.properties_file is not None:
            words += ["--properties-file", self.properties_file]
        for key, value in self.properties.items():
            words += ["--conf", f"{key}={value}"]
        return shlex.join([*words, SHELL])


def parse_arguments(arguments: Sequence[str]) -> Submission:
    """Read options up to the first word that is none; the rest is the script's.

    Paths are made absolute, as a script may change its directory. Raises SubmitError that lists
    every problem.
    """
    reading = _Reading(list(arguments))
    submission = reading.submission
    while reading.words and reading.words[0].startswith("-") and submission.question is None:
        reading.take_option()
    if submission.question is None and reading.problems:
        raise SubmitError("; ".join(reading.problems))
    submission.properties = reading.of_conf | reading.of_options
    submission.primary = reading.words[0] if reading.words else None
    submission.arguments = reading.words[1:]
    return submission


@dataclass(slots=True)
class _Reading:
    """A command line half read."""

    words: list[str]
    submission: Submission = field(default_factory=Submission)
    of_options: dict[str, str] = field(default_factory=dict)
    of_conf: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def take_option(self) -> None:
        option, inline, value = self.words.pop(0).partition("=")
        if option in ("--verbose", "-v"):
            self.submission.verbose = True
        elif option in _QUESTIONS:
            self.submission.question = _QUESTIONS[option]
        elif option == "--supervise":
            self.warn("option --supervise has no effect: only a dispatcher restarts drivers")
        elif option not in _WITH_VALUE:
            self.problems.append(f"Unrecognized option: {option}")
        elif not inline and not self.words:
            self.problems.append(f"option {option} needs a value")
        else:
            self.set_option(option, value if inline else self.words.pop(0))

    def set_option(self, option: str, value: str) -> None:
        if option in OPTIONS:
            self.of_options[OPTIONS[option]] = _absolute_all(value) if option in _PATHS else value
        elif option == "--properties-file":
            self.submission.properties_file = os.path.abspath(value)
        elif option in IGNORED_OPTIONS:
            self.submission.for_spark += [option, value]
        elif option not in _DRIVER_REQUESTS:
            self.set_property(value)
        elif self.submission.driver_request is None:
            self.submission.driver_request = option, value
        else:
            self.problems.append(f"only one of {' and '.join(_DRIVER_REQUESTS)} can be asked for")

    def set_property(self, text: str) -> None:
        key, equals, value = text.partition("=")
        if not equals:
            self.problems.append(f"Spark config without '=': {text}")
        elif key.startswith("spark."):
            self.of_conf[key] = value
        else:
            self.warn(_ignoring(key, value))

    def warn(self, warning: str) -> None:
        self.submission.warnings.append(warning)


def is_uri(path: str) -> bool:
    """Say whether a path names a scheme, like `file:/data`."""
    return _URI.match(path) is not None


def _absolute_all(paths: str) -> str:
    """Make the paths of a comma list absolute; URIs stay, and what follows a `#`."""
    return ",".join(
        path if is_uri(path) else os.path.abspath(path)
        for path in map(str.strip, paths.split(","))
        if path
    )


def _ignoring(key: str, value: str) -> str:
    return f"Ignoring non-spark config property: {key}={value}"


def resolve(
    submission: Submission, environment: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return the properties that a script starts from, and warnings about the properties file.

    Raises SubmitError for a properties file that cannot be read.
    """
    properties = {
        name: next(filter(None, map(environment.get, variables)), "")
        for name, variables in ENVIRONMENT.items()
    }
    properties = {name: value for name, value in properties.items() if value}
    warnings = []
    path = properties_path(submission, environment)
    for key, value in (_read_properties(path) if path is not None else {}).items():
        if key.startswith("spark."):
            properties[key] = value
        else:
            warnings.append(f"{path}: {_ignoring(key, value)}")
    return properties | submission.properties, warnings


def properties_path(submission: Submission, environment: Mapping[str, str]) -> Path | None:
    """Return the properties file: the one that is named, else that of the configuration, if any."""
    if submission.properties_file is not None:
        return Path(submission.properties_file)
    return conf_file(DEFAULTS, environment)


def _read_properties(path: Path) -> dict[str, str]:
    try:
        return parse_properties(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SubmitError(f"properties file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SubmitError(f"properties file {path}: it is not UTF-8: {error}") from error


def default_properties(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what `SparkConf()` starts from: environment, properties file, submit's options.

    Raises SubmitError for a malformed PYSPARK_SUBMIT_ARGS or an unreadable properties file.
    """
    try:
        submission = parse_arguments(shlex.split(environment.get(SUBMIT_ARGS_VARIABLE, "")))
    except (ValueError, SubmitError) as error:
        raise SubmitError(f"{SUBMIT_ARGS_VARIABLE}: {error}") from error
    properties = resolve(submission, environment)[0]
    if master := environment.get(REAL_MASTER_VARIABLE):
        properties["spark.master"] = master
    return properties
