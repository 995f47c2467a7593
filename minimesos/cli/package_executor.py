"""`minimesos package-executor`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

import minimesos
from minimesos.cli.programs import EXIT_FAILED
from minimesos.errors import MinimesosError
from minimesos.spark.package import DEFAULT_NAME, write_package
from minimesos.spark.settings.mesos import MESOS_EXECUTOR_URI

KIB = 1024


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=DEFAULT_NAME,
    show_default=True,
    metavar="FILE",
    help="Where to write it: a name that ends in .tgz or .tar.gz, or a directory.",
)
def package_executor(output: Path) -> None:
    """Make an archive that runs executors on agents without an installed minimesos.

    It holds the executor's Python sources and a launcher, bin/minimesos-executor. An application
    names it by the setting spark.executor.uri, as a path on the agents or by file://, http:// or
    https://; each agent fetches and unpacks it into an executor's sandbox. It is of the version
    that is installed here, as the driver must be.

    An agent needs a Python of the driver's minor version, 3.11 or newer, with grpcio, protobuf and
    psutil: PYSPARK_PYTHON if that is set for the application, else python3. What is missing is said
    when an executor starts.

    The same sources give the same bytes.
    """
    path = output / DEFAULT_NAME if output.is_dir() else output
    try:
        size = write_package(path)
    except MinimesosError as error:
        click.echo(f"minimesos package-executor: {error}", err=True)
        sys.exit(EXIT_FAILED)
    click.echo(f"Wrote {path} ({size // KIB} KiB): executors of minimesos {minimesos.__version__}")
    setting = f"{MESOS_EXECUTOR_URI.name}={path.resolve()}"
    click.echo(
        f"Use it: minimesos submit --conf {setting} ..., or put it where agents can fetch it"
    )
