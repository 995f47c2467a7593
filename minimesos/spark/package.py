"""The executor package: one archive that runs executors where minimesos is not installed.

Made by `minimesos package-executor`; `spark.executor.uri` names it, agents fetch and unpack it. It
holds one folder with our sources, what they import that is Python only, and a launcher,
`bin/minimesos-executor`. Native libraries are not in it; `minimesos_executor.needs` asks for them.
What is packaged is what is installed here; the same files give the same bytes.

Source: Spark's "Running Spark on Mesos" page, "Uploading Spark Package".
"""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import minimesos
from minimesos.errors import MinimesosError

SUFFIXES = (".tgz", ".tar.gz")
DEFAULT_NAME = f"minimesos-executor-{minimesos.__version__}{SUFFIXES[0]}"

_EXECUTOR = "minimesos_executor"
_PACKAGES = ("minimesos", _EXECUTOR, "cloudpickle")
_OF_CLUSTERS = frozenset(
    f"minimesos/{name}"
    for name in ("__main__.py", "agent", "allocator", "cli", "console", "master", "testing")
)
"""What is left out: programs that executors neither are nor import."""
_LICENSED = "cloudpickle"  # not ours, so its licence goes with it
_LAUNCHER = "launcher.sh"
_LAUNCHERS_PLACE = "bin/minimesos-executor"


class CannotPackage(MinimesosError):
    """There can be no package, or not there; says why and what to do."""


def write_package(path: Path) -> int:
    """Write the package to a file, at once or not at all; returns its size in bytes.

    Its folder is named as the file, without suffix, because executors look for a folder that
    begins as the file's name does. Raises CannotPackage.
    """
    suffix = next(filter(path.name.endswith, SUFFIXES), None)
    folder = path.name.removesuffix(suffix or "")
    if suffix is None or not folder:
        wanted = " or ".join(f"NAME{each}" for each in SUFFIXES)
        raise CannotPackage(f"agents would not unpack '{path}': name it {wanted}")
    data = _archive(folder)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            partial.write_bytes(data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise CannotPackage(f"cannot write '{path}': {error.strerror or error}") from error
    return len(data)


def _archive(folder: str) -> bytes:
    """Return a compressed tar of all members, which says nothing of when, where or by whom."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, data in _members():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(data)
            member.mode = 0o755 if name == _LAUNCHERS_PLACE else 0o644
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _members() -> Iterator[tuple[str, bytes]]:
    """Yield the name below the folder and the contents of each file, in the same order always."""
    for package in _PACKAGES:
        root = _installed(package)
        for file in sorted(root.rglob("*.py")):
            name = f"{package}/{file.relative_to(root).as_posix()}"
            if "/".join(name.split("/")[:2]) not in _OF_CLUSTERS:
                yield name, file.read_bytes()
    for licence in importlib.metadata.files(_LICENSED) or ():
        if licence.name.startswith("LICENSE"):
            yield f"licenses/{_LICENSED}/{licence.name}", licence.read_binary()
    yield _LAUNCHERS_PLACE, (_installed(_EXECUTOR) / _LAUNCHER).read_bytes()


def _installed(package: str) -> Path:
    """Return the directory of a package without importing it. Raises CannotPackage."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise CannotPackage(f"{package} is not installed here as files; reinstall minimesos")
    return Path(next(iter(spec.submodule_search_locations)))
