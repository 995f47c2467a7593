"""Files that a driver ships to its tasks (`SparkContext.addFile`), as tasks find them.

`SparkFiles.get` names a file on the driver and in workers alike. Files are shared through the
driver's directory: a worker on the same host reads it in place.
"""

from __future__ import annotations

import importlib
import os
from typing import ClassVar

from minimesos.log import get_logger
from minimesos.spark.errors import PySparkRuntimeError, SparkException
from minimesos.spark.taskcontext import TaskContext

_log = get_logger(__name__)

ROOT_SETTING = "spark.minimesos.files.root"
"""Setting that tells workers the driver's directory of shipped files."""


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
        root = cls._root_directory if task is None else task.env.conf.get(ROOT_SETTING)
        if root is None:
            raise PySparkRuntimeError(
                "SparkFiles needs an active SparkContext.", "SESSION_OR_CONTEXT_NOT_EXISTS"
            )
        return root


def add_file(path: str, recursive: bool = False, overwrite: bool = False) -> None:
    """Copy a file or directory to where tasks find it; one that is there already stays."""
    import shutil

    from minimesos.spark.io.text import local_path, uri

    source = local_path(path)
    target = SparkFiles.get(os.path.basename(os.path.normpath(source)))
    if os.path.exists(target) and not overwrite:
        _log.warning("file was added already; a new version is ignored", path=path)
        return
    if os.path.isdir(source):
        if not recursive:
            raise SparkException(
                f"Added file {uri(source)} is a directory and recursive is not turned on."
            )
        shutil.copytree(source, target, dirs_exist_ok=True)
        return
    try:
        # Renamed when it is whole, as a running task may look for it.
        shutil.copy2(source, f"{target}.unfinished")
    except FileNotFoundError as error:
        raise SparkException(f"File {uri(source)} does not exist") from error
    os.replace(f"{target}.unfinished", target)


def add_py_file(path: str) -> None:
    """Put a module, or what is in an archive of modules, on the import path of tasks."""
    import shutil

    from minimesos.spark.io.text import local_path

    source = local_path(path)
    if source.endswith((".zip", ".egg")):
        shutil.unpack_archive(source, SparkFiles.getRootDirectory(), "zip")
    else:
        add_file(path)
    importlib.invalidate_caches()
