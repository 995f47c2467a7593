"""What a driver has shipped to its tasks, as stages carry it and as workers get it.

The driver (`files`) keeps the files in its block directory, with a list of them for each version
of what there is. A stage carries the version and where the driver is; a worker that meets a newer
one reads the list. On the driver's host tasks then use the driver's files in place. Elsewhere the
files are fetched into the executor's own directory, by the first of its workers that needs them.

Source: Spark's executors do the same with the files and timestamps that each task carries.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import sys
from collections.abc import Iterable
from typing import NamedTuple

from minimesos.spark.env import Location, WorkerEnv

FILES = "files"
"""Name of the directory that tasks see."""

FILE, DIRECTORY, MODULES, ARCHIVE = "file", "directory", "modules", "archive"
"""Kinds of items: MODULES is a file that goes on the import path by itself, an ARCHIVE is unpacked
to its path."""

_FETCHED = "shipped.json"
_LOCK = "shipped.lock"


class Shipment(NamedTuple):
    """All that has been shipped up to now."""

    version: int
    driver: Location


class Item(NamedTuple):
    """One file, directory or archive."""

    path: str
    """Where tasks find it, below their directory of files."""
    kind: str
    version: int
    """Of the shipment that brought it, or its latest content."""
    source: str
    """Where it is in the driver's block directory; empty for a directory."""
    mode: int
    """Permissions."""


def write_list(directory: str, version: int, items: Iterable[Item]) -> None:
    """Write the list of a version, which is not there yet."""
    with open(os.path.join(directory, _list_name(version)), "w", encoding="ascii") as file:
        json.dump(list(items), file)


def receive(shipment: Shipment, env: WorkerEnv) -> None:
    """Make a shipment's files visible to the tasks of this worker; called before the first of them.

    Raises FetchFailed, OSError and CannotUnpack.
    """
    if shipment.version <= env.shipment_version:
        return
    name, driver = _list_name(shipment.version), shipment.driver
    directory = driver.root
    if env.shares_host_with(driver) and os.path.exists(os.path.join(directory, name)):
        items = _read_list(os.path.join(directory, name))
    else:
        directory = env.local_dir
        items = _fetch(name, driver, env)
    env.files_root = os.path.join(directory, FILES)
    _import_from(env.files_root, items)
    env.shipment_version = shipment.version


def _list_name(version: int) -> str:
    return f"shipped_{version}.json"


def _read_list(path: str) -> list[Item]:
    with open(path, encoding="ascii") as file:
        return [Item(*fields) for fields in json.load(file)]


def _import_from(root: str, items: Iterable[Item]) -> None:
    modules = [os.path.join(root, item.path) for item in items if item.kind == MODULES]
    ahead = [root, *reversed(modules)]
    # Ahead of what is installed, as on the driver, whose own path may have brought them to the end.
    sys.path[:] = ahead + [path for path in sys.path if path not in ahead]
    importlib.invalidate_caches()  # a module may have been missed before it came


# -- on another host than the driver's -------------------------------------------------------------


def _fetch(list_name: str, driver: Location, env: WorkerEnv) -> list[Item]:
    """Bring what is new into the executor's directory, while its other workers wait."""
    with open(os.path.join(env.local_dir, _LOCK), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = os.path.join(env.local_dir, list_name)
        if not os.path.exists(path):
            os.replace(env.fetch(driver, list_name, 0, 0), path)
        items = _read_list(path)
        have = _fetched(env)
        try:
            for item in items:
                if have.get(item.path, 0) < item.version:
                    _bring(item, driver, env)
                    have[item.path] = item.version
        finally:
            _remember(have, env)
    return items


def _fetched(env: WorkerEnv) -> dict[str, int]:
    """Return the versions of the items that this executor has, by their paths."""
    try:
        with open(os.path.join(env.local_dir, _FETCHED), encoding="ascii") as file:
            versions: dict[str, int] = json.load(file)
    except FileNotFoundError:
        return {}
    return versions


def _remember(have: dict[str, int], env: WorkerEnv) -> None:
    """Write down what `_fetched` returns; a worker that is killed here must not spoil it."""
    path = os.path.join(env.local_dir, _FETCHED)
    with open(f"{path}.unfinished", "w", encoding="ascii") as file:
        json.dump(have, file)
    os.replace(f"{path}.unfinished", path)


def _bring(item: Item, driver: Location, env: WorkerEnv) -> None:
    target = os.path.join(env.local_dir, FILES, item.path)
    if item.kind == DIRECTORY:
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    copy = env.fetch(driver, item.source, 0, 0)
    try:
        os.chmod(copy, item.mode)
        if item.kind == ARCHIVE:
            unpack_to(copy, os.path.basename(item.source), target)
        else:
            os.replace(copy, target)
    finally:
        if os.path.exists(copy):
            os.unlink(copy)


def unpack_to(archive: str, name: str, target: str) -> None:
    """Unpack an archive of that file name to a directory, in place of what was there before.

    The directory appears when it is whole. Raises CannotUnpack, if a member would leave it too, and
    OSError.
    """
    import shutil

    from minimesos.runtime.unpack import unpack

    unfinished = f"{archive}.unpacked"
    os.mkdir(unfinished)
    try:
        unpack(archive, name, unfinished)
        shutil.rmtree(target, ignore_errors=True)
        os.rename(unfinished, target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
