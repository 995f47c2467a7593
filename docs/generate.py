"""Writes the pages of docs/ that repeat what the code says: flags, settings, the commands' help.

Called by `make docs`; with `--check` nothing is written and stale files are named. A page says only
what flags, settings and commands say of themselves, so that it is corrected there.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from minimesos.agent.flags import AgentFlags
from minimesos.cli.main import COMMANDS
from minimesos.cli.main import main as minimesos
from minimesos.cli.shuffle_service import ShuffleServiceFlags
from minimesos.flags import ENVIRONMENT_PREFIX, Spec, specs
from minimesos.master.flags import MasterFlags
from minimesos.spark import settings
from minimesos.spark.setting_kinds import Setting

DOCS = Path(__file__).resolve().parent
HELP_COLUMNS = 80
PROGRAMS = {"master": MasterFlags, "agent": AgentFlags, "shuffle-service": ShuffleServiceFlags}

FLAGS_PAGE = """\
# Flags of `minimesos {program}`

Generated from `{module}` by `make docs`; not edited by hand.

Each flag is given as `--flag=value` or as a variable; the command line wins. A boolean is also
given as `--flag` or `--no-flag`. A value `file://NAME` stands for what the file holds, except where
a path is asked for. All problems are reported at once, and the program ends with 2.

| Flag | Variable | Value | Default | Meaning |
|---|---|---|---|---|
"""

SETTINGS_PAGE = """\
# Settings of applications

Generated from `minimesos.spark.settings` by `make docs`; not edited by hand.

Settings are given in code (`SparkConf().set(name, value)`), which wins, by an option of
`minimesos submit` and `minimesos shell`, by `--conf name=value`, in a properties file, or, some of
them, by a variable (`minimesos submit --help` names these); the former win over the latter. All
that are malformed, and those that do not go together, are reported when the context starts, before
anything is launched.

Settings that are not listed here are kept, and have no effect. Those that Spark does not know
either are warned of, with the name that may be meant.

Jobs of several threads share the cores under `spark.scheduler.mode=FAIR` by pools, which threads
choose with `sc.setLocalProperty("spark.scheduler.pool", name)` and an allocation file describes:

    <allocations>
      <pool name="interactive"><weight>3</weight><minShare>2</minShare></pool>
      <pool name="batch"><schedulingMode>FAIR</schedulingMode></pool>
    </allocations>

A time is written like `200ms`, `3s`, `5min`, `2h`, a size like `512m` or `1g` (powers of 1024); the
unit of a bare number is named below. Variables of the executors' environment are set as
`{prefix}NAME`.
"""

SETTINGS_TABLE = """
## {origin}

| Setting | Value | Default | Meaning |
|---|---|---|---|
"""

HELP_PAGE = """\
# The command line

Generated from each command's `--help` by `make docs`; not edited by hand.
"""


def pages() -> dict[str, str]:
    """Text of every generated page, by its path relative to docs/."""
    flags = {f"configuration/{name}.md": flags_page(name, cls) for name, cls in PROGRAMS.items()}
    return flags | {"configuration/spark.md": settings_page(), "cli.md": help_page()}


def flags_page(program: str, cls: type[Any]) -> str:
    """One table of all flags, in alphabetical order."""
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    rows = (row(name, spec, defaults[name]) for name, spec in specs(cls).items())
    return FLAGS_PAGE.format(program=program, module=cls.__module__) + "".join(rows)


def row(name: str, spec: Spec, default: Any) -> str:
    """One flag as a line of its table."""
    cells = [
        f"`--{name}`",
        f"`{ENVIRONMENT_PREFIX}{name.upper()}`",
        "true or false" if spec.is_boolean else spec.unit.partition(";")[0] or "text",
        "required" if spec.required else "" if default is None else f"`{spec.format(default)}`",
        spec.help + "".join(f" Deprecated name: `--{old}`." for old in spec.deprecated),
    ]
    return table_row(cells)


def settings_page() -> str:
    """A table of the settings of each origin, in alphabetical order."""
    tables = (
        SETTINGS_TABLE.format(origin=origin)
        + "".join(setting_row(each) for each in settings.SETTINGS if each.origin == origin)
        for origin in dict.fromkeys(each.origin for each in settings.SETTINGS)
    )
    return SETTINGS_PAGE.format(prefix=settings.EXECUTOR_ENV_PREFIX) + "".join(tables)


def setting_row(setting: Setting[Any]) -> str:
    """One setting as a line of its table."""
    default = setting.default_text if setting.fallback is None else setting.fallback.name
    return table_row(
        [f"`{setting.name}`", setting.kind, f"`{default}`" if default else "", setting.help]
    )


def table_row(cells: list[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def help_page() -> str:
    """The help of `minimesos`, then of each of its commands."""
    return HELP_PAGE + "".join(help_sections())


def help_sections() -> Iterator[str]:
    for command in ([], *([name] for name in COMMANDS)):
        text = CliRunner().invoke(
            minimesos,
            [*command, "--help"],
            prog_name="minimesos",
            terminal_width=HELP_COLUMNS,
            catch_exceptions=False,
        )
        title = " ".join(["minimesos", *command])
        lines = (line.rstrip() for line in text.output.rstrip().splitlines())
        yield "\n".join(["", f"## {title}", "", "```", *lines, "```", ""])


def stale_files() -> list[str]:
    """Pages that differ from what the code says now, are missing, or are left over."""
    wanted = pages()
    written = [*DOCS.glob("configuration/*.md"), *(DOCS / name for name in wanted)]
    present = {
        file.relative_to(DOCS).as_posix(): file.read_text(encoding="utf-8")
        for file in written
        if file.exists()
    }
    return sorted(name for name in wanted | present if wanted.get(name) != present.get(name))


def main(arguments: list[str] | None = None) -> int:
    """Writes the pages, or with `--check` prints the stale ones and returns 1 if there are any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, name stale files")
    if not parser.parse_args(arguments).check:
        for name, text in pages().items():
            (DOCS / name).parent.mkdir(exist_ok=True)
            (DOCS / name).write_text(text, encoding="utf-8")
        return 0
    stale = stale_files()
    for name in stale:
        print(f"docs/{name} is stale: run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
