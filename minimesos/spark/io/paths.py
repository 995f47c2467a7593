"""Which files a user's paths mean: several with commas, patterns, directories.

Patterns are Hadoop's: `*` and `?` within a name, `[abc]`, `[a-c]`, `[^a]`, `{this,that}`, and a
backslash before what is to mean itself. Names that start with _ or . are left out of directories
and patterns. Files come sorted by path for each of the paths.

Source: Hadoop's FileInputFormat and Globber, in their documented behaviour.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from itertools import pairwise

from minimesos.spark.errors import SparkException
from minimesos.spark.io.filesystem import FileSystem, Found, failure, file_system_of
from minimesos.spark.setting_kinds import Texts
from minimesos.spark.settings.files import INPUT_DIR_RECURSIVE

_MAGIC = re.compile(r"[*?\[{\\]")
_HIDDEN = ("_", ".")


class Below(Enum):
    """What becomes of directories within a directory that is read."""

    REFUSED = "refused"
    SKIPPED = "skipped"


def list_files(paths: str, conf: Texts, below: Below = Below.REFUSED) -> list[Found]:
    """Return the files that comma-separated paths mean; their paths are resolved.

    Raises SparkException if one of them means nothing, or cannot be listed.
    """
    is_recursive = INPUT_DIR_RECURSIVE.read(conf)
    files: list[Found] = []
    for path in _split(paths):
        system = file_system_of(path, conf)
        for match in _matches(system, path):
            files += _files_of(system, match, below, is_recursive)
    return files


def _split(text: str) -> list[str]:
    """Split at commas, except those within braces; empty parts are left out."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "{") - (character == "}" and depth > 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    if not any(parts):
        raise SparkException("Can not create a Path from an empty string")
    return [part for part in parts if part]


def _matches(system: FileSystem, path: str) -> list[Found]:
    resolved = system.resolve(path)
    with _naming("list", system.shown(resolved)):
        try:
            return [system.find(resolved)]
        except (FileNotFoundError, NotADirectoryError) as error:
            if not _MAGIC.search(resolved):
                raise SparkException(
                    f"Input path does not exist: {system.shown(resolved)}"
                ) from error
        matches = sorted(_matching(system, resolved))
    if not matches:
        raise SparkException(f"Input Pattern {system.shown(resolved)} matches 0 files")
    return matches


def _matching(system: FileSystem, pattern: str) -> set[Found]:
    found = set()
    for one in _expanded(pattern):
        magic = _MAGIC.search(one)
        if magic is None:
            found |= set(_if_there(system, one))
            continue
        start = one.rfind("/", 0, magic.start())
        found |= set(_walk(system, one[:start] or "/", one[start + 1 :].split("/")))
    return found


def _walk(system: FileSystem, directory: str, names: list[str]) -> Iterator[Found]:
    """Yield what the rest of a pattern means below a directory."""
    name, *rest = names
    if not _MAGIC.search(name):
        inside = f"{directory.rstrip('/')}/{name}" if name else directory
        if rest:
            yield from _walk(system, inside, rest)
        else:
            yield from _if_there(system, inside)
        return
    matches = _matcher(name)
    try:
        children = system.children(directory)
    except (FileNotFoundError, NotADirectoryError):
        return
    for child in children:
        base = _base(child.path)
        if base.startswith(_HIDDEN) or not matches(base):
            continue
        if not rest:
            yield child
        elif child.is_directory:
            yield from _walk(system, child.path, rest)


def _if_there(system: FileSystem, path: str) -> list[Found]:
    try:
        return [system.find(re.sub(r"\\(.)", r"\1", path))]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _expanded(pattern: str) -> list[str]:
    """Return the patterns that one with braces stands for."""
    depth, start, bounds = 0, -1, [0]
    for position, character in enumerate(pattern):
        if character == "{":
            depth += 1
            if depth == 1:
                start, bounds = position, [position]
        elif character == "," and depth == 1:
            bounds.append(position)
        elif character == "}" and depth:
            depth -= 1
            if not depth:
                bounds.append(position)
                choices = pairwise(bounds)
                head, tail = pattern[:start], pattern[position + 1 :]
                return [
                    whole
                    for a, b in choices
                    for whole in _expanded(head + pattern[a + 1 : b] + tail)
                ]
    return [pattern]


def _matcher(pattern: str) -> Callable[[str], object]:
    """Return a predicate of names for a pattern without braces."""
    in_fnmatchs_words = re.sub(r"\\(.)", r"[\1]", pattern).replace("[^", "[!")
    return re.compile(fnmatch.translate(in_fnmatchs_words)).match


def _files_of(
    system: FileSystem, match: Found, below: Below, is_recursive: bool
) -> Iterator[Found]:
    if not match.is_directory:
        if not match.is_readable:
            raise SparkException(f"Not a file: {system.shown(match.path)}")
        yield match
        return
    with _naming("list", system.shown(match.path)):
        children = system.children(match.path)
    for child in children:
        if _base(child.path).startswith(_HIDDEN):
            continue
        if not child.is_directory or is_recursive:
            yield from _files_of(system, child, below, is_recursive)
        elif below is Below.REFUSED:
            raise SparkException(f"Not a file: {system.shown(child.path)}")


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


@contextmanager
def _naming(doing: str, shown: str) -> Iterator[None]:
    """Turn an OSError of the body into an error that names the file."""
    try:
        yield
    except OSError as error:
        raise failure(doing, shown, error) from error
