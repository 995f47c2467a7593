"""Files that a driver ships to its tasks (`SparkContext.addFile`), as the driver keeps them.

`SparkFiles.get` names a file on the driver and in workers alike. The driver copies each file into
its own directory once; how it gets from there to workers is the business of `shipment`.

Source: PySpark 3.5's SparkFiles and SparkContext.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import ClassVar
from urllib.parse import urlsplit

from minimesos.errors import MinimesosError
from minimesos.log import get_logger
from minimesos.spark.errors import PySparkRuntimeError, SparkException
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.application import FILES_OVERWRITE
from minimesos.spark.shipment import (
    ARCHIVE,
    DIRECTORY,
    FILE,
    FILES,
    MODULES,
    Item,
    unpack_to,
    write_list,
)
from minimesos.spark.taskcontext import TaskContext

_ARCHIVES = "archives"
_IMPORTED = (".zip", ".egg", ".jar", ".whl")

_log = get_logger(__name__)


class SparkFiles:
    """Where shipped files are."""

    _root_directory: ClassVar[str | None] = None
    """The directory on the driver, set by its context."""

    def __init__(self) -> None:
        raise NotImplementedError("Do not construct SparkFiles objects")

    @classmethod
    def get(cls, filename: str) -> str:
        """Return the absolute path of a file that was added by `SparkContext.addFile`."""
        return os.path.abspath(os.path.join(cls.getRootDirectory(), filename))

    @classmethod
    def getRootDirectory(cls) -> str:
        """Return the directory that holds the files."""
        task = TaskContext.get()
        if task is not None:
            return task.env.files_root or os.path.join(task.env.local_dir, FILES)
        if cls._root_directory is None:
            raise PySparkRuntimeError(
                "SparkFiles needs an active SparkContext.", "SESSION_OR_CONTEXT_NOT_EXISTS"
            )
        return cls._root_directory


class ShippedFiles:
    """All files of one application, in `directory`, which is the driver's block directory.

    Methods that add raise SparkException, which names what cannot be shipped and why. Something
    that is there already stays, unless the settings say otherwise.
    """

    def __init__(self, directory: str, conf: Texts) -> None:
        self.root = os.path.join(directory, FILES)
        self.version = 0
        """Counts what was added."""
        self._directory = directory
        self._conf = conf
        self._overwrite = FILES_OVERWRITE.read(conf)
        self._items: dict[str, Item] = {}
        self._added: dict[str, tuple[str, str]] = {}
        """What was added, by the names that tasks use: its URI and kind."""
        self._lock = threading.Lock()
        os.mkdir(self.root)
        os.mkdir(os.path.join(directory, _ARCHIVES))
        sys.path.insert(1, self.root)

    @property
    def files(self) -> list[str]:
        """URIs of what was added as files, directories and modules."""
        return sorted(uri for uri, kind in self._added.values() if kind != ARCHIVE)

    @property
    def archives(self) -> list[str]:
        """URIs of the archives that were added."""
        return sorted(uri for uri, kind in self._added.values() if kind == ARCHIVE)

    def add_all(
        self, py_files: Iterable[str], files: Iterable[str], archives: Iterable[str]
    ) -> None:
        """Add what the configuration names. Raises SparkException that lists all problems."""
        problems = []
        for add, paths in (
            (self.add_py_file, py_files),
            (self.add_file, files),
            (self.add_archive, archives),
        ):
            for path in paths:
                try:
                    add(path)
                except SparkException as error:
                    problems.append(str(error))
        if problems:
            raise SparkException("\n".join(problems))

    def add_file(self, path: str, recursive: bool = False) -> None:
        """Add a file, or with `recursive` a directory."""
        with self._on_this_host(path) as source:
            name = _name(source)
            if not os.path.isdir(source):
                self._add(path, name, FILE, partial(self._copy, source, name, FILE))
            elif recursive:
                self._add(path, name, DIRECTORY, partial(self._copy_tree, source, name))
            else:
                raise SparkException(
                    f"Added file {_shown(path)} is a directory and recursive is not turned on."
                )

    def add_py_file(self, path: str) -> None:
        """Add a module, or an archive of modules, and make it importable here too."""
        if urlsplit(path).path.endswith(_IMPORTED):
            with self._on_this_host(path) as source:
                self._add_modules(path, source)
        else:
            self.add_file(path)
        importlib.invalidate_caches()

    def add_archive(self, path: str) -> None:
        """Add an archive, which is unpacked to a directory of its name, or `path#name` to that."""
        path, _, name = path.partition("#")
        with self._on_this_host(path) as source:
            name = name or _name(source)
            self._add(path, name, ARCHIVE, partial(self._unpack, source, name))

    def close(self) -> None:
        """Import nothing from here any more."""
        inside = self.root + os.sep
        sys.path[:] = [each for each in sys.path if not f"{each}{os.sep}".startswith(inside)]

    def _on_this_host(self, path: str) -> AbstractContextManager[str]:
        from minimesos.spark.downloads import on_this_host

        return on_this_host(path, self._directory, self._conf)

    def _add_modules(self, path: str, source: str) -> None:
        from zipfile import is_zipfile

        if os.path.exists(source) and not is_zipfile(source):
            raise SparkException(f"File {_shown(path)} is no zip archive of modules")
        name = _name(source)
        self._add(path, name, MODULES, partial(self._copy, source, name, MODULES))
        if os.path.join(self.root, name) not in sys.path:
            sys.path.insert(1, os.path.join(self.root, name))

    def _add(self, path: str, name: str, kind: str, copy: Callable[[int], Iterable[Item]]) -> None:
        if name in ("", ".", "..") or "/" in name:
            raise SparkException(
                f"{_shown(path)} cannot be shipped as '{name}', which is no plain name"
            )
        with self._lock:
            if name in self._added and not self._overwrite:
                _log.warning("file was added already; a new version is ignored", path=_shown(path))
                return
            version = self.version + 1
            try:
                items = {item.path: item for item in copy(version)}
                "".join(items).encode()  # as fetches name them
            except FileNotFoundError as error:
                raise SparkException(f"File {_shown(path)} does not exist") from error
            except (OSError, UnicodeEncodeError, MinimesosError) as error:
                raise SparkException(f"File {_shown(path)} cannot be shipped: {error}") from error
            self._items |= items
            self._added[name] = (_shown(path), kind)
            write_list(self._directory, version, self._items.values())
            self.version = version

    def _copy(self, source: str, name: str, kind: str, version: int) -> list[Item]:
        import shutil

        # Renamed when it is whole, as a running task may look for it.
        unfinished = os.path.join(self._directory, f"{name}.unfinished")
        shutil.copy2(source, unfinished)
        os.replace(unfinished, os.path.join(self.root, name))
        return [self._item(name, kind, version)]

    def _copy_tree(self, source: str, name: str, version: int) -> Iterator[Item]:
        import shutil

        top = os.path.join(self.root, name)
        shutil.copytree(source, top, dirs_exist_ok=True)
        for folder, _, names in os.walk(top):
            below = os.path.relpath(folder, self.root)
            yield self._item(below, DIRECTORY, version)
            for each in names:
                yield self._item(os.path.join(below, each), FILE, version)

    def _unpack(self, source: str, name: str, version: int) -> list[Item]:
        import shutil

        kept = os.path.join(_ARCHIVES, f"{version}-{_name(source)}")
        path = os.path.join(self._directory, kept)
        shutil.copy2(source, path)
        unpack_to(path, _name(source), os.path.join(self.root, name))
        return [Item(name, ARCHIVE, version, kept, 0o600)]

    def _item(self, path: str, kind: str, version: int) -> Item:
        mode = os.stat(os.path.join(self.root, path)).st_mode & 0o777
        source = "" if kind == DIRECTORY else os.path.join(FILES, path)
        return Item(path, kind, version, source, mode)


def _name(source: str) -> str:
    return os.path.basename(os.path.normpath(source))


def _shown(path: str) -> str:
    from minimesos.spark.downloads import shown

    return shown(path)
