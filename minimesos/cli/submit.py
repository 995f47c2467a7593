"""`minimesos submit` and `minimesos shell`: become the interpreter of a driver script or a prompt.

Both replace this process, so the script's exit code, signals and tracebacks are its own.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

import minimesos
from minimesos.spark.submit import (
    OPTIONS,
    SUBMIT_ARGS_VARIABLE,
    Submission,
    SubmitError,
    parse_arguments,
)

_EXIT_USAGE = 2
_RAW = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def _usage(command: str, rest: str) -> str:
    options = "\n".join(f"  {option:<24} {name}" for option, name in OPTIONS.items())
    return (
        f"Usage: minimesos {command} [OPTIONS] {rest}\n\n"
        f"Options, and the settings they stand for:\n{options}\n"
        "  -c, --conf K=V           any setting\n"
        "  --properties-file FILE   settings, one a line (default $SPARK_CONF_DIR/"
        "spark-defaults.conf)\n"
        "  -v, --verbose            print the settings before the start\n"
        "  -h, --help  --version\n"
    )


def _parse(command: str, rest: str, arguments: tuple[str, ...]) -> Submission:
    if arguments and arguments[0] in ("-h", "--help"):
        click.echo(_usage(command, rest))
        raise SystemExit(0)
    if arguments and arguments[0] == "--version":
        click.echo(f"minimesos {minimesos.__version__}")
        raise SystemExit(0)
    try:
        submission = parse_arguments(arguments)
    except SubmitError as error:
        _refuse(command, str(error))
    for warning in submission.warnings:
        click.echo(f"minimesos {command}: warning: {warning}", err=True)
    if submission.verbose:
        for name, value in sorted(submission.properties.items()):
            click.echo(f"{name}={value}", err=True)
    return submission


def _refuse(command: str, problem: str) -> NoReturn:
    click.echo(f"minimesos {command}: {problem}", err=True)
    click.echo(f"See 'minimesos {command} --help'", err=True)
    raise SystemExit(_EXIT_USAGE)


def _become(submission: Submission, arguments: list[str]) -> NoReturn:
    environment = dict(os.environ)
    environment[SUBMIT_ARGS_VARIABLE] = submission.to_submit_args()
    # Strings must hash alike in the driver and in every worker.
    environment.setdefault("PYTHONHASHSEED", "0")
    os.execve(sys.executable, [sys.executable, *arguments], environment)


@click.command(context_settings=_RAW, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def submit(arguments: tuple[str, ...]) -> None:
    """Run a driver script: minimesos submit [OPTIONS] SCRIPT [ARGUMENTS]."""
    submission = _parse("submit", "SCRIPT [ARGUMENTS]", arguments)
    if submission.primary is None:
        _refuse("submit", "no script was named")
    if not os.path.exists(submission.primary):
        _refuse("submit", f"no such script: {submission.primary}")
    submission.properties.setdefault(
        "spark.app.name", os.path.basename(submission.primary).removesuffix(".py")
    )
    _become(submission, [submission.primary, *submission.arguments])


@click.command(context_settings=_RAW, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def shell(arguments: tuple[str, ...]) -> None:
    """Open a Python prompt with a Spark context in it."""
    submission = _parse("shell", "", arguments)
    if submission.primary is not None:
        _refuse("shell", f"runs no scripts: use minimesos submit {submission.primary}")
    _become(submission, ["-i", "-m", "minimesos.spark.shell"])
