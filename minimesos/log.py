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
import sys
import threading
from datetime import datetime
from typing import Any, TextIO

ROOT = "minimesos"
PACKAGES = (ROOT, f"{ROOT}_executor")
LEVELS = {"INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR}
FORMATS = ("glog", "json")

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
        if self._logger.isEnabledFor(level):
            told = {key: value for key, value in fields.items() if value not in (None, "")}
            self._logger.log(
                level,
                " ".join((phrase, *(f"{key}={_quote(value)}" for key, value in told.items()))),
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
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
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


class GlogFormatter(logging.Formatter):
    """`I1123 12:05:40.123456 4711 master.py:88] phrase key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created)
        letter = _LETTERS.get(record.levelname, "I")
        prefix = (
            f"{letter}{when:%m%d %H:%M:%S.%f} {threading.get_native_id():>5} "
            f"{record.filename}:{record.lineno}]"
        )
        line = f"{prefix} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


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
