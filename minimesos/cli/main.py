"""`minimesos`: finds the subcommand and imports only that one, so that help is quick."""

from __future__ import annotations

import importlib

import click

import minimesos

COMMANDS = {
    "master": ("minimesos.cli.master", "Run a master."),
    "agent": ("minimesos.cli.agent", "Run an agent."),
    "local": ("minimesos.cli.local", "Run a master and some agents in one process."),
    "submit": ("minimesos.cli.submit", "Run a driver script."),
    "shell": ("minimesos.cli.submit", "Open a Python prompt with a Spark context in it."),
    "shuffle-service": (
        "minimesos.cli.shuffle_service",
        "Keep the map outputs of this host when their executors go.",
    ),
    "package-executor": (
        "minimesos.cli.package_executor",
        "Make an archive that runs executors where minimesos is not installed.",
    ),
}


class _LateCommands(click.Group):
    """A group whose commands are imported when they are run, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


@click.group(
    cls=_LateCommands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command has a --help of its own.",
)
@click.version_option(minimesos.__version__, message="minimesos %(version)s")
def main() -> None:
    """A mini Mesos, and a Spark-style engine that runs on it."""


if __name__ == "__main__":
    main()
