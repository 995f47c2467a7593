"""The directories of a shuffle service: made by it, written by executors, read and deleted by it.

    <local dir>/minimesos-shuffle/<application>/executor-<id>/shuffle_<...>.data
    <local dir>/minimesos-shuffle/<application>/application.json

An executor does not bring a directory, it is given one. So nobody can register what is another's,
or a link to it; and there is nothing on disk that the service does not know of, whenever somebody
is killed. What remains are files that an executor's user code puts into its own directory to have
them served: so nothing is followed that is a link, only names of map outputs are served, and only
plain files that belong to the directory's owner, which a hard link to another user's file does not.
Between programs of one user the file system protects nothing, and neither can we.

The directories, one for each executor, are themselves the list of executors. What else a service
has to remember of an application is in its `application.json`, which lies among the files that it
is about and goes with them, so the two cannot disagree; it is written before the first executor is
answered. A directory without a sound one is what a crash has left, and is deleted.

Every call blocks, and is for a thread; calls about one application must not overlap.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from minimesos.errors import MinimesosError
from minimesos.log import get_logger
from minimesos.spark.shuffle.files import is_output_name, output_prefix
from minimesos.spark.shuffle.service import Refused

SERVICE_DIRECTORY = "minimesos-shuffle"
RECORD = "application.json"
_LOCK = ".lock"
_DELETED = ".deleted-"
_EXECUTOR = "executor-"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking, as user code may put a FIFO there.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_UID = 2**32 - 1  # means to leave the owner as he is

_log = get_logger(__name__)


class CannotUseDirectory(MinimesosError):
    """A directory cannot be the service's; says why."""


class Record(NamedTuple):
    """What is remembered of an application."""

    name: str
    key: bytes
    lease_s: float | None

    def to_json(self) -> bytes:
        """Return it as the content of a file."""
        return json.dumps(self._replace(key=self.key.hex())._asdict()).encode()  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, data: bytes) -> Record:
        """Read it back. Raises ValueError, KeyError or TypeError if it is damaged."""
        fields = json.loads(data)
        lease_s = fields["lease_s"]
        return cls(
            str(fields["name"]),
            bytes.fromhex(fields["key"]),
            None if lease_s is None else float(lease_s),
        )


class Found(NamedTuple):
    """An application that was there when the service started."""

    root: int
    record: Record
    executors: list[str]


class ShuffleDirectories:
    """The directories of one service, below one or more local directories, its roots."""

    def __init__(self, roots: Sequence[Path]) -> None:
        """Make them the service's own for as long as it lives. Raises CannotUseDirectory."""
        self._paths: list[str] = []
        self._roots: list[int] = []  # descriptors
        self._locks: list[int] = []
        try:
            for root in roots:
                self._take(os.path.realpath(root))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another service have them."""
        for descriptor in (*self._roots, *self._locks):
            os.close(descriptor)
        self._roots.clear()
        self._locks.clear()

    def preferred(self, local_dirs: Collection[str]) -> list[int]:
        """Return the numbers of the roots where these directories are."""
        wanted = [os.path.realpath(each) + os.sep for each in local_dirs]
        return [
            number
            for number, path in enumerate(self._paths)
            if any(each.startswith(path + os.sep) for each in wanted)
        ]

    def found(self) -> Iterator[Found]:
        """Yield what is there, and delete what a crash has left."""
        for number, root in enumerate(self._roots):
            with os.scandir(root) as entries:
                names = [each.name for each in entries if each.is_dir(follow_symlinks=False)]
            for name in names:
                try:
                    yield self._read(number, name)
                except (OSError, ValueError, KeyError, TypeError) as error:
                    _log.warning("deleting remains", directory=self._path(number, name), why=error)
                    self._delete(number, name)

    def make(self, root: int, record: Record, executor_id: str, uid: int) -> str:
        """Make an executor's directory, for a user; returns its path. A repeat changes nothing.

        Raises OSError, and CannotUseDirectory if it cannot be that user's.
        """
        if uid == _NO_UID:
            raise CannotUseDirectory(f"{uid} is no user")
        if uid != os.geteuid() and os.geteuid() != 0:
            raise CannotUseDirectory(
                f"this shuffle service runs as user {os.geteuid()}, so it has no directory for user"
                f" {uid}; run it as root, or as the user of the executors"
            )
        parent = self._open_new(record.name, self._roots[root], 0o711)
        try:
            if not _exists(RECORD, parent):
                _write(record, parent)
            name = _EXECUTOR + executor_id
            directory = self._open_new(name, parent, 0o700)
            try:
                os.fchown(directory, uid, -1)
            finally:
                os.close(directory)
        finally:
            os.close(parent)
        return self._path(root, record.name, name)

    def write(self, root: int, record: Record) -> None:
        """Replace what is remembered of an application that has a directory. Raises OSError."""
        parent = os.open(record.name, _DIRECTORY, dir_fd=self._roots[root])
        try:
            _write(record, parent)
        finally:
            os.close(parent)

    def open(self, root: int, name: str, executor_id: str, file: str) -> int:
        """Return a descriptor of an executor's map output.

        Raises OSError, and Refused for what is no map output.
        """
        if not is_output_name(file):
            raise Refused(f"{file!r} is not the name of a map output")
        directory = self._open_executor(root, name, executor_id)
        try:
            descriptor = os.open(file, _FILE, dir_fd=directory)
            status, owner = os.fstat(descriptor), os.fstat(directory).st_uid
        finally:
            os.close(directory)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != owner:
            os.close(descriptor)
            raise Refused(f"{file} is no plain file of the executor's own")
        return descriptor

    def remove_shuffles(
        self, root: int, name: str, executor_id: str, shuffle_ids: Collection[int]
    ) -> None:
        """Delete an executor's files of some shuffles. Raises OSError."""
        prefixes = tuple(output_prefix(shuffle_id) for shuffle_id in shuffle_ids)
        directory = self._open_executor(root, name, executor_id)
        try:
            for file in os.listdir(directory):
                if file.startswith(prefixes):
                    _unlink(file, directory)
        finally:
            os.close(directory)

    def set_aside(self, root: int, name: str) -> str:
        """Take an application's directory away; returns the name for `remove`.

        Quick, however much is in it. Raises OSError.
        """
        aside = f"{_DELETED}{os.urandom(8).hex()}"
        os.rename(name, aside, src_dir_fd=self._roots[root], dst_dir_fd=self._roots[root])
        return aside

    def remove(self, root: int, aside: str) -> None:
        """Delete what was set aside; what cannot be deleted is logged."""
        self._delete(root, aside)

    def _take(self, root: str) -> None:
        path = os.path.join(root, SERVICE_DIRECTORY)
        try:
            os.makedirs(root, exist_ok=True)
            descriptor = self._open_new(path, None, 0o711)
        except OSError as error:
            raise CannotUseDirectory(f"cannot keep map outputs in {path}: {error}") from error
        self._roots.append(descriptor)
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise CannotUseDirectory(
                f"{path} belongs to user {status.st_uid} or can be written by others; remove it, or"
                " choose another local directory"
            )
        lock = os.open(_LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=descriptor)
        self._locks.append(lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotUseDirectory(
                f"another shuffle service keeps its files in {path}; choose another local directory"
            ) from error
        self._paths.append(root)

    def _open_new(self, path: str, parent: int | None, mode: int) -> int:
        """Open a directory, which is made if it is not there yet."""
        made = True
        try:
            os.mkdir(path, mode, dir_fd=parent)
        except FileExistsError:
            made = False
        descriptor = os.open(path, _DIRECTORY, dir_fd=parent)
        if made:
            os.fchmod(descriptor, mode)  # whatever the umask is
        return descriptor

    def _open_executor(self, root: int, name: str, executor_id: str) -> int:
        parent = os.open(name, _DIRECTORY, dir_fd=self._roots[root])
        try:
            return os.open(_EXECUTOR + executor_id, _DIRECTORY, dir_fd=parent)
        finally:
            os.close(parent)

    def _read(self, root: int, name: str) -> Found:
        parent = os.open(name, _DIRECTORY, dir_fd=self._roots[root])
        try:
            with open(os.open(RECORD, _FILE, dir_fd=parent), "rb") as file:
                record = Record.from_json(file.read())
            if record.name != name:
                raise ValueError(f"{RECORD} is of {record.name}")
            executors = [
                each.removeprefix(_EXECUTOR)
                for each in os.listdir(parent)
                if each.startswith(_EXECUTOR)
            ]
        finally:
            os.close(parent)
        return Found(root, record, executors)

    def _delete(self, root: int, name: str) -> None:
        # Follows no links, whatever is put there meanwhile.
        shutil.rmtree(name, ignore_errors=True, dir_fd=self._roots[root])
        if _exists(name, self._roots[root]):
            _log.warning("cannot delete all of a directory", directory=self._path(root, name))

    def _path(self, root: int, *names: str) -> str:
        return os.path.join(self._paths[root], SERVICE_DIRECTORY, *names)


def _write(record: Record, directory: int) -> None:
    """Write a record that is there whole or not at all, also after a crash."""
    half = f".{RECORD}"
    _unlink(half, directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(half, flags, 0o600, dir_fd=directory), "wb") as file:
        file.write(record.to_json())
        file.flush()
        os.fsync(file.fileno())
    os.replace(half, RECORD, src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)


def _exists(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _unlink(name: str, directory: int) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass
