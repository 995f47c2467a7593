"""Which files an application's tasks get: what a context offers of shipping.

`Shipping` is the part of `SparkContext` that adds files, modules and archives. How the driver keeps
them is in `files`, how workers get them in `shipment`.

Source: PySpark 3.5's SparkContext.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from minimesos.spark.conf import SparkConf
from minimesos.spark.files import ShippedFiles, SparkFiles
from minimesos.spark.settings.application import ARCHIVES, FILES, PY_FILES

if TYPE_CHECKING:
    from minimesos.spark.context import SparkContext


class Shipping:
    """What a context ships to its tasks. Base of `SparkContext`."""

    _files: ShippedFiles | None = None
    """None until they are opened."""

    @property
    def _context(self) -> SparkContext:
        return cast("SparkContext", self)

    def addFile(self, path: str, recursive: bool = False) -> None:
        """Ship a file, or with `recursive` a directory, to tasks; see `SparkFiles.get`.

        A path or a URL: http, https, or any that fsspec knows, with the extra `fs`. It is copied
        now; later changes of it do not show. The same holds for the two methods that follow.
        """
        self._ship(lambda files: files.add_file(path, recursive))

    def addPyFile(self, path: str) -> None:
        """Make a .py file, or the modules of a .zip, .egg or .whl, importable in tasks and here."""
        self._ship(lambda files: files.add_py_file(path))

    def addArchive(self, path: str) -> None:
        """Ship an archive, unpacked to a directory of its name, or with `path#name` of that."""
        self._ship(lambda files: files.add_archive(path))

    @property
    def listFiles(self) -> list[str]:
        """URIs of the files that were shipped."""
        return self._shipped().files

    @property
    def listArchives(self) -> list[str]:
        """URIs of the archives that were shipped."""
        return self._shipped().archives

    def _open_files(self, directory: str, conf: SparkConf, py_files: Iterable[str]) -> None:
        """Keep files below a directory, those first that the configuration names."""
        self._files = files = ShippedFiles(directory, conf)
        SparkFiles._root_directory = files.root
        files.add_all([*py_files, *PY_FILES.read(conf)], FILES.read(conf), ARCHIVES.read(conf))

    def _announce_files(self) -> None:
        """Have the tasks of stages that start from now on find all files there are."""
        version = self._shipped().version
        if version:
            self._context._running().ship(version)

    def _close_files(self) -> None:
        SparkFiles._root_directory = None
        if self._files is not None:
            self._files.close()

    def _ship(self, add: Callable[[ShippedFiles], None]) -> None:
        add(self._shipped())
        self._announce_files()

    def _shipped(self) -> ShippedFiles:
        self._context._running()
        assert self._files is not None, "a context that runs has files"
        return self._files
