"""Texts of `spark.mesos.*` settings as plain values: constraints, labels, volumes, ports.

Used by the declarations of those settings, and by the backends that make Mesos messages of them.
Imports no messages itself, because workers import every setting.

Readers take a setting's text. Those of constraints, labels, roles and URIs raise ValueError with
the rest of a sentence that begins with the text, as a setting's reader does; Spark only warns of
malformed volumes and port mappings, so those return None.

Source: Spark's "Running Spark on Mesos" page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

Constraints = Mapping[str, tuple[str, ...]]
"""Attribute names, each with the values that are allowed; none: any value is."""

Labels = tuple[tuple[str, str], ...]
"""Keys and values, in the order given."""

_UNESCAPED_COMMA = re.compile(r"(?<!\\),")
_UNESCAPED_COLON = re.compile(r"(?<!\\):")
_PORT_MAX = 65535


class VolumeText(NamedTuple):
    """`[host:]container[:ro|:rw]`."""

    container_path: str
    host_path: str
    is_read_only: bool


class PortMapText(NamedTuple):
    """`host:container[:protocol]`."""

    host_port: int
    container_port: int
    protocol: str


def parse_constraints(text: str) -> Constraints:
    """Read `attribute:value,value;attribute:...`, all of which have to hold."""
    constraints: dict[str, tuple[str, ...]] = {}
    for pair in text.split(";") if text.strip() else ():
        name, colon, values = pair.strip().partition(":")
        if not (name and colon) or ":" in values:
            raise ValueError(
                f"is a bad constraint string: expecting attribute:value,..., got '{pair.strip()}'"
            )
        if name in constraints:
            raise ValueError(f"is a bad constraint string: {name} is there twice")
        constraints[name] = tuple(values.split(",")) if values else ()
    return constraints


def parse_labels(text: str) -> Labels:
    r"""Read `key:value,key:value`; `\,` and `\:` are the characters themselves."""
    labels = []
    for label in _UNESCAPED_COMMA.split(text) if text else ():
        pieces = _UNESCAPED_COLON.split(label)
        parts = [piece.replace("\\,", ",").replace("\\:", ":") for piece in pieces]
        if len(parts) != 2 or not all(parts):
            raise ValueError(f"has a malformed label: expecting key:value, got '{label}'")
        labels.append((parts[0], parts[1]))
    return tuple(labels)


def parse_role(text: str) -> str:
    """Read the name of a role."""
    from minimesos.ids import role_problem  # not at the top, as workers import this module

    problem = role_problem(text)
    if problem is not None:
        raise ValueError(f"is no role: {problem}")
    return text


def parse_archive_uri(text: str) -> str:
    """Read the URI of an archive, of which the file name matters."""
    if not archive_base(text):
        raise ValueError("names no file")
    return text


def archive_base(uri: str) -> str:
    """Return what the name of the directory in an archive begins with: `app-1` of `a/app-1.0.tgz`.

    That is the file's name up to its first dot, as in Spark.
    """
    return uri.rpartition("/")[2].partition(".")[0]


def parse_volume(text: str) -> VolumeText | None:
    """Read one volume; None if it is malformed."""
    match text.split(":"):
        case [path] if path:
            return VolumeText(path, "", False)
        case [path, ("ro" | "rw") as mode] if path:
            return VolumeText(path, "", mode == "ro")
        case [host, path] if host and path:
            return VolumeText(path, host, False)
        case [host, path, ("ro" | "rw") as mode] if host and path:
            return VolumeText(path, host, mode == "ro")
    return None


def parse_port_map(text: str) -> PortMapText | None:
    """Read one port mapping; None if it is malformed."""
    match text.split(":"):
        case [host, container]:
            protocol = "tcp"
        case [host, container, ("tcp" | "udp") as protocol]:
            pass
        case _:
            return None
    if not (_is_port(host) and _is_port(container)):
        return None
    return PortMapText(int(host), int(container), protocol)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= _PORT_MAX


def parse_parameter(text: str) -> tuple[str, str] | None:
    """Read `key=value`, split at its first `=`; None if it has none."""
    key, equals, value = text.partition("=")
    return (key, value) if equals and key else None
