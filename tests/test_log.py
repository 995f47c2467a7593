"""Log lines as people and machines read them."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from minimesos.log import get_logger, setup

log = get_logger("minimesos.test_log")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    logger = logging.getLogger("minimesos")
    before = (logger.handlers[:], logger.propagate, logger.level)
    yield io.StringIO()
    logger.handlers[:], logger.propagate, level = before
    logger.setLevel(level)


def test_a_line_has_glogs_prefix_the_phrase_and_the_fields(stream: io.StringIO) -> None:
    setup(stream=stream)
    log.info("task launched", task="t1", agent="a2", note="two words", tries=0)
    assert re.fullmatch(
        r"I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ test_log\.py:\d+\] "
        r'task launched task=t1 agent=a2 note="two words" tries=0\n',
        stream.getvalue(),
    )


@pytest.mark.parametrize("format", ["glog", "json"])
def test_fields_without_a_value_are_left_out(stream: io.StringIO, format: str) -> None:
    setup(format=format, stream=stream)
    log.info("status update", task="t1", reason="", message=None)
    assert "task" in stream.getvalue()
    assert "reason" not in stream.getvalue()
    assert "message" not in stream.getvalue()


def test_handlers_that_are_not_ours_get_the_fields_too(stream: io.StringIO) -> None:
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("minimesos")
    logger.addHandler(handler)
    try:
        log.warning("cannot reach the master", why="100% of its ports refuse")
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue() == 'cannot reach the master why="100% of its ports refuse"\n'


@pytest.mark.parametrize(
    ("method", "letter"), [("info", "I"), ("warning", "W"), ("error", "E"), ("fatal", "F")]
)
def test_the_first_letter_is_the_severity(stream: io.StringIO, method: str, letter: str) -> None:
    setup(stream=stream)
    getattr(log, method)("something happened")
    assert stream.getvalue()[0] == letter


def test_the_line_is_that_of_the_caller(stream: io.StringIO) -> None:
    setup(stream=stream)
    here = test_the_line_is_that_of_the_caller.__code__.co_firstlineno
    log.info("here")
    assert f" test_log.py:{here + 3}] here" in stream.getvalue()


def test_levels_below_the_one_set_are_left_out(stream: io.StringIO) -> None:
    setup(level="WARNING", stream=stream)
    log.info("not seen")
    log.warning("seen")
    assert stream.getvalue().count("\n") == 1


def test_an_exception_brings_its_traceback(stream: io.StringIO) -> None:
    setup(stream=stream)
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("task failed", task="t1")
    assert "task failed task=t1\nTraceback" in stream.getvalue()
    assert stream.getvalue().endswith("ValueError: broken\n")


def test_json_has_the_fields_as_keys(stream: io.StringIO) -> None:
    setup(format="json", stream=stream)
    log.info("task launched", task="t1", cpus=2)
    line = json.loads(stream.getvalue())
    assert line["phrase"] == "task launched"
    assert (line["task"], line["cpus"], line["level"], line["file"]) == (
        "t1",
        2,
        "INFO",
        "test_log.py",
    )
