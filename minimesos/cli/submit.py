"""`minimesos submit` and `minimesos shell`: become the interpreter of a driver script or a prompt.

Both replace this process, so the script's exit code, signals and tracebacks are its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NoReturn

import click

import minimesos
from minimesos.errors import MinimesosError
from minimesos.spark.compat.real import asks_for_real, require_pyspark
from minimesos.spark.launch import (
    driver_environment,
    driver_python,
    script_command,
    shell_command,
    shell_environment,
    with_spark_env,
)
from minimesos.spark.settings.application import MASTER, PYSPARK_ALIAS
from minimesos.spark.submit import (
    ENVIRONMENT,
    IGNORED_OPTIONS,
    OPTIONS,
    SHELL,
    Submission,
    SubmitError,
    parse_arguments,
    properties_path,
    resolve,
)

_EXIT_USAGE = 2
_RAW = {"ignore_unknown_options": True, "allow_interspersed_args": False}
_ANY_MASTER = "local[*]"
_NO_SCRIPTS = (".jar", ".R", ".r")

_HELP = """\
Usage: minimesos {usage}

Options, and the settings they stand for:
{options}
  -c, --conf K=V           any setting
  --properties-file FILE   settings, one a line (default: spark-defaults.conf
                           in SPARK_CONF_DIR, else in conf of SPARK_HOME)
  -v, --verbose            print what is started, and with which settings
  -h, --help  --version

Settings in code win over options, those over --conf, that over the properties
file, and that over variables:
{variables}

Other variables: SPARK_HOME, SPARK_CONF_DIR (its spark-env.sh is sourced first),
SPARK_USER, SPARK_PUBLIC_DNS, SPARK_LOCAL_DIRS, PYTHONHASHSEED (0 if unset), and
PYSPARK_DRIVER_PYTHON, else PYSPARK_PYTHON: the interpreter (default: this one),
unless spark.pyspark.driver.python or spark.pyspark.python names one{more}.

Masters of the real PySpark (pip install 'minimesos[spark]'), to which `import
pyspark` then leads, are spark://, yarn, k8s:// and spark+ before a URL, as in
spark+local[2]. With all others it leads to minimesos, unless
spark.minimesos.pyspark.alias is false.

Accepted, and ignored but with a master of the real PySpark:
{ignored}
"""


def _help(command: str) -> str:
    usage = {
        "submit": "submit [OPTIONS] SCRIPT [ARGUMENTS]\n"
        "       minimesos submit --kill ID | --status ID   (cluster mode: not here yet)",
        "shell": "shell [OPTIONS]",
    }
    more = {"submit": "", "shell": ";\nPYSPARK_DRIVER_PYTHON_OPTS, PYTHONSTARTUP"}
    ignored = sorted([*IGNORED_OPTIONS, "--supervise"])
    lines = [ignored[at : at + 4] for at in range(0, len(ignored), 4)]
    return _HELP.format(
        usage=usage[command],
        options="\n".join(f"  {option:<24} {name}" for option, name in OPTIONS.items()),
        variables="\n".join(
            f"  {name:<26} {', else '.join(variables)}" for name, variables in ENVIRONMENT.items()
        ),
        more=more[command],
        ignored="\n".join("  " + ", ".join(line) for line in lines),
    )


def _refuse(command: str, problem: str) -> NoReturn:
    click.echo(f"minimesos {command}: {problem}", err=True)
    click.echo(f"See 'minimesos {command} --help'", err=True)
    raise SystemExit(_EXIT_USAGE)


def _parse(command: str, arguments: tuple[str, ...]) -> Submission:
    """Read the command line; ends the process if that is all there is to do."""
    try:
        submission = parse_arguments(arguments)
    except SubmitError as error:
        _refuse(command, str(error))
    if submission.question == "--help":
        click.echo(_help(command))
        raise SystemExit(0)
    if submission.question == "--version":
        click.echo(f"minimesos {minimesos.__version__}, Python {sys.version.split()[0]}")
        raise SystemExit(0)
    return submission


def _settle(command: str, submission: Submission, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings from all sources, and warn of what is left out."""
    properties, warnings = resolve(submission, environment)
    is_ours = not asks_for_real(properties.get(MASTER.name))
    if is_ours:
        unused = submission.for_spark[::2]
        warnings += [f"option {option} means nothing here and is ignored" for option in unused]
    for warning in submission.warnings + warnings:
        click.echo(f"minimesos {command}: warning: {warning}", err=True)
    mode = properties.get("spark.submit.deployMode", "client")
    if mode != "client":
        _refuse(command, f"--deploy-mode must be client, not {mode}: nothing else is here yet")
    if is_ours and PYSPARK_ALIAS.name not in properties:
        submission.properties[PYSPARK_ALIAS.name] = properties[PYSPARK_ALIAS.name] = "true"
    return properties


def _refuse_driver_request(submission: Submission, properties: Mapping[str, str]) -> NoReturn:
    assert submission.driver_request is not None
    option, driver_id = submission.driver_request
    master = properties.get("spark.master", _ANY_MASTER)
    if not master.startswith(("mesos://", "spark://")):
        _refuse("submit", f"{option} needs a master at mesos://host:port, not {master}")
    _refuse(
        "submit",
        f"{option} {driver_id}: drivers are managed by a dispatcher, which is not here yet; "
        "end a driver where it was submitted",
    )


def _python(properties: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """Return the interpreter, which must have what the master asks for, as far as can be seen."""
    python = driver_python(properties, environment)
    if python == sys.executable and asks_for_real(properties.get(MASTER.name)):
        require_pyspark()
    return python


def _become(
    submission: Submission, command: list[str], properties: dict[str, str], driver: dict[str, str]
) -> NoReturn:
    if submission.verbose:
        _describe(submission, command, properties, driver)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, driver)


def _describe(
    submission: Submission, command: list[str], properties: dict[str, str], driver: dict[str, str]
) -> None:
    from minimesos.spark.settings import redacted

    click.echo(f"Using properties file: {properties_path(submission, driver)}", err=True)
    click.echo(f"Command: {' '.join(command)}", err=True)
    click.echo("Settings:", err=True)
    for name, value in sorted(redacted(properties).items()):
        click.echo(f"  {name}={value}", err=True)


@click.command(context_settings=_RAW, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def submit(arguments: tuple[str, ...]) -> None:
    """Run a driver script: minimesos submit [OPTIONS] SCRIPT [ARGUMENTS]."""
    submission = _parse("submit", arguments)
    script = submission.primary
    try:
        environment = with_spark_env(os.environ)
        properties = _settle("submit", submission, environment)
        if submission.driver_request is not None:
            _refuse_driver_request(submission, properties)
        if script is None:
            click.echo(_help("submit"), err=True)
            raise SystemExit(_EXIT_USAGE)
        if script == SHELL:
            _open_shell(submission, properties, environment)
        if script.endswith(_NO_SCRIPTS):
            _refuse("submit", f"{script}: only Python scripts run here")
        if not os.path.exists(script):
            _refuse("submit", f"no such script: {script}")
        name = os.path.basename(script).removesuffix(".py")
        for key, value in (("spark.master", _ANY_MASTER), ("spark.app.name", name)):
            if key not in properties:
                submission.properties[key] = properties[key] = value
        command = script_command(submission, _python(properties, environment))
        driver = driver_environment(submission, properties, environment)
        _become(submission, command, properties, driver)
    except MinimesosError as error:
        _refuse("submit", str(error))


@click.command(context_settings=_RAW, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def shell(arguments: tuple[str, ...]) -> None:
    """Open a Python prompt with a Spark context in it."""
    submission = _parse("shell", arguments)
    if submission.primary is not None:
        _refuse("shell", f"runs no scripts: use minimesos submit {submission.primary}")
    try:
        environment = with_spark_env(os.environ)
        properties = _settle("shell", submission, environment)
        _open_shell(submission, properties, environment)
    except MinimesosError as error:
        _refuse("shell", str(error))


def _open_shell(
    submission: Submission, properties: dict[str, str], environment: Mapping[str, str]
) -> NoReturn:
    command = shell_command(_python(properties, environment), environment)
    driver = driver_environment(submission, properties, environment)
    _become(submission, command, properties, shell_environment(driver))
