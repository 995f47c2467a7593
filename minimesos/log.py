"""Logs: a constant phrase, then fields; glog lines for people, JSON for machines.

    log = get_logger(__name__)
    log.info("Launching task", task=task_id, agent=agent_id, reason="")

    I1123 12:05:40.123456 4711 master.py:88] Launching task task=t1 agent=a2

Fields that are empty text or None are left out. Every module has its logger; a program calls
`setup` once. Built on the standard library's logging: without `setup`, as in a framework's own
process, its handlers get phrase and fields as the message, and both apart as `record.phrase` and
`record.fields`.

Source: the prefix is glog's, as in Mesos's logs.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import lru_cache
from typing import Any, TextIO

ROOT = "minimesos"
PACKAGES = (ROOT, f"{ROOT}_executor")
LEVELS = {"INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR}
FORMATS = ("glog", "json")

_root = logging.getLogger(ROOT)

_LETTERS = {"DEBUG": "I", "INFO": "I", "WARNING": "W", "ERROR": "E", "CRITICAL": "F"}
_CALLER = 3
"""Frames between logging's own and the line that called `Logger.info`."""


class Logger:
    """Logs phrases with fields. A field's value is printed with str; quoted if it has spaces."""

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, phrase: str, **fields: object) -> None:
        """What only someone who reads the source asks about."""
        self._log(logging.DEBUG, phrase, fields)

    def info(self, phrase: str, **fields: object) -> None:
        """One line per state change that an operator asks about."""
        self._log(logging.INFO, phrase, fields)

    def warning(self, phrase: str, **fields: object) -> None:
        """Something that an operator may have to look into."""
        self._log(logging.WARNING, phrase, fields)

    def error(self, phrase: str, **fields: object) -> None:
        """Something that did not work; what next is among the fields."""
        self._log(logging.ERROR, phrase, fields)

    def exception(self, phrase: str, **fields: object) -> None:
        """An error, with the traceback of the exception being handled."""
        self._log(logging.ERROR, phrase, fields, traceback=True)

    def fatal(self, phrase: str, **fields: object) -> None:
        """The last line of a process that stops; the caller stops it."""
        self._log(logging.CRITICAL, phrase, fields)

    def _log(
        self, level: int, phrase: str, fields: dict[str, object], traceback: bool = False
    ) -> None:
        if not self._logger.isEnabledFor(level):
            return
        told = {key: value for key, value in fields.items() if value not in (None, "")}
        text = " ".join((phrase, *[f"{key}={_quote(value)}" for key, value in told.items()]))
        if level == logging.INFO and len(_root.handlers) == 1:
            handler = _root.handlers[0]
            if isinstance(handler, LineHandler) and isinstance(handler.formatter, GlogFormatter):
                caller = sys._getframe(_CALLER - 1)
                handler.emit_info(caller.f_code.co_filename, caller.f_lineno, text)
                return
        self._logger.log(
            level,
            text,
            exc_info=traceback,
            stacklevel=_CALLER,
            extra={"phrase": phrase, "fields": told},
        )


def get_logger(name: str) -> Logger:
    """Return the logger of a module; pass `__name__`."""
    return Logger(logging.getLogger(name))


def setup(level: str = "INFO", format: str = "glog", stream: TextIO | None = None) -> None:
    """Send the records of all our packages to a stream (stderr), from `level` up.

    May be called again, and then replaces what it set up before. Other libraries' records are left
    alone.
    """
    handler = LineHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else GlogFormatter())
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(LEVELS[level])


def set_level(level: int) -> None:
    """Log from this level of the standard library's up, in all our packages."""
    for package in PACKAGES:
        logging.getLogger(package).setLevel(level)


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes each line at once, but those of one turn of a program together.

    A line costs its reader, and the kernel, more than it costs us: with a dozen of them for each
    task they took a quarter of the time of small tasks.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._held: list[str] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self._held is None:
            super().emit(record)
            return
        try:
            self._held.append(self.format(record))
        except Exception:  # noqa: BLE001 - as of any handler: a record that cannot be told is no end
            self.handleError(record)
        if record.levelno >= logging.WARNING:
            self._write_held()

    def emit_info(self, path: str, line: int, text: str) -> None:
        """Do what `emit` does, for what is most frequent: a record costs five times its text."""
        told = f"{glog_prefix('I', time.time(), os.path.basename(path), line)} {text}"
        if self._held is None:
            with self._locked():
                self.stream.write(f"{told}\n")
        else:
            self._held.append(told)

    def __enter__(self) -> None:
        self._held = []

    def __exit__(self, *exception: object) -> None:
        with self._locked():
            self._write_held()
            self._held = None

    def _write_held(self) -> None:
        if self._held:
            self.stream.write("\n".join((*self._held, "")))
            self.flush()
            self._held = []

    def _locked(self) -> AbstractContextManager[object]:
        return self.lock or nullcontext()


def lines_together() -> AbstractContextManager[None]:
    """While this is open lines are held, up to a warning, and then written at once.

    For a stretch of one thread that neither waits nor takes long.
    """
    handler = _root.handlers[0] if _root.handlers else None
    return handler if isinstance(handler, LineHandler) else nullcontext()


class GlogFormatter(logging.Formatter):
    """`I1123 12:05:40.123456 4711 master.py:88] phrase key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        letter = _LETTERS.get(record.levelname, "I")
        prefix = glog_prefix(letter, record.created, record.filename, record.lineno)
        line = f"{prefix} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def glog_prefix(letter: str, at_s: float, filename: str, line: int) -> str:
    """Return what glog puts ahead of a line."""
    second = int(at_s)
    micros = int((at_s - second) * 1e6)
    return f"{letter}{_date(second)}.{micros:06} {threading.get_native_id():>5} {filename}:{line}]"


@lru_cache(1)
def _date(second: int) -> str:
    return f"{datetime.fromtimestamp(second):%m%d %H:%M:%S}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, file, line, pid, phrase, and the fields beside them."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(),
            "level": record.levelname,
            "pid": record.process,
            "file": record.filename,
            "line": record.lineno,
            "phrase": getattr(record, "phrase", None) or record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _quote(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or _has_space(text) else text


def _has_space(text: str) -> bool:
    return any(character.isspace() or character == '"' for character in text)
