r"""Files of settings: where Spark looks for them, and the syntax of `spark-defaults.conf`.

That is the one of Java's properties: `key value`, `key=value` or `key: value` lines; `#` or `!`
begins a comment; a backslash at the end continues a line, and elsewhere escapes (`\t`, `\u00e9`,
`\=`).

Used by `submit`, and for the pools of `spark.scheduler.mode=FAIR`.

Source: Spark's "Configuration" page; the text format of java.util.Properties.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

DEFAULTS = "spark-defaults.conf"

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_BLANK = " \t\f"
_CONTINUED = re.compile(r"(?<!\\)(?:\\\\)*\\$")
_ENTRY = re.compile(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.|$)", re.DOTALL)
_ESCAPED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def conf_directory(environment: Mapping[str, str]) -> Path | None:
    """Return SPARK_CONF_DIR, else `conf` in SPARK_HOME, None if neither is set."""
    directory = environment.get("SPARK_CONF_DIR")
    if directory:
        return Path(directory)
    home = environment.get("SPARK_HOME")
    return Path(home, "conf") if home else None


def conf_file(name: str, environment: Mapping[str, str]) -> Path | None:
    """Return the path of a file of the configuration directory, None if there is none."""
    directory = conf_directory(environment)
    if directory is None or not (directory / name).is_file():
        return None
    return directory / name


def parse_properties(text: str) -> dict[str, str]:
    """Return all properties, values without blanks at either end."""
    properties = {}
    for line in _logical_lines(text):
        match = _ENTRY.fullmatch(line)
        assert match is not None, "each part may be empty"
        properties[_unescape(match[1])] = _unescape(match[2]).strip(_BLANK)
    return properties


def _logical_lines(text: str) -> list[str]:
    """Return the lines that are neither blank nor comments, those that continue as one."""
    lines = []
    begun = ""
    for line in _LINE_BREAK.split(text):
        line = line.lstrip(_BLANK)
        if not begun and (not line or line[0] in "#!"):
            continue
        begun += line
        if _CONTINUED.search(begun):
            begun = begun[:-1]
        else:
            lines.append(begun)
            begun = ""
    return [*lines, begun] if begun else lines


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(match: re.Match[str]) -> str:
    escaped = match[1]
    if len(escaped) > 1:
        return chr(int(escaped[1:], 16))
    return _ESCAPED.get(escaped, escaped)
