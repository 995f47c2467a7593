"""The native libraries that an executor needs and its package does not hold.

Used at the start of a package, before anything of ours imports them: one line says all that is
missing or too old, which Python lacks it, and what to do. None of them is imported to find out.

Source: the dependencies in pyproject.toml; names of metadata folders as in the packaging
specification "Recording installed projects".
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from typing import NamedTuple


class Need(NamedTuple):
    """A distribution, the module it brings, and the oldest version that will do."""

    distribution: str
    module: str
    minimum: tuple[int, ...]

    @property
    def minimum_text(self) -> str:
        return ".".join(map(str, self.minimum))


NEEDS = (
    Need("grpcio", "grpc", (1, 85, 1)),
    Need("protobuf", "google.protobuf", (7, 35, 1)),
    Need("psutil", "psutil", (5, 9)),
)


def complaint() -> str | None:
    """Return what this Python lacks, as a line for people; None if it has everything."""
    lacking = [(need, problem) for need in NEEDS if (problem := _problem(need)) is not None]
    if not lacking:
        return None
    wanted = " and ".join(
        f"{need.distribution} >= {need.minimum_text}{problem}" for need, problem in lacking
    )
    install = " ".join(f"'{need.distribution}>={need.minimum_text}'" for need, _ in lacking)
    version = ".".join(map(str, sys.version_info[:2]))
    return (
        f"this executor needs {wanted} on the agent's {sys.executable} ({version}): "
        f"{sys.executable} -m pip install {install}"
    )


def _problem(need: Need) -> str | None:
    """Return "" if it is missing, a remark if it is too old, None if all is well."""
    try:
        spec = importlib.util.find_spec(need.module)
    except ModuleNotFoundError:  # not even the package that it would be in
        spec = None
    if spec is None or spec.origin is None:
        return ""
    version = _installed_version(need, spec.origin)
    if version is None or _release(version) >= need.minimum:
        return None
    return f" (there is {version})"


def _installed_version(need: Need, origin: str) -> str | None:
    """Return the version that the folder of a library's metadata is named after, None if none is.

    `importlib.metadata` would say the same, and take longer than all else that starts.
    """
    folder = origin
    for _ in need.module.split("."):
        folder = os.path.dirname(folder)
    name = re.compile(rf"{need.distribution}-(\d[^-]*)(-.*)?\.(dist|egg)-info", re.IGNORECASE)
    for entry in os.listdir(os.path.dirname(folder)):
        match = name.fullmatch(entry)
        if match is not None:
            return match[1]
    return None


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with."""
    digits = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, digits[0].split("."))) if digits is not None else ()
